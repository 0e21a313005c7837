"""The commands import, analyse and check-table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from darts_ensemble.commands.command_line import errors, words
from darts_ensemble.errors import DartsError, UsageError
from evaluation.results.run_facts import count_of
from reader_study.commands.options import named, pairs_of, printed_table_of, scale_of

if TYPE_CHECKING:  # what they import takes longer to load than --help may
    from reader_study.ratings.table import RatingScale

__all__ = ["register"]


Scale = Annotated[str, typer.Option(metavar="LEVELS", help="Such as 1=fail,2=warning,3=pass; default 1 poor to 5 excellent.")]
HalfPoints = Annotated[bool, typer.Option("--half-points", help="Ratings half-way between two levels are allowed.")]
Regions = Annotated[list[str] | None, typer.Option("--region", help="A region name beside the known ones (repeat).")]
Encoding = Annotated[str, typer.Option(help="Of a text table, such as utf-16 or cp1252; found in the file by default.")]
Separator = Annotated[str, typer.Option(help="Of a text table: a character, or tab; found in the file by default.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print warnings and errors only.")]
Json = Annotated[bool, typer.Option("--json", help="Print the account as JSON and nothing else.")]


def register(app: typer.Typer) -> None:
    """Add the commands to an application."""
    app.command("import", epilog=_IMPORT)(import_ratings)
    app.command("analyse", epilog=_ANALYSE)(analyse)
    app.command("check-table", epilog=_CHECK)(check_table)


_IMPORT = """Examples:

  darts-reader-study import scores.xlsx --headers "{roi}_{hemisphere}_{method}" --rename subject=case -o ratings.csv

  darts-reader-study import qc.csv --constant roi=image --constant method=raw --constant hemisphere= --region image
  --rename session=repeat --value repeat:First=1 --value repeat:Second=2 --scale 1=fail,2=warning,3=pass -o ratings.csv

  darts-reader-study import redcap_data.csv --redcap redcap_dictionary.csv -o ratings.csv
"""


def import_ratings(
    table: Annotated[Path, typer.Argument(help="CSV, TSV, Parquet or xlsx, long or wide.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Ratings table to write (CSV).")],
    headers: Annotated[
        str, typer.Option(help='Pattern of the headers of rating columns, such as "{roi}_{hemisphere}_{method}".')
    ] = "",
    rename: Annotated[list[str] | None, typer.Option(metavar="FOUND=NAME", help="A column's name (repeat).")] = None,
    constant: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A column that the file leaves out (repeat).")
    ] = None,
    value: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN:FOUND=VALUE", help="What a cell's text means (repeat).")
    ] = None,
    redcap: Annotated[
        Path | None, typer.Option(metavar="DICTIONARY", help="The table is REDCap's raw data by this dictionary of an export.")
    ] = None,
    scale: Scale = "",
    half_points: HalfPoints = False,
    region: Regions = None,
    encoding: Encoding = "",
    separator: Separator = "",
    quiet: Quiet = False,
) -> None:
    """Turn a table of ratings, long or wide, into the one that analyse reads, and check it."""
    from darts_ensemble.results.outputs import write_text
    from reader_study.ratings.checking import without_withdrawn
    from reader_study.ratings.spreadsheets import read_text_table
    from reader_study.ratings.table import check_ratings, known_regions
    from reader_study.ratings.wide import long_from_wide

    levels = scale_of(scale, half_points)
    renamed = pairs_of(rename or [], "--rename", "subject=case")
    constants = pairs_of(constant or [], "--constant", "method=raw")
    meanings = pairs_of(value or [], "--value", "rating:good=4")
    notes: list[str] = []
    with _said_before_errors(notes):
        found = read_text_table(table, encoding=encoding, separator=_typed(separator), report=notes.append)
        found = without_withdrawn(found, str(table), notes.append)
        if redcap is not None:
            from reader_study.exchange.redcap import ratings_of_redcap

            found = ratings_of_redcap(found, read_text_table(redcap))
        unknown = [name for name in renamed if name not in found]
        if unknown:
            raise UsageError(f"--rename {', '.join(unknown)}: no such column in {table}; found {', '.join(found.columns)}")
        found = found.rename(columns=renamed)
        for key, meant in meanings.items():
            column, colon, text = key.partition(":")
            if not colon or column not in found:
                raise UsageError(f"--value {key}: expected COLUMN:FOUND=VALUE with a column of {', '.join(found.columns)}")
            found[column] = found[column].where(found[column] != text, meant)
        if headers:
            found = long_from_wide(found, headers, constants=constants, scale=levels, source=str(table), report=notes.append)
        else:
            found = found.assign(**constants)
        names = [*known_regions(), *(region or [])]
        ratings = check_ratings(found, levels, regions=names, least_methods=1, source=str(table), report=notes.append)
    for note in notes:
        errors.print(f"warning: {note}")
    ratings["rating"] = [f"{one:g}" for one in ratings["rating"]]
    write_text(out, ratings.to_csv(index=False, lineterminator="\n"))
    if not quiet:
        counts = {name: ratings[name].nunique() for name in ("reader", "case", "method")}
        typer.echo(f"{out}: {count_of(len(ratings), 'rating')}, " + ", ".join(count_of(n, name) for name, n in counts.items()))


_ANALYSE = """Examples:

  darts-reader-study analyse ratings.csv -o results/

  darts-reader-study analyse rankings.csv -o rankings/

  darts-reader-study analyse ratings.csv --methods FS,NFT,FT --compare published --guesses guesses.csv -o results/

