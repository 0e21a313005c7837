"""Who may import whom: data flows one way, and what needs no torch does not load it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: From the ground up; a package may import those before it.
PACKAGES = ("darts_ensemble", "evaluation", "reader_study")
#: The files of darts_ensemble from the ground up; each may import those before it.
LAYERS = [
    "errors", "versions", "heap", "command_line", "stages", "cluster", "labels", "overlap", "volumetry", "scan", "outputs",
    "checksums", "conform", "native", "views", "device", "channels", "boxes", "networks", "view_network", "weights_file",
    "checkpoints", "device_volume", "folded", "winograd", "relu_kernel", "half_precision", "inference", "fusion", "midsagittal",
    "cleaning", "inputs", "download", "registry",
    "orientation", "training.subjects", "fusion_weights", "fusion_sample", "weights_info", "weights_export", "probabilities",
    "segmentation", "segmenter", "segment_settings", "scan_queue", "fusion_fitting", "overlay", "published", "perform_pred",
    "training.recipe", "training.augment", "training.losses", "training.dataset", "training.slice_pool",
    "training.batch_statistics", "training.validate", "training.pictures", "training.starting",
    "training.journal", "training.processes", "training.fit", "training.cli", "demo", "cli",
    "weights_on_scans", "weights_cli",
]  # fmt: skip
WITHOUT_TORCH = (
    "darts_ensemble", "darts_ensemble.segment.cluster", "darts_ensemble.segment.scan_queue", "darts_ensemble.segment.settings",
    "darts_ensemble.labels", "darts_ensemble.results.overlap", "darts_ensemble.results.volumetry", "darts_ensemble.scans.scan",
    "darts_ensemble.scans.conform", "darts_ensemble.scans.native", "darts_ensemble.results.cleaning", "darts_ensemble.scans.inputs",
    "darts_ensemble.results.outputs", "darts_ensemble.weights.checksums", "darts_ensemble.weights.download", "darts_ensemble.weights.registry",
    "darts_ensemble.fusion.view_weights", "darts_ensemble.commands.weights", "darts_ensemble.results.probabilities", "darts_ensemble.commands.segment",
    "darts_ensemble.commands.train", "evaluation.cohort.find", "evaluation.protocols.protocol", "evaluation.run.evaluate", "evaluation.figures.draw",
    "evaluation.commands.evaluate", "evaluation.overlays.save", "evaluation.commands.overlay", "evaluation.tables.paper", "evaluation.report.assemble",
    "evaluation.statistics.paired", "evaluation.statistics.overall", "evaluation.metrics.surface", "evaluation.statistics.agreement", "reader_study.ratings.table",
    "reader_study.statistics.published_table", "reader_study.report.published_layout", "reader_study.statistics.ordinal_tables", "reader_study.statistics.reader_agreement",
    "reader_study.published.grim", "reader_study.published", "reader_study.commands.main", "reader_study.statistics.study_analysis",
    "reader_study.report.assemble", "reader_study.figures.draw", "reader_study.simulation.power", "reader_study.statistics.blinding", "evaluation.statistics.comparison",
    "reader_study.study.folder", "reader_study.app.server",
)  # fmt: skip


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def files_of(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imported(source: str, module: str) -> Iterator[str]:
    """Modules that a source names in an import, at the top or inside a function, relative ones made whole."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def forbidden(source: str, module: str) -> list[str]:
    """Imports of a file that go up the layers."""
    package = module.split(".")[0]
    wrong = []
    for name in imported(source, module):
        top, _, rest = name.partition(".")
        if top in PACKAGES and PACKAGES.index(top) > PACKAGES.index(package):
            wrong.append(name)
        if module in PACKAGES or package != "darts_ensemble" or top != "darts_ensemble":
            continue
        own = module.partition(".")[2]
        if rest in LAYERS and (own not in LAYERS or LAYERS.index(rest) >= LAYERS.index(own)):
            wrong.append(name)
    return wrong


def test_every_file_of_the_toolkit_has_its_place_in_the_order() -> None:
    found = {module_name(path).partition(".")[2] for path in files_of("darts_ensemble")} - {"", "training"}
    assert found == set(LAYERS)


@pytest.mark.parametrize("package", [package for package in PACKAGES if (ROOT / package).is_dir()])
def test_no_file_imports_one_above_it(package: str) -> None:
    wrong = {
        module_name(path): names
        for path in files_of(package)
        if (names := forbidden(path.read_text(encoding="utf-8"), module_name(path)))
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("from darts_ensemble.scans.scan import Scan", "darts_ensemble.labels"),
        ("from darts_ensemble import segmenter", "darts_ensemble.slices.views"),
        ("def f():\n    import evaluation.cohort.find", "darts_ensemble.commands.segment"),
        ("from reader_study.ratings.table import read", "evaluation.commands.evaluate"),
        ("from .segmenter import Segmenter", "darts_ensemble.scans.scan"),
        ("from ..cli import app", "darts_ensemble.training.fit"),
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
