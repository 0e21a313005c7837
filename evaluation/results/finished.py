"""Finished pairs of a run, one file per subject: pairs of files whose content and options are the same are not scored again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from darts_ensemble.errors import ScanError
from darts_ensemble.results.outputs import write_text
from darts_ensemble.scans.links import why_empty
from darts_ensemble.versions import package_version
from evaluation.metrics.pair_scores import PairScores

__all__ = ["file_checksum", "finished_file", "pair_key", "read_finished", "read_made_from", "why_again", "write_finished"]

#: Counts up whenever the same files and options would give other numbers.
_VERSION = 2


def file_checksum(path: Path) -> str:
    """Return the sha256 of a file's bytes.

    Raises
    ------
    ScanError
        If it can't be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        why = why_empty(path, b"") or f"not readable ({error.strerror}); expected a label map"
        raise ScanError(f"{path}: {why}") from None


def pair_key(reference: str, prediction: str, scoring: str, *, also_merged: bool, wrong_header: bool) -> str:
    """Return a key that is equal only if scoring would give the same: from checksums, :meth:`Scoring.digest` and options."""
    words = [_VERSION, package_version("darts-ensemble"), reference, prediction, scoring, also_merged, wrong_header]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


def file_name(subject: str) -> str:
    """Return a file name for a subject or method, whose own name may have characters that file names may not have.

    Two of them never get the same name if the file system distinguishes upper and lower case.
    """
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in subject)
    if safe != subject:
        safe += "-" + hashlib.sha256(subject.encode()).hexdigest()[:8]
    return safe


def finished_file(folder: Path, subject: str) -> Path:
    """Return the file of a subject's finished pairs."""
    return folder / f"{file_name(subject)}.json"


def read_finished(path: Path) -> dict[str, PairScores]:
    """Return the finished pairs of a subject by :func:`pair_key`; none if the file is missing, damaged or older."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return {key: PairScores.from_json(one) for key, one in content["pairs"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def read_made_from(path: Path) -> dict[str, dict[str, Any]]:
    """Return what the finished pair of each method was made from, in the words of :func:`why_again`; none if unknown."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["made_from"]
        return {str(method): dict(words) for method, words in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def why_again(earlier: dict[str, Any], now: dict[str, Any]) -> str:
    """Return why a pair is scored again: what it is made from that has changed; empty if it was not scored before."""
    changed = [name for name, value in now.items() if earlier.get(name) != value]
    return f"changed: {', '.join(changed)}" if earlier and changed else ""


def write_finished(
    path: Path, subject: str, pairs: dict[str, PairScores], made_from: dict[str, dict[str, Any]] | None = None
) -> None:
    """Write the finished pairs of a subject, and what the pair of each method was made from.

    Raises
    ------
    ScanError
        If the folder can't be written to.
    """
    content = {"subject": subject, "made_from": made_from or {}, "pairs": {key: one.to_json() for key, one in pairs.items()}}
    write_text(path, json.dumps(content) + "\n")  # in one line, which is written much faster
