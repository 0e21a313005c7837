"""The command line of darts-view for given files, for reports, which cannot start it themselves."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

__all__ = ["view_command"]


def view_command(scan: str | Path, labels: Mapping[str, str | Path], region: str = "") -> str:
    """Return the command line of darts-view for these files, quoted for a POSIX shell.

    Parameters
    ----------
    scan : str or Path
    labels : mapping of str to (str or Path)
        Label maps by name, in the order of display.
    region : str
        Name or id of the region to show first.

    Examples
    --------
    >>> view_command("T1.mgz", {"reference": "a.mgz", "DARTS": "b.nii.gz"}, "17")
    'darts-view T1.mgz a.mgz b.nii.gz --name reference --name DARTS --region 17'
    """
    words = ["darts-view", str(scan), *map(str, labels.values())]
    for name in labels:
        words += ["--name", name]
    return shlex.join([*words, *(["--region", region] if region else [])])
