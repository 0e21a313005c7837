"""Sample predictions: a region in the slice where it is largest, for the reference and each method, with Dice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.processing import resample_from_to

from darts_ensemble.errors import CohortError, DartsError, ScanError, UsageError
from darts_ensemble.labels import classes_to_ids
from darts_ensemble.scans.scan import Scan, read_label_map, read_scan
from evaluation.figures.style import save_figure
from evaluation.metrics.grids import holds_class_indices, on_grid_of, same_grid
from evaluation.overlays.choice import (
    Chosen,
    choose_structures,
    default_structures,
    lowest_regions,
    ranked_subjects,
    ranking_method,
)
from evaluation.overlays.picture import SubjectMaps, draw_overlay
from evaluation.overlays.planes import EDGES, VIEW_AXES, to_canonical
from evaluation.results.captions import read_captions, write_captions
from evaluation.results.finished import file_name
from evaluation.results.folder import SIDES_MERGED, Results, read_results

__all__ = ["SavedOverlays", "read_subject_maps", "save_overlays"]


@dataclass(frozen=True)
class SavedOverlays:
    """Files written, warnings on pictures, and subjects without a picture, with the reason."""

    files: list[Path] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def save_overlays(
    folder: Path, *, regions: Sequence[str] = (), methods: Sequence[str] = (), subjects: Sequence[str] = (),
    rank_by: str | None = None, view: str = "axial", fill: bool = False, lowest: bool = False, out: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> SavedOverlays:  # fmt: skip
    """Draw sample predictions of a results folder, one picture per subject, as PDF, SVG and PNG with `captions.json`.

    Parameters
    ----------
    folder : Path
        Results folder of darts-eval; its run.json says where the files are.
    regions : sequence of str
        Names, ids or groups of the run; by default those of :data:`evaluation.overlays.choice.REGIONS_SHOWN` that it has, else
        its first five.
    methods : sequence of str
        By default all methods of the run, in its order.
    subjects : sequence of str
        By default the best, the median and the worst.
    rank_by : str, optional
        Method by whose mean Dice subjects are ranked.
    view : {"axial", "coronal", "sagittal"}
    fill : bool
        Fill regions instead of drawing their outlines.
    lowest : bool
        Also draw the regions with the lowest Dice in the subject with the lowest mean Dice.
    out : Path, optional
        `overlays/` in the folder by default.
    report : callable
        Called with one line for each subject.

    Raises
    ------
    UsageError
        If a region, method, subject or view is unknown.
    CohortError
        If the folder has no results, or its run.json names no files.
    ScanError
        If the folder can't be written to.
    """
    results = read_results(folder)
    if view not in VIEW_AXES:
        raise UsageError(f"--view {view}; expected {', '.join(VIEW_AXES)}")
    known = [method for method in results.methods if not method.endswith(SIDES_MERGED)]
    unknown = [method for method in methods if method not in known]
    if unknown:
        raise UsageError(f"--methods {', '.join(unknown)}; expected methods of the run: {', '.join(known)}")
    if not results.account.get("references") or not results.account.get("label_maps"):
        raise CohortError(f"{folder / 'run.json'}: no references and label_maps found; expected the account of darts-eval")
    structures = choose_structures(results, regions) if regions else default_structures(results)
    ranked = ranking_method(results, rank_by)
    saved, target = SavedOverlays(), out or folder / "overlays"
    captions = read_captions(target)  # of pictures drawn earlier, which stay
    pictures = [
        (chosen, structures, "_".join(["overlay", chosen.rank or file_name(chosen.subject), view]))
        for chosen in ranked_subjects(results, ranked, subjects, methods=methods or known)
    ]
    if lowest and pictures:
        last = min((chosen for chosen, _, _ in pictures), key=lambda chosen: chosen.mean_dice)
        regions_of_last = choose_structures(results, lowest_regions(results, last.subject, ranked))
        pictures.append((replace(last, rank="lowest"), regions_of_last, f"overlay_lowest_regions_{view}"))
    # The worst subject and its lowest regions are drawn one after the other: its volumes are read once.
    for subject, of_subject in groupby(pictures, key=lambda picture: picture[0].subject):
        try:
            maps, warnings = read_subject_maps(results, subject, methods or known)
        except DartsError as error:
            saved.failures.append(f"{subject}: {error}")
            continue
        saved.warnings.extend(warnings)
        for chosen, shown, stem in of_subject:
            figure = draw_overlay(results, maps, shown, methods or known, view=view, fill=fill, title=_title(chosen, ranked))
            saved.files.extend(save_figure(figure, target / stem))
            captions[stem] = _caption(chosen, ranked, view, fill)
            write_captions(target, captions)
            report(f"{subject}: {target / stem}.png")
    return saved


def read_subject_maps(results: Results, subject: str, methods: Sequence[str]) -> tuple[SubjectMaps, list[str]]:
    """Read the reference, the scan and the label maps of a subject, bring them to one grid and reorder them to RAS.

    A scan or label map that is missing or can't be read is left out, with a warning.

    Raises
    ------
    CohortError
        If the run has no reference of the subject.
    ScanError
        If it can't be read.
    """
    account = results.account
    if subject not in account["references"]:
        raise CohortError(f"{results.folder / 'run.json'}: no reference of {subject}; expected a subject of the run")
    reference = read_label_map(account["references"][subject])
    moves = account.get("grids", {}).get(subject, {}).get("label_maps", {})
    warnings = []
    maps: dict[str, npt.NDArray[Any]] = {}
    for method in methods:
        path = account["label_maps"].get(method, {}).get(subject)
        if path is None:
            warnings.append(f"{subject}: no label map of {method}")
            continue
        try:
            maps[method] = _ids_on_grid(reference, read_label_map(path), laid_on=moves.get(method) == "laid voxel on voxel")
        except DartsError as error:
            warnings.append(f"{subject}: {method} left out: {error}")
    scan, path = None, (account.get("scans") or {}).get(subject)
    if path is None:
        warnings.append(f"{subject}: no scan; outlines are drawn on black")
    else:
        try:
            scan = _scan_on_grid(reference, read_scan(path))
        except ScanError as error:
            warnings.append(f"{subject}: outlines are drawn on black: {error}")
    affine = reference.affine
    ordered, sizes = to_canonical(reference.data, affine)
    methods_ordered = {method: to_canonical(ids, affine)[0] for method, ids in maps.items()}
    scan_ordered = None if scan is None else to_canonical(scan, affine)[0]
    return SubjectMaps(subject, ordered, methods_ordered, scan_ordered, sizes), warnings


def _ids_on_grid(reference: Scan, labels: Scan, *, laid_on: bool) -> npt.NDArray[Any]:
    """Return FreeSurfer ids on the grid of the reference; `laid_on`: scoring found the affine wrong and went voxel by voxel."""
    if holds_class_indices(labels.data):
        labels = Scan(labels.path, classes_to_ids(labels.data).astype(np.int32), labels.affine, labels.image)
    if laid_on and labels.data.shape == reference.data.shape:
        return labels.data
    return on_grid_of(reference, labels)[0]


def _scan_on_grid(reference: Scan, scan: Scan) -> npt.NDArray[Any]:
    if same_grid(reference, scan):
        return scan.data
    image = nib.Nifti1Image(np.asarray(scan.data, dtype=np.float32), scan.affine)
    moved = resample_from_to(image, (reference.data.shape, reference.affine), order=1)
    return np.asarray(moved.dataobj)


def _title(chosen: Chosen, method: str) -> str:
    if not chosen.rank:
        return chosen.subject
    if chosen.rank == "lowest":
        return f"{chosen.subject}: its regions with the lowest Dice of {method}"
    among = "" if chosen.rank == "only" else f" of {chosen.n_ranked}"
    return f"{chosen.subject}: {chosen.rank}{among} by the mean Dice of {method}, {chosen.mean_dice:.3f}"


def _caption(chosen: Chosen, method: str, view: str, fill: bool) -> str:
    left, right = EDGES[view][0], EDGES[view][1]
    words = {"R": "right", "L": "left", "A": "anterior", "P": "posterior"}
    convention = f"the patient's {words[left]} on the left" if view != "sagittal" else "anterior on the left"
    drawn = "filled" if fill else "outlined"
    return (
        f"{_title(chosen, method)}. {view.capitalize()} slices, {convention} (radiological convention; {left} and {right} "
        f"marked), each where the region is largest in the reference. The region is {drawn}; the thin yellow line is the "
        "outline of the reference. Numbers: Dice of each side in 3-D, on that side."
    )
