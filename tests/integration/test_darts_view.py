"""The command darts-view: what it prints, what it opens, and errors in one line."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT
from tests.phantoms.viewed_case import ViewedCase, write_case

COMMAND = [sys.executable, "-m", "evaluation.commands.view"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "COLUMNS": "80"}


@pytest.fixture
def case(tmp_path: Path) -> ViewedCase:
    return write_case(tmp_path)


def run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, words)], capture_output=True, text=True, check=False, env=ENVIRONMENT, timeout=120
    )


def started(*words: object, **more: str) -> tuple[subprocess.Popen[str], str]:
    """The running command and the address that it printed."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT | more
    )
    assert process.stdout
    line = process.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/#\S+", line)
    if not found:
        process.kill()
        pytest.fail(f"{line!r} {process.communicate()}")
    # Where the shell that started the tests ignores SIGINT, as for a job in the background, only the running server heeds it.
    httpx.get(found[0].split("/#")[0], timeout=180)
    return process, found[0]


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=180)
    return process.returncode, said


def test_it_serves_at_the_address_it_prints_until_it_is_interrupted(case: ViewedCase) -> None:
    process, address = started(case.scan, case.first, case.second, "--no-browser")
    base, token = address.split("/#")
    assert len(token) >= 43
    about = httpx.get(f"{base}/api/about", headers={"X-Darts-Token": token}, timeout=180).json()
    assert [one["name"] for one in about["maps"]] == ["first_dseg.nii.gz", "second_dseg.nii.gz"]
    # The agreement that darts-segment wrote beside the first label map is taken by itself.
    assert about["agreement"] is True
    assert httpx.get(f"{base}/api/about").status_code == 401
    status, said = ended(process)
    assert status in (0, 130, -signal.SIGINT) and "Traceback" not in said


def test_the_browser_is_opened_without_the_token_among_its_words(case: ViewedCase, tmp_path: Path) -> None:
    record = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\necho "$1" > {record}\ncp "${{1#file://}}" {record}.html\nstat -c %a "${{1#file://}}" > {record}.mode\n'
    )
    browser.chmod(0o755)
    process, address = started(case.scan, BROWSER=str(browser))
    for _ in range(100):
        if (tmp_path / "opened.mode").is_file() and (tmp_path / "opened.mode").read_text():
            break
        time.sleep(0.1)
    token = address.split("#")[1]
    opened = record.read_text().strip()
    assert opened.startswith("file:///") and token not in opened
    assert f"url={address}" in (tmp_path / "opened.html").read_text()
    assert (tmp_path / "opened.mode").read_text().strip() == "600"
    ended(process)
    assert not Path(opened.removeprefix("file://")).exists()


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("notes.txt",), 1, "notes.txt: not a file that can be read here; expected .nii.gz"),
        (("scan.nii.gz", "text.nii.gz"), 1, "text.nii.gz: not an image"),
        (("none.nii.gz",), 1, "none.nii.gz: no such file"),
        (("scan.nii.gz", "away.nii.gz"), 1, "away.nii.gz: no labelled voxel lies within"),
        (("scan.nii.gz", "first_dseg.nii.gz", "--region", "nose"), 2, "--region nose: not in the label maps"),
        (("scan.nii.gz", "--name", "x"), 2, "--name: 1 names for 0 label maps"),
        (("first_dseg.nii.gz",), 1, "FreeSurfer label ids found; expected a T1 scan"),
        (("scan.nii.gz", "scan.nii.gz"), 1, "scan.nii.gz: given as the scan and as a label map"),
        (("scan.nii.gz", "none.nii.gz", "--print"), 1, "none.nii.gz: no such file"),
    ],
)
def test_what_can_not_be_shown_is_told_in_one_line(
    case: ViewedCase, tmp_path: Path, words: tuple[str, ...], status: int, message: str
) -> None:
    import nibabel as nib
    import numpy as np

    for name in ("notes.txt", "text.nii.gz"):
        (tmp_path / name).write_text("no image")
    image = nib.load(case.first)
    away = image.affine.copy()
    away[:3, 3] += 5000
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), away), tmp_path / "away.nii.gz")
    files = [str(tmp_path / word) if word.endswith((".gz", ".txt")) else word for word in words]
    done = run(*files, "--no-browser")
    assert done.returncode == status, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("darts-view: ") and message in line


def test_a_port_that_is_taken_is_told_in_one_line(case: ViewedCase) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = run(case.scan, "--no-browser", "--port", taken.getsockname()[1])
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "expected a free port" in line


def test_a_map_on_another_grid_is_shown_and_noted(case: ViewedCase, tmp_path: Path) -> None:
    import nibabel as nib
    from nibabel.processing import resample_to_output

    image = nib.load(case.first)
    nib.save(resample_to_output(image, (3.0, 3.0, 3.0), order=0), tmp_path / "other.nii.gz")
    process, _ = started(case.scan, tmp_path / "other.nii.gz", "--no-browser")
    _, said = ended(process)
    (line,) = said.strip().splitlines()
    assert line.startswith("note: ") and "its grid is not the scan's" in line


def test_the_command_lines_of_other_viewers_are_printed_and_nothing_is_served(case: ViewedCase) -> None:
    done = run(case.scan, case.first, "--print", "--region", "left putamen")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["freeview", "itksnap", "fsleyes", "Slicer"]
    assert all(str(case.scan) in line and str(case.first) in line for line in lines)
    x, y, z = (float(word) for word in re.findall(r"-ras (\S+) (\S+) (\S+)", lines[0])[0])
    import numpy as np

    from tests.phantoms.brain import ids_at

    assert ids_at(np.array([x, y, z])) == 12
