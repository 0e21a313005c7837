"""darts-eval on many subjects and several methods: scoring, figures with report, and how the report opens in Chromium.

    python benchmarks/eval_at_scale.py SUBJECTS_DIR [--subjects 100] [--methods 4] [--jobs 2] [--keep FOLDER] [--json FILE]

References are the label maps `aparc.DKTatlas+aseg.mgz` of SUBJECTS_DIR, under as many names as subjects are asked for (when a
person comes again, one voxel differs). Each method is the same map of every person after a smooth random displacement of 1,
1.5, 2, ... voxels: its errors lie where real ones lie, at the borders. The first run scores all pairs with all metrics and
draws nothing. The second is the same command without `--no-figures --no-report`: it finds the scores and draws. The page is
opened from the disk, in a browser that was just started.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from quality_page import chromium
from scipy import ndimage

FILE = "aparc.DKTatlas+aseg.mgz"
#: Voxels around the brain that are displaced too, and the size of the grid of random displacements.
MARGIN, KNOTS = 6, 12


def displaced(ids: npt.NDArray[np.int32], seed: int, size: float) -> npt.NDArray[np.int32]:
    """Return the label map after a smooth random displacement, of a standard deviation of `size` voxels along each axis."""
    there = np.argwhere(ids > 0)
    box = tuple(slice(max(0, low - MARGIN), high + 1 + MARGIN) for low, high in zip(there.min(0), there.max(0), strict=True))
    inside = ids[box]
    places = np.indices(inside.shape, dtype=np.float32)
    random = np.random.default_rng(seed)
    for axis in range(3):
        knots = random.normal(0, size, (KNOTS,) * 3).astype(np.float32)
        places[axis] += ndimage.zoom(knots, np.array(inside.shape) / KNOTS, order=1)
    moved = np.zeros_like(ids)
    moved[box] = ndimage.map_coordinates(inside, places, order=0, mode="nearest")
    return moved


def write_cohort(subjects_dir: Path, folder: Path, subjects: int, methods: int) -> int:
    """Write references and methods, one folder each; return the number of different people."""
    people = sorted(subjects_dir.glob(f"*/mri/{FILE}"))
    if not people:
        sys.exit(f"{subjects_dir}: no */mri/{FILE}; expected a FreeSurfer SUBJECTS_DIR")
    names = [f"subject{number:04d}.nii.gz" for number in range(subjects)]
    for column in range(methods + 1):
        own = folder / ("references" if column == 0 else f"method{column}")
        own.mkdir(parents=True)
        for number, path in enumerate(people[:subjects]):
            image = nib.load(path)
            ids = np.asarray(image.dataobj).astype(np.int32)
            if column:
                ids = displaced(ids, 100 * number + column, 0.5 + 0.5 * column)
            nib.save(nib.Nifti1Image(ids, image.affine), own / names[number])
        for number in range(len(people), subjects):
            again = own / names[number % len(people)]
            if column:
                (own / names[number]).symlink_to(again.resolve())
                continue
            # One voxel less each time: label maps with equal voxels would be taken for one person's.
            image = nib.load(again)
            ids = np.asarray(image.dataobj).copy()
            ids[tuple(np.argwhere(ids > 0)[number])] = 0
            nib.save(nib.Nifti1Image(ids, image.affine), own / names[number])
    return min(len(people), subjects)


def timed(command: list[str]) -> dict[str, float]:
    """Run a command; return wall and CPU seconds, of its own processes too, and the peak GiB of the largest of them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    code = subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if code:
        sys.exit(f"{' '.join(command)}: exit code {code}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall, "cpu_s": cpu, "peak_gib": after.ru_maxrss / 2**20}


def opening(page_file: Path, visits: int) -> list[float]:
    """Seconds from asking for the page until everything in it is loaded and a frame is drawn, in new browsers."""
    from playwright.sync_api import sync_playwright

    taken = []
    with sync_playwright() as playwright:
        for _ in range(visits):
            browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.set_default_timeout(120_000)
            page.goto(page_file.as_uri(), wait_until="load")
            taken.append(page.evaluate("new Promise((done) => requestAnimationFrame(() => done(performance.now())))") / 1000)
            browser.close()
    return taken


def main() -> None:
    """Make the cohort, run darts-eval twice, open the page; print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects_dir", type=Path)
    parser.add_argument("--subjects", type=int, default=100)
    parser.add_argument("--methods", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a folder for label maps and results, used again if they are there")
    parser.add_argument("--json", type=Path, help="write what was measured")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        if not (folder / "references").is_dir():
            people = write_cohort(given.subjects_dir, folder, given.subjects, given.methods)
            print(f"{people} people under {given.subjects} names", file=sys.stderr, flush=True)
        methods = [f"method{number}={folder / f'method{number}'}" for number in range(1, given.methods + 1)]
        command = [sys.executable, "-m", "evaluation.commands.evaluate", "--gt", str(folder / "references")]
        command += [word for method in methods for word in ("--pred", method)]
        command += ["-o", str(folder / "results"), "--jobs", str(given.jobs), "--quiet"]
        found: dict[str, Any] = {
            "scoring": timed([*command, "--overwrite", "--no-figures", "--no-report"]),
            "figures and report": timed(command),
        }
        page = folder / "results" / "report.html"
        found["report_mb"] = page.stat().st_size / 1e6
        found["open_s"] = opening(page, 5)
    print(f"| {given.subjects} subjects, {given.methods} methods, --jobs {given.jobs} | wall s | CPU s | peak GiB |")
    print("| --- | --- | --- | --- |")
    for name in ("scoring", "figures and report"):
        row = found[name]
        print(f"| {name} | {row['wall_s']:.0f} | {row['cpu_s']:.0f} | {row['peak_gib']:.2f} |")
    middle, last = statistics.median(found["open_s"]), max(found["open_s"])
    print(f"\nreport.html: {found['report_mb']:.1f} MB, opens in {middle:.2f} s (largest of five {last:.2f} s)")
    if given.json:
        given.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
