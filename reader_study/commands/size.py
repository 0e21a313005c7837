"""The commands simulate and power (plan-size): made-up studies, and how large a study must be."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from darts_ensemble.commands.command_line import words
from darts_ensemble.errors import UsageError
from evaluation.results.run_facts import count_of
from reader_study.commands.options import numbers_of, printed_table_of, scale_of, whole_numbers_of

if TYPE_CHECKING:  # what they import takes longer to load than --help may
    import pandas as pd

    from reader_study.simulation.simulate import Shares

__all__ = ["register"]

CaseShare = Annotated[float, typer.Option(help="Share of the variance of a rating that is due to the case.")]
ReaderShare = Annotated[float, typer.Option(help="... due to the reader.")]
CaseMethodShare = Annotated[float, typer.Option(help="... due to the interaction of case and method.")]
ReaderMethodShare = Annotated[float, typer.Option(help="... due to the interaction of reader and method.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print warnings and errors only.")]
Json = Annotated[bool, typer.Option("--json", help="Print the account as JSON and nothing else.")]


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command("simulate", epilog=_SIMULATE)(simulate)
    app.command("power", epilog=_POWER)(power)
    app.command("plan-size", epilog=_POWER, help="The same as power.")(power)


_SIMULATE = """Examples:

  darts-reader-study simulate -o synthetic.csv

  darts-reader-study simulate --means FS=3.4,NFT=3.8,FT=3.9 --sd 1.0 --cases 20 --readers 5 --seed 1 -o synthetic.csv

  darts-reader-study simulate --like published --cases 20 --readers 5 --repeats 0.1 -o synthetic.csv

Every row is marked in the column synthetic, and whatever is made of the table says that it is.
"""


def simulate(
    out: Annotated[Path, typer.Option("--out", "-o", help="Ratings table to write (CSV).")],
    cases: Annotated[int, typer.Option(min=1)] = 20,
    readers: Annotated[int, typer.Option(min=1)] = 5,
    means: Annotated[str, typer.Option(metavar="METHOD=MEAN,...", help="Mean rating of each method.")] = "",
    sd: Annotated[float, typer.Option(help="SD of the ratings of a method.")] = 1.0,
    regions: Annotated[str, typer.Option(help="Comma-separated. Default: the seven published ones.")] = "",
    sides: Annotated[str, typer.Option(help="L, R or both; empty for midline regions.")] = "L,R",
    like: Annotated[str, typer.Option(metavar="published|TABLE", help="Take means and SDs of a printed table instead.")] = "",
    case_share: CaseShare = 0.25,
    reader_share: ReaderShare = 0.10,
    case_method_share: CaseMethodShare = 0.10,
    reader_method_share: ReaderMethodShare = 0.05,
    repeats: Annotated[float, typer.Option(min=0, max=1, help="Share of ratings that are repeated.")] = 0.0,
    missing: Annotated[float, typer.Option(min=0, max=0.95, help="Share of ratings that are lost.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="The same gives the same table.")] = 0,
    scale: Annotated[str, typer.Option(metavar="LEVELS", help="Such as 1=fail,2=warning,3=pass.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing table.")] = False,
    quiet: Quiet = False,
) -> None:
    """Draw a synthetic study, marked as such in every row."""
    from darts_ensemble.results.outputs import write_text
    from reader_study.ratings.table import SYNTHETIC
    from reader_study.simulation.simulate import simulate_study, targets_of_shifts, targets_of_summary

    if like and (means or regions):
        raise UsageError("--like takes means and regions from the table; expected it without --means and --regions")
    if out.exists() and not overwrite:
        raise UsageError(f"{out}: there already; expected a new file, or --overwrite if it holds no real ratings")
    levels = scale_of(scale, False)
    if like:
        targets = targets_of_summary(printed_table_of(like), levels)
    else:
        wanted = _means(means) if means else {"FS": 3.4, "NFT": 3.8, "FT": 3.9}
        places = [(roi, side) for roi in words(regions) or _published_regions() for side in words(sides) or [""]]
        targets = targets_of_shifts(places, wanted, sd)
    shares = _shares(case_share, reader_share, case_method_share, reader_method_share)
    table = simulate_study(
        targets, cases=cases, readers=readers, shares=shares, repeats=repeats, missing=missing, seed=seed, scale=levels
    )
    table["rating"] = [f"{one:g}" for one in table["rating"]]
    write_text(out, table.to_csv(index=False, lineterminator="\n"))
    console = Console(quiet=quiet, markup=False, highlight=False, soft_wrap=True)
    for target in targets:
        if target.note:
            console.print(f"{target.roi} {target.hemisphere}, {target.method}: {target.note}")
    console.print(f"{out}: {count_of(len(table), 'rating')}. {SYNTHETIC}.")


_POWER = """Examples:

  darts-reader-study power --cases 20,40 --readers 3,5 --shift 0.4 --jobs 4 -o power/

  darts-reader-study power --cases 20 --readers 5 --shift 0 --analyses all --simulations 500 -o type-1-error/

  darts-reader-study plan-size --power 0.8 --readers 3,5 --shift 0.4 --analyses t,crossed

  darts-reader-study plan-size --cases 20,40 --shift 0 --margin 0.5 --analyses equivalence,crossed-equivalence

  darts-reader-study plan-size --cases 20,40,80 --readers 3 --agreement kappa,ac2,icc --width 0.3

