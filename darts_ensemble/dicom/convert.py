"""Converts the T1 scan in a folder of DICOM files to NIfTI with dcm2niix, and records which files it was made from."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from darts_ensemble.dicom.choose import choose_t1
from darts_ensemble.dicom.grid import SliceGrid, check_readable, slice_grid, where_is
from darts_ensemble.dicom.headers import Series, read_series
from darts_ensemble.errors import ScanError
from darts_ensemble.whole_files import written_whole

__all__ = ["Converted", "account_of", "convert_folder", "same_voxels"]


@dataclass(frozen=True)
class Converted:
    """The T1 scan of a DICOM folder.

    Attributes
    ----------
    path : Path
        NIfTI file on the grid of the slices.
    why : str
        Which series it is, and why it was chosen.
    """

    path: Path
    why: str


def account_of(scan: Path) -> Path:
    """Return the path of the JSON file that records from which series a scan was converted."""
    return scan.with_name(scan.name.removesuffix(".nii.gz") + ".json")


def convert_folder(folder: Path, target: Path, wanted: str | None = None) -> Converted:
    """Convert the T1 scan of a DICOM folder; a scan that was converted before from the same files is kept.

    Parameters
    ----------
    folder : Path
        Folder with one or several series of one person, or a multi-frame file.
    target : Path
        The NIfTI file, `.nii.gz`. Beside it, `.json` lists the files of the series.
    wanted : str, optional
        See :func:`darts_ensemble.dicom.choose.choose_t1`.

    Raises
    ------
    ScanError
        If no T1 scan can be chosen, if it is incomplete, has no orientation or can't be read, or if the target is the scan of
        another series.
    """
    chosen = choose_t1(read_series(folder), wanted)
    series = chosen.series
    grid = slice_grid(series)
    check_readable(series)
    files = [series.files[number].resolve() for number in dict.fromkeys(number for number, _ in grid.order)]
    account = {
        "series": series.uid, "number": series.text("SeriesNumber"), "description": series.text("SeriesDescription"),
        "why": chosen.why, "folder": str(folder.resolve()), "files": [str(path) for path in files], "sha256": _checksum(files),
    }  # fmt: skip
    earlier = _earlier(target)
    if target.exists() and earlier.get("series") != series.uid:
        found = earlier.get("folder", "an unknown source")
        raise ScanError(f"{target}: holds the scan of {found}; expected another --out for {folder}, or a free name")
    if not target.exists() or earlier.get("sha256") != account["sha256"]:
        with suppress(FileNotFoundError):
            target.unlink()
        _write_account(account_of(target), account)
        _convert(series, files, grid, target)
    elif earlier != account:  # the folder has moved
        _write_account(account_of(target), account)
    return Converted(target, chosen.why)


def _earlier(target: Path) -> dict[str, Any]:
    try:
        content = json.loads(account_of(target).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _checksum(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _write_account(path: Path, account: dict[str, Any]) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(account, indent=1) + "\n", encoding="utf-8")


def _convert(series: Series, files: Sequence[Path], grid: SliceGrid, target: Path) -> None:
    """Run dcm2niix on exactly these files, check the positions of its voxels against the headers, and store the result."""
    try:
        with tempfile.TemporaryDirectory(prefix=".dcm2niix-", dir=target.parent) as name:
            work = Path(name)
            (work / "in").mkdir()
            for number, path in enumerate(files):
                _link(path, work / "in" / f"{number:05d}.dcm")
            image = _result(series, files, _run(series.folder, work), work)
            _check_place(series, grid, image)
            # Neither a name nor a time in the file: the same series is the same bytes.
            with (
                written_whole(target) as temporary,
                temporary.open("wb") as raw,
                gzip.GzipFile("", "wb", 1, raw, mtime=0) as file,
            ):
                file.write(Path(image.get_filename()).read_bytes())
    except OSError as error:
        raise ScanError(f"{target}: {error.strerror or error}; expected a folder with room to write") from None


def _link(path: Path, link: Path) -> None:
    try:
        link.symlink_to(path)
    except OSError:  # a file system without links
        shutil.copyfile(path, link)


def _run(folder: Path, work: Path) -> str:
    """Run the dcm2niix program of the PyPI package, and return its output."""
    try:
        import dcm2niix
    except ImportError:
        advice = "pip install 'darts-ensemble[dicom]'"
        raise ScanError(f"{folder}: DICOM files; expected the package dcm2niix to convert them: {advice}") from None
    # No sidecar, not compressed, neither cropped nor turned, all slices in one volume, nothing else changed.
    options = ["-b", "n", "-z", "n", "-x", "i", "-m", "y", "-i", "n", "-l", "o", "-v", "n", "-f", "scan", "-o", str(work)]
    done = subprocess.run([dcm2niix.bin, *options, str(work / "in")], capture_output=True, text=True, check=False)
    return " ".join((done.stdout + done.stderr).split())


def _result(series: Series, files: Sequence[Path], said: str, work: Path) -> Any:
    images = sorted(work.glob("*.nii"))
    if cut := re.search(r"not large enough to store image data: \S*?(\d{5})\.dcm", said):
        raise ScanError(
            f"{files[int(cut[1])]}: cut short, some of its voxels are missing; expected a whole file: copy it again"
        )
    if len(images) != 1:
        what = f"{len(images)} images" if images else "no image"
        raise ScanError(f"{where_is(series)}: dcm2niix made {what} of it; expected one; it says: {said[-300:]}")
    return nib.load(images[0])


def _check_place(series: Series, grid: SliceGrid, image: Any) -> None:
    if sorted(image.shape) != sorted(grid.shape) or same_voxels(image.affine, image.shape, grid) is None:
        raise ScanError(
            f"{where_is(series)}: converted to shape {image.shape} with other places of the voxels than its headers "
            f"say (shape {grid.shape}); expected the same: convert it with dcm2niix and look at it"
        )


def same_voxels(affine: Any, shape: Sequence[int], grid: SliceGrid) -> Any:
    """Return how the axes of an image map to those of the slices, if both have the same voxels.

    Parameters
    ----------
    affine : (4, 4) ndarray
        Voxels of the image to RAS mm.
    shape : sequence of int
        Of the image.
    grid : SliceGrid

    Returns
    -------
    (3, 2) ndarray or None
        nibabel's orientation of each image axis in the axes of the slices: `nib.apply_orientation(data, it)` is
        (columns, rows, slices). None if the voxels are not at the same places, to a tenth of a voxel.
    """
    between = np.linalg.inv(grid.affine) @ affine
    turn = np.rint(between[:3, :3])
    if not np.array_equal(np.abs(turn).sum(axis=0), [1, 1, 1]) or not np.array_equal(np.abs(turn).sum(axis=1), [1, 1, 1]):
        return None
    last = np.array(shape, dtype=np.float64) - 1
    corners = np.array([np.zeros(3), last]) @ between[:3, :3].T + between[:3, 3]
    wanted = np.array([np.zeros(3), last]) @ turn.T + np.where(turn.sum(axis=1) < 0, np.array(grid.shape) - 1, 0)
    if np.abs(corners - wanted).max() > 0.1:
        return None
    axes = np.abs(turn).argmax(axis=0)
    return np.column_stack([axes, turn[axes, range(3)]])
