"""The BIDS App: participants and sessions are chosen, segmented, and the group gets tables and a page."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import typer

from darts_ensemble.commands.segment import app as segment
from darts_ensemble.errors import CohortError, UsageError
from evaluation.cohort.bids_scans import find_raw_scans, read_filter
from evaluation.commands.bids_app import app, main
from tests.conftest import ROOT
from tests.integration.test_bids_derivative import issues
from tests.integration.test_darts_segment import head, save
from tests.phantoms.brain import brain
from tests.phantoms.brain import save as save_map

SCANS = (
    "sub-01/anat/sub-01_T1w.nii.gz",
    "sub-01/anat/sub-01_UNIT1.nii.gz",
    "sub-02/ses-a/anat/sub-02_ses-a_acq-fast_run-01_T1w.nii.gz",
    "sub-02/ses-b/anat/sub-02_ses-b_T1w.nii.gz",
)
NOT_SCANS = (
    "sub-01/anat/sub-01_T2w.nii.gz",
    "sub-02/ses-b/anat/sub-02_ses-b_part-phase_T1w.nii.gz",
    "sub-02/ses-b/anat/sub-02_ses-b_space-MNI_T1w.nii.gz",
)


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    root = tmp_path / "bids"
    for name in (*SCANS, *NOT_SCANS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    return root


def names(root: Path, **options: object) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find_raw_scans(root, **options)]  # type: ignore[arg-type]


def test_every_t1w_and_unit1_is_found_and_labels_choose(bids: Path) -> None:
    assert names(bids) == list(SCANS)
    assert names(bids, participants=["sub-01"]) == list(SCANS[:2])
    assert names(bids, participants=["02"], sessions=["ses-b"]) == [SCANS[3]]
    with pytest.raises(UsageError, match="no participant 07"):
        find_raw_scans(bids, participants=["07"])
    with pytest.raises(UsageError, match="no session 1; expected some of a, b"):
        find_raw_scans(bids, sessions=["1"])
    with pytest.raises(UsageError, match=r"no participant 01,02; .* no commas"):
        find_raw_scans(bids, participants=["01,02"])
    with pytest.raises(CohortError, match="no such folder"):
        find_raw_scans(bids / "nowhere")
    with pytest.raises(CohortError, match=r"no dataset_description\.json"):
        find_raw_scans(bids / "sub-01")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"acquisition": "fast"}, [SCANS[2]]),
        ({"run": 1}, [SCANS[2]]),
        ({"acquisition": None, "suffix": "T1w"}, [SCANS[0], SCANS[3]]),
        ({"session": ["a", "b"], "datatype": "anat"}, list(SCANS[2:])),
        ({"session": "*", "run": None}, [SCANS[3]]),
        ({"session": "Query.ANY", "run": "Query.NONE", "acquisition": "Query.OPTIONAL"}, [SCANS[3]]),
    ],
)
def test_a_filter_file_chooses_by_entities(bids: Path, tmp_path: Path, wanted: dict[str, object], found: list[str]) -> None:
    (tmp_path / "filter.json").write_text(json.dumps({"t1w": wanted, "bold": {"task": "rest"}}))
    assert names(bids, wanted=read_filter(tmp_path / "filter.json")) == found
    (tmp_path / "filter.json").write_text('{"t1w": {"aquisition": "x"}}')
    with pytest.raises(UsageError, match="entity aquisition"):
        read_filter(tmp_path / "filter.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"T1w": {"acquisition": "fast"}}', r"no entry t1w \(found T1w\)"),
        ('["t1w"]', "no entry t1w; expected JSON"),
        ("{t1w", "expected JSON such as"),
        (None, "filter.json: No such file or directory; expected"),
    ],
)
def test_a_filter_file_that_would_choose_nothing_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "filter.json").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_filter(tmp_path / "filter.json")


def test_people_and_sessions_without_a_scan_are_told_and_an_unknown_session_refused(bids: Path) -> None:
    (bids / "sub-03/anat").mkdir(parents=True)
    (bids / "sub-03/anat/sub-03_T2w.nii.gz").touch()
    (bids / "sub-02/ses-c/func").mkdir(parents=True)
    told: list[str] = []
    assert names(bids, without=told.append) == list(SCANS)
    assert told == ["sub-02/ses-c", "sub-03"]
    with pytest.raises(UsageError, match="no session d; expected some of a, b, c"):
        find_raw_scans(bids, sessions=["d"])


def test_participants_then_the_group(tmp_path: Path, tiny_weights: Path) -> None:
    root, out = tmp_path / "bids", tmp_path / "bids/derivatives/darts"
    for number, name in enumerate(SCANS[:3]):
        save(root / name, head(number))
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.8.0"}')
    common = [str(root), str(out)]
    with pytest.raises(SystemExit) as ended:
        main(
            [
                *common,
                "participant",
                "--participant_label",
                "01",
                "02",
                "--weights",
                str(tiny_weights),
                "--skip-bids-validation",
            ]
        )
    assert ended.value.code == 0
    with pytest.raises(SystemExit) as ended:
        main([*common, "group"])
    assert ended.value.code == 0
    wide = pd.read_csv(out / "quality/volumes_wide.tsv", sep="\t", dtype={"session": str}, keep_default_na=False)
    assert list(wide["name"]) == ["sub-01", "sub-01_desc-UNIT1", "sub-02_ses-a_acq-fast_run-01"]
    assert list(wide["session"]) == ["", "", "a"]
    assert issues(out) == []


def test_an_option_that_a_level_does_not_use_is_said_and_a_mistyped_one_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_map(tmp_path / "out/sub-01/anat/sub-01_seg-darts_dseg.nii.gz", brain())
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), str(tmp_path / "out"), "group", "--participant-label", "01", "--device", "cpu"])
    assert ended.value.code == 0
    assert "--participant-label, --device not used" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), str(tmp_path / "out"), "group", "--exlude", "qc.tsv"])
    assert ended.value.code == 2
    assert "no option --exlude" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), str(tmp_path / "out"), "participant", "--participant-lable", "01"])
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert "participant: no option --participant-lable; see darts-bids --help" in told
    assert "darts-segment" not in told
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), str(tmp_path / "not-there"), "group"])
    assert ended.value.code == 1
    assert "run the level participant first" in capsys.readouterr().err


def test_the_umbrella_command_runs_each_command_by_its_short_name() -> None:
    def darts(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from evaluation.commands.umbrella import main; main()", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert "Usage: darts-qc" in darts("qc", "--help").stdout
    assert "Usage: darts-reader-study" in darts("reader-study", "--help").stdout
    assert darts("--version").stdout.startswith("darts 0.")
    wrong = darts("segmnt")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("darts: no command segmnt (did you mean segment?); expected one of segment, ")


def test_the_boutiques_descriptor_is_valid_and_has_options_of_the_command(tmp_path: Path) -> None:
    program = shutil.which("bosh", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("no bosh: pip install boutiques")
    path = ROOT / "docs/boutiques/darts-bids.json"
    subprocess.run([program, "validate", str(path)], check=True, capture_output=True)
    descriptor = json.loads(path.read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert descriptor["tool-version"] == project["version"]
    (tmp_path / "bids").mkdir()
    given = {
        "bids_dir": "bids",
        "output_dir": "out",
        "level": "participant",
        "participant_label": ["01", "02"],
        "device": "cpu",
    }
    (tmp_path / "given.json").write_text(json.dumps(given))
    simulated = [program, "exec", "simulate", str(path), "-i", "given.json"]
    done = subprocess.run(simulated, check=True, capture_output=True, text=True, cwd=tmp_path)
    assert "darts-bids bids out participant --participant-label 01 02 --device cpu" in " ".join(done.stdout.split())
    # --device is passed on to darts-segment.
    known = {name for command in (app, segment) for one in typer.main.get_command(command).params for name in one.opts}
    flags = {one["command-line-flag"] for one in descriptor["inputs"] if "command-line-flag" in one}
    assert flags <= known
