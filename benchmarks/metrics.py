"""Time of overlap and surface metrics of all 102 regions, compared with other libraries, on a real and a synthetic pair.

python benchmarks/metrics.py REFERENCE PREDICTION [--repeats 5] [--slow-repeats 1] [--json FILE]

Each pair is first stored as .nii.gz (int16) and read from there. One thread; minimum of the CPU seconds of all repeats, in
which the libraries take turns. MONAI and surface-distance receive each region cropped.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK
import surface_distance
import torch
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.surface_dice import compute_surface_dice
from monai.metrics.surface_distance import compute_average_surface_distance
from scipy import ndimage
from scipy.spatial import KDTree

from darts_ensemble.labels import REGION_IDS
from darts_ensemble.results.overlap import joint_histogram, overlap_of_regions
from evaluation.metrics.surface import surface_scores

Maps = tuple[np.ndarray, np.ndarray]
IDS = tuple(int(id_) for id_ in REGION_IDS)
SPACING = (1.0, 1.0, 1.0)
TOLERANCE = 1.0
#: Measurements that take many times as long; the others of each name are compared with the first.
SLOW = ("MONAI", "surface-distance")


def main() -> None:
    """Print a table: CPU seconds, also relative to loading the pair and relative to ours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path, help="label map in FreeSurfer ids, 1 mm")
    parser.add_argument("prediction", type=Path, help="of the same grid")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--slow-repeats", type=int, default=1, help="of MONAI and surface-distance")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    given = parser.parse_args()
    torch.set_num_threads(1)
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    vars(np)["Inf"] = np.inf  # surface-distance 0.1 uses a name that NumPy 2 has removed
    warnings.simplefilter("ignore")
    real = tuple(np.asarray(nib.load(path).dataobj) for path in (given.reference, given.prediction))
    answer = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, maps in (("real", real), ("synthetic", synthetic_pair())):
            paths = [Path(folder) / f"{name}_{which}.nii.gz" for which in ("reference", "prediction")]
            for path, volume in zip(paths, maps, strict=True):
                nib.save(nib.Nifti1Image(volume.astype(np.int16), np.eye(4)), path)
            answer[name] = {"dice": mean_dice(load(paths))} | {
                "seconds": least_seconds(paths, given.repeats, given.slow_repeats)
            }
    print("\n\n".join(table(*each) for each in answer.items()))
    if given.json:
        given.json.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")


def synthetic_pair(size: int = 256) -> Maps:
    """Return a brain-sized body of 102 cells around seeds, and the same with seeds moved by about 1 mm."""
    rng = np.random.default_rng(0)
    places = np.indices((size, size, size)).reshape(3, -1).T
    inside = (((places - size / 2) / (0.27 * size, 0.30 * size, 0.22 * size)) ** 2).sum(axis=1) < 1
    body = places[inside]
    seeds = body[rng.choice(len(body), len(IDS), replace=False)].astype(np.float64)
    maps = []
    for moved in (seeds, seeds + rng.normal(0, 1.5, seeds.shape)):
        volume = np.zeros(size**3, dtype=np.int16)
        volume[inside] = np.array(IDS)[KDTree(moved).query(body)[1]]
        maps.append(np.asfortranarray(volume.reshape(size, size, size)))
    return maps[0], maps[1]


def least_seconds(paths: list[Path], repeats: int, slow_repeats: int) -> dict[str, float]:
    """Run all in turn, several times; return CPU seconds."""
    maps = load(paths)
    runs: dict[str, Callable[[], object]] = {
        "load": lambda: load(paths),
        "overlap": lambda: overlap_of_regions(joint_histogram(*maps, labels=IDS, background=0)),
        "overlap, SimpleITK": lambda: simpleitk_overlap(*maps),
        "surfaces, voxel": lambda: surfaces(maps, "voxel"),
        "surfaces, dual_grid": lambda: surfaces(maps, "dual_grid"),
        "surfaces, both": lambda: surfaces(maps, "voxel", "dual_grid"),
        "surfaces, voxel, MONAI": lambda: monai_surfaces(*maps),
        "surfaces, dual_grid, surface-distance": lambda: deepmind_surfaces(*maps),
    }
    least: dict[str, float] = {}
    for repeat in range(repeats):
        for name, run in runs.items():
            if name.endswith(SLOW) and repeat >= slow_repeats:
                continue
            started = time.process_time()
            run()
            least[name] = min(least.get(name, np.inf), time.process_time() - started)
    return least


