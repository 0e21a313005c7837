"""darts-reader-study from the outside: what each command writes, prints and refuses."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from evaluation.results.number_format import p_phrase
from reader_study.commands import main as cli
from reader_study.ratings.table import SYNTHETIC, read_ratings
from tests.conftest import ROOT


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    """Run the command as the shell does and return its exit code."""
    monkeypatch.setattr(sys, "argv", ["darts-reader-study", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic study, analysed."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = run(
            monkeypatch, "simulate", "--means", "FS=3.0,FT=3.9", "--regions", "Insula,Putamen", "--sides", "L", "--cases", 8,
            "--readers", 3, "--repeats", 0.3, "--seed", 2, "-o", folder / "ratings.csv",
        )  # fmt: skip
        guesses = "reader,case,roi,hemisphere,guess,method\n" + "".join(
            f"reader-{r},case-{c},Insula,L,{g},{m}\n"
            for r, c, g, m in [(1, 1, "FS", "FS"), (1, 2, "FT", "FT"), (2, 1, "don't know", "FS"), (3, 3, "FS", "FT")]
        )
        (folder / "guesses.csv").write_text(guesses, encoding="utf-8")
        analysed = run(
            monkeypatch, "analyse", folder / "ratings.csv", "--methods", "FS,FT", "--compare", "published", "--guesses",
            folder / "guesses.csv", "--resamples", 200, "--random", "case,reader", "--quiet", "-o", folder / "out",
        )  # fmt: skip
    assert (made, analysed) == (0, 0)
    return folder


def test_a_study_leaves_a_table_for_each_analysis_figures_and_a_report(results: Path) -> None:
    out = results / "out"
    tables = {path.name for path in out.glob("*.csv")}
    assert tables == {
        "published_table.csv", "published_tests.csv", "case_means.csv", "model_tests.csv", "odds_ratios.csv",
        "model_variances.csv", "category_probabilities.csv", "random_effects.csv", "agreement.csv", "within_readers.csv",
        "blinding.csv", "comparison.csv", "who_rated_what.csv",
    }  # fmt: skip
    account = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert {name for name in account["files"] if name.endswith(".csv")} == tables
    assert all((out / name).is_file() for name in account["files"])
    assert account["formulas"][0] == "factor(rating) ~ method + (1 | case) + (1 | reader)"
    assert not list(out.rglob(".*"))
    figures = {path.stem for path in (out / "figures").glob("*.png")}
    assert figures == {
        "summary_page", "likert_bars", "box_plots", "paired_differences", "odds_ratios", "reader_severity", "agreement",
        "comparison",
    }  # fmt: skip


def test_every_output_of_made_up_ratings_says_so(results: Path) -> None:
    out = results / "out"
    for path in out.glob("*.csv"):
        assert set(pd.read_csv(path)["synthetic"]) == {SYNTHETIC}, path.name
    for name in ("published_table.md", "published_table.tex", "report.html"):
        assert SYNTHETIC in (out / name).read_text(encoding="utf-8"), name
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["synthetic"] is True
    assert set(pd.read_csv(results / "ratings.csv")["synthetic"]) == {"simulated, seed 2"}


def test_the_numbers_of_the_tables_are_those_of_the_ratings(results: Path) -> None:
    ratings = read_ratings(results / "ratings.csv")
    first = ratings[ratings["repeat"] == 1]
    table = pd.read_csv(results / "out" / "published_table.csv")
    row = table[table["roi"] == "Putamen"].iloc[0]
    given = first[(first["roi"] == "Putamen") & (first["method"] == "FT")]["rating"]
    assert row["FT_mean"] == pytest.approx(given.mean(), abs=1e-4)
    beside = pd.read_csv(results / "out" / "comparison.csv").set_index(["roi", "hemisphere", "method"])
    printed = beside.loc[("Putamen", "L", "FT")]
    assert printed["printed_mean"] == 3.23
    assert printed["difference"] == pytest.approx(given.mean() - 3.23)
    assert pd.isna(beside.loc[("Thalamus", "L", "FT"), "study_mean"])
    blinding = pd.read_csv(results / "out" / "blinding.csv").set_index(["reader", "index", "method"])
    assert blinding.loc[("all", "bang", "FT"), "value"] == 0.0
    assert blinding.loc[("all", "bang", "FS"), "value"] == 0.5


def test_the_report_holds_its_figures_and_the_formula(results: Path) -> None:
    text = (results / "out" / "report.html").read_text(encoding="utf-8")
    assert text.count("<figure>") == 8
    assert "clmm(factor(rating) ~ method + (1 | case) + (1 | reader), data = ratings)" in text
    assert 'src="http' not in text


def test_one_method_leaves_the_readers_alone_and_nothing_of_an_earlier_run(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ratings = pd.read_csv(results / "ratings.csv", dtype=str, keep_default_na=False)
    one = ratings[(ratings["roi"] == "Insula") & (ratings["method"] == "FS")].drop(columns="synthetic")
    one.to_csv(tmp_path / "one.csv", index=False)
    shutil.copytree(results / "out", tmp_path / "out")
    assert run(monkeypatch, "analyse", tmp_path / "one.csv", "--resamples", 200, "-o", tmp_path / "out") == 0
    said = capsys.readouterr()
    assert "Agreement of readers: kappa_light" in said.out
    assert "warning: one method (FS): there is nothing to compare" in said.err
    assert SYNTHETIC not in said.out
    account = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    left = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {name for name in left if not name.endswith((".pdf", ".svg"))} == set(account["files"])
    assert {name for name in left if name.endswith(".csv")} == {"agreement.csv", "within_readers.csv", "who_rated_what.csv"}


def test_a_simulated_table_replaces_nothing_unseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                   capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    path = tmp_path / "ratings.csv"
    path.write_text("real", encoding="utf-8")
    assert run(monkeypatch, "simulate", "-o", path) == 2
    assert path.read_text(encoding="utf-8") == "real"
    assert "there already" in capsys.readouterr().err
    assert run(monkeypatch, "simulate", "--like", "published", "--cases", 2, "--readers", 1, "--overwrite", "-o", path) == 0
    assert "SD 2.14 lowered to 1.95" in capsys.readouterr().out
    assert len(read_ratings(path)) == 84


def test_check_table_prints_the_findings_of_the_published_table(monkeypatch: pytest.MonkeyPatch,
                                                                capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    assert run(monkeypatch, "check-table", "published", "--n", 20) == 0
    said = capsys.readouterr().out
    for part in (
        "Putamen L, FS: SD 2.14 is impossible; at mean 3.22 the largest on a scale of 1 to 5 is 2.04 for 20 ratings",
        "an SD of 1.11 with 2.14 and of 1.00 with 1.14 in its place, against 1.12 printed for All Regions: it is in the data",
        "GRIM: 10 of the 42 means",
        "GRIMMER: 2 of the 42",
        "the printed mean is 3.41, the rows average 3.364",
        "10 at n = 20, 25 at n = 40, 25 at n = 60, 42 at n = 80, 42 at n = 100",
    ):
        assert part in said
    assert run(monkeypatch, "check-table", "published", "--n", 20, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["findings"]) == 8


def test_import_turns_a_table_of_quality_control_into_ratings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "qc.csv"
    source.write_text("image,rater,session,verdict\ni1,A,First,pass\ni1,A,Second,fail\ni2,A,First,2\n", encoding="utf-8")
    words = ["--rename", "image=case", "--rename", "rater=reader", "--rename", "session=repeat", "--rename", "verdict=rating"]
    for one in ("repeat:First=1", "repeat:Second=2", "rating:pass=3", "rating:fail=1"):
        words += ["--value", one]
    for one in ("roi=image", "hemisphere=", "method=raw"):
        words += ["--constant", one]
    words += ["--region", "image", "--scale", "1=fail,2=warning,3=pass", "-o", str(tmp_path / "ratings.csv")]
    assert run(monkeypatch, "import", source, *words) == 0
    table = pd.read_csv(tmp_path / "ratings.csv", keep_default_na=False)
    assert table[["case", "repeat", "rating"]].to_numpy().tolist() == [["i1", 1, 3], ["i1", 2, 1], ["i2", 1, 2]]


@pytest.mark.parametrize(
    ("ratings", "said"),
    [
        (("3", "", "N/A"), "2 rows have no rating (blank or N/A) and count as not rated"),
        (("3", "4", "-"), "1 row has no rating (blank or N/A) and counts as not rated"),
        (("3", "4", "5"), ""),
    ],
)
def test_import_says_how_many_rows_count_as_not_rated(
    ratings: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"A,c{number},Insula,L,FS,{rating}" for number, rating in enumerate(ratings)]
    source = tmp_path / "long.csv"
    source.write_text("\n".join(["reader,case,roi,hemisphere,method,rating", *rows, ""]), encoding="utf-8")
    assert run(monkeypatch, "import", source, "-o", tmp_path / "ratings.csv") == 0
    lines = "".join(capsys.readouterr().err.split("\n"))
    assert lines == (f"warning: {source}: {said}" if said else "")
    assert len(pd.read_csv(tmp_path / "ratings.csv")) == 3 - int(said[:1] or 0)


def test_import_turns_columns_into_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "wide.tsv"
    source.write_text("subject\treader\tInsula_L_FS\tInsula_L_FT\nc1\tA\t3\t5\nc2\tA\t\t4\n", encoding="utf-8")
    words = ["--headers", "{roi}_{hemisphere}_{method}", "--rename", "subject=case", "-o", tmp_path / "ratings.csv"]
    assert run(monkeypatch, "import", source, *words) == 0
    assert pd.read_csv(tmp_path / "ratings.csv")[["case", "method", "rating"]].to_numpy().tolist() == [
        ["c1", "FS", 3], ["c1", "FT", 5], ["c2", "FT", 4],
    ]  # fmt: skip
    assert "1 cell has no rating" in capsys.readouterr().err


def test_power_writes_a_table_and_a_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                          capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    words = ["--cases", "6,8", "--readers", "2", "--shift", "0.5", "--analyses", "t,pooled-t", "--simulations", "10"]
    for command in ("power", "plan-size"):
        assert run(monkeypatch, command, *words, "--level", "0.2", "-o", tmp_path / command) == 0
    assert "Share of simulated studies with p < 0.2\n" in capsys.readouterr().out
    one, two = (pd.read_csv(tmp_path / command / "power.csv") for command in ("power", "plan-size"))
    pd.testing.assert_frame_equal(one, two)
    assert one["cases"].tolist() == [6, 6, 8, 8]
    assert set(one["level"]) == {0.2}
    assert "Simulated studies with p &lt; 0.2" in (tmp_path / "power" / "power_curve.svg").read_text(encoding="utf-8")
    assert (tmp_path / "power" / "power_curve.pdf").is_file()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["analyse", "absent.csv", "-o", "out"], 1, "absent.csv: no such file"),
        (["check-table", "absent.csv", "--n", "20"], 1, "absent.csv: no such file"),
        (["analyse", "absent.csv", "-o", "out", "--scale", "poor,good"], 2, "1=fail,2=warning,3=pass"),
        (["power", "--cases", "many"], 2, "--cases many: expected whole numbers"),
        (["power", "--analyses", "anova"], 2, "--analyses anova: expected all or some of t, wilcoxon"),
        (["simulate", "--means", "FS", "-o", "x.csv"], 2, "--means FS: expected METHOD=MEAN"),
        (["simulate", "--means", "FS=6", "-o", "x.csv"], 1, "expected one within 1 to 5"),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(
    words: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *words) == code
    error = capsys.readouterr().err.strip()
    assert says in error
    assert "\n" not in error
    assert list(tmp_path.iterdir()) == []


def test_a_p_value_reads_as_a_sentence() -> None:
    said = [p_phrase(value) for value in (0.0004, 0.0123, 0.9996, 1.0, math.nan)]
    assert said == ["p < 0.001", "p = 0.012", "p > 0.999", "p = 1.000", "p –"]


def test_help_loads_no_tables_and_no_figures() -> None:
    code = (
        "import sys\nfrom reader_study.commands import main as cli\nsys.argv = ['x', 'analyse', '--help']\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('pandas', 'numpy', 'scipy', 'matplotlib', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip().splitlines()[-1] == "[]"
