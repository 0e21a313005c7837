"""Commands for a study that runs: readers added and withdrawn, links, pause and close, backup and restore."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from evaluation.results.run_facts import count_of
from reader_study.commands.links import BASE_URL, print_links

__all__ = ["register"]

Study = Annotated[Path, typer.Argument(help="Folder made by plan.", show_default=False)]
BaseUrl = Annotated[str, typer.Option(help="Start of the links.")]
Note = Annotated[str, typer.Option(help="Shown to readers.")]
Reader = Annotated[str, typer.Argument(help="Name of the reader.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why, for the audit trail.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application of darts-reader-study."""
    app.command("add-reader")(add)
    app.command("withdraw-reader")(withdraw)
    app.command("reinstate-reader")(reinstate)
    app.command("new-links")(new_links)
    app.command("pause")(pause)
    app.command("resume")(resume)
    app.command("close")(close)
    app.command("backup")(backup)
    app.command("restore")(restore_study)


@contextmanager
def _opened(study: Path) -> Iterator[sqlite3.Connection]:
    from reader_study.study.storage import open_study

    with closing(open_study(study)) as connection:
        yield connection


def _who() -> str:
    from reader_study.study.export import this_user

    return this_user()


def add(
    study: Study,
    reader: Reader,
    key: Annotated[Path | None, typer.Option(help="key.json, if it is kept elsewhere.", show_default=False)] = None,
    base_url: BaseUrl = BASE_URL,
) -> None:
    """Add a reader to a study that has begun; nobody else's order changes, and the server need not stop."""
    from reader_study.conduct.late_reader import add_reader
    from reader_study.study.storage import KEY

    with _opened(study) as connection:
        token = add_reader(connection, reader, key or study / KEY, who=_who())
    print_links({reader: token}, base_url)


def withdraw(
    study: Study,
    reader: Reader,
    reason: Reason = "",
    keep_ratings: Annotated[
        bool,
        typer.Option("--keep-ratings", help="Exports keep the ratings given until now; by default they leave out all of them."),
    ] = False,
) -> None:
    """Withdraw a reader: their link opens nothing to rate; every rating stays in the study, marked."""
    from reader_study.conduct.status import withdraw_reader

    rule = "keep" if keep_ratings else "leave out"
    with _opened(study) as connection:
        withdraw_reader(connection, reader, who=_who(), reason=reason, rule=rule)
    typer.echo(f"{reader}: withdrawn; exports {rule} their ratings; --with-withdrawn exports all, marked")


def reinstate(study: Study, reader: Reader, reason: Reason = "") -> None:
    """Undo a withdrawal: the reader goes on where they were."""
    from reader_study.conduct.status import reinstate_reader

    with _opened(study) as connection:
        reinstate_reader(connection, reader, who=_who(), reason=reason)
    typer.echo(f"{reader}: may go on, and their ratings count again")


def new_links(
    study: Study,
    names: Annotated[list[str], typer.Argument(metavar="READER...", help="Readers, coordinator, or all.", show_default=False)],
    base_url: BaseUrl = BASE_URL,
) -> None:
    """Replace personal links; the old ones and their sessions end at once, and the server need not stop."""
    from reader_study.study.links import renew_links

    with _opened(study) as connection:
        tokens = renew_links(connection, names, who=_who())
    print_links(tokens, base_url)


def pause(study: Study, note: Note = "") -> None:
    """Pause a study: readers see that it is paused, and no answer is accepted until it is resumed."""
    _set(study, "paused", note)


def resume(study: Study, note: Note = "") -> None:
    """Let a paused or closed study go on."""
    _set(study, "running", note)


def close(study: Study, note: Note = "") -> None:
    """Close a study: readers are thanked, and no answer is accepted any more (resume opens it again)."""
    _set(study, "closed", note)


def _set(study: Path, status: str, note: str) -> None:
    from reader_study.conduct.status import set_status

    with _opened(study) as connection:
        set_status(connection, status, who=_who(), note=note)
    typer.echo(f"{study}: {status}")


def backup(
    study: Study,
    out: Annotated[Path, typer.Option("--out", "-o", help="New zip file.", show_default=False)],
    without_key: Annotated[bool, typer.Option("--without-key", help="Leave out key.json, which names the methods.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier backup of that name.")] = False,
) -> None:
    """Save a whole study into one file, while it runs."""
    from reader_study.conduct.backup import back_up

    done = back_up(study, out, who=_who(), with_key=not without_key, overwrite=overwrite)
    key = "with key.json: keep it away from readers" if done.with_key else "without key.json"
    typer.echo(f"{done.path}: {count_of(done.n_events, 'event')}, {key}")


def restore_study(
    saved: Annotated[Path, typer.Argument(metavar="FILE", help="Made by backup.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="New folder of the study.", show_default=False)],
) -> None:
    """Make a study's folder from a backup; readers' links go on working, their sessions do not."""
    from reader_study.conduct.backup import restore

    restore(saved, out)
    typer.echo(f"{out}: restored; next: darts-reader-study serve {out}")
