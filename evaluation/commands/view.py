"""The command darts-view: a scan with its label maps in the browser, or the command lines of other viewers."""

from __future__ import annotations

import tempfile
import webbrowser
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from darts_ensemble.commands.command_line import errors, one_line_errors
from darts_ensemble.commands.start import start
from darts_ensemble.errors import ScanError

if TYPE_CHECKING:
    from evaluation.viewer.shown import Shown

__all__ = ["main", "view"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

EXAMPLES = """Examples:

  darts-view T1.mgz out/T1_dseg.nii.gz

  darts-view T1.mgz reference.mgz out/T1_dseg.nii.gz --name reference --name DARTS --region "left hippocampus"

  darts-view T1.mgz out/T1_dseg.nii.gz --agreement out/T1_agreement.nii.gz

  darts-view T1.mgz out/T1_dseg.nii.gz --print
"""


@app.command(epilog=EXAMPLES)
def view(
    scan: Annotated[Path, typer.Argument(help="Scan, or the folder of a FreeSurfer subject.", show_default=False)],
    labels: Annotated[
        list[Path] | None, typer.Argument(help="Label maps of the scan, on any grid.", show_default=False)
    ] = None,
    agreement: Annotated[
        Path | None,
        typer.Option(
            help="Agreement of views, from darts-segment --save-agreement. Default: the one beside the first label map."
        ),
    ] = None,
    name: Annotated[list[str] | None, typer.Option(help="Name of a label map, in their order (repeat).")] = None,
    region: Annotated[str, typer.Option(help="Region to begin at: name or FreeSurfer id.")] = "",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address only.")] = False,
    print_lines: Annotated[
        bool, typer.Option("--print", help="Print the command lines of freeview, ITK-SNAP, FSLeyes and 3D Slicer instead.")
    ] = False,
) -> None:
    """Show a scan and its label maps in the browser: names under the pointer, volumes, differences, agreement of views.

    The page is served on this machine alone, to those who have the address printed; Ctrl-C ends it.

    Exit code: 0 all done, 1 a file can't be read or the port is taken, 2 wrong usage.
    """
    with one_line_errors("darts-view"):
        maps = labels or []
        agreement = agreement or _agreement_beside(maps)
        if print_lines:
            _print_lines(scan, maps, agreement, region)
        else:
            _serve(_read(scan, maps, agreement, name or [], region), port, no_browser=no_browser)


def _read(scan: Path, labels: Sequence[Path], agreement: Path | None, names: Sequence[str], region: str) -> Shown:
    from evaluation.viewer.images import read_viewed
    from evaluation.viewer.shown import Shown

    viewed = read_viewed(scan, labels, agreement, names)
    for note in viewed.notes:
        errors.print(f"note: {note}")
    return Shown(viewed, region)


def _agreement_beside(labels: Sequence[Path]) -> Path | None:
    """The agreement that darts-segment wrote with the first label map, in any of its formats."""
    if not labels:
        return None
    path = labels[0]
    names = {path.name.replace("_dseg.", "_agreement."), path.name.replace("aparc.DKTatlas+aseg.darts.", "darts.agreement.")}
    return next((found for one in sorted(names - {path.name}) if (found := path.with_name(one)).is_file()), None)


def _print_lines(scan: Path, labels: Sequence[Path], agreement: Path | None, region: str) -> None:
    from evaluation.viewer.images import scan_path
    from evaluation.viewer.other_viewers import command_lines

    image = scan_path(scan)
    for path in (image, *labels, *([agreement] if agreement else [])):
        if not path.is_file():
            raise ScanError(f"{path}: no such file; expected an image")
    # Only the place of a region needs the voxels.
    at = _read(scan, labels, agreement, [], region).start_mm() if region else None
    for line in command_lines(image, labels, agreement, at).values():
        typer.echo(line)


def _serve(shown: Shown, port: int, *, no_browser: bool) -> None:
    from evaluation.serving.extra import needs_app

    with needs_app():
        import secrets

        from evaluation.serving.listening import listen, safe_address, serve_until_interrupted
        from evaluation.serving.viewer_library import read_viewer_library
        from evaluation.viewer.server import create_app

        token = secrets.token_urlsafe(32)
        app = create_app(shown, token, read_viewer_library())
        listening = listen(safe_address("127.0.0.1", port, i_have_tls=False, behind_proxy=False, public_hosts=()))
        listening.listen()  # a browser that asks before the server is ready waits
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/#{token}"
        console = Console(markup=False, highlight=False, soft_wrap=True)
        console.print(f"{shown.viewed.scan.name}: {address}\nCtrl-C ends it")
        with tempfile.TemporaryDirectory(prefix="darts-view-") as folder:
            if not no_browser and not _open(address, Path(folder)):
                errors.print("note: no browser could be opened; open the address above")
            serve_until_interrupted(app, listening)


def _open(address: str, folder: Path) -> bool:
    """Open the address by way of a file that only its owner reads: what a browser is started with, every user can list."""
    page = folder / "open.html"
    page.touch(mode=0o600)
    page.write_text(f'<!doctype html><meta http-equiv="refresh" content="0;url={escape(address)}">\n', encoding="utf-8")
    return webbrowser.open(page.as_uri())


def main() -> None:
    """Run darts-view."""
    start(app, "darts-view")


if __name__ == "__main__":
    main()
