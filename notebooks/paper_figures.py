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
# # From a results folder to the figures, tables and paragraphs of a paper
#
# `darts-eval --gt REFERENCES --pred NAME=LABEL_MAPS -o results/` writes a folder of tables. Everything here is drawn from this
# folder; nothing is scored again. Put its path in `folder`, or in the environment variable `DARTS_NOTEBOOK_RESULTS`; the
# folder of the demo is `demo_output/results`. `DARTS_NOTEBOOK_OVERLAYS=no` leaves out the pictures of scans.

# %%
import json
import os
from pathlib import Path

import pandas as pd
from IPython.display import Image, Markdown, display

from evaluation.figures import save_figures
from evaluation.overlays import save_overlays
from evaluation.report.lead import lead_sentences
from evaluation.report.methods_text import methods_text
from evaluation.results import read_results
from evaluation.tables import save_tables

folder = Path(os.environ.get("DARTS_NOTEBOOK_RESULTS", "demo_output/results"))
with_scans = os.environ.get("DARTS_NOTEBOOK_OVERLAYS", "yes") != "no"
results = read_results(folder)


def show(pictures: Path) -> None:
    """Show the pictures of a folder with their captions."""
    captions = json.loads((pictures / "captions.json").read_text(encoding="utf-8"))
    for stem, caption in captions.items():
        display(Image(filename=str(pictures / f"{stem}.png"), width=720))
        display(Markdown(f"**{stem}.** {caption}"))


# %% [markdown]
# ## What was compared

# %%
print(f"methods: {', '.join(results.methods)}")
print(f"subjects: {results.scores['subject'].nunique()}, regions: {results.scores['region_id'].nunique()}")
print(f"metrics: {', '.join(results.metrics)}")
for warning in results.account.get("warnings", []):
    print(f"warning: {warning}")

# %% [markdown]
# ## The box plot in two parts, as published
#
# Regions outside the cortex, then the cortex: whiskers of 1.0 interquartile range, no outliers, as in the DARTS paper.

# %%
published = folder / "figures_published"
save_figures(folder, style="published", out=published)
captions = json.loads((published / "captions.json").read_text(encoding="utf-8"))
for path in sorted(published.glob("box_plot_*.png")):
    display(Image(filename=str(path), width=720))
    display(Markdown(captions[path.stem]))

# %% [markdown]
# ## The table
#
# Each table is written as CSV (unrounded), Markdown and LaTeX (booktabs), in `tables/`.

# %%
tables = save_tables(folder)
print("\n".join(sorted({path.stem for path in tables})))
display(Markdown((folder / "tables" / "summary.md").read_text(encoding="utf-8")))

# %% [markdown]
# Pairs of methods over all regions, Dice; each subject counts once:

# %%
if results.paired_overall is not None:
    shown = ["reference_labels", "method_a", "method_b", "n", "n_regions", "mean_difference", "mean_low", "mean_high"]
    shown += ["t_p", "wilcoxon_p_holm_methods", "d_z"]
    pairs = results.paired_overall
    pairs = pairs[pairs["metric"] == "dice"] if "metric" in pairs else pairs
    display(pairs[[name for name in shown if name in pairs]].round(4))

# %% [markdown]
# Regions, ordered by the first method, the worst first:

# %%
regions = pd.read_csv(folder / "tables" / "regions_dice.csv")
shown = ["region_name", *(f"{method} {what}" for method in results.methods for what in ("mean", "sd"))]
regions.sort_values(f"{results.methods[0]} mean")[[name for name in shown if name in regions]].head(10).round(3)

# %% [markdown]
# ## The paragraphs
#
# First what was found, then the methods. Numbers and names are those of this run; what is not said was not done.

# %%
text = methods_text(results)
display(Markdown("**Results.** " + " ".join(lead_sentences(results))))
display(Markdown("**Methods.** " + "\n\n".join(text.paragraphs)))
display(Markdown("\n".join(f"{number}. {reference}" for number, reference in enumerate(text.references, start=1))))

# %% [markdown]
# ## All figures
#
# Box plots with subjects and tests, heat map, paired differences, gain of an ensemble over its views, volumes: PDF, SVG and
# 300-dpi PNG in `figures/`. Each caption explains marks and intervals.

# %%
save_figures(folder)
show(folder / "figures")

# %% [markdown]
# ## Sample predictions
#
# The best, the median and the worst subject; each region in the slice where it is largest. For other regions, subjects and
# views, see the arguments of `save_overlays`, or `darts-eval overlay --help`.

# %%
if with_scans:
    saved = save_overlays(folder)
    for line in (*saved.warnings, *saved.failures):
        print(line)
    show(folder / "overlays")
