"""What can be installed: each dependency has a lower bound that `make lowest` tries, and a pin that `make` installs."""

from __future__ import annotations

import importlib.util
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
PINS = {
    canonicalize_name(name): Version(version)
    for name, _, version in (
        line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if line[0] != "#"
    )
}


def lowest(requirements: list[str]) -> list[str]:
    """What .ci/lowest_versions.py makes of them."""
    spec = importlib.util.spec_from_file_location("lowest_versions", ROOT / ".ci/lowest_versions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.lowest(requirements))


def test_every_dependency_of_users_has_a_lower_bound_below_its_pin() -> None:
    users = [
        one
        for name, extra in {"": PROJECT["dependencies"], **EXTRAS}.items()
        if name not in ("dev", "docs", "all")
        for one in extra
    ]
    for requirement, lower in zip(map(Requirement, users), map(Requirement, lowest(users)), strict=True):
        (bound,) = lower.specifier
        assert bound.operator == "=="
        assert requirement.name == lower.name
        assert requirement.specifier.contains(bound.version)
        assert Version(bound.version) <= PINS[canonicalize_name(requirement.name)]


def test_every_direct_dependency_is_pinned_within_its_bounds() -> None:
    for extra in (PROJECT["dependencies"], *EXTRAS.values()):
        for requirement in map(Requirement, extra):
            if requirement.name != PROJECT["name"]:
                assert requirement.specifier.contains(PINS[canonicalize_name(requirement.name)]), requirement


def test_the_extra_all_holds_every_extra_of_users() -> None:
    (everything,) = map(Requirement, EXTRAS["all"])
    assert everything.extras == set(EXTRAS) - {"all", "dev", "docs"}
