"""Files that show the progress of a run: a CSV log, TensorBoard events, learning curve, validation figure, Dice per region."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darts_ensemble.labels import REGIONS
from darts_ensemble.results.outputs import write_text
from darts_ensemble.training.validate import Validation

__all__ = ["Journal"]

_COLUMNS = ("step", "rate", "loss", "validation_dice")


class Journal:
    """The files that show the progress of a view's training.

    `<view>.csv` (step, rate, loss, validation_dice), `<view>_curve.png`, `<view>_validation.png` (labels over slices),
    `<view>_regions.csv` (Dice of the last validation), and TensorBoard events in `events/<view>` if the package tensorboard is
    installed.

    Parameters
    ----------
    out : Path
    view : str
    step : int
        Entries of an interrupted run after this step are removed and written again.
    """

    def __init__(self, out: Path, view: str, step: int) -> None:
        self.out, self.view = out, view
        self.log = out / f"{view}.csv"
        earlier = pd.read_csv(self.log) if self.log.is_file() else pd.DataFrame(columns=list(_COLUMNS))
        write_text(self.log, earlier[earlier["step"] <= step].to_csv(index=False))
        self._events: Any = None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            return
        self._events = SummaryWriter(str(out / "events" / view), purge_step=step + 1 if step else None)

    def loss(self, step: int, rate: float, loss: float) -> None:
        """Record the mean loss since the last record."""
        self._note(step, f"{rate:.4e}", f"{loss:.5f}", "")
        if self._events is not None:
            self._events.add_scalar("loss", loss, step)
            self._events.add_scalar("rate", rate, step)

    def validation(self, step: int, result: Validation) -> None:
        """Record a validation and draw its figures."""
        from darts_ensemble.training.pictures import save_curve, save_validation

        self._note(step, "", "", f"{result.mean:.5f}")
        if self._events is not None:
            self._events.add_scalar("validation_dice", result.mean, step)
        means = np.full(len(REGIONS), np.nan)
        there = ~np.isnan(result.dice).all(axis=0)
        means[there] = np.nanmean(result.dice[:, there], axis=0)
        table = pd.DataFrame({"region_id": [r.id for r in REGIONS], "region_name": [r.name for r in REGIONS], "dice": means})
        write_text(self.out / f"{self.view}_regions.csv", table.to_csv(index=False, float_format="%.4f"))
        save_validation(result, self.view, self.out / f"{self.view}_validation.png")
        save_curve(pd.read_csv(self.log), self.view, self.out / f"{self.view}_curve.png")

    def close(self) -> None:
        """Draw the learning curve and close the events."""
        from darts_ensemble.training.pictures import save_curve

        save_curve(pd.read_csv(self.log), self.view, self.out / f"{self.view}_curve.png")
        if self._events is not None:
            self._events.close()

    def _note(self, *cells: object) -> None:
        with self.log.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(cells)
