"""A results folder as darts-eval writes it, made of random scores, for tests of functions that read one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darts_ensemble.labels import REGION_BY_ID
from evaluation.results.summaries import region_means, subject_means, summarise
from evaluation.statistics.intervals import Bootstrap
from evaluation.statistics.overall import compare_overall
from evaluation.statistics.paired import compare_methods

FEW_IDS = (12, 51, 17, 53, 16, 1024, 2024, 1035, 2035)


def random_scores(
    n_subjects: int, methods: Sequence[str], ids: Sequence[int] = FEW_IDS, *, step: float = 0.05, seed: int = 0
) -> pd.DataFrame:
    """Scores in which each method's Dice lies `step` below that of the one before it, on average."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n_subjects):
        for place, method in enumerate(methods):
            for at, id_ in enumerate(ids):
                region = REGION_BY_ID[id_]
                dice = float(np.clip(0.9 - 0.4 * at / len(ids) - step * place + rng.normal(0, 0.02), 0.05, 0.99))
                volume = 1000.0 * (at + 1) * (1 + 0.01 * number)
                rows.append({
                    "subject": f"s{number:03d}", "family": "", "method": method, "region_id": id_, "region_name": region.name,
                    "hemisphere": region.hemisphere, "group": region.group, "status": "scored", "seen_in_training": False,
                    "n_ref_voxels": int(volume), "n_pred_voxels": int(volume), "volume_ref_mm3": volume,
                    "volume_pred_mm3": volume * (0.9 + rng.normal(0, 0.02)), "dice": dice, "jaccard": dice / (2 - dice),
                    "hd95_larger_voxel_mm": 10 * (1 - dice),
                })  # fmt: skip
    return pd.DataFrame(rows)


def write_results(folder: Path, scores: pd.DataFrame, account: Mapping[str, Any] | None = None) -> Path:
    """Write the tables of a run, and the comparisons if there are two methods."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "scores": scores, "groups": scores.iloc[:0], "subjects": subject_means(scores), "summary": summarise(scores),
        "regions": region_means(scores),
    }  # fmt: skip
    if len(set(scores["method"])) > 1:
        few = Bootstrap(resamples=99)
        compared = compare_methods(scores, "dice", region="region_id", bootstrap=few)
        named = scores.drop_duplicates("region_id")[["region_id", "region_name", "hemisphere", "group"]]
        tables["paired_regions"] = named.merge(compared, on="region_id").assign(metric="dice")
        tables["paired_overall"] = compare_overall(scores, "dice", region="region_id", bootstrap=few).assign(metric="dice")
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "run.json").write_text(json.dumps(dict(account or {})), encoding="utf-8")
    return folder
