"""Import paths of version 0.1, when every package was one folder: each leads to the module's new place.

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
    "darts_ensemble.boxes": "darts_ensemble.slices.boxes",
    "darts_ensemble.channels": "darts_ensemble.slices.channels",
    "darts_ensemble.checkpoints": "darts_ensemble.weights.checkpoints",
    "darts_ensemble.checksums": "darts_ensemble.weights.checksums",
    "darts_ensemble.cleaning": "darts_ensemble.results.cleaning",
    "darts_ensemble.cli": "darts_ensemble.commands.segment",
    "darts_ensemble.cluster": "darts_ensemble.segment.cluster",
    "darts_ensemble.command_line": "darts_ensemble.commands.command_line",
    "darts_ensemble.conform": "darts_ensemble.scans.conform",
    "darts_ensemble.device_volume": "darts_ensemble.inference.device_volume",
    "darts_ensemble.download": "darts_ensemble.weights.download",
    "darts_ensemble.folded": "darts_ensemble.inference.folded",
    "darts_ensemble.fusion_fitting": "darts_ensemble.fitting.fusion_weights",
    "darts_ensemble.fusion_sample": "darts_ensemble.fitting.fusion_sample",
    "darts_ensemble.fusion_weights": "darts_ensemble.fusion.view_weights",
    "darts_ensemble.half_precision": "darts_ensemble.inference.half_precision",
    "darts_ensemble.heap": "darts_ensemble.inference.heap",
    "darts_ensemble.inputs": "darts_ensemble.scans.inputs",
    "darts_ensemble.midsagittal": "darts_ensemble.fusion.midsagittal",
    "darts_ensemble.native": "darts_ensemble.scans.native",
    "darts_ensemble.orientation": "darts_ensemble.fitting.orientation",
    "darts_ensemble.outputs": "darts_ensemble.results.outputs",
    "darts_ensemble.overlap": "darts_ensemble.results.overlap",
    "darts_ensemble.overlay": "darts_ensemble.results.overlay",
    "darts_ensemble.probabilities": "darts_ensemble.results.probabilities",
    "darts_ensemble.registry": "darts_ensemble.weights.registry",
    "darts_ensemble.scan": "darts_ensemble.scans.scan",
    "darts_ensemble.scan_queue": "darts_ensemble.segment.scan_queue",
    "darts_ensemble.segment_settings": "darts_ensemble.segment.settings",
    "darts_ensemble.segmentation": "darts_ensemble.results.segmentation",
    "darts_ensemble.segmenter": "darts_ensemble.segment.segmenter",
    "darts_ensemble.training.cli": "darts_ensemble.commands.train",
    "darts_ensemble.view_network": "darts_ensemble.networks.view_network",
    "darts_ensemble.views": "darts_ensemble.slices.views",
    "darts_ensemble.volumetry": "darts_ensemble.results.volumetry",
    "darts_ensemble.weights_cli": "darts_ensemble.commands.weights",
    "darts_ensemble.weights_export": "darts_ensemble.weights.export",
    "darts_ensemble.weights_file": "darts_ensemble.weights.view_file",
    "darts_ensemble.weights_info": "darts_ensemble.weights.info",
    "darts_ensemble.weights_on_scans": "darts_ensemble.commands.weights_on_scans",
    "darts_ensemble.winograd": "darts_ensemble.inference.winograd",
    "evaluation.agreement": "evaluation.statistics.agreement",
    "evaluation.anatomical_planes": "evaluation.overlays.planes",
    "evaluation.bids": "darts_ensemble.results.bids_label_maps",
    "evaluation.bland_altman_plot": "evaluation.figures.bland_altman",
    "evaluation.box_plots": "evaluation.figures.box_plots",
    "evaluation.captions": "evaluation.results.captions",
    "evaluation.citations": "evaluation.report.citations",
    "evaluation.cli": "evaluation.commands.evaluate",
    "evaluation.comparison": "evaluation.statistics.comparison",
    "evaluation.corrections": "evaluation.statistics.corrections",
    "evaluation.difference_plot": "evaluation.figures.difference_plot",
    "evaluation.embedded_images": "evaluation.report.embedded_images",
    "evaluation.evaluate": "evaluation.run.evaluate",
    "evaluation.figure_style": "evaluation.figures.style",
    "evaluation.finished": "evaluation.results.finished",
    "evaluation.flat_folder": "evaluation.cohort.flat_folder",
    "evaluation.gain_plot": "evaluation.figures.gain_plot",
    "evaluation.grids": "evaluation.metrics.grids",
    "evaluation.groups": "evaluation.protocols.groups",
    "evaluation.heat_map": "evaluation.figures.heat_map",
    "evaluation.html_report": "evaluation.report.html_page",
    "evaluation.intervals": "evaluation.statistics.intervals",
    "evaluation.layouts": "evaluation.cohort.layouts",
    "evaluation.manifest": "evaluation.cohort.manifest",
    "evaluation.methods_text": "evaluation.report.methods_text",
    "evaluation.metric_text": "evaluation.results.metric_text",
    "evaluation.number_format": "evaluation.results.number_format",
    "evaluation.overall": "evaluation.statistics.overall",
    "evaluation.overlay_choice": "evaluation.overlays.choice",
    "evaluation.overlay_command": "evaluation.commands.overlay",
    "evaluation.overlay_picture": "evaluation.overlays.picture",
    "evaluation.pair": "evaluation.metrics.pair",
    "evaluation.pair_scores": "evaluation.metrics.pair_scores",
    "evaluation.paired": "evaluation.statistics.paired",
    "evaluation.parallel": "evaluation.run.parallel",
    "evaluation.parcellation": "evaluation.protocols.parcellation",
    "evaluation.placement": "evaluation.metrics.placement",
    "evaluation.protocol": "evaluation.protocols.protocol",
    "evaluation.protocol_warnings": "evaluation.run.protocol_warnings",
    "evaluation.region_axes": "evaluation.figures.region_axes",
    "evaluation.region_layout": "evaluation.figures.region_layout",
    "evaluation.report_figures": "evaluation.report.figures",
    "evaluation.report_overview": "evaluation.report.overview",
    "evaluation.report_tables": "evaluation.report.tables",
    "evaluation.run_account": "evaluation.run.account",
    "evaluation.run_facts": "evaluation.results.run_facts",
    "evaluation.screen": "evaluation.commands.screen",
    "evaluation.segmentations": "evaluation.run.segmentations",
    "evaluation.signed_rank": "evaluation.statistics.signed_rank",
    "evaluation.significance": "evaluation.results.significance",
    "evaluation.summaries": "evaluation.results.summaries",
    "evaluation.surface": "evaluation.metrics.surface",
    "evaluation.surface_distance": "evaluation.metrics.surface_distance",
    "evaluation.surface_measures": "evaluation.metrics.hausdorff",
    "evaluation.surface_points": "evaluation.metrics.surface_points",
    "evaluation.table_formats": "evaluation.tables.formats",
    "evaluation.write_results": "evaluation.run.write_results",
    "reader_study.agreement": "reader_study.statistics.agreement",
    "reader_study.analysis": "reader_study.statistics.published_table",
    "reader_study.app.demo_study": "reader_study.planning.demo_study",
    "reader_study.app.export": "reader_study.study.export",
    "reader_study.app.links": "reader_study.study.links",
    "reader_study.app.reading": "reader_study.study.write_ratings",
    "reader_study.app.recorded": "reader_study.study.tables",
    "reader_study.app.storage": "reader_study.study.storage",
    "reader_study.app.tokens": "reader_study.study.tokens",
    "reader_study.blinding": "reader_study.statistics.blinding",
    "reader_study.case_means": "reader_study.statistics.case_means",
    "reader_study.cli": "reader_study.commands.main",
    "reader_study.cli_analysis": "reader_study.commands.analysis",
    "reader_study.cli_options": "reader_study.commands.options",
    "reader_study.cli_planning": "reader_study.commands.size",
    "reader_study.comparison": "reader_study.statistics.comparison",
    "reader_study.comparison_figures": "reader_study.figures.comparison",
    "reader_study.consistency": "reader_study.published.grim",
    "reader_study.crossed_test": "reader_study.statistics.crossed_test",
    "reader_study.cumulative_logit": "reader_study.models.cumulative_logit",
    "reader_study.design": "reader_study.planning.design",
    "reader_study.layout": "reader_study.report.published_layout",
    "reader_study.methods_text": "reader_study.report.methods_text",
    "reader_study.mixed_model": "reader_study.models.mixed_model",
    "reader_study.order": "reader_study.planning.order",
    "reader_study.ordinal": "reader_study.models",
    "reader_study.ordinal_tables": "reader_study.models.ordinal_tables",
    "reader_study.power": "reader_study.simulation.power",
    "reader_study.rating_figures": "reader_study.figures.ratings",
    "reader_study.reader_agreement": "reader_study.statistics.reader_agreement",
    "reader_study.reader_figures": "reader_study.figures.readers",
    "reader_study.report_columns": "reader_study.report.columns",
    "reader_study.screen": "reader_study.commands.screen",
    "reader_study.simulate": "reader_study.simulation.simulate",
    "reader_study.study_analysis": "reader_study.statistics.study_analysis",
    "reader_study.study_files": "reader_study.report.study_files",
    "reader_study.study_folder": "reader_study.study.folder",
    "reader_study.study_images": "reader_study.planning.images",
    "reader_study.study_plan": "reader_study.planning.plan",
    "reader_study.study_regions": "reader_study.planning.regions",
    "reader_study.study_sources": "reader_study.planning.sources",
    "reader_study.summary": "reader_study.ratings.summary",
    "reader_study.summary_page": "reader_study.figures.summary_page",
    "reader_study.tabular": "reader_study.ratings.spreadsheets",
    "reader_study.wide": "reader_study.ratings.wide",
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
