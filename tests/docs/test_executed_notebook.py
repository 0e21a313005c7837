"""The executed notebook in the documentation is the notebook that users get, run without an error and without a scan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

SHOWN, OWN = ROOT / "docs/reference/paper_figures_mindboggle.ipynb", ROOT / "notebooks/paper_figures.ipynb"


def code(path: Path) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def test_its_code_is_that_of_the_notebook() -> None:
    assert ["".join(cell["source"]) for cell in code(SHOWN)] == ["".join(cell["source"]) for cell in code(OWN)]


def test_every_cell_ran_and_only_figures_of_numbers_are_shown() -> None:
    outputs = [output for cell in code(SHOWN) for output in cell["outputs"]]
    assert outputs
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert not [output for output in outputs if output.get("name") == "stderr"]
    assert code(SHOWN)[-1]["outputs"] == []  # the cell of sample predictions
    captions = "".join("".join(output.get("data", {}).get("text/markdown", [])) for output in outputs)
    assert "box_plot_cortex" in captions
    assert "overlay_" not in captions


def test_it_gives_the_paragraphs_with_the_numbers_of_twelve_people() -> None:
    text = "".join(
        "".join(output.get("data", {}).get("text/markdown", [])) for cell in code(SHOWN) for output in cell["outputs"]
    )
    assert "**Results.** Mean Dice over the 31 regions that every method has of its own, mean ± SD over 12 subjects" in text
    assert "fine-tuned − non-fine-tuned over 93 regions: +" in text
    assert "non-fine-tuned − freesurfer over 31 regions: +" in text
    assert "freesurfer was not scored in 62 regions" in text
