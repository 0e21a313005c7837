"""The command darts-weights: which weights there are, where they are, whether they are intact, and what they contain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from darts_ensemble.commands.command_line import errors, one_line_errors
from darts_ensemble.commands.fit_refinement import fit_refinement_of
from darts_ensemble.commands.start import start
from darts_ensemble.commands.weights_on_scans import (
    AsJson,
    Quiet,
    Registry,
    console,
    fit_fusion,
    load,
    path_of,
    verify_orientation_of,
)
from darts_ensemble.cores import wait_without_spinning
from darts_ensemble.errors import CheckpointError, DartsError
from darts_ensemble.weights.checksums import FileCheck, check_file, check_folder, read_sums, write_sums
from darts_ensemble.weights.file_form import refuse_other_forms
from darts_ensemble.weights.registry import (
    Entry,
    View,
    cache_folder,
    fetch,
    files_there,
    find_entry,
    folder_of,
    known_weights,
    verify,
)

__all__ = ["main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)

EXAMPLES = """Examples:

  darts-weights list

  darts-weights fetch our-lab --registry weights.toml

  darts-weights info dense_unet_back2front_finetuned.pth

  darts-weights verify-orientation axial.pth --scan T1.mgz --labels aparc+aseg.mgz

  darts-weights fit-fusion --weights weights/ --data SUBJECTS_DIR --accept-on sub-07

  darts-weights fit-refinement --weights weights/ --data SUBJECTS_DIR
"""


@app.callback(epilog=EXAMPLES)
def _weights() -> None:
    """Weights for darts-segment: list, fetch, verify, describe and convert them, and fit how views are fused.

    Exit code: 0 everything is right, 1 something is missing, changed or unreadable, 2 wrong usage.
    """


@app.command("list")
def list_weights(registry: Registry = None, as_json: AsJson = False) -> None:
    """Show the known weights and where they are."""
    with one_line_errors("darts-weights"):
        rows = [_row(entry) for entry in known_weights(registry).values()]
    if as_json:
        typer.echo(json.dumps({"cache": str(cache_folder()), "weights": rows}, indent=1))
        return
    for row in rows:
        console.print(f"{row['name']}: {row['about'] or 'no description'}")
        console.print(f"  {row['kind']}, {row['state']}, {row['folder']}")
        for name in row["here"]:
            console.print(f"  + {name}")
        for name in row["lacking"]:
            console.print(f"  - {name} (not here)")
    console.print(f"cache {cache_folder()}")


def _row(entry: Entry) -> dict[str, Any]:
    here = files_there(entry)
    lacking = [file.name for file in entry.files if file.name not in here]
    total = len(here) + len(lacking)
    how = {"download": f"darts-weights fetch {entry.name}", "manual": f"by hand: darts-weights fetch {entry.name} says how"}
    state = "here" if here and not lacking else f"{len(here)} of {total} files here" if here else "not here"
    if lacking:
        state += f" ({how[entry.kind]})"
    return {
        "name": entry.name, "kind": entry.kind, "about": entry.about, "state": state, "folder": str(folder_of(entry)),
        "here": here, "lacking": lacking,
    }  # fmt: skip


@app.command("fetch")
def fetch_weights(
    names: Annotated[list[str], typer.Argument(help="Names as in darts-weights list.", show_default=False)],
    registry: Registry = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Download weights, or explain how to fetch them by hand.

    An interrupted download is continued. The cache is $DARTS_WEIGHTS_CACHE, else the system's folder for caches.
    """
    rows: list[dict[str, Any]] = []
    with one_line_errors("darts-weights"):
        known = known_weights(registry)
        entries = [find_entry(name, known) for name in names]
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=errors, transient=True, disable=quiet or not errors.is_terminal) as bar:
        for entry in entries:
            task = bar.add_task(entry.name, total=None)
            try:
                given = fetch(entry, lambda done, total, task=task: bar.update(task, completed=done, total=total))  # type: ignore[misc]
                rows.append({"name": entry.name, "status": "here", "weights": str(given)})
            except DartsError as error:
                rows.append({"name": entry.name, "status": "failed", "error": str(error)})
            bar.remove_task(task)
    for row in rows:
        if row["status"] == "failed":
            errors.print(f"darts-weights: {row['name']}: {row['error']}")
        elif not (quiet or as_json):
            console.print(f"{row['name']}: darts-segment --weights {row['weights']}")
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
    if any(row["status"] == "failed" for row in rows):
        raise typer.Exit(1)


