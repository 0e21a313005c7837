"""One archive of a study, from which its analysis can be repeated: `study.zip`, written by `export` and read by `analyse`."""

from __future__ import annotations

import hashlib
import io
import json
import os
import secrets
import sqlite3
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from darts_ensemble.results.outputs import write_text
from darts_ensemble.versions import package_versions
from reader_study.errors import StudyError
from reader_study.exchange.codebook import codebook_table, variables_of
from reader_study.exchange.redcap import redcap_dictionary, redcap_records
from reader_study.ratings.table import RatingScale
from reader_study.study.export import read_key
from reader_study.study.storage import KEY, open_study
from reader_study.study.tables import order_table

__all__ = ["Opened", "from_archive", "write_companions"]

ARCHIVE = "study.zip"
RATINGS = "ratings.csv"
_SUMS = "SHA256SUMS"
_PACKAGES = ("darts-ensemble", "numpy", "pandas", "scipy", "statsmodels", "nibabel")


def write_companions(
    study: Path, out: Path, files: Sequence[Path], *, key: Path | None, unblinded: bool, excel: bool = False
) -> tuple[Path, ...]:
    """Write codebook, REDCap's dictionary and records, optionally a workbook, and the archive of all, beside an export.

    Parameters
    ----------
    study : Path
        Folder of the study.
    out : Path
        Folder of the export.
    files : sequence of Path
        Files that the export wrote.
    key : Path or None
        `key.json`, if it is not in the study's folder.
    unblinded : bool
        Whether methods are named: only then the archive includes `study.yaml`, which names them.
    excel : bool
        Whether `ratings.xlsx` is written.

    Returns
    -------
    tuple of Path
    """
    with closing(open_study(study)) as connection:
        named = read_key(key or study / KEY, connection) if unblinded else None
        arms = sorted(row["arm"] for row in connection.execute("SELECT DISTINCT arm FROM picture"))
        methods = [named[arm] for arm in arms] if named else arms
        ratings = next((pd.read_csv(file, dtype=str, keep_default_na=False) for file in files if file.name == RATINGS), None)
        variables = variables_of(connection, methods, withdrawn=ratings is not None and "withdrawn" in ratings)
        texts = {
            "codebook.csv": codebook_table(variables).to_csv(index=False, lineterminator="\n"),
            "redcap_dictionary.csv": redcap_dictionary(variables).to_csv(index=False, lineterminator="\n"),
        }
        if ratings is not None:
            texts["redcap_ratings.csv"] = redcap_records(ratings, variables).to_csv(index=False, lineterminator="\n")
        for name, text in texts.items():
            write_text(out / name, text)
        written = [out / name for name in texts]
        if excel:
            written.append(_write_workbook(out, files, codebook_table(variables)))
        more = _of_the_plan(connection, key or study / KEY, named)
    packed = {path.name: path.read_bytes() for path in (*files, *written)} | more
    _write_zip(out / ARCHIVE, packed)
    return (*written, out / ARCHIVE)


def _of_the_plan(connection: sqlite3.Connection, key: Path, named: Mapping[str, str] | None) -> dict[str, bytes]:
    orders = order_table(connection)
    if named is not None:
        orders["arm"] = orders["arm"].map(named)
        orders = orders.rename(columns={"arm": "method"})
    found = {
        "orders.csv": orders.to_csv(index=False, lineterminator="\n").encode(),
        "versions.json": (json.dumps(package_versions(_PACKAGES), indent=1) + "\n").encode(),
    }
    if named is not None:
        found["study.yaml"] = str(json.loads(key.read_text(encoding="utf-8")).get("design", "")).encode()
    return found


def _write_workbook(out: Path, files: Sequence[Path], codebook: pd.DataFrame) -> Path:
    path, temporary = out / "ratings.xlsx", out / f".ratings.{secrets.token_hex(4)}.xlsx"
    tables = {file.stem: pd.read_csv(file, dtype=str, keep_default_na=False) for file in files if file.suffix == ".csv"}
    try:
        with pd.ExcelWriter(temporary, engine="openpyxl") as book:
            for name, table in {**tables, "codebook": codebook}.items():
                numbers = [column for column in ("rating", "rank", "repeat", "seconds") if column in table]
                table[numbers] = table[numbers].apply(pd.to_numeric, errors="coerce")
                table.to_excel(book, sheet_name=name[:31], index=False)
                for row in book.sheets[name[:31]].iter_rows():
                    for cell in row:
                        # A name that begins like a formula is written as text.
                        if isinstance(cell.value, str):
                            cell.data_type = "s"
        os.replace(temporary, path)
    except ImportError:
        raise StudyError("openpyxl is not installed; expected it for --excel: pip install 'darts-ensemble[tables]'") from None
    finally:
        with suppress(OSError):
            temporary.unlink()
    return path


def _write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, _SUMS: sums.encode()}.items():
            archive.writestr(name, content)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    temporary.write_bytes(packed.getvalue())
    os.replace(temporary, path)


@dataclass(frozen=True)
class Opened:
    """What `analyse` needs of an archive.

    Attributes
    ----------
    ratings : Path
        Table of the ratings, or of the rankings if there are no single ratings.
    scale : RatingScale or None
        Scale of the archive; None if the command line gives one, or there is no archive.
    regions : list of str
    guesses : Path or None
    title : str
    """

    ratings: Path
    scale: RatingScale | None
    regions: list[str]
    guesses: Path | None
    title: str


def from_archive(ratings: Path, out: Path, scale: str, regions: list[str] | None, guesses: Path | None, title: str) -> Opened:
    """Return what to analyse: the tables of a `study.zip`, unpacked into `out/study`; for another file everything as given.

    Options of the command line override what is in the archive.

    Raises
    ------
    StudyError
        If the archive is damaged, or has neither ratings nor rankings.
    """
    if ratings.suffix.lower() != ".zip":
        return Opened(ratings, None, list(regions or []), guesses, title)
    folder = out / "study"
    try:
        with zipfile.ZipFile(ratings) as archive:
            sums = dict(line.split("  ", 1)[::-1] for line in archive.read(_SUMS).decode().splitlines())
            contents = {name: archive.read(name) for name in sums}
        account = json.loads(contents["export.json"])
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise StudyError(f"{ratings}: not an archive of a study ({error}); expected the study.zip of an export") from None
    changed = [name for name, content in contents.items() if hashlib.sha256(content).hexdigest() != sums[name]]
    if changed or any(Path(name).name != name for name in contents):
        raise StudyError(f"{ratings}: {', '.join(changed)} is not what was exported; expected an unchanged archive")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    table = next((name for name in (RATINGS, "rankings.csv") if name in contents), None)
    if table is None:
        raise StudyError(f"{ratings}: neither ratings nor rankings in it; expected some")
    return Opened(
        folder / table,
        None if scale else RatingScale(tuple(map(int, account["scale"])), tuple(account["scale"].values())),
        [*(regions or []), *account["order"]["regions"]],
        guesses or (folder / "guesses.csv" if contents.get("guesses.csv", b"").count(b"\n") > 1 else None),
        account["title"] if title == "Reader study" else title,
    )
