"""The commands plan and demo-study: from a study.yaml, or from options, to a folder that can be served."""

from __future__ import annotations

import io
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from darts_ensemble.commands.command_line import errors, words
from darts_ensemble.errors import UsageError
from reader_study.commands.links import BASE_URL, print_links

if TYPE_CHECKING:
    from reader_study.planning.design import Design
    from reader_study.planning.plan import Orders
    from reader_study.planning.sources import Sources

__all__ = ["register"]

#: Differences of mean ratings whose power the plan shows, and simulated studies for each difference.
_SHIFTS, _SIMULATIONS = (0.2, 0.4, 0.6), 400

_PLAN = """Examples:

  darts-reader-study plan study.yaml --dry-run

  darts-reader-study plan study.yaml -o study/ --links links.csv

  darts-reader-study plan --scans subjects/ --method FreeSurfer=subjects/ --method fine-tuned=maps/ --readers anna,ben -o study/

--scans, --method and --readers take the place of study.yaml; everything else is then as by default, with the seven regions of
the published study.
"""
_DEMO = """Examples:

  darts-reader-study demo-study -o demo_study/
"""


def register(app: typer.Typer) -> None:
    """Add the commands to the application of darts-reader-study."""
    app.command("plan", epilog=_PLAN)(plan)
    app.command("demo-study", epilog=_DEMO)(demo_study)


def plan(
    design_file: Annotated[Path | None, typer.Argument(metavar="[STUDY.YAML]", help="The design.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="New folder of the study.", show_default=False)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show design, length, balance and power; open no image.")] = False,
    base_url: Annotated[str, typer.Option(help="Start of the readers' links.")] = BASE_URL,
    scans: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Without study.yaml: the scans, in any layout that is found.", show_default=False),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="Without study.yaml: label maps of a method; repeat it.", show_default=False),
    ] = None,
    readers: Annotated[str, typer.Option(help="Without study.yaml: names of the readers, comma-separated.")] = "",
    cases: Annotated[str, typer.Option(help="Without study.yaml: cases to rate. Default: all that have every map.")] = "",
    practice: Annotated[str, typer.Option(help="Without study.yaml: cases for practice alone.")] = "",
    regions: Annotated[str, typer.Option(help="Without study.yaml: regions. Default: the published seven.")] = "",
    seed: Annotated[int | None, typer.Option(help="Without study.yaml: fixes the orders. Default: drawn.")] = None,
    links: Annotated[Path | None, typer.Option(help="Write the links into this new CSV file.", show_default=False)] = None,
    power: Annotated[bool, typer.Option("--power/--no-power", help="Simulate the power of the design (dry run).")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print links and warnings only.")] = False,
) -> None:
    """Plan a study: conform and check the images, blind them, draw every reader's order.

    The personal links are printed once and stored nowhere: only hashes of their tokens are kept.
    """
    console = Console(quiet=quiet or as_json, markup=False, highlight=False, soft_wrap=True)
    from reader_study.planning.plan import draw_orders
    from reader_study.planning.sources import find_sources
    from reader_study.study.folder import write_study
    from reader_study.study.links import COORDINATOR, link, write_links

    if out is None and not dry_run:
        raise UsageError("no folder to write to; expected -o FOLDER, or --dry-run")
    named = {"cases": words(cases), "practice": words(practice), "regions": words(regions)}
    design, text = _design(design_file, scans, method or [], words(readers), seed, named)
    sources = find_sources(design)
    orders = draw_orders(design, sources)
    account = _describe(console, design, sources, orders)
    for note in sources.notes:
        errors.print(f"note: {note}")
    if dry_run or out is None:
        if power and "rating" in design.modes:
            account["power"] = _show_power(console, design, sources)
        console.print("Dry run: no image was opened, so a region that a method lacks is not known yet.")
        if as_json:
            typer.echo(json.dumps(account, indent=1))
        return
    if links is not None and links.exists():
        raise UsageError(f"--links {links}: already there; expected a new file")
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
    console.print(f"\n{out}: planned. Only {out / 'key.json'} says which arm is which method: keep it away from readers.")
    print_links(tokens, base_url)
    console.print(f"Next: darts-reader-study serve {out}")


