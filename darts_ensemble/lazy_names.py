"""Names that a package or a room offers, loaded on first use, so that torch and Matplotlib are loaded only where needed."""

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
        Name that the package offers to the module that defines it.

    Returns
    -------
    callable
        Takes a name and returns the object of that name.

    Raises
    ------
    AttributeError
        Raised by the returned function for a name that the package does not offer.
    """

    def load(name: str) -> Any:
        if name in homes:
            return getattr(import_module(homes[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return load