The table needs the columns reader, case, roi, hemisphere, method, rating; it may have view, repeat, seconds, timestamp,
comment, synthetic. `darts-reader-study import` makes one of other layouts. A blank rating or N/A counts as not rated.
"""


def analyse(
    ratings: Annotated[
        Path, typer.Argument(help="Ratings, or rankings alone: CSV, TSV, Parquet, xlsx, or an export's study.zip.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables, figures and the report.")],
    methods: Annotated[
        list[str] | None,
        typer.Option(help="Methods in order, comma-separated; the first is the reference (repeat for names with commas)."),
    ] = None,
    compare: Annotated[
        str,
        typer.Option(metavar="published|TABLE", help="Compare the study with the 2019 one, or with a table of means and SDs."),
    ] = "",
    margin: Annotated[
        float | None, typer.Option(min=0.0001, help="Test non-inferiority and equivalence within this difference in rating.")
    ] = None,
    rankings: Annotated[
        Path | None,
        typer.Option(help="Table of rankings; by default rankings.csv in the folder of the ratings."),
    ] = None,
    guesses: Annotated[Path | None, typer.Option(help="What readers guessed: columns reader, guess, method.")] = None,
    random: Annotated[str, typer.Option(help="Random effects of the mixed model.")] = "case,reader,case:method,reader:method",
    scale: Scale = "",
    half_points: HalfPoints = False,
    region: Regions = None,
    encoding: Encoding = "",
    separator: Separator = "",
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap samples; 2000 at most for agreement.")] = 9999,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    title: Annotated[str, typer.Option(help="Of the report.")] = "Reader study",
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Print the tests of every region and side.")] = False,
) -> None:
    """Analyse the ratings of a study: the table as published, tests on case means, mixed models, agreement, figures, report."""
    from evaluation.statistics.intervals import Bootstrap
    from reader_study.commands.progress import analysis_work, timed_steps
    from reader_study.commands.ranking_run import analyse_only_rankings, rankings_beside
    from reader_study.commands.screen import show_study
    from reader_study.exchange.archive import from_archive
    from reader_study.figures.draw import save_study_figures
    from reader_study.rankings.table import is_ranking_table
    from reader_study.ratings.checking import without_withdrawn
    from reader_study.ratings.spreadsheets import read_text_table
    from reader_study.ratings.study_order import exported_order, methods_in_order
    from reader_study.ratings.table import check_ratings, known_regions
    from reader_study.report.assemble import write_study_report
    from reader_study.report.study_files import account_of, write_account, write_study
    from reader_study.statistics.blinding import read_guesses
    from reader_study.statistics.study_analysis import analyse_study

    console = Console(quiet=quiet or as_json, markup=False, highlight=False, soft_wrap=True)
    opened = from_archive(ratings, out, scale, region, guesses, title)
    ratings, guesses, title = opened.ratings, opened.guesses, opened.title
    levels = opened.scale or scale_of(scale, half_points)
    names = [*known_regions(), *opened.regions]
    notes: list[str] = []
    order = exported_order(ratings)
    with _said_before_errors(notes):
        text = read_text_table(ratings, encoding=encoding, separator=_typed(separator), report=notes.append)
        text = without_withdrawn(text, str(ratings), notes.append)
        if is_ranking_table(text):
            analyse_only_rankings(text, ratings, out, methods or [], order, names, title, console, as_json=as_json, notes=notes)
            return
        table = check_ratings(text, levels, regions=names, least_methods=1, source=str(ratings), report=notes.append)
    known = methods_in_order(table["method"], order)
    chosen = named(methods, known, "--methods") if methods else list(known)
    guessed = read_guesses(guesses, chosen) if guesses is not None else None
    printed = printed_table_of(compare) if compare else None
    with timed_steps(console, "Analysing", analysis_work(table, len(chosen))) as report:
        analysis = analyse_study(
            table, chosen, scale=levels, random=words(random), bootstrap=Bootstrap(resamples=resamples, seed=seed),
            compare=printed, order=order, margin=margin, guesses=guessed, notes=notes, report=report,
        )  # fmt: skip
        files = write_study(analysis, out)
        figures = save_study_figures(analysis, out / "figures", title, report=report)
        ranked = rankings_beside(ratings, rankings, chosen, order, names, out, report)
        write_study_report(analysis, figures, out, title, more=ranked.sections)
    files += [*(f"figures/{one.name}.png" for one in figures), *ranked.files, "report.html", "run.json"]
    options: dict[str, Any] = {"random": random, "resamples": resamples, "seed": seed, "compare": compare, "margin": margin}
    account = account_of(analysis, ratings, options, files)
    write_account(account, out)
    for warning in (*analysis.warnings, *ranked.warnings):
        errors.print(f"warning: {warning}")
    if as_json:
        typer.echo(json.dumps(account, indent=1))
    show_study(console, analysis, out, verbose=verbose)
    ranked.show(console)


@contextmanager
def _said_before_errors(notes: Sequence[str]) -> Iterator[None]:
    """Print the notes on how a table was read before the error that refuses it: they often say why."""
    try:
        yield
    except DartsError:
        for note in notes:
            errors.print(f"warning: {note}")
        raise


def _typed(separator: str) -> str:
    """A separator as it is typed: `tab` and a backslash with t mean the character."""
    if separator and separator not in ("tab", "\\t") and len(separator) != 1:
        raise UsageError(f"--separator {separator}: expected one character, or tab")
    return "\t" if separator in ("tab", "\\t") else separator


_CHECK = """Examples:

  darts-reader-study check-table published --n 20

  darts-reader-study check-table table2.csv --n 30 --scale 1=fail,2=warning,3=pass