@app.command("verify")
def verify_weights(
    what: Annotated[
        list[str] | None,
        typer.Argument(help="Names, folders or files. Default: all weights on this machine.", show_default=False),
    ] = None,
    registry: Registry = None,
    write: Annotated[Path | None, typer.Option(hidden=True, help="Write SHA256SUMS for the weights of this folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compute and compare the sha256 of files.

    The sums are compared with those of the registry, or of SHA256SUMS in the same folder. Exit code 1 if a file is changed,
    missing or not listed, or has no sum to compare with and is no weights file.
    """
    checks: list[FileCheck] = []
    failed: list[str] = []
    with one_line_errors("darts-weights"):
        if write is not None:
            console.print(f"wrote {write_sums(write)}")
            return
        known = known_weights(registry)
    for name in what or [entry.name for entry in known.values() if files_there(entry)]:
        try:
            found = _verify_one(name, known)
            if not found:
                raise CheckpointError(f"{name}: none of its files are here; expected them: darts-weights fetch {name}")
            for check in found:
                if check.status == "not known":
                    refuse_other_forms(check.path)
            checks += found
        except DartsError as error:
            failed.append(str(error))
    if as_json:
        rows = [{"file": str(c.path), "status": c.status, "sha256": c.sha256, "expected": c.expected} for c in checks]
        typer.echo(json.dumps({"files": rows, "errors": failed}, indent=1))
    else:
        for check in checks:
            note = f", expected {check.expected}" if check.status in ("changed", "missing") else ""
            console.print(f"{check.status}: {check.path} {check.sha256 or ''}{note}".rstrip())
    for line in failed:
        errors.print(f"darts-weights: {line}")
    bad = [check for check in checks if not check.good]
    for check in bad:
        errors.print(f"darts-weights: {check.path}: {_advice(check)}")
    if bad or failed:
        raise typer.Exit(1)


def _advice(check: FileCheck) -> str:
    return {
        "changed": f"sha256 {check.sha256}; expected {check.expected}: fetch or copy it again",
        "missing": "listed but missing; fetch or copy it again",
        "unlisted": "not in SHA256SUMS of its folder; expected only files that are listed: remove it, or write a new list",
    }[check.status]


def _verify_one(name: str, known: dict[str, Entry]) -> list[FileCheck]:
    if name in known:
        return verify(known[name])
    path = Path(name)
    if path.is_dir():
        return check_folder(path)
    if path.is_file():
        return [check_file(path, (read_sums(path.parent) or {}).get(path.name))]
    raise CheckpointError(f"{name}: no such file, folder or name; expected one of {', '.join(known)}, or a path")


@app.command("info")
def info(
    weights: Annotated[str, typer.Argument(help="A name, a folder, a file or a JSON of view: file.")] = "bundled",
    view: Annotated[
        View | None, typer.Option(help="View of a single file, if neither the file nor its name gives it.", show_default=False)
    ] = None,
    registry: Registry = None,
    as_json: AsJson = False,
) -> None:
    """Describe weights: size, view, training.

    Architecture, filters, parameters, channels, normalisation, training subjects, sha256, settings of the training.
    """
    with one_line_errors("darts-weights"):
        path = path_of(weights, registry)
        from darts_ensemble.weights.checkpoints import load_view
        from darts_ensemble.weights.info import describe_network

        files = [path]
        if path.is_dir() or path.suffix == ".json":
            files = [network.path for network in load(path).networks.values() if network.path is not None]
        descriptions = [describe_network(load_view(file, view if len(files) == 1 else None)) for file in files]
    if as_json:
        typer.echo(json.dumps(descriptions, indent=1))
        return
    for number, one in enumerate(descriptions):
        if number:
            console.print()
        for key, value in one.items():
            console.print(f"{key.replace('_', ' '):<18} {_shown(value)}")


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items()) or "not told"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "not told"
    return f"{value:,}" if type(value) is int else str(value)


@app.command("export")
def export(
    source: Annotated[Path, typer.Argument(help="A .pth, .pt or .safetensors, or a <view>.checkpoint.pt of darts-train.")],
    out: Annotated[Path, typer.Argument(help="Weights folder.")],
    view: Annotated[
        View | None, typer.Option(help="View, if neither the file nor its name gives it.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write a network as compact safetensors.

    float16, in a folder that --weights takes.
    """
    with one_line_errors("darts-weights"):
        from darts_ensemble.weights.export import export_weights

        done = export_weights(source, out, view=view, overwrite=overwrite)
        size = done.path.stat().st_size
    if as_json:
        row = {"file": str(done.path), "view": done.view, "size_bytes": size, "rounding": done.rounding}
        typer.echo(json.dumps(row, indent=1))
    else:
        console.print(
            f"{done.view}: {done.path} ({size / 1e6:.1f} MB; float16 changes a tensor by {done.rounding:.1e} at most)"
        )


app.command("verify-orientation")(verify_orientation_of)
app.command("fit-fusion")(fit_fusion)
app.command("fit-refinement")(fit_refinement_of)


def main() -> None:
    """Run darts-weights."""
    wait_without_spinning()
    start(app, "darts-weights")


if __name__ == "__main__":
    main()
