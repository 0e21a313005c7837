"""Draw data_flow.svg, the picture of the architecture page: `python docs/pictures/data_flow.py`.

A new room gets a line in `BOXES` and its arrows in `ARROWS`; a test compares the picture with the rooms of the packages.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

__all__ = ["picture"]

Kind = Literal["room", "file", "around"]
#: Width and height of the picture, and the left edge of each of its columns, in pixels.
SIZE = (1180, 706)
COLUMNS = (28, 166, 316, 466, 616, 766, 928, 1056)
WIDTHS = (110, 126, 126, 126, 126, 126, 104, 96)
INK, GREY, LINE = "#1b2733", "#41525f", "#3b5b7a"
LOOKS = {"room": f'fill="#ffffff" stroke="{LINE}"', "file": 'fill="#fdf3dc" stroke="#b58a2b"'}
LOOKS["around"] = LOOKS["room"] + ' stroke-dasharray="5 4"'
FONT = "DejaVu Sans, Verdana, Arial, sans-serif"
DESCRIPTION = (
    "A scan passes the rooms scans, slices, inference, fusion and results of darts_ensemble and becomes a label map. "
    "Label maps and references pass cohort, metrics, results, statistics, figures and report of evaluation and become "
    "report.html; label maps without references pass quality and become a page, "
    "or pass viewer to the browser. A study and label maps pass planning, study, "
    "app, ratings, statistics and figures of reader_study and become a table."
)
#: Top, height, colour, name and question of each package, and its commands.
BANDS = (
    (12, 210, "#e8f1f8", "darts_ensemble", "What regions are in this scan?", "darts-segment, darts-train, darts-weights"),
    (
        236,
        210,
        "#eaf5ea",
        "evaluation",
        "How good is a label map, and is one method better?",
        "darts-eval, darts-qc, darts-view, darts-bids, darts",
    ),
    (460, 236, "#f3ecf7", "reader_study", "What do experts think of it?", "darts-reader-study"),
)  # fmt: skip
#: Kind, column, number of columns, top, height, name and two lines below it.
BOXES: tuple[tuple[Kind, int, int, int, int, str, str], ...] = (
    ("file", 0, 1, 60, 64, "scan", "T1: .mgz, .nii.gz"),
    ("room", 1, 1, 56, 72, "scans", "read and check,|LIA 1 mm grid"),
    ("room", 2, 1, 56, 72, "slices", "three views,|boxes, channels"),
    ("room", 3, 1, 56, 72, "inference", "slices to|probabilities"),
    ("room", 4, 1, 56, 72, "fusion", "+ refinement|one probability map"),
    ("room", 5, 1, 56, 72, "results", "scan's own grid,|volumes, flags"),
    ("file", 6, 2, 60, 64, "label map", "FreeSurfer ids,|volumes, quality flags"),
    ("room", 0, 1, 152, 56, "dicom", "series, SEG"),
    ("file", 1, 1, 152, 56, "labels", "of scans to train on"),
    ("room", 2, 1, 152, 56, "training", "networks fitted"),
    ("room", 3, 1, 152, 56, "weights", "+ networks"),
    ("room", 4, 1, 152, 56, "fitting", "weights per region"),
    ("around", 5, 1, 148, 62, "segment", "runs these steps,|scan after scan"),
    ("file", 0, 1, 288, 64, "references", "Mindboggle,|FreeSurfer, BIDS"),
    ("room", 1, 1, 284, 72, "cohort", "who has which|files"),
    ("room", 2, 1, 284, 72, "metrics", "Dice, HD95, ASSD,|surface Dice"),
    ("room", 3, 1, 284, 72, "results", "scores.csv,|run.json, means"),
    ("room", 4, 1, 284, 72, "statistics", "paired tests, Holm,|intervals, models"),
    ("room", 5, 1, 284, 72, "figures", "+ tables, overlays|of the results"),
    ("room", 6, 1, 284, 72, "report", "HTML page,|methods text"),
    ("file", 7, 1, 288, 64, "report", "report.html"),
    ("file", 0, 1, 380, 50, "scan, maps", "named by hand"),
    ("room", 1, 1, 380, 50, "viewer", "+ serving"),
    ("room", 2, 1, 380, 50, "protocols", "what is scored"),
    ("around", 3, 2, 380, 50, "run", "runs these steps, subject after subject"),
    ("file", 6, 1, 380, 50, "page", "quality page"),
    ("room", 7, 1, 380, 50, "quality", "no references"),
    ("file", 0, 1, 524, 64, "study.yaml", "cases, methods,|readers"),
    ("room", 1, 1, 520, 72, "planning", "reading order,|blinded images"),
    ("room", 2, 1, 520, 72, "study", "SQLite: answers,|links, export"),
    ("room", 3, 1, 520, 72, "app", "rating page and|coordinator's page"),
    ("room", 4, 1, 520, 72, "ratings", "the ratings table,|checked"),
    ("room", 5, 1, 520, 72, "statistics", "case means,|agreement, tests"),
    ("room", 6, 1, 520, 72, "figures", "+ report"),
    ("file", 7, 1, 524, 64, "table", "report.html"),
    ("room", 1, 1, 634, 50, "exchange", "codebook, archive"),
    ("room", 2, 1, 634, 50, "conduct", "pause, backup"),
    ("file", 3, 1, 634, 50, "readers", "in their browsers"),
    ("room", 4, 1, 634, 50, "simulation", "made-up ratings"),
    ("room", 5, 1, 634, 50, "models", "mixed model"),
    ("room", 6, 1, 634, 50, "rankings", "of methods"),
    ("room", 7, 1, 634, 50, "published", "2019, GRIM"),
)
#: Corners of each arrow.
ARROWS = (
    "138 92 164 92", "292 92 314 92", "442 92 464 92", "592 92 614 92", "742 92 764 92", "892 92 926 92",
    "83 152 83 126", "292 180 314 180", "442 180 464 180", "529 152 529 130", "592 180 614 180", "679 152 679 130",
    "138 320 164 320", "292 320 314 320", "442 320 464 320", "592 320 614 320", "742 320 764 320", "892 320 926 320",
    "1032 320 1054 320", "138 405 164 405", "379 380 379 358", "1056 405 1034 405",
    # Label maps go to the cohort, to the quality page, and into reader studies.
    "1040 124 1040 229 229 229 229 282", "1172 405 1154 405", "1152 92 1172 92 1172 453 229 453 229 518",
    "138 556 164 556", "292 556 314 556", "442 548 464 548", "466 566 444 566", "742 556 764 556", "892 556 926 556",
    "1032 556 1054 556",
    # What is exported, and the rooms below.
    "379 520 379 506 679 506 679 518", "340 592 340 613 229 613 229 632", "410 634 410 594", "529 634 529 594",
    "650 634 650 594", "829 634 829 594", "710 592 710 613 950 613 950 632", "1000 634 1000 594", "1104 634 1104 590",
)  # fmt: skip


def text(x: float, y: float, words: str, *, size: int = 12, colour: str = GREY, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{more}>{words}</text>'


def band(top: int, height: int, colour: str, name: str, question: str, commands: str) -> Iterable[str]:
    yield f'<rect x="12" y="{top}" width="{SIZE[0] - 24}" height="{height}" rx="12" fill="{colour}"/>'
    yield text(28, top + 24, name, size=16, colour=INK, anchor="start", more=' font-weight="bold"')
    yield text(250, top + 24, question, size=14, anchor="start", more=' font-style="italic"')
    yield f'<rect x="650" y="{top + 7}" width="502" height="24" rx="7" {LOOKS["around"]} stroke-width="1.4"/>'
    yield text(901, top + 24, f'<tspan font-weight="bold" fill="{INK}">commands</tspan> {commands}')


def box(kind: Kind, column: int, columns: int, top: int, height: int, name: str, lines: str) -> Iterable[str]:
    last = column + columns - 1
    left, width = COLUMNS[column], COLUMNS[last] + WIDTHS[last] - COLUMNS[column]
    yield f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="7" {LOOKS[kind]} stroke-width="1.4"/>'
    below = lines.split("|")
    first = top + height / 2 + (2 if len(below) == 1 else -7) - 3
    yield text(left + width / 2, first, name, size=15, colour=INK, more=' font-weight="bold"')
    for number, line in enumerate(below):
        yield text(left + width / 2, first + 18 + 16 * number, line)


def arrow(corners: str) -> str:
    numbers = corners.split()
    points = " L".join(f"{x} {y}" for x, y in zip(numbers[::2], numbers[1::2], strict=True))
    return f'<path d="M{points}" stroke="{LINE}" stroke-width="1.6" fill="none" marker-end="url(#a)"/>'


def picture() -> str:
    """Return the picture as SVG."""
    width, height = SIZE
    head = "M0 0 L8 4 L0 8 z"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-labelledby="t d" '
        f'font-family="{FONT}">',
        '<title id="t">How data flows through the three packages</title>',
        f'<desc id="d">{DESCRIPTION}</desc>',
        '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="{head}" fill="{LINE}"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for one in BANDS:
        parts += band(*one)
    parts += map(arrow, ARROWS)
    for each in BOXES:
        parts += box(*each)
    parts.append(text(529, 502, "export: ratings.csv"))
    return "\n".join([*parts, "</svg>\n"])


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(picture(), encoding="utf-8")
