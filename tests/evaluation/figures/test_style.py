"""Files of figures: all three formats, with fonts, the right size, reproducible bytes, no incomplete files."""

from __future__ import annotations

import re
import zlib
from itertools import combinations
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from darts_ensemble.errors import ScanError
from evaluation.figures.style import COLOURS, INK, figure_style, method_colours, method_markers, save_figure


def small_figure() -> Figure:
    with figure_style():
        figure = Figure(figsize=(3, 2), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1])
        axes.set_xlabel("Dice −0.5 ± ü")
    return figure


def test_a_figure_is_saved_in_three_forms_at_300_dots_an_inch(tmp_path: Path) -> None:
    written = save_figure(small_figure(), tmp_path / "new" / "part.1")
    assert [path.name for path in written] == ["part.1.pdf", "part.1.svg", "part.1.png"]
    assert {path.name for path in (tmp_path / "new").iterdir()} == {path.name for path in written}
    with Image.open(written[2]) as picture:
        assert picture.size == (900, 600)
        assert picture.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_fonts_lie_inside_the_files(tmp_path: Path) -> None:
    pdf, svg, _ = save_figure(small_figure(), tmp_path / "f")
    content = pdf.read_bytes()
    streams = [zlib.decompress(s) for s in re.findall(rb"FlateDecode.*?stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)]
    assert b"/FontFile2" in content  # an embedded TrueType programme
    assert b"/Subtype /Type3" not in content
    assert any(stream[:4] == b"\x00\x01\x00\x00" for stream in streams)  # its first bytes
    assert "<text" not in svg.read_text(encoding="utf-8")


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = save_figure(small_figure(), tmp_path / "one"), save_figure(small_figure(), tmp_path / "two")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_the_callers_own_settings_come_back() -> None:
    before = dict(mpl.rcParams)
    small_figure()
    assert dict(mpl.rcParams) == before


def test_a_folder_that_can_not_be_written_is_named_and_nothing_remains(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ScanError, match=r"file/f\.pdf: .*; expected a folder with room to write"):
        save_figure(small_figure(), tmp_path / "file" / "f")
    (tmp_path / "f.svg").mkdir()
    with pytest.raises(ScanError, match=r"f\.svg"):
        save_figure(small_figure(), tmp_path / "f")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "f.pdf", "f.svg"}


def test_every_number_of_methods_has_colours_and_signs_of_its_own() -> None:
    for count in (2, 6, 12):
        methods = [f"m{number}" for number in range(count)]
        colours = [to_rgb(colour) for colour in method_colours(methods).values()]
        assert len(set(colours)) == count
        assert (
            len({(*colour, marker) for colour, marker in zip(colours, method_markers(methods).values(), strict=True)}) == count
        )


# Machado GM, Oliveira MM, Fernandes LA, A physiologically-based model for simulation of color vision deficiency, IEEE TVCG 15
# (2009): the matrices for whole loss of the middle and the long cones, on linear light.
DEUTAN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
PROTAN = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]


@pytest.mark.parametrize("loss", [np.eye(3), np.array(DEUTAN), np.array(PROTAN)], ids=["normal", "deutan", "protan"])
def test_colours_are_told_apart_by_colour_blind_readers(loss: np.ndarray) -> None:
    color = pytest.importorskip("skimage.color", reason="needs the extra `demo`")

    def seen(colour: str) -> np.ndarray:
        light = np.array([c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)])
        light = np.clip(loss @ light, 0, 1)
        return color.rgb2lab(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))

    pairs = list(combinations(COLOURS, 2))
    nearest = min(float(color.deltaE_ciede2000(seen(one), seen(two))) for one, two in pairs)
    assert nearest > 10
    assert INK not in COLOURS
