"""How changes of a scan lower the Dice: one subject resampled, rotated, mirrored, noisy, skull-stripped, in another contrast.

    python benchmarks/robustness.py SUBJECTS_DIR -o robustness.csv [--subject sub-07] [--only gamma,noise] [--weights bundled]

Each changed scan is written to a temporary folder and segmented from there like a user's scan. Each run adds its row to the CSV
at once; runs that are there already for the same weights are not repeated. The Markdown table is printed at the end.

Dice is the mean over the 102 regions against the subject's aparc.DKTatlas+aseg, on the grid of that label map; voxels with
other ids are masked out. For a scan on a coarser or finer grid, "ceiling" is the Dice of the reference itself after it was
resampled to that grid and back by nearest neighbour.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from nibabel.processing import resample_to_output
from scipy import ndimage

from darts_ensemble.errors import DartsError
from darts_ensemble.fusion.view_weights import networks_of
from darts_ensemble.labels import HOMOLOGUE_CLASS, IGNORE_CLASS, REGIONS, classes_to_ids, ids_to_classes
from darts_ensemble.results.overlap import dice_of_regions, joint_histogram
from darts_ensemble.scans.conform import whole_voxel_map
from darts_ensemble.scans.scan import Scan, read_label_map
from darts_ensemble.segment.segmenter import Segmenter
from darts_ensemble.weights.checkpoints import load_ensemble

#: Orientations: FreeSurfer's, the usual ones of NIfTI, and those of sagittal, coronal and oblique acquisitions.
ORIENTATIONS = ("LIA", "RAS", "LAS", "LPS", "RPI", "PIR", "ASL", "SPR")
#: Brightness of CSF, grey and white matter and of what is brighter than white matter in T1 (fat), in the order of T2 and FLAIR:
#: in T2 CSF is brightest and white matter darkest, in FLAIR CSF is darkest and grey matter brightest.
CONTRASTS = {"T2": (1.0, 0.55, 0.35, 0.6), "FLAIR": (0.15, 1.0, 0.75, 0.8)}
COLUMNS = (
    "weights", "subject", "kind", "variant", "dice", "cortex", "deep_grey", "with_plain", "ceiling", "missed", "flags",
    "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Variant:
    """A change of a scan.

    Attributes
    ----------
    kind, name : str
    change : callable
        Takes the whole-head image (and the subject's folder) and returns the image to segment.
    mirrored : bool
        Whether left and right of the head are mirrored: then the result is mirrored back and its sides are swapped.
    """

    kind: str
    name: str
    change: Callable[[Any, Path], Any]
    mirrored: bool = False


def values_of(image: Any) -> npt.NDArray[np.float32]:
    return np.asarray(image.dataobj, dtype=np.float32)


def with_values(image: Any, values: npt.NDArray[Any]) -> Any:
    return nib.Nifti1Image(values.astype(np.float32), image.affine)


def resampled(image: Any, sizes: tuple[float, float, float]) -> Any:
    """Resample to voxel sizes along left-right, posterior-anterior, inferior-superior, after the blur of such a scanner."""
    upright = nib.as_closest_canonical(with_values(image, values_of(image)))
    # A blur of FWHM sqrt(d^2 - 1) mm gives the 1 mm scan the resolution of d mm voxels.
    sigma = [np.sqrt(max(size**2 - 1, 0)) / 2.3548 for size in sizes]
    smooth = with_values(upright, ndimage.gaussian_filter(values_of(upright), sigma))
    return resample_to_output(smooth, sizes, order=1)


def turned(image: Any, codes: str) -> Any:
    return image.as_reoriented(ornt_transform(io_orientation(image.affine), axcodes2ornt(codes)))


def gamma(image: Any, exponent: float) -> Any:
    values = values_of(image)
    return with_values(image, 255 * (np.clip(values, 0, None) / values.max()) ** exponent)


def noisy(image: Any, share: float) -> Any:
    """Add Rician noise; both Gaussians have a standard deviation of `share` times the brightness of white matter (110)."""
    rng = np.random.default_rng(1)
    real, imaginary = (rng.normal(0, 110 * share, image.shape) for _ in range(2))
    return with_values(image, np.hypot(values_of(image) + real, imaginary))


def biased(image: Any, strength: float) -> Any:
    """Multiply by a smooth field from 1 - strength to 1 + strength: a random mixture of half a cosine along each axis."""
    rng = np.random.default_rng(1)
    axes = np.meshgrid(*(np.linspace(0, np.pi, n) for n in image.shape), indexing="ij", sparse=True)
    field = np.zeros(image.shape)
    for axis in axes:
        field = field + rng.normal() * np.cos(axis + rng.uniform(-1, 1))
    field = 2 * (field - field.min()) / np.ptp(field) - 1
    return with_values(image, values_of(image) * (1 + strength * field))


def in_contrast(image: Any, folder: Path, name: str) -> Any:
    """Give tissue the brightness that it has in another contrast; partial volume and texture stay, air stays dark.

    A curve through the medians of ventricles, cortex and white matter, which the labels of the subject say where to find.
    """
    labels = np.asarray(nib.load(folder / "mri" / "aparc.DKTatlas+aseg.mgz").dataobj)  # type: ignore[attr-defined]
    values = values_of(image)
    csf, grey, white = (
        float(np.median(values[where])) for where in (np.isin(labels, [4, 43]), labels > 1000, np.isin(labels, [2, 41]))
    )
    curve = ([0, csf / 2, csf, grey, white, 1.4 * white], [0, 0.05, *CONTRASTS[name]])
    return with_values(image, 255 * np.interp(values, *curve))


def stripped(image: Any, folder: Path) -> Any:
    mask: Any = nib.load(folder / "mri" / "brainmask.mgz")
    return with_values(image, np.where(values_of(mask) > 0, values_of(image), 0))


def mirrored(image: Any) -> Any:
    """Reverse the voxels along the axis from left to right, without changing the affine."""
    return with_values(image, np.flip(values_of(image), side_axis(image.affine)))


def side_axis(affine: npt.NDArray[np.float64]) -> int:
    return int(np.flatnonzero(io_orientation(affine)[:, 0] == 0)[0])


def _with(kind: str, name: str, change: Callable[[Any, Any], Any], value: Any) -> Variant:
    return Variant(kind, name, lambda image, _: change(image, value))


def variants() -> list[Variant]:
    """Return all variants, the plain scan first."""
    sizes = {"0.8 mm": (0.8, 0.8, 0.8), "1.2 mm": (1.2, 1.2, 1.2)}
    sizes |= {"1x1x3 mm, axial": (1, 1, 3), "1x1x3 mm, coronal": (1, 3, 1), "1x1x3 mm, sagittal": (3, 1, 1)}
    found = [Variant("plain", "plain, 1 mm", lambda image, _: image)]
    found += [_with("voxel size", name, resampled, size) for name, size in sizes.items()]
    found += [_with("orientation", codes, turned, codes) for codes in ORIENTATIONS]
    found += [_with("gamma", f"gamma {g}", gamma, g) for g in (0.7, 0.85, 1.2, 1.5)]
    found += [_with("noise", f"noise {share:.0%}", noisy, share) for share in (0.03, 0.06, 0.1)]
    found += [
        Variant("contrast", f"{name} contrast", lambda image, folder, name=name: in_contrast(image, folder, name))
        for name in CONTRASTS
    ]
    found += [_with("bias field", f"bias ±{strength:.0%}", biased, strength) for strength in (0.2, 0.4)]
    found += [
        Variant("skull-stripped", "skull-stripped", stripped),
        Variant("mirrored", "mirrored", lambda image, _: mirrored(image), mirrored=True),
        Variant("intensity", "intensity x 0.1", lambda image, _: with_values(image, values_of(image) * 0.1)),
        Variant("intensity", "intensity x 10", lambda image, _: with_values(image, values_of(image) * 10)),
    ]
    return found


def carried(labels: Scan, grid: Scan) -> npt.NDArray[np.int32]:
    """Return a label map on another grid, by nearest neighbour through the affines."""
    matrix = np.linalg.inv(labels.affine) @ grid.affine
    if whole_voxel_map(matrix):
        matrix = np.rint(matrix)
    return ndimage.affine_transform(
        labels.data.astype(np.int32), matrix[:3, :3], matrix[:3, 3], output_shape=grid.data.shape, order=0, output=np.int32
    )


def score(reference: Scan, ids: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    one, two = ids_to_classes(reference.data), ids_to_classes(ids)
    return dice_of_regions(joint_histogram(one[one != IGNORE_CLASS], two[one != IGNORE_CLASS]))


def mean_of(dice: npt.NDArray[np.float64], group: str | None = None) -> float:
    kept = [d for d, region in zip(dice, REGIONS, strict=True) if group in (None, region.group)]
    return round(float(np.nanmean(kept)), 4)


def swap_sides(ids: npt.NDArray[Any]) -> npt.NDArray[Any]:
    classes = ids_to_classes(ids)
    return classes_to_ids(np.append(HOMOLOGUE_CLASS, np.full(256 - len(HOMOLOGUE_CLASS), 255)).astype(np.uint8)[classes])


def run(segmenter: Segmenter, variant: Variant, folder: Path, reference: Scan, work: Path) -> tuple[dict[str, Any], Any]:
    """Segment a changed scan; return its row of the table, and its label map on the grid of the reference."""
    path = work / "changed.nii.gz"
    image = variant.change(nib.load(folder / "mri" / "T1.mgz"), folder)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), image.affine), path)
    started = time.monotonic()
    result = segmenter.segment(path)
    seconds = time.monotonic() - started
    ids = result.ids
    if variant.mirrored:
        ids = swap_sides(np.flip(ids, side_axis(result.scan.affine)))
    found = carried(Scan(path, ids, result.scan.affine, None), reference)
    dice = score(reference, found)
    ceiling = None
    if variant.kind == "voxel size":
        there = Scan(path, carried(reference, result.scan), result.scan.affine, None)
        back = carried(there, reference)
        ceiling = mean_of(score(reference, back))
    noted = ([result.suspicion] if result.suspicion else []) + result.flags
    missed = int(((dice == 0) & np.isin([region.id for region in REGIONS], found, invert=True)).sum())
    row = {
        "kind": variant.kind, "variant": variant.name, "dice": mean_of(dice), "cortex": mean_of(dice, "cortex"),
        "deep_grey": mean_of(dice, "deep grey"), "ceiling": ceiling, "missed": missed, "flags": "; ".join(noted),
        "seconds": round(seconds, 1),
    }  # fmt: skip
    return row, found


def table(rows: pd.DataFrame) -> str:
    """Return the Markdown table of a subject and one set of weights."""
    plain = rows.loc[rows["kind"] == "plain", "dice"]
    base = float(plain.iloc[0]) if len(plain) else float("nan")
    lines = [
        "| variant | mean Dice | change | cortex | deep grey | with the plain result | ceiling |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows.to_dict("records"):
        ceiling = "" if pd.isna(row["ceiling"]) else f"{row['ceiling']:.3f}"
        drop = "" if row["kind"] == "plain" else f"{row['dice'] - base:+.3f}"
        numbers = [f"{row[column]:.3f}" for column in ("cortex", "deep_grey", "with_plain")]
        cells = [row["variant"], f"{row['dice']:.3f}", drop, *numbers, ceiling]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run the variants that are not in the CSV yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects_dir", type=Path)
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        help="CSV to which rows are added; the plain label map is kept in the same folder",
    )
    parser.add_argument("--subject", default="sub-07")
    parser.add_argument("--only", default="", help="kinds or variants, comma-separated; the plain scan is always run")
    parser.add_argument("--weights", default="bundled")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=0)
    given = parser.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    wanted = {word.strip() for word in given.only.split(",") if word.strip()}
    chosen = [one for one in variants() if not wanted or one.kind == "plain" or wanted & {one.kind, one.name}]
    unknown = wanted - {one.kind for one in variants()} - {one.name for one in variants()}
    if unknown:
        parser.error(f"--only {', '.join(unknown)}; expected some of {', '.join(dict.fromkeys(v.kind for v in variants()))}")
    ensemble = load_ensemble(given.weights)
    segmenter = Segmenter(ensemble, device=given.device)
    used = [*networks_of(ensemble).values(), segmenter.made_with["refinement"] or ""]
    name = hashlib.sha256("".join(used).encode()).hexdigest()[:12]
    folder = given.subjects_dir / given.subject
    reference = read_label_map(folder / "mri" / "aparc.DKTatlas+aseg.mgz")
    kept = given.out.with_name(f"{given.out.stem}.{name}.{given.subject}.plain.npz")
    key = {"weights": name, "subject": given.subject}
    failed = False
    for variant in chosen:
        if not rows_of(given.out, **key, variant=variant.name).empty and (variant.kind != "plain" or kept.is_file()):
            continue
        with tempfile.TemporaryDirectory() as work:
            try:
                row, found = run(segmenter, variant, folder, reference, Path(work))
            except DartsError as error:
                print(f"{variant.name}: {error}", file=sys.stderr)
                failed = True
                continue
        if variant.kind == "plain":
            part = kept.with_name(f"part.{kept.name}")
            np.savez_compressed(part, ids=found)
            part.replace(kept)
        plain = np.load(kept)["ids"]
        with_plain = mean_of(dice_of_regions(joint_histogram(ids_to_classes(plain), ids_to_classes(found))))
        append(given.out, key | row | {"with_plain": with_plain})
        print(f"{variant.name}: {row['dice']:.4f} ({row['seconds']} s)", file=sys.stderr)
    order = {one.name: place for place, one in enumerate(variants())}
    rows = rows_of(given.out, **key).drop_duplicates("variant", keep="last")
    print(f"{given.subject}, weights {ensemble.name} ({name})\n")
    print(table(rows.sort_values("variant", key=lambda names: names.map(order))))
    sys.exit(failed)


def rows_of(path: Path, **key: str) -> pd.DataFrame:
    rows = pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=list(COLUMNS))
    for column, value in key.items():
        rows = rows[rows[column] == value]
    return rows


def append(path: Path, row: dict[str, Any]) -> None:
    new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        if new:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
