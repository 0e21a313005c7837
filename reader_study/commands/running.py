"""The commands plan, serve, export and demo-study of darts-reader-study."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from darts_ensemble.commands.command_line import errors
from darts_ensemble.errors import UsageError
from reader_study.errors import StudyError

if TYPE_CHECKING:
    import pandas as pd

    from reader_study.planning.design import Design
    from reader_study.planning.plan import Orders
    from reader_study.planning.sources import Sources

__all__ = ["register"]

_BASE_URL = "http://127.0.0.1:8000"
#: Differences of mean ratings whose power the plan shows, and simulated studies a difference.
_SHIFTS, _SIMULATIONS = (0.2, 0.4, 0.6), 400

_PLAN = """Examples:

  darts-reader-study plan study.yaml --dry-run

  darts-reader-study plan study.yaml -o study/ --links links.csv
"""
_SERVE = """Examples:

  darts-reader-study serve study/

  darts-reader-study serve study/ --new-links anna --new-links ben

  darts-reader-study serve study/ --behind-proxy --public-host study.example.org
"""
_EXPORT = """Examples:

  darts-reader-study export study/ -o blinded/

  darts-reader-study export study/ -o results/ --unblind --reason "all readers are done"
"""
_DEMO = """Examples:

  darts-reader-study demo-study -o demo_study/
"""


def register(app: typer.Typer) -> None:
    """Add the commands to the application of darts-reader-study."""
    app.command("plan", epilog=_PLAN)(plan)
    app.command("serve", epilog=_SERVE)(serve)
    app.command("export", epilog=_EXPORT)(export)
    app.command("demo-study", epilog=_DEMO)(demo_study)


def plan(
    design_file: Annotated[Path, typer.Argument(metavar="STUDY.YAML", help="The design.", show_default=False)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="New folder of the study.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show design, length, balance and power; open no image.")] = False,
    base_url: Annotated[str, typer.Option(help="Start of the readers' links.")] = _BASE_URL,
    links: Annotated[Path | None, typer.Option(help="Write the links into this new CSV file.", show_default=False)] = None,
    power: Annotated[bool, typer.Option("--power/--no-power", help="Simulate the power of the design (dry run).")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print links and warnings only.")] = False,
) -> None:
    """Plan a study: conform and check the images, blind them, draw every reader's order.

    The personal links are printed once and stored nowhere: only hashes of their tokens are kept.
    """
    console = Console(quiet=quiet or as_json, markup=False, highlight=False, soft_wrap=True)
    from reader_study.planning.design import read_design
    from reader_study.planning.plan import draw_orders
    from reader_study.planning.sources import find_sources
    from reader_study.study.folder import write_study
    from reader_study.study.links import COORDINATOR, link, write_links

    if out is None and not dry_run:
        raise UsageError("no folder to write to; expected -o FOLDER, or --dry-run")
    design = read_design(design_file)
    sources = find_sources(design)
    orders = draw_orders(design, sources)
    account = _describe(console, design, sources, orders)
    if dry_run or out is None:
        if power and "rating" in design.modes:
            account["power"] = _show_power(console, design, sources)
        console.print("Dry run: no image was opened, so a region that a method lacks is not known yet.")
        if as_json:
            typer.echo(json.dumps(account, indent=1))
        return
    if links is not None and links.exists():
        raise UsageError(f"--links {links}: already there; expected a new file")
    text = design_file.read_text(encoding="utf-8")
    written = write_study(design, sources, out, source_text=text, report=console.print)
    for note in written.notes:
        errors.print(f"note: {note}")
    tokens = {**written.readers, COORDINATOR: written.coordinator}
    if links is not None:
        write_links(links, tokens, base_url)
    if as_json:
        shown = {name: link(base_url, token) for name, token in tokens.items()}
        typer.echo(json.dumps({**account, "folder": str(out), "links": shown, "notes": list(written.notes)}, indent=1))
        return
    console.print(f"\n{out}: planned. Which arm is which method stands in {out / 'key.json'} alone: keep it from readers.")
    _print_links(tokens, base_url)
    console.print(f"Next: darts-reader-study serve {out}")


def serve(
    study: Annotated[Path, typer.Argument(help="Folder made by plan.", show_default=False)],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8000,
    i_have_tls: Annotated[
        bool, typer.Option("--i-have-tls", help="Readers come through TLS or an encrypted tunnel; needed for other addresses.")
    ] = False,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy on this machine ends HTTPS and passes on X-Forwarded-For.")
    ] = False,
    public_host: Annotated[list[str] | None, typer.Option(help="Name under which browsers ask (repeat).")] = None,
    new_links: Annotated[
        list[str] | None, typer.Option(metavar="READER", help="New personal link for a reader, coordinator or all (repeat).")
    ] = None,
) -> None:
    """Serve a study to its readers. Stop with Ctrl-C at any time: no confirmed rating is lost."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    with _needs_app():
        from dataclasses import replace

        from reader_study.app.run_server import listen, run_server, safe_address
        from reader_study.app.viewer_library import read_viewer_library
        from reader_study.study.links import renew_links
        from reader_study.study.storage import open_study, setting

        address = safe_address(
            host, port, i_have_tls=i_have_tls, behind_proxy=behind_proxy, public_hosts=tuple(public_host or ())
        )
        viewer = read_viewer_library()
        connection = open_study(study)
        listening = listen(address)
        address = replace(address, port=listening.getsockname()[1])
        title = setting(connection, "title")
        tokens = renew_links(connection, new_links) if new_links else {}
        connection.close()
        if address.tls:
            errors.print(f"warning: listening on {host}: readers must come by HTTPS; cookies are not sent otherwise")
        console.print(f"Viewer: NiiVue {viewer.version} ({viewer.licence}), from {viewer.source}")
        if tokens:
            _print_links(tokens, address.base_url)
        console.print(f"Serving “{title}” at {address.base_url}; Ctrl-C stops")
        run_server(study, address, listening)


