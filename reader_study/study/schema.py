"""Tables of a study's SQLite file, and those that later versions added to it."""

from __future__ import annotations

__all__ = ["ADDED", "APPEND_ONLY", "SCHEMA", "append_only"]

SCHEMA = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE reader (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32)
) STRICT;
CREATE TABLE study_case (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, scan_file TEXT NOT NULL UNIQUE,
  black INTEGER NOT NULL, white INTEGER NOT NULL
) STRICT;
CREATE TABLE picture (
  id INTEGER PRIMARY KEY, case_id INTEGER NOT NULL REFERENCES study_case, roi TEXT NOT NULL,
  hemisphere TEXT NOT NULL CHECK (hemisphere IN ('L', 'R', '')), view TEXT NOT NULL, arm TEXT NOT NULL,
  mask_file TEXT NOT NULL UNIQUE, offset_x INTEGER NOT NULL, offset_y INTEGER NOT NULL, offset_z INTEGER NOT NULL,
  centre_x INTEGER NOT NULL, centre_y INTEGER NOT NULL, centre_z INTEGER NOT NULL,
  UNIQUE (case_id, roi, hemisphere, arm)
) STRICT;
CREATE TABLE item (
  id TEXT PRIMARY KEY, reader_id INTEGER NOT NULL REFERENCES reader, position INTEGER NOT NULL,
  part TEXT NOT NULL CHECK (part IN ('practice', 'rating', 'ranking', 'guess')),
  repeat INTEGER NOT NULL CHECK (repeat IN (1, 2)), UNIQUE (reader_id, position)
) STRICT;
CREATE TABLE panel (
  item_id TEXT NOT NULL REFERENCES item, column_number INTEGER NOT NULL, picture_id INTEGER NOT NULL REFERENCES picture,
  PRIMARY KEY (item_id, column_number)
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT, item_id TEXT NOT NULL REFERENCES item, at TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('shown', 'paused', 'rated', 'changed', 'ranked', 'reranked', 'guessed', 'comment')),
  rating INTEGER CHECK (rating IS NULL OR rating IN ({levels})),
  ranks TEXT, guess TEXT, comment TEXT CHECK (comment IS NULL OR length(comment) <= {most_comment}),
  previous INTEGER REFERENCES event, idempotency_key TEXT NOT NULL CHECK (length(idempotency_key) BETWEEN 8 AND 64),
  reader_id INTEGER NOT NULL REFERENCES reader,
  CHECK ((kind IN ('rated', 'changed')) = (rating IS NOT NULL)),
  CHECK ((kind IN ('ranked', 'reranked')) = (ranks IS NOT NULL)),
  CHECK ((kind = 'guessed') = (guess IS NOT NULL)),
  CHECK ((kind = 'comment') = (comment IS NOT NULL)),
  CHECK ((kind IN ('changed', 'reranked')) = (previous IS NOT NULL)),
  UNIQUE (reader_id, idempotency_key)
) STRICT;
CREATE INDEX event_of_item ON event (item_id, id);
-- An item is answered once, and every answer is changed once: a change of a change names the change.
CREATE UNIQUE INDEX one_answer ON event (item_id) WHERE kind IN ('rated', 'ranked', 'guessed');
CREATE UNIQUE INDEX one_successor ON event (previous) WHERE previous IS NOT NULL;
CREATE TABLE session (
  hash BLOB PRIMARY KEY CHECK (length(hash) = 32), reader_id INTEGER REFERENCES reader, expires TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, who TEXT NOT NULL, what TEXT NOT NULL, detail TEXT NOT NULL
) STRICT;
"""
_TRIGGER = """
CREATE TRIGGER IF NOT EXISTS {table}_{verb} BEFORE {verb} ON {table} BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END;
"""
#: Added with format 2: withdrawn readers, marks to look again, further questions, training, pictures of instructions.
ADDED = """
CREATE TABLE IF NOT EXISTS reader_status (
  id INTEGER PRIMARY KEY AUTOINCREMENT, reader_id INTEGER NOT NULL REFERENCES reader, at TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'withdrawn')),
  rule TEXT NOT NULL CHECK (rule IN ('leave out', 'keep')), reason TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS mark (
  id INTEGER PRIMARY KEY AUTOINCREMENT, item_id TEXT NOT NULL REFERENCES item, reader_id INTEGER NOT NULL REFERENCES reader,
  at TEXT NOT NULL, marked INTEGER NOT NULL CHECK (marked IN (0, 1)),
  idempotency_key TEXT NOT NULL CHECK (length(idempotency_key) BETWEEN 8 AND 64), UNIQUE (reader_id, idempotency_key)
) STRICT;
CREATE INDEX IF NOT EXISTS mark_of_item ON mark (item_id, id);
CREATE TABLE IF NOT EXISTS detail (
  event_id INTEGER NOT NULL REFERENCES event, question TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (event_id, question)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lesson (
  picture_id INTEGER PRIMARY KEY REFERENCES picture, score INTEGER NOT NULL, why TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS document (
  name TEXT PRIMARY KEY, media_type TEXT NOT NULL, content BLOB NOT NULL
) STRICT, WITHOUT ROWID;
"""
#: Tables whose rows are never changed or deleted.
APPEND_ONLY = ("event", "audit", "item", "panel", "picture", "reader_status", "mark", "detail", "lesson", "document")


def append_only() -> str:
    """Return the triggers that refuse every update and delete of :data:`APPEND_ONLY`."""
    return "".join(_TRIGGER.format(table=table, verb=verb) for table in APPEND_ONLY for verb in ("UPDATE", "DELETE"))
