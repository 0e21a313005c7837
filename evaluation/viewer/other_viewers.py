"""Command lines that show the same files in other viewers: freeview, ITK-SNAP, FSLeyes, 3D Slicer.

The options are taken from the help of the programs: `freeview --help` (FreeSurfer 7: `-v` with `:colormap=`, `:opacity=`,
`:heatscale=`, `-ras`), `itksnap --help` (`-g`, `-s` with several files from version 4 on, `-o`), `fsleyes --help` (`-ot label`,
`-l` with its own table `freesurfercolorlut`, `-a`, `-dr`, `-cm`, `-wl`), and Slicer's `--python-code` with `loadVolume`,
`loadSegmentation` and `JumpSlicesToLocation` of its Python interface.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

__all__ = ["VIEWERS", "command_lines"]

#: The programs, in the order in which they are printed.
VIEWERS = ("freeview", "itksnap", "fsleyes", "Slicer")


def command_lines(
    scan: Path, labels: Sequence[Path] = (), agreement: Path | None = None, at: Sequence[float] | None = None
) -> dict[str, str]:
    """Return the command line of each viewer, ready for a shell.

    Parameters
    ----------
    scan : Path
    labels : sequence of Path
    agreement : Path, optional
        Shown as a heat map by programs that have one.
    at : sequence of float, optional
        RAS mm of the place to show first; ITK-SNAP has no option for it.
    """
    words = {
        "freeview": _freeview(scan, labels, agreement, at),
        "itksnap": _itksnap(scan, labels, agreement),
        "fsleyes": _fsleyes(scan, labels, agreement, at),
        "Slicer": _slicer(scan, labels, agreement, at),
    }
    return {name: shlex.join([name, *words[name]]) for name in VIEWERS}


def _freeview(scan: Path, labels: Sequence[Path], agreement: Path | None, at: Sequence[float] | None) -> list[str]:
    volumes = [str(scan), *(f"{path}:colormap=lut:opacity=0.4" for path in labels)]
    if agreement is not None:
        volumes.append(f"{agreement}:colormap=heat:heatscale=0,1:heatscaleoptions=invert:opacity=0.5")
    return ["-v", *volumes, *_place("-ras", at)]


def _itksnap(scan: Path, labels: Sequence[Path], agreement: Path | None) -> list[str]:
    others = ["-o", str(agreement)] if agreement is not None else []
    return ["-g", str(scan), *(["-s", *map(str, labels)] if labels else []), *others]


def _fsleyes(scan: Path, labels: Sequence[Path], agreement: Path | None, at: Sequence[float] | None) -> list[str]:
    words = [*_place("-wl", at), str(scan)]
    for path in labels:
        words += [str(path), "-ot", "label", "-l", "freesurfercolorlut", "-a", "40"]
    if agreement is not None:
        words += [str(agreement), "-cm", "hot", "-dr", "0", "1", "-a", "40"]
    return words


def _slicer(scan: Path, labels: Sequence[Path], agreement: Path | None, at: Sequence[float] | None) -> list[str]:
    # Slicer starts in a folder of its own.
    steps = [f"slicer.util.loadVolume({str(scan.absolute())!r})"]
    steps += [f"slicer.util.loadSegmentation({str(path.absolute())!r})" for path in labels]
    if agreement is not None:
        steps.append(f"slicer.util.loadVolume({str(agreement.absolute())!r}, {{'show': False}})")
    if at is not None:
        numbers = ", ".join(f"{value:.1f}" for value in at)
        steps.append(f"slicer.modules.markups.logic().JumpSlicesToLocation({numbers}, True)")
    return ["--python-code", "; ".join(steps)]


def _place(option: str, at: Sequence[float] | None) -> list[str]:
    return [] if at is None else [option, *(f"{value:.1f}" for value in at)]
