"""The command line of darts-view that shows given files, for pages that can only be read."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

__all__ = ["view_command"]


def view_command(scan: str | Path, labels: Mapping[str, str | Path], region: str = "") -> str:
    """Return a command line for a POSIX shell.

    Parameters
    ----------
    scan : str or Path
    labels : mapping of str to (str or Path)
        Name to label map, in order.
    region : str
        Name or id of the region to begin at.

    Examples
    --------
    >>> view_command("T1.mgz", {"reference": "a.mgz", "DARTS": "b.nii.gz"}, "17")
    'darts-view T1.mgz a.mgz b.nii.gz --name reference --name DARTS --region 17'
    """
    words = ["darts-view", str(scan), *map(str, labels.values())]
    for name in labels:
        words += ["--name", name]
    return shlex.join([*words, *(["--region", region] if region else [])])
