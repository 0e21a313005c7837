"""Label maps stored or changed in ways that tools leave them: scored as the whole one, or named as what they probably are."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from darts_ensemble.labels import REGION_IDS, ids_to_classes
from evaluation.cohort.find import Subject
from evaluation.metrics.pair_scores import Scoring
from evaluation.protocols.protocol import load_protocol
from evaluation.run.evaluate import Method, Scores, score_cohort
from tests.phantoms.brain import AFFINE, brain, save

OVERLAP = Scoring(load_protocol("darts102"), tuple(range(102)), definitions=())
REFERENCE, MAP = brain(jitter=0.5), brain(jitter=1.5)
RNG = np.random.default_rng(3)


def scored(folder: Path, path: Path) -> Scores:
    subject = Subject("a", "flat", save(folder / "gt/a.nii.gz", REFERENCE), None, "a")
    return score_cohort([subject], [Method("m", {"a": path})], OVERLAP)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    folder = tmp_path_factory.mktemp("plain")
    return scored(folder, save(folder / "m.nii.gz", MAP)).table["dice"].tolist()


def stored(data: np.ndarray, name: str = "m.nii.gz", kind: type = nib.Nifti1Image) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        nib.save(kind(data, AFFINE, **({"dtype": data.dtype} if data.dtype == np.int64 else {})), folder / name)
        return folder / name

    return write


def with_slope(slope: float, intercept: float, kind: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        raw = np.rint((MAP - intercept) / slope).astype(kind)
        image = nib.Nifti1Image(raw, AFFINE)
        image.header.set_slope_inter(1, 0)
        nib.save(image, folder / "m.nii")
        content = bytearray((folder / "m.nii").read_bytes())
        content[112:120] = np.array([slope, intercept], dtype="<f4").tobytes()
        (folder / "m.nii").write_bytes(content)
        return folder / "m.nii"

    return write


def repacked(folder: Path) -> Path:
    path = stored(MAP.astype(np.int16), "m.nii")(folder)
    path.write_bytes(gzip.compress(path.read_bytes()))
    return path


SAME: dict[str, Callable[[Path], Path]] = {
    "uint16": stored(MAP.astype(np.uint16)),
    "int32": stored(MAP.astype(np.int32)),
    "float32": stored(MAP.astype(np.float32)),
    "float64": stored(MAP.astype(np.float64)),
    "rounding noise": stored((MAP * (1 + 3e-7)).astype(np.float32)),
    "noise of 0.01": stored((MAP + RNG.uniform(-0.01, 0.01, MAP.shape)).astype(np.float32)),
    "NaN for background": stored(np.where(MAP > 0, MAP, np.nan).astype(np.float32)),
    "minus zero": stored(np.where(MAP > 0, MAP, -0.0).astype(np.float32)),
    "big endian": stored(MAP.astype(">i2")),
    "one frame": stored(MAP.astype(np.int16)[..., None]),
    "five axes": stored(MAP.astype(np.int16)[..., None, None]),
    "nifti2": stored(MAP.astype(np.int16), "m.nii", nib.Nifti2Image),
    "mgz": stored(MAP.astype(np.int16), "m.mgz", nib.MGHImage),
    "mgh of float": stored(MAP.astype(np.float32), "m.mgh", nib.MGHImage),
    "slope of int16": with_slope(2035 / 65535, 2035 / 65535 * 32768, "<i2"),
    "slope of uint16": with_slope(2035 / 65535, 0, "<u2"),
    "slope 0.5": with_slope(0.5, 0, "<i2"),
    "slope -1": with_slope(-1, 0, "<i2"),
    "intercept": with_slope(1, 1000, "<i2"),
    "slope 0": with_slope(1, 0, "<i2"),
    "compressed .nii": repacked,
    "capital ending": stored(MAP.astype(np.int16), "m.NII.GZ"),
}


@pytest.mark.parametrize("kind", SAME)
def test_the_same_labels_stored_in_another_way_score_the_same(tmp_path: Path, kind: str, plain: list[float]) -> None:
    scores = scored(tmp_path, SAME[kind](tmp_path / "m"))
    assert scores.table["dice"].tolist() == pytest.approx(plain, nan_ok=True)
    assert not scores.failures
    assert not scores.suspects


def test_darts_class_numbers_with_102_as_background_are_read_as_such(tmp_path: Path, plain: list[float]) -> None:
    scores = scored(tmp_path, stored(ids_to_classes(MAP).astype(np.int16))(tmp_path / "m"))
    assert scores.table["dice"].tolist() == pytest.approx(plain, nan_ok=True)


CLASSES = np.where(MAP > 0, ids_to_classes(MAP).astype(np.int16), 0)
#: What is wrong with the map, and words by which it is named.
WRONG: dict[str, tuple[np.ndarray, str]] = {
    "class indices": (CLASSES, "class numbers"),
    "class indices from 1": (np.where(MAP > 0, CLASSES + 1, 0), "class numbers"),
    "modulo 256": (MAP % 256, "modulo 256"),
    "negative above 127": ((MAP + 128) % 256 - 128, "turned negative"),
    "ten times the ids": (MAP * 10, "numbers of another table: "),
    "one value everywhere": (np.full_like(MAP, 17), "every voxel is 17"),
    "cut off at 255": (np.minimum(MAP, 255), "cut off at 255"),
    "interpolated": (ndimage.zoom(MAP.astype(np.float32), 1.0, order=1) + 0.3 * (MAP > 0), "not whole numbers"),
    "smoothed": (ndimage.gaussian_filter(MAP.astype(np.float32), 1), "not whole numbers"),
    "shuffled numbers": (np.where(MAP > 0, (np.searchsorted(REGION_IDS, MAP) * 37) % 102 + 1, 0), "class numbers"),
    "a mask": ((MAP > 0).astype(np.uint8), ""),
    "a mask of 255": ((MAP > 0).astype(np.uint8) * 255, ""),
    "nothing": (np.zeros_like(MAP), ""),
    "a scan": (RNG.normal(100, 20, MAP.shape).astype(np.float32), "not whole numbers"),
    "infinite": (np.where(MAP == 17, np.inf, MAP).astype(np.float32), "infinite"),
    "beyond 32 bits": (np.where(MAP == 17, 2**40, MAP.astype(np.int64)), "beyond 32 bits"),
    "below 0": (-MAP, ""),
    "two frames": (np.stack([MAP, MAP], axis=-1), "expected one 3-D volume"),
    "one-hot": ((MAP[..., None] == REGION_IDS[:6]).astype(np.uint8), "one-hot"),
    "probabilities": ((MAP[..., None] == REGION_IDS[:6]) * np.float32(0.8), "probabilities"),
    "colours": (np.stack([MAP % 256] * 3, axis=-1).astype(np.uint8), ""),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_map_that_cannot_be_right_is_named_and_never_scored_without_a_word(tmp_path: Path, kind: str) -> None:
    data, words = WRONG[kind]
    scores = scored(tmp_path, stored(data if data.dtype.kind == "f" else data.astype(data.dtype))(tmp_path / "m"))
    told = [f"{one.kind}: {one.detail}" for one in scores.suspects] + [one.reason for one in scores.failures] + scores.warnings
    assert told, "something is said"
    assert words in " ".join(told)
    assert all("\n" not in line for line in told)