Analyses: t, wilcoxon (on case means), crossed (readers and cases random), mixed-model, mixed-model-plain (case and reader
only), pooled-t, pooled-wilcoxon (reader x case ratings, as published), or all; with --margin also noninferiority,
equivalence (two one-sided t-tests on case means) and crossed-noninferiority, crossed-equivalence. A shift of 0 gives the
type I error. With --power, or with --agreement and --width, the number of cases that is needed is searched for and printed.
"""


def power(
    cases: Annotated[str, typer.Option(help="Numbers of cases, comma-separated.")] = "20,40",
    readers: Annotated[str, typer.Option(help="Numbers of readers.")] = "3,5",
    shift: Annotated[str, typer.Option(help="Differences in mean rating to be found.")] = "0.4",
    mean: Annotated[float, typer.Option(help="Mean rating of the first method.")] = 3.5,
    sd: Annotated[float, typer.Option(help="SD of the ratings of a method.")] = 0.9,
    case_share: CaseShare = 0.25,
    reader_share: ReaderShare = 0.10,
    case_method_share: CaseMethodShare = 0.10,
    reader_method_share: ReaderMethodShare = 0.05,
    analyses: Annotated[str, typer.Option(help="Comma-separated, or all.")] = "t,wilcoxon,crossed,mixed-model",
    margin: Annotated[
        float | None,
        typer.Option(min=0.0001, help="Largest difference that does not matter, for noninferiority and equivalence."),
    ] = None,
    wished: Annotated[
        float | None,
        typer.Option("--power", min=0.01, max=0.999, help="Search for the cases that give this power; --cases is not used."),
    ] = None,
    agreement: Annotated[
        str, typer.Option(metavar="MEASURES", help="Plan an agreement study instead: some of kappa, ac2, icc, alpha.")
    ] = "",
    width: Annotated[float | None, typer.Option(min=0.001, help="Desired width of the 95 % interval of an agreement.")] = None,
    simulations: Annotated[int, typer.Option(min=1, help="Simulated studies for each combination.")] = 500,
    level: Annotated[float, typer.Option(min=0.0001, max=0.5, help="Of the tests.")] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="The same gives the same table, whatever --jobs is.")] = 0,
    jobs: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for power.csv and the curve.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Simulate studies and count how often each analysis finds a difference: how many cases and readers a study needs."""
    from reader_study.commands.screen import counting, show_power
    from reader_study.simulation.power import ANALYSES, MARGIN_ANALYSES, planned_studies, power_table

    parts = _shares(case_share, reader_share, case_method_share, reader_method_share)
    if agreement:
        plan_agreement(
            agreement, width, whole_numbers_of(cases, "--cases"), whole_numbers_of(readers, "--readers"), mean, sd, parts,
            simulations, seed, out, as_json=as_json, quiet=quiet,
        )  # fmt: skip
        return

    chosen = list(ANALYSES) if analyses == "all" else words(analyses)
    known = {**ANALYSES, **(MARGIN_ANALYSES if margin is not None else {})}
    unknown = [name for name in chosen if name not in known]
    if unknown or not chosen:
        needed = " (with --margin)" if set(unknown) & set(MARGIN_ANALYSES) else ""
        raise UsageError(f"--analyses {', '.join(unknown)}{needed}: expected all or some of {', '.join(known)}")
    plans = planned_studies(
        whole_numbers_of(cases, "--cases"), whole_numbers_of(readers, "--readers"), numbers_of(shift, "--shift"),
        mean=mean, sd=sd, shares=parts, margin=math.nan if margin is None else margin,
    )  # fmt: skip
    console = Console(quiet=quiet or as_json, markup=False, highlight=False, soft_wrap=True)
    if wished is not None:
        from reader_study.commands.screen import show_needed, steps
        from reader_study.simulation.needed_cases import cases_for_power

        with steps(console, "Searching") as tell:
            found = cases_for_power(
                wished, whole_numbers_of(readers, "--readers"), numbers_of(shift, "--shift"), chosen, mean=mean, sd=sd,
                shares=parts, margin=math.nan if margin is None else margin, simulations=simulations, level=level, seed=seed,
                jobs=jobs, report=tell,
            )  # fmt: skip
        _leave(found, out, "needed_cases.csv", as_json=as_json)
        show_needed(console, found)
        return
    with counting(console, simulations * len(plans), "Simulated studies") as report:
        table = power_table(plans, chosen, simulations=simulations, level=level, seed=seed, jobs=jobs, report=report)
    _leave(table, out, "power.csv", as_json=as_json)
    if out is not None:
        from reader_study.figures.draw import save_power_curve

        save_power_curve(table, chosen, out)
    show_power(console, table, chosen)
    if out is not None:
        console.print(f"{out}: power.csv, power_curve.png")


