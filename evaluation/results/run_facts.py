"""Facts of run.json that both the report and the methods text state, and their wording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

__all__ = ["count_of", "listed", "moves_of", "voxel_sizes"]


def listed(words: Sequence[str]) -> str:
    """Return `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def count_of(number: int, noun: str, plural: str = "") -> str:
    """Return `1 subject`, `2 subjects`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def voxel_sizes(account: dict[str, Any]) -> list[str]:
    """Return the voxel sizes of the references, `1 × 1 × 1 mm`, the most frequent first."""
    grids = account.get("grids", {}).values()
    sizes = Counter(" × ".join(f"{size:.4g}" for size in grid["voxel_size_mm"]) + " mm" for grid in grids)
    return [size for size, _ in sizes.most_common()]


def moves_of(account: dict[str, Any]) -> dict[str, int]:
    """Return the number of label maps brought to the reference's grid in each way of :data:`evaluation.metrics.grids.Move`."""
    grids = account.get("grids", {}).values()
    return dict(Counter(move for grid in grids for move in grid["label_maps"].values()).most_common())
