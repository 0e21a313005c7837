"""Write a planned study: one self-contained folder of orders and blinded images, which gets its name when it is complete.

`study.sqlite` has the orders, hashes of the tokens and later all answers. `images/` has scans and masks under random names.
Only `key.json` says which arm is which method, and where the label maps came from.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Any

import numpy as np
import numpy.typing as npt

from darts_ensemble.versions import package_versions
from evaluation.results.run_facts import count_of
from reader_study.errors import StudyError
from reader_study.planning.design import Design, places_of
from reader_study.planning.images import image_bytes, read_case, region_masks
from reader_study.planning.order import Item, Place
from reader_study.planning.plan import Orders, draw_orders
from reader_study.planning.sources import Sources
from reader_study.study.documents import check_documents, write_documents
from reader_study.study.storage import DATABASE, FORMAT, IMAGES, KEY, create_database, note_audit, now, transaction
from reader_study.study.tokens import hash_token, new_token

__all__ = ["Links", "write_order", "write_study"]

_ARMS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Links:
    """The folder of a study and its personal tokens, one per reader and one for the coordinator, which are stored nowhere else.

    Attributes
    ----------
    folder : Path
    readers : mapping of str to str
    coordinator : str
    notes : tuple of str
        Facts that the coordinator should know: places dropped, images resampled.
    """

    folder: Path
    readers: Mapping[str, str]
    coordinator: str
    notes: tuple[str, ...] = ()


def write_study(
    design: Design, sources: Sources, folder: Path, *, source_text: str = "", report: Callable[[str], None] = lambda line: None
) -> Links:
    """Read all images, blind them, draw the orders and write the study's folder, which gets its name when it is complete.

    Parameters
    ----------
    design : Design
    sources : Sources
    folder : Path
        Must not exist: a plan never replaces a study, which may already have ratings.
    source_text : str
        Content of `study.yaml`, which is stored in the key.
    report : callable
        Called with a line for every case.

    Raises
    ------
    StudyError
        If the folder exists, images don't fit together, or a method lacks a region and the design does not drop it.
    ScanError
        If an image can't be read.
    """
    if folder.exists():
        raise StudyError(f"{folder}: already there; expected a new folder: a plan never replaces a study")
    # What can't be kept or found should not wait for the images.
    draw_orders(design, sources)
    check_documents(design)
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    try:
        (temporary / IMAGES).mkdir(parents=True, mode=0o700)
        temporary.chmod(0o700)
        links = _write(design, sources, temporary, source_text, report)
        os.replace(temporary, folder)
    except OSError as error:
        raise StudyError(f"{folder}: {error.strerror}; expected a folder with room to write") from None
    finally:
        with suppress(OSError):
            shutil.rmtree(temporary)
    return Links(folder, links.readers, links.coordinator, links.notes)


def _write(design: Design, sources: Sources, folder: Path, source_text: str, report: Callable[[str], None]) -> Links:
    arms = dict(zip(_shuffled_secretly(design.methods), _ARMS, strict=False))
    connection = create_database(folder / DATABASE, design.scale.levels)
    try:
        notes: list[str] = []
        missing: list[tuple[Place, list[str]]] = []
        with transaction(connection):
            for number, case in enumerate([*sources.cases, *sources.practice], start=1):
                lacking, found = _write_case(design, sources, case, arms, folder / IMAGES, connection)
                missing += lacking
                notes += found
                report(f"[{number}/{len(sources.scans)}] {case}")
            if missing and design.if_missing == "stop":
                shown = "; ".join(f"{_name(place)} in {', '.join(methods)}" for place, methods in missing[:5])
                more = f" (and {len(missing) - 5} more)" if len(missing) > 5 else ""
                raise StudyError(
                    f"no voxel of {shown}{more}; expected every region in every method: leave regions or cases out, or set "
                    "if_missing: drop to leave such places out for all methods, or show to show them without an outline"
                )
            notes += [f"{_name(place)}: left out for all methods, absent in {', '.join(methods)}" for place, methods in missing]
            orders = draw_orders(design, sources, without=[place for place, _ in missing])
            tokens, coordinator = _write_orders(design, orders, arms, connection)
            _write_lessons(design, arms, connection)
            named = write_documents(connection, design)
            if named:
                notes.append(
                    f"a text for readers (title, instructions, questions, training) names {', '.join(named)}: "
                    "they would know what is compared"
                )
            size = f"{count_of(len(orders.places), 'place')}, {count_of(len(design.readers), 'reader')}"
            note_audit(connection, "plan", "planned", size)
        # The write-ahead log is merged into the file, so that the folder can be copied as it is.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    _write_key(design, sources, arms, source_text, folder / KEY)
    return Links(folder, tokens, coordinator, tuple(notes))


def _shuffled_secretly(methods: Mapping[str, Path]) -> list[str]:
    names = list(methods)
    SystemRandom().shuffle(names)
    return names


def _write_case(
    design: Design, sources: Sources, case: str, arms: Mapping[str, str], images: Path, connection: sqlite3.Connection
) -> tuple[list[tuple[Place, list[str]]], list[str]]:
    """Write images and rows of a case; return the places that some method lacks, and facts for the coordinator."""
    own = any(region.own for region in design.regions)
    maps = {method: paths[case] for method, paths in sources.label_maps.items()}
    read = read_case(case, sources.scans[case], maps, own_labels=own)
    scan_file = _write_image(images, read.scan, read.affine)
    case_id = connection.execute(
        "INSERT INTO study_case (name, scan_file, black, white) VALUES (?, ?, ?, ?)", (case, scan_file, *read.window)
    ).lastrowid
    regions = {region.name: region for region in design.regions}
    missing = []
    for place in places_of(design, (case,)):
        region = regions[place.roi]
        cut = region_masks(read, region, place.hemisphere, some_empty=design.if_missing == "show")
        if cut is None:
            ids = region.ids[place.hemisphere]
            missing.append((place, [name for name, map_ in read.label_maps.items() if not np.isin(map_, ids).any()]))
            continue
        # In the order of the arms, which is random, so that the times of the files do not reveal the method.
        for method in sorted(cut.masks, key=arms.__getitem__):
            mask_file = _write_image(images, cut.masks[method], read.affine, cut.offset)
            connection.execute(
                "INSERT INTO picture (case_id, roi, hemisphere, view, arm, mask_file, offset_x, offset_y, offset_z, "
                "centre_x, centre_y, centre_z) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (case_id, place.roi, place.hemisphere, region.view, arms[method], mask_file, *cut.offset, *cut.centre),
            )
    notes = []
    if read.resampled:
        notes.append(f"{case}: resampled to the study's grid of 1 mm: {', '.join(read.resampled)}")
    if read.whole_head:
        notes.append(f"{case}: the whole scan is shown, including the face: too little is labelled to know where the brain is")
    return missing, notes


def _write_image(
    folder: Path, data: npt.NDArray[np.uint8], affine: npt.NDArray[np.float64], offset: Sequence[int] = (0, 0, 0)
) -> str:
    name = f"{secrets.token_hex(16)}.nii.gz"
    path = folder / name
    path.touch(mode=0o600)
    path.write_bytes(image_bytes(data, affine, offset))
    return name


def _write_orders(
    design: Design, orders: Orders, arms: Mapping[str, str], connection: sqlite3.Connection
) -> tuple[dict[str, str], str]:
    tokens = {reader: new_token() for reader in design.readers}
    coordinator = new_token()
    settings = {
        "format": FORMAT,
        "study": secrets.token_hex(4),
        "title": design.title,
        "created": now(),
        "levels": json.dumps(list(design.scale.levels)),
        "words": json.dumps(list(design.scale.words)),
        "convention": design.convention,
        "undo_items": str(design.undo_items),
        "washout": str(orders.washout),
        "seconds_per_item": f"{design.seconds_per_item:g}",
        "questions": json.dumps([question.to_json() for question in design.questions], ensure_ascii=False),
        "start_view": design.start_view,
        "colour": design.colour,
        "training": json.dumps(design.training.rule()),
        # Sorted by name, not in the order of the arms; shown only when a reader guesses, after the last rating.
        "methods_to_guess": json.dumps(sorted(design.methods)),
        "coordinator_hash": hash_token(coordinator).hex(),
    }
    connection.executemany("INSERT INTO setting (name, value) VALUES (?, ?)", settings.items())
    for reader, items in orders.items.items():
        reader_id = connection.execute(
            "INSERT INTO reader (name, token_hash) VALUES (?, ?)", (reader, hash_token(tokens[reader]))
        ).lastrowid
        write_order(connection, int(reader_id or 0), items, arms)
    return tokens, coordinator


def write_order(connection: sqlite3.Connection, reader_id: int, items: Sequence[Item], arms: Mapping[str, str]) -> None:
    """Write a reader's items; each gets a random name.

    Parameters
    ----------
    connection : sqlite3.Connection
    reader_id : int
    items : sequence of Item
    arms : mapping of str to str
        Arm by method.
    """
    pictures = {
        (row["name"], row["roi"], row["hemisphere"], row["arm"]): row["id"]
        for row in connection.execute(
            "SELECT picture.*, study_case.name FROM picture JOIN study_case ON study_case.id = case_id"
        )
    }
    for position, item in enumerate(items):
        item_id = secrets.token_hex(16)
        connection.execute(
            "INSERT INTO item (id, reader_id, position, part, repeat) VALUES (?, ?, ?, ?, ?)",
            (item_id, reader_id, position, item.part, item.repeat),
        )
        place = item.place
        panels = [
            (item_id, column, pictures[place.case, place.roi, place.hemisphere, arms[method]])
            for column, method in enumerate(item.methods)
        ]
        connection.executemany("INSERT INTO panel (item_id, column_number, picture_id) VALUES (?, ?, ?)", panels)


def _write_lessons(design: Design, arms: Mapping[str, str], connection: sqlite3.Connection) -> None:
    for lesson in design.training.lessons:
        place = lesson.place
        done = connection.execute(
            "INSERT INTO lesson (picture_id, score, why) SELECT picture.id, ?, ? FROM picture JOIN study_case "
            "ON study_case.id = case_id WHERE study_case.name = ? AND roi = ? AND hemisphere = ? AND arm = ?",
            (lesson.score, lesson.why, place.case, place.roi, place.hemisphere, arms[lesson.method]),
        )
        if done.rowcount != 1:
            raise StudyError(f"training: no picture of {_name(place)}; expected a region that every method has")


def _write_key(design: Design, sources: Sources, arms: Mapping[str, str], source_text: str, path: Path) -> None:
    content: dict[str, Any] = {
        "what": "Which arm is which method. Whoever reads this file is no longer blind: keep it away from readers.",
        "arms": {arm: method for method, arm in sorted(arms.items(), key=lambda pair: pair[1])},
        "design": source_text,
        "seed": design.seed,
        "readers": list(design.readers),
        "versions": {"python": platform.python_version()} | package_versions(("darts-ensemble", "nibabel", "numpy")),
        "scans": {case: _file(file) for case, file in sources.scans.items()},
        "label_maps": {
            method: {case: _file(file) for case, file in paths.items()} for method, paths in sources.label_maps.items()
        },
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _file(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        return {"path": str(path.resolve()), "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _name(place: Place) -> str:
    return f"{place.case} {place.roi}{f' {place.hemisphere}' if place.hemisphere else ''}"
