"""The report of an evaluation: all numbers and failures of the run, missing parts with the reason, safe names, same bytes."""

from __future__ import annotations

import html
import json
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from darts_ensemble.errors import CohortError
from evaluation.report.assemble import write_report
from evaluation.results.summaries import region_means, subject_means, summarise
from evaluation.statistics.comparison import save_comparison
from tests.phantoms.results_folder import random_scores

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 100"><rect width="300" height="100"/></svg>'
METHODS = ("ensemble", "coronal", "axial")


def account(scores: pd.DataFrame, **changes: Any) -> dict[str, Any]:
    """A run.json as darts-eval writes it."""
    subjects = list(dict.fromkeys(scores["subject"]))
    methods = list(dict.fromkeys(scores["method"]))
    grid = {"shape": [256] * 3, "voxel_size_mm": [1.0, 1.0, 1.0], "label_maps": dict.fromkeys(methods, "same grid")}
    return {
        "command": "darts-eval --gt references --pred a=a", "arguments": {"weights": None},
        "versions": {"python": "3.11.2", "darts-ensemble": "0.1.0", "numpy": "2.1.0", "scipy": "1.14.0", "torch": "2.5.0"},
        "started": "2026-01-02T03:04:05+00:00", "seconds": 12.5,
        "protocol": {"name": "darts102", "merged": {}, "background": [], "masked": [], "outside": "mask"},
        "metrics": {"surface_definitions": ["voxel"], "tolerances_mm": [1.0], "misses": "exclude"}, "include_seen": False,
        "layouts": {"references": "freesurfer", **dict.fromkeys(methods, "flat")},
        "references": {subject: f"/data/{subject}/mri/aparc.DKTatlas+aseg.mgz" for subject in subjects}, "families": {},
        "weights_sha256": {}, "seen_in_training": {}, "suspects": [], "warnings": [], "failures": [],
        "not_matched": {"without_reference": [], "without_label_map": {}, "label_maps_without_reference": {}},
        "grids": dict.fromkeys(subjects, grid),
        "labels_follow": {subject: {"reference": "DKT", "label_maps": dict.fromkeys(methods, "DKT")} for subject in subjects},
        "foreign_ids": {},
    } | changes  # fmt: skip


def whole_run(folder: Path, scores: pd.DataFrame, **changes: Any) -> Path:
    """A results folder with everything that a run can write."""
    tables_only(folder, scores, **{"bootstrap": {"resamples": 99}} | changes)
    groups = scores.assign(region_name="deep grey", hemisphere="both", group="structure", region_id="")
    groups.drop_duplicates(["subject", "method"]).to_csv(folder / "groups.csv", index=False)
    save_comparison(folder)
    for name, stems in (("figures", ("heat_map", "box_plot_cortex")), ("overlays", ("overlay_worst_axial",))):
        (folder / name).mkdir()
        for stem in stems:
            Image.fromarray(np.full((40, 60, 3), 200, np.uint8)).save(folder / name / f"{stem}.png")
        (folder / name / "captions.json").write_text(json.dumps({stem: f"Caption of {stem}." for stem in stems}))
    return folder


def tables_only(folder: Path, scores: pd.DataFrame, **changes: Any) -> Path:
    """A results folder without comparisons and pictures, which take longest to make."""
    folder.mkdir()
    scores.to_csv(folder / "scores.csv", index=False)
    scores.iloc[:0].to_csv(folder / "groups.csv", index=False)
    subject_means(scores).to_csv(folder / "subjects.csv", index=False)
    summarise(scores).to_csv(folder / "summary.csv", index=False)
    region_means(scores).to_csv(folder / "regions.csv", index=False)
    (folder / "run.json").write_text(json.dumps(account(scores, **changes)))
    return folder


