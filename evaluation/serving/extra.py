"""Say in one line which package of the extra `app` is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from darts_ensemble.errors import ServingError

__all__ = ["needs_app"]

_PACKAGES = ("fastapi", "uvicorn", "starlette", "pydantic")


@contextmanager
def needs_app() -> Iterator[None]:
    """Turn the absence of a package that serving needs into an error.

    Raises
    ------
    ServingError
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in _PACKAGES:
            raise
        raise ServingError(
            f"the package {missing.name} is not installed; expected it: pip install 'darts-ensemble[app]'"
        ) from None
