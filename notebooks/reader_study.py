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
# # A reader study, from ratings to table and figures
#
# The ratings of the published study are not public, so this notebook simulates one: means and SDs of the printed table, 20
# cases, 5 readers. **All ratings below are synthetic and say nothing about any method.** Read your own ratings with
# `read_ratings("ratings.csv")` (or `darts-reader-study import`) and continue at "The table as published". The command
# `darts-reader-study analyse` computes all of this, and writes a report.

# %%
import os
import sys
from pathlib import Path

if Path("reader_study.py").is_file():  # this notebook's own text form has the name of the package
    sys.path = [place for place in sys.path if Path(place).resolve() != Path.cwd()]

import pandas as pd
from IPython.display import Image, Markdown, display

from evaluation.figures.style import save_figure
from reader_study.figures import mark_synthetic
from reader_study.figures.ratings import draw_box_plots, draw_differences, draw_likert
from reader_study.figures.readers import draw_agreement, draw_odds_ratios, draw_severity
from reader_study.published import STATED_N, published_summary
from reader_study.published.grim import findings, grim_by_size
from reader_study.report.published_layout import markdown_of
from reader_study.report.study_files import write_study
from reader_study.simulation.simulate import simulate_study, targets_of_summary
from reader_study.statistics.study_analysis import analyse_study

cases = int(os.environ.get("DARTS_NOTEBOOK_CASES", "20"))
readers = int(os.environ.get("DARTS_NOTEBOOK_READERS", "5"))
out = Path(os.environ.get("DARTS_NOTEBOOK_OUT", "notebook_output"))

# %% [markdown]
# ## What the published table can show
#
# Not every mean and SD is possible for ratings that are whole numbers. The caption states 20 evaluations per region, side and
# method; these are the findings for that number.

# %%
printed = published_summary()
for sentence in findings(printed, STATED_N):
    print("-", sentence)
print("means that n whole ratings allow:", grim_by_size(printed, [20, 40, 60, 80, 100]))

# %% [markdown]
# So the means are not over 20 ratings, or the ratings were not whole numbers, or means of means were printed. The SD of the
# left putamen is impossible for more than seven ratings, and the row over all regions does not follow from the other rows. No
# data set gives this table, and none may be presented as the ratings of the study.
#
# The table can show which method had the higher mean in a region. It can't show:
#
# - how certain this is. Its tests treat each reader's rating of each case as an independent observation. But readers and cases
#   repeat, so that the tests reject in more than 5 % if cases or readers differ in their view of a method;
# - how far readers agree, how ratings are distributed (many distributions on five levels have an SD of 1.1), and whether other
#   readers would rate alike.
#
# Besides, 42 pairs of methods were tested twice at 5 % each, without a correction.
#
# ## A synthetic study

# %%
targets = targets_of_summary(printed)
for target in targets:
    if target.note:
        print(f"{target.roi} {target.hemisphere}, {target.method}: {target.note}")
ratings = simulate_study(targets, cases=cases, readers=readers, repeats=0.1, seed=1)
ratings.head()

# %%
study = analyse_study(ratings, ["FS", "NFT", "FT"], compare=printed)
for warning in study.warnings:
    print("warning:", warning)

# %% [markdown]
# ## The table as published
#
# Pooled rows, only for comparison with the printed table.

# %%
display(Markdown(markdown_of(study.published, synthetic=study.synthetic)))


# %%
def show(name, figure):
    """Write a figure as PDF, SVG and PNG and show it, marked as made of synthetic ratings where it is."""
    if study.synthetic:
        mark_synthetic(figure)
    save_figure(figure, out / "figures" / name)
    return Image(filename=str(out / "figures" / f"{name}.png"), width=900)


show("box_plots", draw_box_plots(study.ratings, study.methods, study.scale))

# %% [markdown]
# With five levels, a box hides most of the distribution; bars of all levels show it.

# %%
show("likert_bars", draw_likert(study.ratings, study.methods, study.scale))

# %% [markdown]
# ## Tests on case means
#
# The independent units are cases. `wilcoxon_p_holm` is corrected over the three pairs within a region and side. These tests
# hold for the readers of the study; `crossed_p_holm` holds for other readers as well.

# %%
columns = ["roi", "hemisphere", "first", "second", "n", "hl_estimate", "hl_low", "hl_high", "wilcoxon_p_holm", "crossed_p_holm"]
study.case_means[columns].round(3)

# %%
show("paired_differences", draw_differences(study.ratings, study.methods, study.case_means))

# %% [markdown]
# How many pairs "differ" depends on the analysis:

# %%
pooled = study.published.tests.query("roi != 'All Regions'")
of_cases = study.case_means.query("roi != 'All Regions'")
pd.Series({
    "pooled t-test, not corrected": int((pooled["t_p"] < 0.05).sum()),
    "pooled Wilcoxon, not corrected": int((pooled["wilcoxon_p"] < 0.05).sum()),
    "case means, Wilcoxon, Holm": int((of_cases["wilcoxon_p_holm"] < 0.05).sum()),
    "readers and cases random, Holm": int((of_cases["crossed_p_holm"] < 0.05).sum()),
    "pairs": len(of_cases),
})  # fmt: skip

# %% [markdown]
# ## The mixed model
#
# A cumulative-logit model, with readers and cases as crossed random effects; `formula` is the one for `ordinal::clmm` in R.

# %%
for formula in dict.fromkeys(study.models.tests["formula"]):
    print(formula)
study.models.tests[["roi", "hemisphere", "lr_statistic", "lr_df", "lr_p_holm", "po_p_holm", "warnings"]].round(4)

# %%
show("odds_ratios", draw_odds_ratios(study.models.odds_ratios, study.methods))

# %% [markdown]
# ## The readers

# %%
show("reader_severity", draw_severity(study.ratings, study.methods, study.models.random_effects))

# %%
show("agreement", draw_agreement(study.agreement))

# %% [markdown]
# Agreement of each reader with their own first ratings, from hidden repeats:

# %%
within = study.within_readers.query("statistic == 'gwet_ac2'")
within[["reader", "value", "low", "high", "n_units"]].round(2)

# %% [markdown]
# ## Comparison with the printed table, and saving

# %%
files = write_study(study, out)
print(f"{out}: {', '.join(files)}")
study.comparison.dropna(subset=["printed_mean", "study_mean"]).round(2).head(9)
