"""The weights known by name: bundled, in local folders, to be downloaded, or to be fetched by hand; and their folders."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from darts_ensemble.errors import CheckpointError
from darts_ensemble.weights.checksums import FileCheck, check_file, check_folder, weights_files_in
from darts_ensemble.weights.download import Progress, download

__all__ = [
    "CACHE_VARIABLE",
    "REGISTRY_VARIABLE",
    "Entry",
    "View",
    "WeightsFile",
    "cache_folder",
    "fetch",
    "files_there",
    "find_entry",
    "folder_of",
    "known_weights",
    "read_registry",
    "verify",
]

#: Environment variables: the cache's folder, and a registry in addition to the one inside the package.
CACHE_VARIABLE = "DARTS_WEIGHTS_CACHE"
REGISTRY_VARIABLE = "DARTS_WEIGHTS_REGISTRY"
_OWN_REGISTRY = Path(__file__).with_name("registry.toml")
_BUNDLED_FOLDER = Path(__file__).with_name("bundled")

Kind = Literal["bundled", "folder", "download", "manual"]
View = Literal["coronal", "axial", "sagittal"]


@dataclass(frozen=True)
class WeightsFile:
    """A file of an entry.

    Attributes
    ----------
    name : str
        Name in the entry's folder.
    view : {"coronal", "axial", "sagittal"}
    url, sha256 : str or None
        May be None (not known) for files that are fetched by hand.
    """

    name: str
    view: View
    url: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Entry:
    """Weights known by a name.

    Attributes
    ----------
    name : str
    kind : {"bundled", "folder", "download", "manual"}
    about : str
        One line.
    files : tuple of WeightsFile
        Files of a "download" or "manual" entry; for a folder, its content counts.
    folder : Path or None
        Only for kind "folder".
    instructions : str
        Only for kind "manual".
    """

    name: str
    kind: Kind
    about: str = ""
    files: tuple[WeightsFile, ...] = ()
    folder: Path | None = None
    instructions: str = ""


def cache_folder() -> Path:
    """Return the folder for downloads: $DARTS_WEIGHTS_CACHE, else the system's folder for caches."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given).expanduser()
    import pooch  # takes a tenth of a second to load, and --help does not need it

    return Path(pooch.os_cache("darts-ensemble"))


def folder_of(entry: Entry) -> Path:
    """Return the folder of an entry's files, which need not exist."""
    if entry.kind == "bundled":
        return _BUNDLED_FOLDER
    return entry.folder if entry.folder is not None else cache_folder() / entry.name


def known_weights(registry: Path | None = None) -> dict[str, Entry]:
    """Return the entries of the package's registry, then those of a user's.

    Parameters
    ----------
    registry : Path, optional
        Default: the file that $DARTS_WEIGHTS_REGISTRY names, if any.

    Raises
    ------
    CheckpointError
        If a registry can't be read, or a user's entry has the same name as one in the package.
    """
    known = read_registry(_OWN_REGISTRY)
    named = os.environ.get(REGISTRY_VARIABLE)
    registry = registry or (Path(named).expanduser() if named else None)
    for entry in read_registry(registry).values() if registry else ():
        if entry.name in known:
            raise CheckpointError(f"{registry}: {entry.name} is the name of weights of the package; expected another name")
        known[entry.name] = entry
    return known


def find_entry(name: str, known: Mapping[str, Entry]) -> Entry:
    """Return an entry by its name.

    Raises
    ------
    CheckpointError
        If there is no entry of this name.
    """
    if name not in known:
        raise CheckpointError(
            f"{name}: no weights of this name; expected one of {', '.join(known)}, or ${REGISTRY_VARIABLE} (or --registry) "
            "naming a registry that has it"
        )
    return known[name]