def plan_agreement(
    words_of: str, width: float | None, cases: list[int], readers: list[int], mean: float, sd: float, shares: Shares,
    simulations: int, seed: int, out: Path | None, *, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    """Print how wide the interval of an agreement is for each number of cases and readers, and which are narrow enough."""
    from reader_study.commands.screen import counting, show_needed, show_widths, steps
    from reader_study.simulation.agreement_size import AGREEMENT_MEASURES, agreement_widths
    from reader_study.simulation.needed_cases import cases_for_width

    measures = words(words_of)
    unknown = [name for name in measures if name not in AGREEMENT_MEASURES]
    if unknown or not measures:
        raise UsageError(f"--agreement {', '.join(unknown)}: expected some of {', '.join(AGREEMENT_MEASURES)}")
    console = Console(quiet=quiet or as_json, markup=False, highlight=False, soft_wrap=True)
    with counting(console, simulations * len(cases) * len(readers), "Simulated studies") as report:
        table = agreement_widths(
            cases, readers, measures, mean=mean, sd=sd, shares=shares, simulations=simulations, seed=seed, report=report
        )
    needed = None
    if width is not None:
        with steps(console, "Searching") as tell:
            needed = cases_for_width(
                width, readers, measures, mean=mean, sd=sd, shares=shares, simulations=simulations, seed=seed, report=tell
            )
    _leave(table, out, "agreement_size.csv", as_json=as_json and needed is None)
    show_widths(console, table, width)
    if needed is not None:
        _leave(needed, out, "needed_cases.csv", as_json=as_json)
        show_needed(console, needed)
    if out is not None:
        console.print(f"{out}: agreement_size.csv" + (", needed_cases.csv" if needed is not None else ""))


def _leave(table: pd.DataFrame, out: Path | None, name: str, *, as_json: bool) -> None:
    """Write a table of simulated studies into a folder, and print it as JSON, where either is wished."""
    from darts_ensemble.results.outputs import write_text

    marked = table.assign(synthetic="simulated")
    if out is not None:
        write_text(out / name, marked.to_csv(index=False, float_format="%.10g", lineterminator="\n"))
    if as_json:
        typer.echo(json.dumps(json.loads(marked.to_json(orient="records")), indent=1))


def _means(text: str) -> dict[str, float]:
    means: dict[str, float] = {}
    for word in words(text):
        name, equals, value = word.partition("=")
        try:
            means[name] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name:
            raise UsageError(f"--means {word}: expected METHOD=MEAN, such as FS=3.4,FT=3.9")
    return means


def _shares(case: float, reader: float, case_method: float, reader_method: float) -> Shares:
    from reader_study.simulation.simulate import Shares

    return Shares(case, reader, case_method, reader_method)


def _published_regions() -> list[str]:
    from reader_study.published import published_summary

    return list(dict.fromkeys(cell.roi for cell in published_summary().cells))