def _design(
    design_file: Path | None,
    scans: Path | None,
    methods: Sequence[str],
    readers: Sequence[str],
    seed: int | None,
    named: dict[str, list[str]],
) -> tuple[Design, str]:
    """Return the design of study.yaml, or that of the options, and its text as YAML."""
    from reader_study.planning.design import design_of, read_design

    given = scans is not None or bool(methods or readers or any(named.values())) or seed is not None
    if design_file is not None:
        if given:
            raise UsageError(
                f"{design_file} and --scans, --method, --readers, --cases, --practice, --regions or --seed; expected the file "
                "or the options"
            )
        return read_design(design_file), design_file.read_text(encoding="utf-8-sig")
    pairs = [text.partition("=") for text in methods]
    if scans is None or not readers or len(pairs) < 2 or not all(name and path for name, _, path in pairs):
        raise UsageError(
            "no design; expected STUDY.YAML, or --scans PATH, --method NAME=PATH twice or more, and --readers NAME,NAME"
        )
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise UsageError(f"--method {', '.join(methods)}: a name is given twice; expected one path for each")
    # Absolute: the text is kept in the key, and read again where a reader is added later.
    content: dict[str, Any] = {
        "seed": secrets.randbelow(2**31) if seed is None else seed,
        "readers": list(readers),
        "scans": str(scans.absolute()),
        "methods": {name: str(Path(path).absolute()) for name, _, path in pairs},
        **{key: names for key, names in named.items() if names},
    }
    from ruamel.yaml import YAML

    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(content, stream)
    return design_of(content, Path.cwd()), stream.getvalue()


def demo_study(
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder.")] = Path("demo_study"),
    base_url: Annotated[str, typer.Option(help="Start of the links.")] = BASE_URL,
) -> None:
    """Make a small study to try out: the MNI152 template and three made-up methods, one reader, about 30 items."""
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
    print_links({**written.readers, COORDINATOR: written.coordinator}, base_url)
    console.print(f"Next: darts-reader-study serve {out / 'study'}, then open the reader's link")


def _describe(console: Console, design: Design, sources: Sources, orders: Orders) -> dict[str, object]:
    from evaluation.results.run_facts import count_of
    from reader_study.commands.tables import shown_table
    from reader_study.planning.plan import balance_table, length_table

    places = len(orders.places)
    size = ((len(sources.cases), "case"), (len(design.methods), "method"), (len(design.readers), "reader"))
    console.print(f"{design.title}: {', '.join(count_of(number, noun) for number, noun in size)}")
    regions = ", ".join(f"{region.name} ({region.view})" for region in design.regions)
    console.print(f"Regions: {regions}; sides {', '.join(design.sides)}; {count_of(places, 'place')} to rate by each method")
    console.print(f"Seed {design.seed}; between two items of one case and region at least {count_of(orders.washout, 'other')}")
    for case, why in sources.left_out.items():
        console.print(f"  left out: {case}, {why}")
    length, balance = length_table(design, orders), balance_table(design, orders)
    title = f"Items per reader; minutes are an estimate, with {design.seconds_per_item:g} s per item"
    console.print(shown_table(length, title, console.width))
    console.print(shown_table(balance.round(3), "Balance of the methods over all readers' ratings", console.width))
    return {
        "title": design.title, "seed": design.seed, "cases": list(sources.cases), "practice": list(sources.practice),
        "left_out": dict(sources.left_out), "methods": list(design.methods), "places": places, "washout": orders.washout,
        "length": length.to_dict("records"), "balance": balance.to_dict("records"),
    }  # fmt: skip


def _show_power(console: Console, design: Design, sources: Sources) -> list[dict[str, object]]:
    from reader_study.commands.tables import shown_table
    from reader_study.simulation.power import planned_studies, power_table

    if len(sources.cases) < 2:
        console.print("Power: cannot be computed for one case.")
        return []
    readers = len(design.readers)
    analyses = ["t", "crossed"] if readers > 1 else ["t"]
    plans = planned_studies([len(sources.cases)], [readers], _SHIFTS)
    table = power_table(plans, analyses, simulations=_SIMULATIONS)[["shift", "analysis", "power", "low", "high"]]
    names = {"t": "t on case means", "crossed": "readers and cases random"}
    shown = table.assign(analysis=table["analysis"].map(names)).round(2)
    title = f"Power for one region and side, two methods, level 0.05; {_SIMULATIONS} simulated studies (mean 3.5, SD 0.9)"
    console.print(shown_table(shown, title, console.width))
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
