"""Import paths of version 0.1 that README, documentation and notebooks showed: each leads to the module's new place.

A script written for 0.1 keeps working. The first import by an old path gives a DeprecationWarning that names the new one.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import CodeType, ModuleType

__all__ = ["MOVED", "follow_moved_modules"]

#: Import path in version 0.1 to import path now.
MOVED = {
    "darts_ensemble.cli": "darts_ensemble.commands.segment",
    "darts_ensemble.overlay": "darts_ensemble.results.overlay",
    "darts_ensemble.training.cli": "darts_ensemble.commands.train",
    "evaluation.agreement": "evaluation.statistics.agreement",
    "evaluation.cli": "evaluation.commands.evaluate",
    "evaluation.difference_plot": "evaluation.figures.difference_plot",
    "evaluation.figure_style": "evaluation.figures.style",
    "evaluation.html_report": "evaluation.report.html_page",
    "evaluation.overall": "evaluation.statistics.overall",
    "evaluation.paired": "evaluation.statistics.paired",
    "evaluation.region_layout": "evaluation.figures.region_layout",
    "reader_study.cli": "reader_study.commands.main",
    "reader_study.consistency": "reader_study.published.grim",
    "reader_study.layout": "reader_study.report.published_layout",
    "reader_study.rating_figures": "reader_study.figures.ratings",
    "reader_study.reader_figures": "reader_study.figures.readers",
    "reader_study.simulate": "reader_study.simulation.simulate",
    "reader_study.study_analysis": "reader_study.statistics.study_analysis",
    "reader_study.study_files": "reader_study.report.study_files",
}


class _NewPlace(InspectLoader):
    """Loads the module of the new name under the old name: one module object with two names."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has replaced the module's spec by that of the old name: put its own back.
        module.__spec__ = self._spec

    def get_code(self, fullname: str) -> CodeType | None:
        """Return the new module's code, for `python -m` with the old name."""
        spec = find_spec(self._name)
        return spec.loader.get_code(self._name) if spec and isinstance(spec.loader, InspectLoader) else None

    def get_source(self, fullname: str) -> str | None:
        """Return the new module's source."""
        spec = find_spec(self._name)
        return spec.loader.get_source(self._name) if spec and isinstance(spec.loader, InspectLoader) else None


class _MovedModules(MetaPathFinder):
    """Finds the modules of :data:`MOVED` by their old names."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname not in MOVED:
            return None
        warnings.warn(f"{fullname} is now {MOVED[fullname]}; please import that", DeprecationWarning, stacklevel=2)
        there = find_spec(MOVED[fullname])
        return ModuleSpec(fullname, _NewPlace(MOVED[fullname]), origin=there.origin if there else None)


def follow_moved_modules() -> None:
    """Let imports find modules by the paths of :data:`MOVED`; a second call changes nothing."""
    if not any(isinstance(finder, _MovedModules) for finder in sys.meta_path):
        sys.meta_path.append(_MovedModules())
