"""Names that a package or a room offers, loaded on first use: what needs no torch and no figures starts without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["load_on_first_use"]


def load_on_first_use(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a `__getattr__` for a package's `__init__.py`.

    Parameters
    ----------
    package : str
        The package's own `__name__`.
    homes : mapping of str to str
        From each name that the package offers to the module that defines it.

    Returns
    -------
    callable
        From a name to its object.

    Raises
    ------
    AttributeError
        By the returned function, for a name that the package does not offer.
    """

    def load(name: str) -> Any:
        if name in homes:
            return getattr(import_module(homes[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