def copy_of(run: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a results folder whose run.json says something else."""
    shutil.copytree(run, folder)
    told = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(told | changes))
    return folder


class Page(HTMLParser):
    """Text of each section, cells of each table by its caption, names of elements."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.sections: dict[str, str] = {"": ""}
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: list[str] = []
        self._section, self._caption, self._in = "", "", ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "p" and dict(attrs).get("class") == "caption":
            self._in, self._caption = "caption", ""
        if tag == "h2":
            self._in, self._section = "h2", ""
        if tag == "tr":
            self.tables.setdefault(self._caption, []).append([])
        if tag in ("td", "th"):
            self._in = "cell"
            self.tables[self._caption][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "h2", "td", "th"):
            self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "caption":
            self._caption += data
        elif self._in == "h2":
            self._section += data
        elif self._in == "cell":
            self.tables[self._caption][-1][-1] += data
        self.sections[self._section] = self.sections.get(self._section, "") + data

    def rows(self, caption: str) -> list[dict[str, str]]:
        """Rows of the one table whose caption holds a text, by heading."""
        (table,) = [rows for name, rows in self.tables.items() if caption in name]
        return [dict(zip(table[0], row, strict=True)) for row in table[1:]]


@pytest.fixture
def scores() -> pd.DataFrame:
    """Six subjects, three methods, nine regions; the last method is the best on average."""
    return random_scores(6, METHODS, step=-0.03)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of these scores with everything in it, to be copied before it is changed."""
    return whole_run(tmp_path_factory.mktemp("whole") / "run", random_scores(6, METHODS, step=-0.03))


def test_every_number_of_the_summary_is_in_the_report(scores: pd.DataFrame, tmp_path: Path) -> None:
    scores.loc[3, ["status", "dice", "jaccard", "n_pred_voxels", "hd95_larger_voxel_mm"]] = ["missed", 0, 0, 0, np.nan]
    folder = tables_only(tmp_path / "run", scores)
    page = Page(write_report(folder))
    summary = pd.read_csv(folder / "summary.csv")
    rows = page.rows("Mean over regions within each subject")
    assert [row["Method"] for row in rows] == list(METHODS)
    headings = {
        "dice": "Dice",
        "dice_common": "Dice, common regions",
        "jaccard": "Jaccard",
        "hd95_larger_voxel_mm": "HD95 (larger, voxel), mm",
    }
    for row, (_, known) in zip(rows, summary.iterrows(), strict=True):
        for metric, heading in headings.items():
            digits = 2 if metric.endswith("mm") else 3
            assert row[heading] == f"{known[f'mean_{metric}']:.{digits}f} ± {known[f'sd_{metric}']:.{digits}f}"
        assert (row["Subjects"], row["Missed"], row["Invented"]) == ("6", str(known["n_missed"]), "0")
    assert rows[0]["Missed"] == "1"


def test_it_says_at_once_which_method_is_ahead_and_by_how_much(scores: pd.DataFrame, run: Path, tmp_path: Path) -> None:
    lead = Page(write_report(copy_of(run, tmp_path / "run"))).sections[""]
    mean = scores.groupby(["method", "subject"])["dice"].mean().groupby("method").mean()
    assert re.search(rf"axial {mean['axial']:.3f} ± [\d.]+; coronal {mean['coronal']:.3f} ± [\d.]+; ensemble", lead)
    gain = mean["axial"] - mean["coronal"]
    # The difference is of the two best, the better one first.
    assert f"axial − coronal: +{gain:.3f} [" in lead
    assert "n = 6 subjects" in lead
    # Exact, two-sided, all six to one side, Holm over three pairs: 3 x 2 / 2^6.
    assert f"p = {3 * 2 / 64:.3f} (Holm" in lead
    assert "mean ± SD over 6 subjects" in lead


def test_methods_on_different_subjects_have_each_their_own_n(scores: pd.DataFrame, tmp_path: Path) -> None:
    fewer = scores[(scores["method"] != "coronal") | (scores["subject"] < "s002")]
    lead = Page(write_report(tables_only(tmp_path / "run", fewer))).sections[""]
    assert re.search(r"axial [\d.]+ ± [\d.]+ \(n = 6\); coronal [\d.]+ ± [\d.]+ \(n = 2\)", lead)
    assert "over the subjects that each method has" in lead


def test_every_region_and_method_has_a_row_and_methods_stand_side_by_side(scores: pd.DataFrame, tmp_path: Path) -> None:
    page = Page(write_report(tables_only(tmp_path / "run", scores)))
    means = scores.groupby(["region_name", "method"])["dice"].mean()
    rows = page.rows("Every region and method")
    assert {(row["Region"], row["Method"], row["Dice"].split()[0]) for row in rows} == {
        (region, method, f"{mean:.3f}") for (region, method), mean in means.items()
    }
    wide = page.rows("methods side by side")
    assert len(wide) == 9
    for row in wide:
        assert [row[method].split()[0] for method in METHODS] == [f"{means[row['Region'], method]:.3f}" for method in METHODS]


def test_the_worst_cases_come_first_and_misses_are_listed_apart(scores: pd.DataFrame, tmp_path: Path) -> None:
    scores.loc[[5, 20], ["status", "dice"]] = [["missed", 0.0], ["invented", 0.0]]
    page = Page(write_report(tables_only(tmp_path / "run", scores)))
    rows = page.rows("lowest Dice")
    lowest = scores[scores["status"] == "scored"]["dice"].nsmallest(20)
    assert [row["Dice"] for row in rows] == [f"{value:.3f}" for value in lowest]
    missed = {(row["Region"], row["Method"], row["What"], row["Which"]) for row in page.rows("missed or invented")}
    assert missed == {
        (scores.loc[at, "region_name"], scores.loc[at, "method"], scores.loc[at, "status"], scores.loc[at, "subject"])
        for at in (5, 20)
    }


def test_each_of_the_worst_cases_has_the_command_that_shows_it(scores: pd.DataFrame, tmp_path: Path) -> None:
    subjects = sorted(set(scores["subject"]))
    maps = {method: {subject: f"maps of {method}/{subject}.nii.gz" for subject in subjects} for method in METHODS}
    scans = {subject: f"/data/{subject}/mri/T1.mgz" for subject in subjects}
    report = write_report(tables_only(tmp_path / "run", scores, scans=scans, label_maps=maps)).read_text(encoding="utf-8")
    lines = [html.unescape(line) for line in re.findall(r"<code>(darts-view .*?)</code>", report)]
    worst = scores[scores["status"] == "scored"].nsmallest(20, "dice")
    expected = [
        ["darts-view", scans[row.subject], f"/data/{row.subject}/mri/aparc.DKTatlas+aseg.mgz", maps[row.method][row.subject],
         "--name", "reference", "--name", row.method, "--region", str(row.region_id)]
        for row in worst.itertuples()
    ]  # fmt: skip
    assert [shlex.split(line) for line in lines] == expected
    # A run without scans has none; a subject without a scan is left out.
    few = {subject: scan for subject, scan in scans.items() if subject == worst.iloc[0]["subject"]}
    some = write_report(tables_only(tmp_path / "some", scores, scans=few, label_maps=maps)).read_text(encoding="utf-8")
    assert some.count("<code>darts-view ") == (worst["subject"] == worst.iloc[0]["subject"]).sum()
    without = write_report(tables_only(tmp_path / "without", scores, label_maps=maps)).read_text(encoding="utf-8")
    assert "darts-view" not in without


def test_failures_suspicions_and_warnings_stand_in_the_first_section(scores: pd.DataFrame, tmp_path: Path) -> None:
    suspect = {"subject": "s009", "method": "axial", "kind": "left and right exchanged", "detail": "0.91 exchanged, 0.20 as is"}
    folder = tables_only(
        tmp_path / "run", scores,
        failures=[{"subject": "s008", "method": "", "reason": "s008.nii.gz: cut off"}],
        suspects=[{**suspect, "counted": False}], warnings=["references are Desikan maps"],
        not_matched={"without_reference": ["s010"], "without_label_map": {"axial": ["s011"]}},
        foreign_ids={"s000": {m: {"masked": {"1001": 40}, "as_background": {}, "dropped": {"91": 5}} for m in METHODS}},
    )  # fmt: skip
    page = Page(write_report(folder))
    assert "1 failure, 1 suspected pair and 1 warning" in page.sections[""]
    first = page.sections["What was compared"]
    for text in (
        "s008: s008.nii.gz: cut off", "s009 (axial): left and right exchanged: 0.91 exchanged, 0.20 as is",
        "left out of all tables", "references are Desikan maps",
        "without a reference: s010", "axial: no label map of s011", "1 × 1 × 1 mm",
        # Three methods were held against the same reference, whose voxels count once.
        "40 voxels of references masked; 15 voxels of label maps taken as background",
    ):  # fmt: skip
        assert text in first, text


def test_a_subject_or_method_with_a_script_for_a_name_does_nothing(scores: pd.DataFrame, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    scores["subject"] = scores["subject"].replace("s000", evil)
    scores["method"] = scores["method"].replace("axial", evil)
    failure = {"subject": evil, "method": evil, "reason": evil}
    path = write_report(tables_only(tmp_path / "run", scores, warnings=[evil], failures=[failure]))
    page = Page(path)
    assert (page.tags.count("script"), page.tags.count("img")) == (1, 0)
    assert html.escape(evil) in path.read_text(encoding="utf-8")
    assert evil in {row["Method"] for row in page.rows("Every subject and method")}


def test_parts_that_one_method_can_not_have_are_explained(tmp_path: Path) -> None:
    scores = random_scores(1, ["alone"])
    page = Page(write_report(tables_only(tmp_path / "run", scores)))
    tests = page.sections["Paired tests"]
    assert tests.count("Not here: 1 method; 2 are needed.") == 3
    assert "Not here: 1 method; 3 are needed." in tests
    assert "fewer than two subjects" in tests
    assert "The folder holds no figures" in page.sections["Figures"]
    assert "The folder holds no overlays" in page.sections["Worst cases"]
    assert "no complete group of regions" in page.sections["Summary"]


def test_files_of_tests_that_are_gone_are_named(run: Path, tmp_path: Path) -> None:
    folder = copy_of(run, tmp_path / "run")
    for name in ("paired_overall", "paired_regions", "ranks", "mixed_model", "volume_agreement"):
        (folder / f"{name}.csv").unlink()
    tests = Page(write_report(folder)).sections["Paired tests"]
    for name in ("paired_overall", "paired_regions", "ranks", "mixed_model", "volume_agreement"):
        assert f"the folder holds no {name}.csv" in tests


def test_when_every_subject_was_seen_in_training_there_are_no_means(scores: pd.DataFrame, tmp_path: Path) -> None:
    seen = scores.assign(seen_in_training=True)
    folder = tables_only(tmp_path / "run", seen, seen_in_training={"ensemble": ["s000"]})
    page = Page(write_report(folder))
    assert "Every subject was seen in training" in page.sections[""]
    assert "Every subject was seen in training" in page.sections["All regions"]


def test_a_folder_without_results_is_an_error_and_a_bad_picture_is_not(run: Path, tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="expected a folder that darts-eval wrote"):
        write_report(tmp_path)
    folder = copy_of(run, tmp_path / "run")
    (folder / "figures" / "heat_map.png").write_bytes(b"half a pict")
    (folder / "overlays" / "captions.json").write_text("[")
    page = Page(write_report(folder))
    assert "heat_map.png: not an image that can be read" in page.sections["Figures"]
    assert page.tags.count("img") == 2


def test_figures_come_in_the_order_of_their_captions_and_drawings_before_pictures(run: Path, tmp_path: Path) -> None:
    folder = copy_of(run, tmp_path / "run")
    (folder / "figures" / "heat_map.svg").write_text(SVG)
    (folder / "figures" / "more.png").write_bytes((folder / "figures" / "box_plot_cortex.png").read_bytes())
    path = write_report(folder)
    kinds = re.findall(r'<img[^>]*src="data:image/([a-z+]+);', path.read_text(encoding="utf-8"))
    assert kinds == ["svg+xml", "webp", "webp", "webp"]
    text = " ".join(Page(path).sections["Figures"].split())
    assert text == "Figures Figure 1. Caption of heat_map. Figure 2. Caption of box_plot_cortex. Figure 3. more."


def test_many_pairs_are_cut_to_those_of_the_baseline_which_the_caption_says(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_of(run, tmp_path / "run")
    assert len(Page(write_report(folder)).rows("Dice of pairs of methods")) == 27
    monkeypatch.setattr("evaluation.report.assemble.MOST_PAIRED_ROWS", 20)
    rows = Page(write_report(folder)).rows("Dice of ensemble and each other method in every region; the file has all pairs")
    assert len(rows) == 18
    assert all("ensemble" in (row["A"], row["B"]) for row in rows)


def test_the_same_results_give_the_same_bytes_but_for_the_time_of_the_run(run: Path, tmp_path: Path) -> None:
    first, second = (write_report(copy_of(run, tmp_path / name)).read_bytes() for name in "ab")
    assert first == second
    later = write_report(copy_of(run, tmp_path / "c", started="2027-11-12T04:05:06+01:00")).read_bytes()
    assert later.replace(b"2027-11-12 03:05 UTC", b"2026-01-02 03:04 UTC") == first