def load(paths: list[Path]) -> Maps:
    one, two = (np.asarray(nib.load(path).dataobj) for path in paths)
    return one, two


def mean_dice(maps: Maps) -> float:
    return float(np.nanmean(overlap_of_regions(joint_histogram(*maps, labels=IDS, background=0))["dice"]))


def surfaces(maps: Maps, *definitions: str) -> object:
    options = {"spacing": SPACING, "labels": IDS, "background": 0, "tolerances": (TOLERANCE,)}
    return surface_scores(*maps, definitions=definitions, **options)  # type: ignore[arg-type]


def simpleitk_overlap(one: np.ndarray, two: np.ndarray) -> float:
    # In memory order: a copy to C order would take longer than the measurement.
    reference, prediction = (SimpleITK.GetImageFromArray(each.T) for each in (one, two))
    overlap = SimpleITK.LabelOverlapMeasuresImageFilter()
    overlap.Execute(prediction, reference)
    return float(overlap.GetDiceCoefficient())


def cut_out(one: np.ndarray, two: np.ndarray) -> Iterator[Maps]:
    """Return masks of each region in both maps, cropped to the box around them with a margin of one voxel."""
    table = np.zeros(max(IDS) + 2, dtype=np.int32)
    table[list(IDS)] = np.arange(1, len(IDS) + 1)
    placed = [table[np.clip(each.T, 0, max(IDS) + 1)] for each in (one, two)]
    for place, boxes in enumerate(zip(*(ndimage.find_objects(each, len(IDS)) for each in placed), strict=True), start=1):
        if all(boxes):
            box = tuple(slice(max(0, min(a.start, b.start) - 1), max(a.stop, b.stop) + 1) for a, b in zip(*boxes, strict=True))
            yield placed[0][box] == place, placed[1][box] == place


def monai_surfaces(one: np.ndarray, two: np.ndarray) -> None:
    options = {"include_background": True, "spacing": SPACING}
    for masks in cut_out(one, two):
        y, y_pred = (torch.from_numpy(mask[None, None].astype(np.float32)) for mask in masks)
        compute_hausdorff_distance(y_pred, y, percentile=95, **options)  # type: ignore[arg-type]
        compute_average_surface_distance(y_pred, y, symmetric=True, **options)  # type: ignore[arg-type]
        compute_surface_dice(y_pred, y, class_thresholds=[TOLERANCE], **options)  # type: ignore[arg-type]


def deepmind_surfaces(one: np.ndarray, two: np.ndarray) -> None:
    for masks in cut_out(one, two):
        both = surface_distance.compute_surface_distances(*masks, SPACING)
        surface_distance.compute_robust_hausdorff(both, 95)
        surface_distance.compute_average_surface_distance(both)
        surface_distance.compute_surface_dice_at_tolerance(both, TOLERANCE)


def table(name: str, answer: dict[str, object]) -> str:
    seconds: dict[str, float] = answer["seconds"]  # type: ignore[assignment]
    lines = [f"{name} pair, mean Dice {answer['dice']:.3f}:", "", "| | CPU s | loads | x ours |", "| --- | --- | --- | --- |"]
    for what, value in seconds.items():
        ours = seconds.get(what.rsplit(", ", 1)[0]) if what.endswith((*SLOW, "SimpleITK")) else None
        times = f"{value / ours:.1f}" if ours else ""
        lines.append(f"| {what} | {value:.3f} | {value / seconds['load']:.2f} | {times} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
