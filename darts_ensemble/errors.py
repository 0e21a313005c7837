"""The errors of this project: one line each, naming the file, what was found, what was expected and what to do."""

from __future__ import annotations

__all__ = [
    "CheckpointError", "ClusterError", "CohortError", "DartsError", "DeviceError", "ScanError", "ServingError", "UsageError",
]  # fmt: skip


class DartsError(Exception):
    """Base of every error that a command reports in one line, without a traceback."""


class ScanError(DartsError):
    """A scan or label map that can't be read, or that can't be used."""


class CheckpointError(DartsError):
    """A weights file that can't be read safely, or does not fit the network."""


class ClusterError(DartsError):
    """A cluster that doesn't answer, or that has lost the work sent to it."""


class CohortError(DartsError):
    """A folder of references or predictions in which no file can be used."""


class DeviceError(DartsError):
    """A device with too little memory for the task."""


class ServingError(DartsError):
    """Pages that can't be served: the viewer is not there, or a port is taken."""


class UsageError(DartsError):
    """Wrong options, or options that contradict each other."""
