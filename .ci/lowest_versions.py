"""Prints pip constraints that pin each dependency of users to the lowest version that pyproject.toml allows.

What only developers install is not pinned: it must run beside the lowest versions, whichever it is itself.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
#: Extras that are for developers alone.
DEVELOPERS = ("dev", "docs", "all")


def lowest(requirements: list[str]) -> Iterator[str]:
    """`name==version` of each requirement.

    Raises
    ------
    ValueError
        If a requirement has no lower bound: then nobody could say with what it was tried.
    """
    for requirement in requirements:
        found = re.fullmatch(r"([A-Za-z0-9._-]+)\s*(?:>=|==)\s*([0-9][0-9A-Za-z.]*)", requirement)
        if found is None:
            raise ValueError(f"{PROJECT}: {requirement!r}; expected NAME>=VERSION or NAME==VERSION")
        yield f"{found[1]}=={found[2]}"


def main() -> None:
    """Print one line for each dependency."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = [extra for name, extra in project["optional-dependencies"].items() if name not in DEVELOPERS]
    print("\n".join(sorted(lowest([*project["dependencies"], *(one for extra in extras for one in extra)]))))


if __name__ == "__main__":
    main()