The table has columns roi, hemisphere and <method>_mean, <method>_sd for each method, or method, mean, sd; numbers as they are
printed, with their zeros. A row "All Regions" is checked against the others.
"""


def check_table(
    table: Annotated[str, typer.Argument(metavar="published|TABLE", help="Table of means and SDs.")],
    n: Annotated[int, typer.Option("--n", min=2, help="Ratings behind each mean.")],
    scale: Scale = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write every check of every cell (CSV).")] = None,
    as_json: Json = False,
) -> None:
    """Check whether ratings can exist that give a printed table: GRIM, GRIMMER, bounds of the SD, rows against the total."""
    from darts_ensemble.results.outputs import write_text
    from reader_study.published.grim import check_cells, findings, grim_by_size

    summary = printed_table_of(table)
    levels: RatingScale = scale_of(scale, False)
    found = findings(summary, n, levels)
    sizes = sorted({n, 20, 40, 60, 80, 100})
    by_size = grim_by_size(summary, sizes)
    cells = check_cells(summary, n, levels)
    if out is not None:
        write_text(out, cells.to_csv(index=False, lineterminator="\n"))
    if as_json:
        account = {"table": table, "n": n, "findings": found, "grim_by_size": by_size, "means": len(cells)}
        typer.echo(json.dumps(account, indent=1))
        return
    places = len(dict.fromkeys((cell.roi, cell.hemisphere) for cell in summary.cells))
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"{table}: {count_of(len(cells), 'mean')} of {', '.join(summary.methods)} in {count_of(places, 'row')}, n = {n}"
    )
    for sentence in found:
        console.print(f"  - {sentence}")
    if not found:
        console.print("  no contradiction found")
    counts = ", ".join(f"{count} at n = {size}" for size, count in by_size.items())
    console.print(f"Means possible for n whole ratings: {counts}")
    if out is not None:
        console.print(f"{out}: every check of every cell")
