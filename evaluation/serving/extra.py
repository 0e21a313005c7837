"""A missing package of the extra `app` becomes an error of one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from darts_ensemble.errors import ServingError

__all__ = ["needs_app"]

_PACKAGES = ("fastapi", "uvicorn", "starlette", "pydantic")


@contextmanager
def needs_app() -> Iterator[None]:
    """Turn a failed import of a package that the server needs into an error of one line.

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
