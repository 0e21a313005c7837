"""Versions of installed packages, for the accounts of runs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version

__all__ = ["package_version", "package_versions"]


@cache
def package_version(package: str) -> str:
    """Return the version of an installed package, or "not installed"."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each package by its name."""
    return {package: package_version(package) for package in packages}
