"""The errors of the reader study: one line each, like those of :mod:`darts_ensemble.errors`."""

from __future__ import annotations

from darts_ensemble.errors import DartsError

__all__ = ["RatingsError", "StudyError", "SummaryError"]


class RatingsError(DartsError):
    """A ratings table that can't be read, or breaks a rule of the study."""


class StudyError(DartsError):
    """A study that can't be planned, served or exported."""


class SummaryError(DartsError):
    """A table of means and SDs that can't be read or checked."""
