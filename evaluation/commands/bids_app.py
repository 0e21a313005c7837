"""The command darts-bids: a BIDS App that segments participants, then writes tables and the quality page of the group."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from darts_ensemble.commands.command_line import errors, one_line_errors
from darts_ensemble.commands.start import start
from darts_ensemble.errors import CohortError, UsageError

__all__ = ["main"]

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

Level = Literal["participant", "group"]

EXAMPLES = """Examples:

  darts-bids bids/ bids/derivatives/darts participant

  darts-bids bids/ out/ participant --participant-label 01 02 --device cuda

  darts-bids bids/ out/ group

Options that darts-segment has (--weights, --device, --save-probabilities ...) are passed on to it.
"""


@app.command(epilog=EXAMPLES, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def bids_app(
    context: typer.Context,
    bids_dir: Annotated[Path, typer.Argument(help="Root of a raw BIDS data set.", show_default=False)],
    output_dir: Annotated[Path, typer.Argument(help="Folder of the derivative.", show_default=False)],
    level: Annotated[Level, typer.Argument(help="participant: segment; group: tables and quality page.", show_default=False)],
    participant_label: Annotated[
        list[str] | None,
        typer.Option("--participant-label", "--participant_label", help="Only these participants, with or without sub-."),
    ] = None,
    session_label: Annotated[
        list[str] | None, typer.Option("--session-label", "--session_label", help="Only these sessions, with or without ses-.")
    ] = None,
    bids_filter_file: Annotated[
        Path | None, typer.Option("--bids-filter-file", help='JSON file, such as {"t1w": {"acquisition": "mprage"}}.')
    ] = None,
    skip_bids_validation: Annotated[
        bool, typer.Option("--skip-bids-validation", "--skip_bids_validation", help="Don't run the BIDS validator.")
    ] = False,
    exclude: Annotated[
        Path | None, typer.Option(help="group: decisions exported by the quality page; tables leave out scans that failed.")
    ] = None,
) -> None:
    """Segment every T1w and UNIT1 image of a BIDS data set, or write the cohort's volumes and its quality page.

    Exit code: 0 all done, 1 some failed (the others are done), 2 wrong usage.
    """
    console = Console(markup=False, highlight=False, soft_wrap=True)
    with one_line_errors("darts-bids"):
        if level == "group":
            from evaluation.commands.quality import run_quality

            unused = [
                name
                for name, given in (
                    ("--participant-label", participant_label),
                    ("--session-label", session_label),
                    ("--bids-filter-file", bids_filter_file),
                )
                if given
            ]
            if unused := unused + _options_of_segment(context.args, "group"):
                errors.print(f"warning: group takes all of {output_dir}: {', '.join(unused)} not used")
            try:
                failed = run_quality(console, output_dir, None, exclude)
            except CohortError as error:
                done = any(output_dir.glob("sub-*/**/*_dseg.nii.gz"))
                raise error if done else CohortError(f"{error}; run the level participant first") from None
            raise typer.Exit(int(failed))
        from evaluation.cohort.bids_scans import find_raw_scans, read_filter

        _options_of_segment(context.args, "participant")
        wanted = read_filter(bids_filter_file) if bids_filter_file else None
        if exclude is not None:
            errors.print("warning: participant segments all scans: --exclude not used")
        without: list[str] = []
        scans = find_raw_scans(
            bids_dir,
            participants=participant_label or (),
            sessions=session_label or (),
            wanted=wanted,
            without=without.append,
        )
        if without:
            more = f" and {len(without) - 5} more" if len(without) > 5 else ""
            fitting = " that fits" if wanted else ""
            errors.print(f"note: no T1w or UNIT1 image{fitting}: {', '.join(without[:5])}{more}")
        if not skip_bids_validation:
            _validate(bids_dir, console)
        raise typer.Exit(_segment(scans, output_dir, context.args))


def _segment(scans: list[Path], out: Path, more: list[str]) -> int:
    from darts_ensemble.commands.segment import app as segment

    arguments = [*map(str, scans), "--out", str(out), "--format", "bids", *more]
    code = segment(arguments, prog_name="darts-segment", standalone_mode=False)
    return code if isinstance(code, int) else 0


def _options_of_segment(arguments: list[str], level: Level) -> list[str]:
    """Options among the arguments; an option that darts-segment does not have either is refused."""
    from darts_ensemble.commands.segment import app as segment

    known = {name for one in typer.main.get_command(segment).params for name in (*one.opts, *one.secondary_opts)}
    given = [word.partition("=")[0] for word in arguments if re.match("--?[a-zA-Z]", word)]
    # Of one dash are letters, and perhaps a value: -qv, -ofolder.
    if unknown := [name for name in given if name not in known and (name.startswith("--") or name[:2] not in known)]:
        raise UsageError(f"{level}: no option {unknown[0]}; see darts-bids --help")
    return given


def _validate(root: Path, console: Console) -> None:
    """Refuse a data set with errors, where a validator is installed."""
    program = shutil.which("bids-validator-deno")
    if program is None:
        console.print("not validated: no bids-validator-deno (pip install bids-validator-deno)")
        return
    command = [program, str(root), "--format", "json", "--ignoreWarnings"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        issues = json.loads(done.stdout)["issues"]["issues"]
    except (ValueError, KeyError, TypeError):
        errors.print(f"warning: {program} gave no account of {root}; continued without")
        return
    wrong = [f"{one['code']} ({one.get('location', '')})" for one in issues if one.get("severity") == "error"]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise CohortError(f"{root}: not valid BIDS: {', '.join(wrong[:3])}{more}; expected no error, or --skip-bids-validation")


def _with_lists(arguments: list[str]) -> list[str]:
    """Repeat an option for each of its values: BIDS Apps take several labels after one option."""
    listed = ("--participant-label", "--participant_label", "--session-label", "--session_label")
    done: list[str] = []
    option = ""
    for argument in arguments:
        if argument.startswith("-"):
            option = argument if argument in listed else ""
            done.append(argument)
        elif option and done[-1] != option:
            done += [option, argument]
        else:
            done.append(argument)
    return done


def main(arguments: list[str] | None = None) -> None:
    """Run darts-bids."""
    sys.argv[1:] = _with_lists(sys.argv[1:] if arguments is None else arguments)
    start(app, "darts-bids")


if __name__ == "__main__":
    main()
