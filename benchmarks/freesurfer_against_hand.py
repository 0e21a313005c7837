"""FreeSurfer, the views and the ensemble against manual labels of deep structures: the tables and the figure of the page.

    darts-eval --gt mindboggle/:DKT31_CMA_labels.nii.gz --protocol oasis-cma --regions "deep structures" \\
        --pred freesurfer=mindboggle/:labels.DKT31.manual+aseg.nii.gz --weights bundled -o results-deep/
    python benchmarks/freesurfer_against_hand.py results-deep/ [-o docs/reference/freesurfer_against_hand/]

Prints tables in Markdown from the scores and tests of `darts-eval`, and with -o writes `dice.csv` (one
row a subject and region, one column a method) and `box_plot.png`. Any results folder with a method named freesurfer will do.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from PIL import Image

from evaluation.figures.region_layout import region_rows, sided_name
from evaluation.results.folder import SIDES_MERGED, Results, read_results
from evaluation.results.number_format import format_interval, format_number, format_p
from evaluation.results.significance import oriented

BASE = "freesurfer"
#: Width of the picture, and its colours: drawings need few, but every method its own.
WIDTH, COLOURS = 1500, 200


def main() -> None:
    """Print the tables; write the numbers and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of darts-eval")
    parser.add_argument("-o", "--out", type=Path, help="folder for dice.csv and box_plot.png")
    given = parser.parse_args()
    results = read_results(given.results)
    methods = [method for method in results.methods if not method.endswith(SIDES_MERGED)]
    if BASE not in methods:
        parser.error(f"{given.results}: methods {', '.join(methods)}; expected one named {BASE}")
    for text in (over_all_regions(results, methods), differences(results), region_by_region(results, methods)):
        print(text, end="\n\n")
    if given.out:
        given.out.mkdir(parents=True, exist_ok=True)
        dice(results, methods).to_csv(given.out / "dice.csv", index=False, float_format="%.4f")
        picture(given.results / "figures" / "box_plot_subcortical.png", given.out / "box_plot.png")


def over_all_regions(results: Results, methods: list[str]) -> str:
    """Mean over the regions within each subject: mean, SD, lowest and highest subject."""
    means = results.subjects[results.subjects["method"].isin(methods)].groupby("method", sort=False)["mean_dice"]
    rows = [
        [method, number(values.mean()), number(values.std()), f"{number(values.min())}, {number(values.max())}"]
        for method, values in means
    ]
    return table(["method", "mean Dice", "SD over people", "lowest, highest person"], rows)


def differences(results: Results) -> str:
    """Each method minus FreeSurfer over all regions, one value per subject."""
    overall = results.paired_overall
    if overall is None:
        raise SystemExit("no paired_overall.csv: fewer than two subjects or methods")
    found = oriented(overall[overall["metric"] == "dice"], BASE, baseline_first=False)
    rows = [
        [
            f"{row['other']} − FreeSurfer", number(row["mean_difference"], signed=True),
            format_interval(row["mean_low"], row["mean_high"], "signed"), format_number(row["d_z"], 2, signed=True),
            format_p(row["t_p"]), format_p(row["wilcoxon_p"]), format_p(row["wilcoxon_p_holm_methods"]),
        ]
        for row in found.to_dict("records")
    ]  # fmt: skip
    return table(["", "mean", "95 % interval", "d_z", "p (t)", "p (Wilcoxon)", "p (Wilcoxon, Holm)"], rows)


def region_by_region(results: Results, methods: list[str]) -> str:
    """Mean Dice of each method, and the ensemble minus FreeSurfer, one row per region."""
    means = results.regions.set_index(["region_id", "method"])["mean_dice"]
    paired = results.paired_regions
    assert paired is not None  # there is paired_overall.csv
    found = oriented(paired[paired["metric"] == "dice"], BASE, baseline_first=False)
    found = found[found["other"] == "ensemble"].set_index("region_id")
    names = results.regions.drop_duplicates("region_id").set_index("region_id")
    rows = []
    for id_ in [id_ for row in region_rows(results.regions) for id_ in row.ids]:
        name = sided_name(str(names.loc[id_, "region_name"]), str(names.loc[id_, "hemisphere"]))
        cells = [number(means[id_, method]) for method in methods]
        if id_ in found.index:
            one = found.loc[id_]
            interval = format_interval(one["mean_low"], one["mean_high"], "signed")
            cells += [number(one["mean_difference"], signed=True), interval, format_p(one["wilcoxon_p_holm_regions"])]
        rows.append([name, *cells])
    return table(["region", *methods, "ensemble − FreeSurfer", "95 % interval", "p (Wilcoxon, Holm)"], rows)


def dice(results: Results, methods: list[str]) -> pd.DataFrame:
    """Dice of each subject and region, methods side by side."""
    rows = results.scores[results.scores["method"].isin(methods)]
    keys = ["subject", "region_id", "region_name"]
    wide = rows.pivot_table(index=keys, columns="method", values="dice", sort=False)
    return wide[methods].reset_index()


def picture(source: Path, target: Path) -> None:
    """Keep a figure as a small PNG."""
    image = Image.open(source).convert("RGB")
    image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)


def number(value: float, *, signed: bool = False) -> str:
    """Three decimals."""
    return format_number(float(value), 3, signed=signed)


def table(header: list[str], rows: list[list[str]]) -> str:
    """Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main()
