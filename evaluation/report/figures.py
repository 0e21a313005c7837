"""The pictures of a results folder as blocks of a report, with the captions from the same folder."""

from __future__ import annotations

from pathlib import Path

from darts_ensemble.errors import DartsError
from evaluation.report.embedded_images import lighter_of
from evaluation.report.html_page import Block, Figure, Notice
from evaluation.results.captions import read_captions

__all__ = ["pictures"]

_SUFFIXES = (".svg", ".png")


def pictures(folder: Path, noun: str, how: str) -> list[Block]:
    """Return the figures of a folder in the order of its `captions.json`; others follow by name.

    Parameters
    ----------
    folder : Path
        `figures` or `overlays` of a results folder.
    noun : str
        "figure" or "overlay". Overlays show tissue.
    how : str
        How to make them, written if there are none.
    """
    captions = read_captions(folder)
    there = {path.stem: path for path in sorted(folder.glob("*")) if path.suffix in _SUFFIXES and path.name[0] != "."}
    if not there:
        return [Notice(f"The folder holds no {noun}s: {how}.", level="note")]
    tissue = noun == "overlay"
    blocks: list[Block] = []
    for stem in [*(stem for stem in captions if stem in there), *(stem for stem in there if stem not in captions)]:
        caption = captions.get(stem, f"{stem.replace('_', ' ')}.")
        picture = there[stem].with_suffix(".png")
        path = picture if tissue and picture.is_file() else lighter_of(there[stem])
        try:
            blocks.append(Figure(path, caption, alt=f"{stem.replace('_', ' ')}: {caption}", photograph=tissue))
        except DartsError as error:
            blocks.append(Notice(f"A {noun} that can't be shown: {error}", level="warning"))
    return blocks
