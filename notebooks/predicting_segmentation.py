# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a T1 scan to 102 regions
#
# Load a scan and the networks, predict, look at the labels on the scan, and save them. Put the path of your scan (`.mgz`,
# `.mgh`, `.nii`, `.nii.gz`; any orientation and voxel size) in `scan_path`, or in the environment variable
# `DARTS_NOTEBOOK_SCAN`; otherwise the template brain of the demo is used, which needs the extra `demo`.

# %%
import os
from pathlib import Path

import nibabel as nib
from IPython.display import Image

from darts_ensemble import Segmenter, load_ensemble
from darts_ensemble.results.overlay import save_overlay

# %% [markdown]
# ## Load
#
# `"bundled"` is the compact ensemble of coronal, sagittal and axial networks inside the package. A folder with one weights file
# per view, or a single file such as `dense_unet_back2front_finetuned.pth`, works as well.

# %%
scan_path = os.environ.get("DARTS_NOTEBOOK_SCAN")
if scan_path is None:
    from darts_ensemble.demo import demo_scan

    scan_path = demo_scan()
weights = os.environ.get("DARTS_NOTEBOOK_WEIGHTS", "bundled")
out = Path(os.environ.get("DARTS_NOTEBOOK_OUT", "notebook_output"))

segmenter = Segmenter(load_ensemble(weights))
print(f"{scan_path}: views {', '.join(segmenter.views)} on {segmenter.device}")

# %% [markdown]
# ## Predict
#
# `result.labels` is an image of FreeSurfer ids on the grid of the scan, `result.volumes` a table, `result.agreement`, for each
# voxel, the share of pairs of views with the same label. (The published call, `Segmentation(weights).predict(scan_path)` of
# `darts_ensemble.published`, returns labels and the probabilities of all classes as arrays.)

# %%
result = segmenter.segment(scan_path)
result.volumes.sort_values("volume_mm3", ascending=False).head(10)

# %% [markdown]
# What to check before the labels are used: missing regions, sides that differ, views that disagree.

# %%
for flag in result.flags:
    print(flag)
print("mean agreement of the views over the brain:", result.mean_agreement)

# %% [markdown]
# ## Overlay
#
# Three planes through the labels, in the colours of FreeSurfer.

# %%
picture = out / "overlay.png"
save_overlay(result.scan.data, result.ids, result.scan.affine, picture)
Image(filename=str(picture))

# %% [markdown]
# ## Save
#
# The label map, a table of volumes and the quality flags; the label map has the affine and the grid of the scan.

# %%
label_path = result.save(out)
saved = nib.load(label_path)
print(f"{label_path}: {saved.shape} {saved.get_data_dtype()}")
