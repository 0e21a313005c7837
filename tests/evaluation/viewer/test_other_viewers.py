"""Command lines of other viewers: one shell word a file, whatever its name, and the place in their options."""

from __future__ import annotations

import shlex
from pathlib import Path

from evaluation.viewer.command_line import view_command
from evaluation.viewer.other_viewers import VIEWERS, command_lines

SCAN, ONE, TWO, AGREEMENT = Path("a b/T1.mgz"), Path("one.nii.gz"), Path("it's.nii.gz"), Path("agreement.nii.gz")


def words(**given: object) -> dict[str, list[str]]:
    lines = command_lines(SCAN, [ONE, TWO], **given)  # type: ignore[arg-type]
    return {name: shlex.split(line) for name, line in lines.items()}


def test_each_viewer_gets_all_files_and_its_own_options() -> None:
    found = words(agreement=AGREEMENT, at=(-25.04, 3, 17.96))
    assert tuple(found) == VIEWERS
    assert found["freeview"] == [
        "freeview", "-v", "a b/T1.mgz", "one.nii.gz:colormap=lut:opacity=0.4", "it's.nii.gz:colormap=lut:opacity=0.4",
        "agreement.nii.gz:colormap=heat:heatscale=0,1:heatscaleoptions=invert:opacity=0.5", "-ras", "-25.0", "3.0", "18.0",
    ]  # fmt: skip
    assert found["itksnap"] == [
        "itksnap", "-g", "a b/T1.mgz", "-s", "one.nii.gz", "it's.nii.gz", "-o", "agreement.nii.gz",
    ]  # fmt: skip
    label = ["-ot", "label", "-l", "freesurfercolorlut", "-a", "40"]
    assert found["fsleyes"] == [
        "fsleyes", "-wl", "-25.0", "3.0", "18.0", "a b/T1.mgz", "one.nii.gz", *label, "it's.nii.gz", *label,
        "agreement.nii.gz", "-cm", "hot", "-dr", "0", "1", "-a", "40",
    ]  # fmt: skip


def test_the_code_for_slicer_is_python_that_loads_every_file() -> None:
    slicer = words(at=(1, 2, 3))["Slicer"]
    assert slicer[:2] == ["Slicer", "--python-code"]
    called: list[tuple[object, ...]] = []

    class Anything:
        def __init__(self, name: str = "") -> None:
            self.name = name

        def __getattr__(self, name: str) -> Anything:
            return Anything(name)

        def __call__(self, *given: object) -> Anything:
            called.append((self.name, *given))
            return Anything()

    exec(slicer[2], {"slicer": Anything()})
    here = Path.cwd()
    assert [call for call in called if call[0] != "logic"] == [
        ("loadVolume", str(here / SCAN)), ("loadSegmentation", str(here / ONE)), ("loadSegmentation", str(here / TWO)),
        ("JumpSlicesToLocation", 1.0, 2.0, 3.0, True),
    ]  # fmt: skip


def test_without_labels_the_scan_is_opened_alone() -> None:
    assert command_lines(SCAN)["itksnap"] == "itksnap -g 'a b/T1.mgz'"
    assert command_lines(SCAN)["freeview"] == "freeview -v 'a b/T1.mgz'"


def test_the_command_of_darts_view_names_each_map() -> None:
    line = view_command(SCAN, {"reference": ONE, "my method": TWO}, "17")
    assert shlex.split(line) == [
        "darts-view", "a b/T1.mgz", "one.nii.gz", "it's.nii.gz", "--name", "reference", "--name", "my method", "--region", "17",
    ]  # fmt: skip
