"""A small study with everything that a study.yaml can have: questions, instructions, anchors, training, its own labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from reader_study.planning.design import read_design
from reader_study.planning.sources import find_sources
from reader_study.study.folder import write_study
from tests.phantoms.small_study import CASE, DESIGN, PRACTICE, SmallStudy, lay_out

MORE = f"""
start: region
colour: '#00e5ff'
instructions: |
  ## What to look at

  Rate the **outline**, not the scan. <script>alert(1)</script>

  ![A grey square with a border](pictures/border.png)
anchors:
  1: Misses most of the region.
  5: "Follows the border everywhere. ![A fine border](pictures/border.png)"
questions:
  - {{name: certainty, text: How sure are you?, kind: rating, scale: {{1: unsure, 2: fairly sure, 3: sure}}}}
  - {{name: worst, text: Where is the largest error?, kind: choice, choices: [none, "front, left", back], several: yes}}
  - {{name: motion, text: Is there motion?, kind: yes/no}}
  - {{name: remark, text: Anything odd?, kind: text}}
training:
  pass_mark: 0.5
  tolerance: 1
  items:
    - {{case: {PRACTICE}, region: Caudate, side: L, method: FreeSurfer, score: 5, why: The outline follows the border.}}
    - {{case: {PRACTICE}, region: Blob, method: NetworkTuned, score: 2, why: It lies too low.}}
"""
DESIGN_OF_ALL = DESIGN.replace("Brain-Stem]", "{name: Blob, labels: [16], view: coronal}]") + MORE


def rich_study(folder: Path, design: str = DESIGN_OF_ALL) -> SmallStudy:
    """Plan the study; `folder` must be new."""
    path = lay_out(folder.with_name(f"{folder.name}-sources"), design)
    (path.parent / "pictures").mkdir()
    pixels = np.full((120, 200, 3), 90, dtype=np.uint8)
    pixels[20:100, 40:160] = (200, 160, 60)
    Image.fromarray(pixels).save(path.parent / "pictures" / "border.png", pnginfo=None)
    read = read_design(path)
    links = write_study(read, find_sources(read), folder, source_text=design)
    return SmallStudy(folder, dict(links.readers), links.coordinator)


__all__ = ["CASE", "DESIGN_OF_ALL", "rich_study"]