def export(
    study: Annotated[Path, typer.Argument(help="Folder made by plan.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the tables.", show_default=False)],
    unblind: Annotated[bool, typer.Option("--unblind", help="Name the methods; written into the audit trail.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the audit trail.")] = "",
    key: Annotated[
        Path | None, typer.Option(help="key.json, where it is kept elsewhere than in the study.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON and nothing else.")] = False,
) -> None:
    """Export the ratings as darts-reader-study analyse reads them: blinded, or with the methods named."""
    console = Console(quiet=as_json, markup=False, highlight=False, soft_wrap=True)
    from reader_study.study.export import export_study

    done = export_study(study, out, unblind=unblind, key=key, reason=reason, overwrite=overwrite)
    if as_json:
        files = [str(path) for path in done.files]
        typer.echo(json.dumps({"files": files, "answers": done.n_ratings, "planned": done.n_planned, "unblinded": unblind}))
    console.print(
        f"{done.n_ratings} of {done.n_planned} answers, {'methods named' if unblind else 'blinded: arms, not methods'}"
    )
    if unblind and done.n_ratings < done.n_planned:
        errors.print("warning: unblinded before the study was complete; the audit trail says so")
    for path in done.files:
        console.print(f"  {path}")


def demo_study(
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder.")] = Path("demo_study"),
    base_url: Annotated[str, typer.Option(help="Start of the links.")] = _BASE_URL,
) -> None:
    """Make a small study to play with: the MNI152 template and three made-up methods, one reader, about 30 items."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    from reader_study.planning.demo_study import lay_out_demo
    from reader_study.planning.design import read_design
    from reader_study.planning.sources import find_sources
    from reader_study.study.folder import write_study
    from reader_study.study.links import COORDINATOR

    path = lay_out_demo(out)
    design = read_design(path)
    text = path.read_text(encoding="utf-8")
    written = write_study(design, find_sources(design), out / "study", source_text=text, report=console.print)
    _print_links({**written.readers, COORDINATOR: written.coordinator}, base_url)
    console.print(f"Next: darts-reader-study serve {out / 'study'}, then open the reader's link")


@contextmanager
def _needs_app() -> Iterator[None]:
    """Say in one line which package of the application is not installed."""
    try:
        yield
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("fastapi", "uvicorn", "starlette", "pydantic"):
            raise
        raise StudyError(
            f"the package {missing.name} is not installed; expected it: pip install 'darts-ensemble[app]'"
        ) from None


def _print_links(tokens: Mapping[str, str], base_url: str) -> None:
    from reader_study.study.links import link

    typer.echo("Personal links: shown this once, stored only as hashes.")
    width = max(map(len, tokens))
    for name, token in tokens.items():
        typer.echo(f"  {name:<{width}}  {link(base_url, token)}")


def _describe(console: Console, design: Design, sources: Sources, orders: Orders) -> dict[str, object]:
    from reader_study.planning.plan import balance_table, length_table

    places = len(orders.places)
    console.print(f"{design.title}: {len(sources.cases)} cases, {len(design.methods)} methods, {len(design.readers)} readers")
    regions = ", ".join(f"{region.name} ({region.view})" for region in design.regions)
    console.print(f"Regions: {regions}; sides {', '.join(design.sides)}; {places} places to rate by each method")
    console.print(f"Seed {design.seed}; between two items of one case and region lie at least {orders.washout} others")
    for case, why in sources.left_out.items():
        console.print(f"  left out: {case}, {why}")
    length, balance = length_table(design, orders), balance_table(design, orders)
    console.print(_shown(length, f"Items a reader; minutes are an estimate, at {design.seconds_per_item:g} s an item"))
    console.print(_shown(balance.round(3), "Balance of the methods over all readers' ratings"))
    return {
        "title": design.title, "seed": design.seed, "cases": list(sources.cases), "practice": list(sources.practice),
        "left_out": dict(sources.left_out), "methods": list(design.methods), "places": places, "washout": orders.washout,
        "length": length.to_dict("records"), "balance": balance.to_dict("records"),
    }  # fmt: skip


def _show_power(console: Console, design: Design, sources: Sources) -> list[dict[str, object]]:
    from reader_study.simulation.power import planned_studies, power_table

    if len(sources.cases) < 2:
        console.print("Power: not to be had from one case.")
        return []
    readers = len(design.readers)
    analyses = ["t", "crossed"] if readers > 1 else ["t"]
    plans = planned_studies([len(sources.cases)], [readers], _SHIFTS)
    table = power_table(plans, analyses, simulations=_SIMULATIONS)[["shift", "analysis", "power", "low", "high"]]
    names = {"t": "t on case means", "crossed": "readers and cases random"}
    shown = table.assign(analysis=table["analysis"].map(names)).round(2)
    console.print(
        _shown(
            shown,
            f"Power for one region and side, two methods, level 0.05; {_SIMULATIONS} simulated studies (mean 3.5, SD 0.9)",
        )
    )
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _shown(table: pd.DataFrame, title: str) -> Table:
    drawn = Table(title=title, title_justify="left")
    for column in table.columns:
        drawn.add_column(str(column).replace("_", " "), justify="left" if table[column].dtype == object else "right")
    for row in table.itertuples(index=False):
        drawn.add_row(*(f"{cell:g}" if isinstance(cell, float) else str(cell) for cell in row))
    return drawn
