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
# # A method compared with FreeSurfer
#
# Both are scored against the same references, for example manual labels, in one run:
#
# ```
# darts-eval --gt mindboggle/ --pred freesurfer=$SUBJECTS_DIR --weights bundled -o results/
# ```
#
# Put the results folder in `folder` (or `DARTS_NOTEBOOK_RESULTS`), and the names of the methods in `freesurfer` and `method`
# (or `DARTS_NOTEBOOK_FREESURFER`, `DARTS_NOTEBOOK_METHOD`).

# %%
import os
from pathlib import Path

import pandas as pd
from IPython.display import Image, display

from evaluation.figures.difference_plot import draw_differences
from evaluation.figures.region_layout import parts_of, region_rows, sided_name
from evaluation.figures.style import save_figure
from evaluation.overlays import save_overlays
from evaluation.results import read_results
from evaluation.statistics.agreement import agreement_with_reference
from evaluation.statistics.overall import compare_overall
from evaluation.statistics.paired import compare_methods

folder = Path(os.environ.get("DARTS_NOTEBOOK_RESULTS", "results"))
freesurfer = os.environ.get("DARTS_NOTEBOOK_FREESURFER", "freesurfer")
method = os.environ.get("DARTS_NOTEBOOK_METHOD", "ensemble")
out = folder / "compare_with_freesurfer"

results = read_results(folder)
scores = results.counted()
scores = scores[scores["method"].isin([method, freesurfer])]
print(f"{scores['subject'].nunique()} subjects that no method was trained on, {scores['region_id'].nunique()} regions")

# %% [markdown]
# ## Over all regions
#
# The unit is the subject, with the mean over its regions. `mean_difference` is method − FreeSurfer, with a bootstrap interval
# over subjects; the columns `lmm_` are those of the mixed model (see `evaluation/statistics/overall.py`).

# %%
overall = compare_overall(scores, "dice", region="region_id", methods=[method, freesurfer])
overall[["n", "mean_difference", "mean_low", "mean_high", "t_p", "wilcoxon_p", "d_z", "lmm_difference", "lmm_p"]]

# %% [markdown]
# ## For each region
#
# Corrected over the regions: `p_holm_regions` (Holm), `p_fdr_regions` (Benjamini and Hochberg).

# %%
paired = compare_methods(scores, "dice", region="region_id", methods=[method, freesurfer])
named = scores.drop_duplicates("region_id").set_index("region_id")
sides = [sided_name(named.loc[id_, "region_name"], named.loc[id_, "hemisphere"]) for id_ in paired["region_id"]]
paired.insert(1, "region", sides)
better = paired[(paired["wilcoxon_p_fdr_regions"] < 0.05) & (paired["rank_biserial"] > 0)]
worse = paired[(paired["wilcoxon_p_fdr_regions"] < 0.05) & (paired["rank_biserial"] < 0)]
print(f"{method} above {freesurfer} in {len(better)} regions, below in {len(worse)}, of {len(paired)} (FDR 0.05, Wilcoxon)")
columns = ["region", "n", "mean_a", "mean_b", "mean_difference", "mean_low", "mean_high", "wilcoxon_p_fdr_regions"]
paired.sort_values("mean_difference")[columns]

# %%
for part in parts_of(region_rows(scores), scores):
    figure = draw_differences(paired, part, method, [freesurfer])
    *_, picture = save_figure(figure, out / f"differences_{part.key}")
    display(Image(filename=str(picture), width=480))

# %% [markdown]
# ## Volumes
#
# Bias against the reference in % of its mean, limits of agreement, and ICC of absolute agreement. These matter if volumes are
# the outcome of a study.

# %%
reference = scores.drop_duplicates(["subject", "region_id"]).assign(method="reference")
reference["volume_mm3"] = reference["volume_ref_mm3"]
measured = scores.assign(volume_mm3=scores["volume_pred_mm3"])
volumes = agreement_with_reference(
    pd.concat([reference, measured]), "volume_mm3", "reference", region="region_id", methods=[method, freesurfer]
)
volumes.insert(
    1, "region", [sided_name(named.loc[id_, "region_name"], named.loc[id_, "hemisphere"]) for id_ in volumes["region_id"]]
)
volumes.pivot_table(index="region", columns="method", values=["bias_percent", "icc_a1"], sort=False).round(2)

# %% [markdown]
# ## Pictures
#
# Reference, FreeSurfer and the method side by side, in the worst, the median and the best subject of the method.

# %%
saved = save_overlays(folder, methods=[freesurfer, method], rank_by=method, out=out)
for line in (*saved.warnings, *saved.failures):
    print(line)
for path in saved.files:
    if path.suffix == ".png":
        display(Image(filename=str(path), width=720))
