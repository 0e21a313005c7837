"""How much the brightness of white matter after normalisation varies with skull-stripping, bias field, gamma and noise.

    python benchmarks/intensity_scale.py SUBJECTS_DIR sub-01 sub-07 ...

Each subject needs `mri/aparc.DKTatlas+aseg.mgz` and `mri/T1.mgz`, `mri/brainmask.mgz` or both, on one grid. The smaller the
range of its values, the better the normalisation.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy import ndimage

from darts_ensemble.scans.scan import read_label_map, read_scan
from darts_ensemble.slices.views import volume_scale

METHODS = ("volume-median", "volume-otsu")
WHITE_MATTER = (2, 41)


def altered(volume: np.ndarray) -> dict[str, np.ndarray]:
    """Yield a volume of 0 to 255 unchanged, and as other scanners could have recorded it."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(scale=0.25, size=(4, 4, 4))
    field = ndimage.zoom(coarse, np.divide(volume.shape, 4), order=1)
    return {
        "as it is": volume,
        "bias field": volume * np.exp(field),
        "gamma 1.4": 255 * (volume / 255) ** 1.4,
        "noise 6": volume + np.abs(rng.normal(0, 6, volume.shape)),
    }


def main(subjects_dir: Path, subjects: list[str]) -> None:
    """Print white matter / scale of each volume and method, then the range of each method."""
    ratios: dict[str, list[float]] = {method: [] for method in METHODS}
    for subject in subjects:
        folder = subjects_dir / subject / "mri"
        white = np.isin(read_label_map(folder / "aparc.DKTatlas+aseg.mgz").data, WHITE_MATTER)
        for name in ("T1.mgz", "brainmask.mgz"):
            if not (folder / name).is_file():
                continue
            for kind, volume in altered(np.asarray(read_scan(folder / name).data, dtype=np.float32)).items():
                row = [float(np.median(volume[white])) / volume_scale(volume, method) for method in METHODS]
                print(
                    f"{subject:10} {name:14} {kind:10} " + "  ".join(f"{m} {r:.2f}" for m, r in zip(METHODS, row, strict=True))
                )
                for method, ratio in zip(METHODS, row, strict=True):
                    ratios[method].append(ratio)
    for method, found in ratios.items():
        print(f"{method}: {min(found):.2f} to {max(found):.2f} over {len(found)} volumes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
