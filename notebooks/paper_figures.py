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
# # From a results folder to the figures and tables of a paper
#
# `darts-eval --gt REFERENCES --pred NAME=LABEL_MAPS -o results/` writes a folder of tables. Everything here is drawn from this
# folder; nothing is scored again. Put its path in `folder`, or in the environment variable `DARTS_NOTEBOOK_RESULTS`; the
# folder of the demo is `demo_output/results`.

# %%
import json
import os
from pathlib import Path

import pandas as pd
from IPython.display import Image, Markdown, display

from evaluation.figures import save_figures
from evaluation.overlays import save_overlays
from evaluation.results import read_results
from evaluation.tables import save_tables

folder = Path(os.environ.get("DARTS_NOTEBOOK_RESULTS", "demo_output/results"))
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
# ## Tables
#
# Each as CSV (unrounded), Markdown and LaTeX (booktabs), in `tables/`.

# %%
tables = save_tables(folder)
print("\n".join(sorted({path.stem for path in tables})))
display(Markdown((folder / "tables" / "summary.md").read_text(encoding="utf-8")))

# %% [markdown]
# Regions, ordered by the first method, the worst first:

# %%
regions = pd.read_csv(folder / "tables" / "regions_dice.csv")
regions.sort_values(f"{results.methods[0]} mean").head(10)

# %% [markdown]
# ## Figures
#
# Box plots, heat map, paired differences, gain of an ensemble over its views, volumes: PDF, SVG and 300-dpi PNG in `figures/`.
# Each caption explains marks and intervals.

# %%
save_figures(folder)
show(folder / "figures")

# %% [markdown]
# ## Box plots as published
#
# Whiskers of 1.0 interquartile range, no outliers, in two parts, as in the DARTS paper.

# %%
published = folder / "figures_published"
save_figures(folder, style="published", out=published)
for path in sorted(published.glob("box_plot_*.png")):
    display(Image(filename=str(path), width=720))

# %% [markdown]
# ## Sample predictions
#
# The best, the median and the worst subject; each region in the slice where it is largest. For other regions, subjects and
# views, see the arguments of `save_overlays`, or `darts-eval overlay --help`.

# %%
saved = save_overlays(folder)
for line in (*saved.warnings, *saved.failures):
    print(line)
show(folder / "overlays")
