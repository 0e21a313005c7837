"""Terminals that know ASCII only: every command runs there as elsewhere, and writes nothing but ASCII."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from darts_ensemble.commands.plain_text import in_ascii
from tests.conftest import ROOT
from tests.phantoms.brain import AFFINE, brain, save

SCRIPTS: dict[str, str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
TERMINALS = {"PYTHONIOENCODING": {"PYTHONIOENCODING": "ascii"}}
NAME = "José ± 3−1"


def run(script: str, *words: object, terminal: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[bytes]:
    module, function = SCRIPTS[script].split(":")
    code = f"import sys; from {module} import {function}; sys.argv[0] = '{script}'; {function}()"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHONIO", "PYTHONUTF8"))}
    environment = kept | {"PYTHONPATH": str(ROOT)} | TERMINALS[terminal]
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, check=False, env=environment, cwd=cwd)


def check(done: subprocess.CompletedProcess[bytes], code: int = 0) -> str:
    """What was printed, which must be ASCII; the exit code must be the usual one."""
    assert done.returncode == code, done.stderr.decode(errors="replace")[-2000:]
    assert b"Traceback" not in done.stderr
    assert done.stdout.isascii(), [line for line in done.stdout.splitlines() if not line.isascii()]
    assert done.stderr.isascii(), [line for line in done.stderr.splitlines() if not line.isascii()]
    return (done.stdout + done.stderr).decode("ascii")


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_command_prints_its_help(script: str) -> None:
    assert "Usage" in check(run(script, "--help", terminal="PYTHONIOENCODING"))


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people whose names are not ASCII: references and the predictions of a method."""
    root = tmp_path_factory.mktemp("cohort")
    for number in (1, 2):
        save(root / "gt" / f"{NAME}{number}.nii.gz", brain(jitter=0.3, seed=number))
        save(root / "méthode" / f"{NAME}{number}.nii.gz", brain(jitter=1.5, seed=number + 5))
    return root


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / f"{NAME}.nii.gz"
    data = np.where(brain() > 0, 100 + brain() % 60, 0).astype(np.uint8)
    nib.save(nib.Nifti1Image(data, AFFINE), path)
    return path


@pytest.mark.parametrize("terminal", TERMINALS)
def test_darts_segment_and_darts_qc_run_and_name_the_file(
    terminal: str, scan: Path, tmp_path: Path, tiny_weights: Path
) -> None:
    out = tmp_path / "sortie é"
    one_view = ("--weights", tiny_weights, "--views", "coronal")
    done = run("darts-segment", scan, "-o", out, *one_view, "--verbose", terminal=terminal)
    said = check(done)
    assert " wrote " in said
    assert "Jos" in said
    assert (out / f"{NAME}_dseg.nii.gz").is_file()
    account = json.loads((out / f"{NAME}_quality.json").read_text(encoding="utf-8"))
    assert "Jos" in account["scan"]
    check(run("darts-segment", scan.with_name("nichts-ü.nii"), "-o", out, *one_view, terminal=terminal), 1)
    as_json = run("darts-segment", scan, "-o", out, *one_view, "--json", terminal=terminal)
    assert json.loads(as_json.stdout)["scans"][0]["status"] == "done before"
    check(run("darts-qc", out, terminal=terminal))
    assert (out / "quality/quality.html").is_file()


@pytest.mark.parametrize("terminal", TERMINALS)
def test_darts_eval_runs(terminal: str, cohort: Path, tmp_path: Path) -> None:
    words = ["--gt", cohort / "gt", "--pred", f"méthode={cohort / 'méthode'}", "-o", tmp_path / "é", "--metrics", "overlap"]
    said = check(run("darts-eval", *words, "--no-figures", terminal=terminal))
    assert "+/-" in said
    assert (tmp_path / "é/report.html").is_file()
    check(run("darts-eval", *words[:1], cohort / "fehlt-ß", *words[2:], terminal=terminal), 1)


@pytest.mark.parametrize("terminal", TERMINALS)
def test_darts_reader_study_runs(terminal: str, tmp_path: Path) -> None:
    table = tmp_path / "évaluations.csv"
    simulate = ("simulate", "--means", "FS=3.0,Été=3.9", "--regions", "Insula", "--sides", "L", "--cases", 6, "--readers", 3)
    check(run("darts-reader-study", *simulate, "--seed", 2, "-o", table, terminal=terminal))
    analyse = ("analyse", table, "--resamples", 100, "-o", tmp_path / "é", "--verbose")
    assert "+/-" in check(run("darts-reader-study", *analyse, terminal=terminal))


@pytest.mark.parametrize("terminal", TERMINALS)
def test_darts_weights_darts_train_and_darts_bids_run(terminal: str, tmp_path: Path, scan: Path, tiny_weights: Path) -> None:
    check(run("darts-weights", "list", terminal=terminal))
    check(run("darts-weights", "verify", tmp_path / "ä", terminal=terminal), 1)
    check(run("darts-train", "pretrain", "--data", tmp_path / "ö", "-o", tmp_path / "w", terminal=terminal), 1)
    check(run("darts-bids", tmp_path / "ß", tmp_path / "out", "participant", terminal=terminal), 1)
    segment = ("segment", scan, "-o", tmp_path / "é", "--weights", tiny_weights, "--views", "coronal")
    check(run("darts", *segment, terminal=terminal))


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("0.84 ± 0.02", "0.84 +/- 0.02"), ("A − B, mm³, χ²", "A - B, mm3, chi2"), ("José", r"Jos\xe9"), ("脳", r"\u8133"),
        ("bad\udce9name", r"bad\udce9name"), ("\U0001f9e0", r"\U0001f9e0"), ("“so”…", '"so"...'),
    ],
)  # fmt: skip
def test_signs_are_typed_and_letters_escaped(text: str, plain: str) -> None:
    assert in_ascii(text) == plain


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="this system's names of files are Unicode")
def test_a_file_name_that_is_no_unicode_is_printed_and_written_as_escapes(
    scan: Path, tmp_path: Path, tiny_weights: Path
) -> None:
    name = os.fsdecode(b"Jos\xe9.nii.gz")
    (tmp_path / name).write_bytes(scan.read_bytes())
    module, function = SCRIPTS["darts-segment"].split(":")
    code = f"from {module} import {function}; {function}()"
    command = [sys.executable, "-c", code, os.fsencode(tmp_path / name), "-o", str(tmp_path / "out")]
    one_view = ("--weights", str(tiny_weights), "--views", "coronal")
    done = subprocess.run([*command, *one_view], capture_output=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert rb"Jos\udce9" in done.stdout
    account = (tmp_path / "out" / os.fsdecode(b"Jos\xe9_quality.json")).read_text(encoding="utf-8")
    assert "udce9" in json.loads(account)["scan"].encode("ascii", "backslashreplace").decode()
