"""Run the notebook `paper_figures` on a results folder, and keep it with its outputs as a page of the documentation.

    python benchmarks/executed_notebook.py RESULTS -o docs/reference/paper_figures_mindboggle.ipynb

No picture of a scan is drawn (`DARTS_NOTEBOOK_OVERLAYS=no`): of people whose scans may not be shown, figures of numbers may.
Pictures are made smaller, so that the page stays small.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import jupyter_client
import jupytext
import nbclient
import nbformat
from PIL import Image

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "paper_figures.ipynb"
#: Sharp on most screens at the width that the notebook shows; few colours, but every method keeps its own.
WIDTH, COLOURS = 960, 96


def main() -> None:
    """Execute, shrink the pictures, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of darts-eval")
    parser.add_argument("-o", "--out", type=Path, required=True, help="notebook to write")
    given = parser.parse_args()
    os.environ |= {"DARTS_NOTEBOOK_RESULTS": str(given.results), "DARTS_NOTEBOOK_OVERLAYS": "no"}
    notebook = jupytext.read(NOTEBOOK)
    kernels = jupyter_client.KernelManager(kernel_name="python3")
    kernels.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    nbclient.NotebookClient(notebook, km=kernels, timeout=1800, resources={"metadata": {"path": "."}}).execute()
    command = json.loads((given.results / "run.json").read_text(encoding="utf-8"))["command"]
    notebook.cells[0].source = notebook.cells[0].source.replace(
        "# From a results folder", "# Executed: from a results folder", 1
    )
    notebook.cells[0].source += f"\n\nHere `{given.results}` is the folder of\n\n```\n{command}\n```"
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times of this machine
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = smaller(data["image/png"])
    nbformat.write(notebook, given.out)
    print(f"{given.out}: {given.out.stat().st_size / 1e6:.2f} MB")


def smaller(png: Any) -> str:
    """Return a PNG, in base64, of few colours and at most WIDTH pixels wide."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    if image.width > WIDTH:
        image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


if __name__ == "__main__":
    main()
