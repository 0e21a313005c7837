"""Which file may import which: data flows one way between packages and rooms, and torch is loaded only where it is needed."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
import warnings
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from darts_ensemble.moved_modules import MOVED
from tests.conftest import ROOT

#: The rooms of each package from the ground up, packages from the ground up too. A file may import its own room, the files
#: that stand in a package's own folder, and rooms and packages before its own.
ROOMS = {
    "darts_ensemble": (
        "scans", "dicom", "results", "slices", "networks", "weights", "inference", "fusion", "refinement", "segment",
        "training", "fitting", "commands",
    ),
    "evaluation": (
        "protocols", "metrics", "cohort", "results", "statistics", "figures", "tables", "overlays", "quality", "serving",
        "viewer", "report", "run", "commands",
    ),
    "reader_study": (
        "ratings", "models", "statistics", "rankings", "published", "simulation", "planning", "study", "conduct", "exchange",
        "app", "figures", "report", "commands",
    ),
}  # fmt: skip
#: Files in a package's own folder that stand on its rooms: faces for users. No room imports them.
FACES = {"darts_ensemble.published", "darts_ensemble.perform_pred", "darts_ensemble.demo"}
MOST_FILES = 14
#: What must start without torch: reading, naming and scoring label maps, every command's help, the whole reader study.
WITHOUT_TORCH = (
    "darts_ensemble", "darts_ensemble.labels", "darts_ensemble.scans.scan", "darts_ensemble.scans.conform",
    "darts_ensemble.scans.native", "darts_ensemble.scans.inputs", "darts_ensemble.results.overlap",
    "darts_ensemble.results.volumetry", "darts_ensemble.results.outputs", "darts_ensemble.results.cleaning",
    "darts_ensemble.results.probabilities", "darts_ensemble.weights.checksums", "darts_ensemble.weights.download",
    "darts_ensemble.weights.registry", "darts_ensemble.fusion.view_weights", "darts_ensemble.segment.cluster",
    "darts_ensemble.segment.scan_queue", "darts_ensemble.segment.settings", "darts_ensemble.commands.segment",
    "darts_ensemble.commands.weights", "darts_ensemble.commands.train", "evaluation.cohort.find",
    "evaluation.protocols.protocol", "evaluation.metrics.surface", "evaluation.statistics.comparison",
    "evaluation.figures.draw", "evaluation.tables.paper", "evaluation.overlays.save", "evaluation.report.assemble",
    "evaluation.quality.write", "evaluation.commands.quality", "evaluation.serving.listening",
    "evaluation.viewer.shown", "evaluation.commands.view",
    "evaluation.run.evaluate", "evaluation.commands.evaluate", "evaluation.commands.overlay",
    "reader_study.statistics.study_analysis", "reader_study.statistics.blinding", "reader_study.published.grim",
    "reader_study.simulation.power", "reader_study.planning.plan", "reader_study.study.folder", "reader_study.app.server",
    "reader_study.report.assemble", "reader_study.figures.draw", "reader_study.commands.main",
)  # fmt: skip


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


MODULES = {module_name(path): path for package in ROOMS for path in files_of(package)}


def imported(source: str, module: str, *, at_the_top: bool = False) -> Iterator[str]:
    """Modules of the project that a source names in an import, relative ones made whole.

    At the top: only those outside functions, which run when the file is loaded.
    """
    tree = ast.parse(source)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if at_the_top and id(node) in inside:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            inner = [f"{base}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else base for name in inner)


def place(module: str) -> tuple[int, int]:
    """Package and room of a module as numbers from the ground up; files beside the rooms are 0, faces above all rooms."""
    package, _, rest = module.partition(".")
    rooms = ROOMS[package]
    room = rest.partition(".")[0]
    above = len(rooms) + 1 if module in FACES else 0
    return list(ROOMS).index(package), rooms.index(room) + 1 if room in rooms else above


def forbidden(source: str, module: str) -> list[str]:
    """Imports of a file in the wrong direction: from a package or a room after its own."""
    own = place(module)
    return [
        name
        for name in imported(source, module)
        if name.partition(".")[0] in ROOMS and (place(name) > own if place(name)[0] == own[0] else place(name)[0] > own[0])
    ]


@pytest.mark.parametrize("package", list(ROOMS))
def test_the_rooms_of_a_package_are_those_of_the_order(package: str) -> None:
    found = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    assert found == set(ROOMS[package])


@pytest.mark.parametrize("package", list(ROOMS))
def test_no_file_imports_one_of_a_later_room_or_package(package: str) -> None:
    wrong = {
        module_name(path): names
        for path in files_of(package)
        if (names := forbidden(path.read_text(encoding="utf-8"), module_name(path)))
    }
    assert wrong == {}


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {
        module: {name for name in imported(path.read_text(encoding="utf-8"), module, at_the_top=True) if name in MODULES}
        - {module}
        for module, path in MODULES.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


@pytest.mark.parametrize("package", list(ROOMS))
def test_no_room_holds_more_files_than_a_reader_takes_in_at_once(package: str) -> None:
    folders = {path.parent for path in files_of(package)}
    counts = {
        str(folder.relative_to(ROOT)): sum(path.name != "__init__.py" for path in folder.glob("*.py")) for folder in folders
    }
    assert {folder: count for folder, count in counts.items() if count > MOST_FILES} == {}


def test_no_file_repeats_the_name_of_its_room() -> None:
    assert [module for module in MODULES if len(set(module.split("."))) < len(module.split("."))] == []


def test_tests_lie_in_the_rooms_of_what_they_test() -> None:
    for package, rooms in ROOMS.items():
        found = {path.parent.name for path in (ROOT / "tests" / package).glob("*/test_*.py")}
        assert found <= set(rooms), package


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from darts_ensemble.segment.segmenter import Segmenter", "darts_ensemble.labels"),
        ("from darts_ensemble.segment import segmenter", "darts_ensemble.slices.views"),
        ("def f():\n    import evaluation.cohort.find", "darts_ensemble.commands.segment"),
        ("from reader_study.ratings.table import read_ratings", "evaluation.commands.evaluate"),
        ("from ..segment.segmenter import Segmenter", "darts_ensemble.scans.scan"),
        ("from darts_ensemble.demo import main", "darts_ensemble.commands.segment"),
        ("from evaluation.report import write_report", "evaluation.figures.draw"),
    ],
)
def test_an_import_upwards_is_found_however_it_is_written(source: str, module: str) -> None:
    assert forbidden(source, module)


def test_reading_naming_scoring_and_every_help_start_without_torch() -> None:
    code = (
        "import importlib, sys\n"
        f"for name in {WITHOUT_TORCH!r}:\n"
        "    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_package_offers_its_two_names_and_no_other() -> None:
    import darts_ensemble
    from darts_ensemble.segment.segmenter import Segmenter
    from darts_ensemble.weights.checkpoints import load_ensemble

    assert darts_ensemble.Segmenter is Segmenter
    assert darts_ensemble.load_ensemble is load_ensemble
    with pytest.raises(AttributeError, match="no attribute 'Segmentor'"):
        _ = darts_ensemble.Segmentor


def test_rooms_hand_on_the_names_that_the_documentation_shows() -> None:
    offered = {
        "evaluation.results": "read_results", "evaluation.figures": "save_figures", "evaluation.tables": "save_tables",
        "evaluation.overlays": "save_overlays", "evaluation.report": "write_report", "reader_study.figures": "mark_synthetic",
    }  # fmt: skip
    for room, name in offered.items():
        assert callable(getattr(importlib.import_module(room), name)), room


@pytest.mark.parametrize("old", list(MOVED))
def test_an_import_path_of_version_0_1_leads_to_the_same_module_and_says_where_it_is_now(old: str) -> None:
    sys.modules.pop(old, None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        module = importlib.import_module(old)
    assert module is importlib.import_module(MOVED[old])
    assert module.__spec__ is not None
    assert module.__spec__.name == MOVED[old]
    assert [str(one.message) for one in caught if one.category is DeprecationWarning] == [
        f"{old} is now {MOVED[old]}; please import that"
    ]


def test_a_command_of_version_0_1_runs_by_its_old_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "darts_ensemble.training.cli", "--help"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert "finetune" in done.stdout
