"""The reader study of 2019, as printed: the only thing of it that is public.

Means and SDs of Table 6 of Kaku et al., "DARTS: DenseUnet-based automatic rapid tool for brain segmentation",
arXiv:1911.05567: Likert ratings (1 poor to 5 excellent) of FreeSurfer (FS), non-fine-tuned (NFT) and fine-tuned (FT)
segmentations on held-out HCP scans. The caption states 20 evaluations per region, side and model. The ratings
themselves are not public, and no data set agrees with every number of the table (:mod:`reader_study.published.grim`).
"""

from __future__ import annotations

from importlib.resources import as_file, files

from reader_study.ratings.summary import Summary, read_summary

__all__ = ["STATED_N", "published_summary"]

#: Evaluations per region, side and model that the caption states.
STATED_N = 20


def published_summary() -> Summary:
    """Printed means and SDs: 7 regions on two sides by FS, NFT and FT, and the row over all regions."""
    with as_file(files("reader_study.published").joinpath("likert_summary_2019.csv")) as path:
        return read_summary(path)
