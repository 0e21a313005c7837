"""Make a scan of finer voxels from another one, to measure what whole heads of 0.8 or 0.5 mm cost.

python benchmarks/fine_scan.py SCAN VOXELS OUT.nii.gz

VOXELS along each axis, over the same field of view: 320 for 0.8 mm and 512 for 0.5 mm, from 256 of 1 mm. Interpolated linearly,
rounded to whole numbers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
import torch


def main() -> None:
    """Write the scan."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scan", type=Path)
    parser.add_argument("voxels", type=int)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    scan = nib.load(given.scan)
    values = torch.from_numpy(np.asarray(scan.dataobj).astype(np.float32))[None, None]
    fine = torch.nn.functional.interpolate(values, size=(given.voxels,) * 3, mode="trilinear", align_corners=False)[0, 0]
    # The outer faces stay where they are: voxel centres lie half a voxel inside them.
    factors = np.array(scan.shape) / given.voxels
    to_scan = np.diag([*factors, 1.0])
    to_scan[:3, 3] = factors / 2 - 0.5
    nib.save(nib.Nifti1Image(np.rint(fine.numpy()).astype(np.int16), scan.affine @ to_scan), given.out)


if __name__ == "__main__":
    main()