def read_registry(path: Path) -> dict[str, Entry]:
    """Read a registry: a TOML file with one table per entry.

    Raises
    ------
    CheckpointError
        If it can't be read, or an entry lacks a key, has an unknown key or view, or a sum that is not a sha256.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(
            f"{path}: {reason}; expected a registry of weights (TOML), see docs/reference/weights.md"
        ) from None
    return {name: _entry(path, name, table) for name, table in content.items()}


def files_there(entry: Entry) -> list[str]:
    """Return the names of those files of an entry that are in its folder; downloads get their names only when complete."""
    folder = folder_of(entry)
    if entry.files:
        return [file.name for file in entry.files if (folder / file.name).is_file()]
    return [path.name for path in weights_files_in(folder)] if folder.is_dir() else []


def fetch(entry: Entry, progress: Progress | None = None) -> Path:
    """Make an entry's files available; return the path to give to `--weights`.

    Parameters
    ----------
    entry : Entry
    progress : callable, optional
        See :class:`darts_ensemble.weights.download.ResumingDownloader`.

    Returns
    -------
    Path
        The folder, or for a download the `weights.json` that names the view of each file.

    Raises
    ------
    CheckpointError
        If a file can't be downloaded, is damaged, or has to be fetched by hand; the message says where to put it.
    """
    from darts_ensemble.results.outputs import write_json  # loads pandas, which --help does not need

    folder = folder_of(entry)
    if entry.kind == "download":
        for file in entry.files:
            assert file.url is not None
            assert file.sha256 is not None
            download(file.url, folder / file.name, file.sha256, progress=progress)
        manifest = folder / "weights.json"
        write_json(manifest, {file.view: file.name for file in entry.files})
        return manifest
    if files_there(entry):
        return folder
    if entry.kind == "manual":
        raise CheckpointError(
            f"{folder}: none of {', '.join(file.name for file in entry.files)} found; these weights are fetched by hand. "
            f"{entry.instructions}"
        )
    raise CheckpointError(f"{folder}: no weights file; expected a folder with one .safetensors or .pth per view")


def verify(entry: Entry) -> list[FileCheck]:
    """Compute and compare the sha256 of an entry's files; files that were not fetched are left out.

    Raises
    ------
    CheckpointError
        If a folder holds no weights.
    """
    folder = folder_of(entry)
    if not entry.files:
        return check_folder(folder)
    return [check_file(folder / file.name, file.sha256) for file in entry.files if (folder / file.name).is_file()]


def _entry(registry: Path, name: str, table: Any) -> Entry:
    where = f"{registry}: [{name}]"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise CheckpointError(f"{where}: expected a name of letters, digits, '.', '_' and '-'; it becomes a folder's")
    kind: Any = table.get("kind") if isinstance(table, dict) else None
    if kind not in get_args(Kind) or (kind == "bundled" and registry != _OWN_REGISTRY):
        raise CheckpointError(f"{where}: kind {kind!r}; expected folder, download or manual")
    keys: set[str] = {"bundled": set(), "folder": {"folder"}, "download": {"files"}, "manual": {"files", "instructions"}}[kind]
    _check_keys(where, table, required={"kind", *keys}, optional={"about"})
    folder = registry.parent / Path(_text(where, table, "folder")).expanduser() if kind == "folder" else None
    files = tuple(_file(where, kind, one) for one in _list(where, table.get("files", [])))
    if "files" in keys and not files:
        raise CheckpointError(f"{where}: no files; expected a list of tables")
    names, views = [file.name for file in files], [file.view for file in files]
    if len(set(names)) < len(names) or (kind == "download" and len(set(views)) < len(views)):
        raise CheckpointError(f"{where}: files {', '.join(names)}; expected each name once, and in a download each view once")
    return Entry(name, kind, _text(where, table, "about"), files, folder, _text(where, table, "instructions"))


def _file(where: str, kind: str, table: Any) -> WeightsFile:
    if not isinstance(table, dict):
        raise CheckpointError(f"{where}: file {table!r}; expected a table such as {{ url = ..., sha256 = ..., view = ... }}")
    _check_keys(where, table, required={"view", *(("url", "sha256") if kind == "download" else ("name",))}, optional={"name"})
    url, view = _text(where, table, "url") or None, _text(where, table, "view")
    name = _text(where, table, "name") or Path(urlsplit(url or "").path).name
    sha256 = _text(where, table, "sha256").lower() or None
    if view not in get_args(View):
        raise CheckpointError(f"{where}: view {view!r}; expected one of {', '.join(get_args(View))}")
    if not re.fullmatch(r"[A-Za-z0-9_][^/\\:]*\.(safetensors|pth|pt)", name):
        raise CheckpointError(f"{where}: file name {name!r}; expected a plain one that ends in .safetensors, .pth or .pt")
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise CheckpointError(f'{where}: url {url}; expected http:// or https:// (a folder of yours: kind = "folder")')
    if sha256 and not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise CheckpointError(f"{where}: sha256 {sha256!r}; expected 64 hexadecimal digits, as sha256sum prints them")
    return WeightsFile(name, view, url, sha256)  # type: ignore[arg-type]


def _check_keys(where: str, table: Mapping[str, Any], *, required: set[str], optional: set[str]) -> None:
    lacking, unknown = required - set(table), set(table) - required - optional
    if lacking or unknown:
        what = f"no {', '.join(sorted(lacking))}" if lacking else f"unknown key {', '.join(sorted(unknown))}"
        raise CheckpointError(
            f"{where}: {what}; expected {', '.join(sorted(required))} and perhaps {', '.join(sorted(optional))}"
        )


def _text(where: str, table: Mapping[str, Any], key: str) -> str:
    value = table.get(key, "")
    if not isinstance(value, str) or (key in table and not value.strip()):
        raise CheckpointError(f"{where}: {key} = {value!r}; expected text")
    return value


def _list(where: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise CheckpointError(f"{where}: files = {value!r}; expected a list of tables")
    return value
