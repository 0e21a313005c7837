"""Back up a running study into one file, and restore a study's folder from such a file."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sqlite3
import tempfile
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reader_study.errors import StudyError
from reader_study.study.storage import DATABASE, IMAGES, KEY, note_audit, now, open_study, setting, transaction

__all__ = ["Backup", "back_up", "copy_database", "restore"]

_ACCOUNT = "backup.json"


@dataclass(frozen=True)
class Backup:
    """Result of :func:`back_up`.

    Attributes
    ----------
    path : Path
    n_events : int
        Number of events in it.
    with_key : bool
        Whether it includes `key.json`, which names the methods.
    """

    path: Path
    n_events: int
    with_key: bool


def back_up(folder: Path, path: Path, *, who: str, with_key: bool = True, overwrite: bool = False) -> Backup:
    """Write a study into one zip file; a server may be running on it.

    SQLite's own backup copies the state at one moment, whatever is written in the meantime.

    Parameters
    ----------
    folder : Path
        Of the study.
    path : Path
        New file; it gets its name when it is complete.
    who : str
        For the audit trail.
    with_key : bool
        Whether `key.json` is saved too.
    overwrite : bool

    Raises
    ------
    StudyError
        If the folder is not a study, or the file exists or can't be written.
    """
    if path.exists() and not overwrite:
        raise StudyError(f"{path}: already there; expected a new file, or --overwrite")
    connection = open_study(folder)
    with_key = with_key and (folder / KEY).is_file()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with transaction(connection):
            note_audit(connection, who, "backed up", f"{path.name}{'' if with_key else ', without the key'}")
        with tempfile.TemporaryDirectory(prefix="darts-backup-") as scratch:
            copy = Path(scratch) / DATABASE
            copy_database(connection, copy)
            events = _count(copy)
            temporary.touch(mode=0o600)
            _write_zip(folder, copy, temporary, _account(connection, events, copy), with_key=with_key)
        os.replace(temporary, path)
    except OSError as error:
        raise StudyError(f"{path}: {error.strerror}; expected a file that can be written") from None
    finally:
        connection.close()
        with suppress(OSError):
            temporary.unlink()
    return Backup(path, events, with_key)


def copy_database(connection: sqlite3.Connection, path: Path) -> None:
    """Copy the file of a study, as it is at one moment, into a new file that only its owner may read."""
    path.touch(mode=0o600)
    with sqlite3.connect(path) as copy:
        connection.backup(copy)
        copy.execute("DELETE FROM session")
    copy.close()


def restore(path: Path, folder: Path) -> None:
    """Make the folder of a study from a backup; it gets its name when it is complete and checked.

    Raises
    ------
    StudyError
        If the folder exists, or the file is not a complete backup.
    """
    if folder.exists():
        raise StudyError(f"{folder}: already there; expected a new folder")
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    try:
        (temporary / IMAGES).mkdir(parents=True, mode=0o700)
        temporary.chmod(0o700)
        with zipfile.ZipFile(path) as archive:
            account = json.loads(archive.read(_ACCOUNT))
            for name in archive.namelist():
                if name == _ACCOUNT:
                    continue
                _extract(archive, name, temporary)
        found = hashlib.sha256((temporary / DATABASE).read_bytes()).hexdigest()
        if found != account["sha256"]:
            raise StudyError(f"{path}: {DATABASE} is not the one that was saved; expected a complete backup")
        with sqlite3.connect(temporary / DATABASE) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.close()
        os.replace(temporary, folder)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise StudyError(f"{path}: not a backup of a study ({error}); expected a file made by backup") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _extract(archive: zipfile.ZipFile, name: str, folder: Path) -> None:
    target = folder / name
    if name not in (DATABASE, KEY) and (target.parent != folder / IMAGES or not target.name):
        raise KeyError(f"{name} is not a file of a study")
    target.touch(mode=0o600)
    target.write_bytes(archive.read(name))


def _count(database: Path) -> int:
    with sqlite3.connect(database) as connection:
        found = int(connection.execute("SELECT count(*) FROM event").fetchone()[0])
    connection.close()
    return found


def _account(connection: sqlite3.Connection, events: int, copy: Path) -> dict[str, object]:
    return {
        "title": setting(connection, "title"),
        "saved": now(),
        "events": events,
        "sha256": hashlib.sha256(copy.read_bytes()).hexdigest(),
    }


def _write_zip(folder: Path, database: Path, path: Path, account: dict[str, object], *, with_key: bool) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(database, DATABASE)
        if with_key:
            archive.write(folder / KEY, KEY)
        for image in sorted((folder / IMAGES).iterdir()):
            # Already compressed.
            archive.write(image, f"{IMAGES}/{image.name}", zipfile.ZIP_STORED)
        archive.writestr(_ACCOUNT, json.dumps(account, indent=1, ensure_ascii=False) + "\n")
