"""Tables and migrations. Each migration and the note that it ran are one transaction.

Words: a *store* is one target under one crypto key. Each store has its own lineage, serial and chain of
records, so one catalog can serve several targets and keys, and losing one bucket leaves the others whole.
Ids are integers that are never used again; in the bucket a store's ids are less by its `shift`, which is 0
unless the store was pulled into a catalog that already had others. `first` and `until` are snapshot ids: a
version belongs to the snapshots s of its job with first <= s < until (`until` NULL: still so).
A store's `copies` are [serial, name] of the full copies in the bucket, oldest first; `base_size` is the size of the
newest (or of the first record), `since_size` that of the records since, in bytes.
An object is `told` once an apply has named the files that its damage lost.
"""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

from . import schema2

migrations = Migrations("backup_runner.catalog")
KNOWN = frozenset({"m001_tables", "m002_contents"})

TABLES = """
CREATE TABLE store (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  target TEXT NOT NULL,
  key_id TEXT NOT NULL,
  lineage TEXT NOT NULL UNIQUE,
  serial INTEGER NOT NULL DEFAULT 0 CHECK (serial >= 0),
  record_digest TEXT NOT NULL DEFAULT '',
  copies TEXT NOT NULL DEFAULT '[]',
  base_size INTEGER NOT NULL DEFAULT 0,
  since_size INTEGER NOT NULL DEFAULT 0,
  shift INTEGER NOT NULL DEFAULT 0 CHECK (shift >= 0),
  salt BLOB NOT NULL,
  pending TEXT,
  state TEXT NOT NULL DEFAULT 'ok' CHECK (state IN ('ok', 'forked', 'retired'))
);
CREATE INDEX store_target ON store (target);
CREATE TABLE job (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  store_id INTEGER NOT NULL REFERENCES store (id),
  name TEXT NOT NULL,
  UNIQUE (store_id, name)
);
CREATE TABLE snapshot (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id INTEGER NOT NULL REFERENCES job (id),
  scanned_ns INTEGER NOT NULL,
  started_ns INTEGER NOT NULL,
  finished_ns INTEGER,
  status TEXT NOT NULL CHECK (status IN ('running', 'complete', 'partial')),
  plan_id TEXT NOT NULL,
  scope TEXT NOT NULL DEFAULT '[]',
  totals TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX snapshot_job ON snapshot (job_id, id);
CREATE TABLE path (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  job_id INTEGER NOT NULL REFERENCES job (id),
  key BLOB NOT NULL,
  UNIQUE (job_id, key)
);
CREATE TABLE object (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  store_id INTEGER NOT NULL REFERENCES store (id),
  name TEXT NOT NULL,
  size INTEGER NOT NULL,
  plain INTEGER NOT NULL,
  checksum TEXT NOT NULL,
  etag TEXT NOT NULL,
  parts TEXT,
  header BLOB NOT NULL,
  segments BLOB NOT NULL,
  tier TEXT NOT NULL DEFAULT 'Standard',
  created_ns INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'marked', 'missing', 'damaged')),
  told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1)),
  UNIQUE (store_id, name)
);
CREATE INDEX object_state ON object (store_id, state) WHERE state != 'live';
CREATE TABLE content (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  store_id INTEGER NOT NULL REFERENCES store (id),
  size INTEGER,
  blake3 BLOB CHECK (length(blake3) = 32),
  md5 BLOB CHECK (length(md5) = 16),
  format TEXT NOT NULL DEFAULT 'container' CHECK (format IN ('container', 'legacy')),
  marked INTEGER NOT NULL DEFAULT 0 CHECK (marked IN (0, 1)),
  pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1))
);
CREATE UNIQUE INDEX content_identity ON content (store_id, size, blake3) WHERE blake3 IS NOT NULL;
CREATE INDEX content_md5 ON content (store_id, md5) WHERE blake3 IS NULL;
CREATE TABLE extent (
  content_id INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  object_id INTEGER NOT NULL REFERENCES object (id),
  offset INTEGER NOT NULL,
  length INTEGER NOT NULL,
  PRIMARY KEY (content_id, seq)
) WITHOUT ROWID;
CREATE INDEX extent_object ON extent (object_id, offset);
CREATE TABLE version (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  path_id INTEGER NOT NULL REFERENCES path (id),
  first INTEGER NOT NULL,
  until INTEGER,
  kind INTEGER NOT NULL CHECK (kind IN (0, 1, 2)),
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL,
  mode INTEGER NOT NULL,
  uid INTEGER NOT NULL,
  gid INTEGER NOT NULL,
  content_id INTEGER REFERENCES content (id),
  flags INTEGER NOT NULL DEFAULT 0,
  link BLOB,
  xattrs BLOB,
  leader INTEGER REFERENCES path (id),
  CHECK (until IS NULL OR until > first),
  CHECK ((kind = 0) = (content_id IS NOT NULL)),
  CHECK ((kind = 2) = (link IS NOT NULL))
);
CREATE UNIQUE INDEX version_open ON version (path_id) WHERE until IS NULL;
CREATE UNIQUE INDEX version_history ON version (path_id, first);
CREATE INDEX version_ended ON version (until, path_id, first) WHERE until IS NOT NULL;
CREATE INDEX version_content ON version (content_id) WHERE content_id IS NOT NULL;
CREATE INDEX version_leader ON version (leader) WHERE leader IS NOT NULL;
CREATE TABLE held (
  path_id INTEGER PRIMARY KEY REFERENCES path (id),
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  ctime_ns INTEGER NOT NULL
);
CREATE TABLE plan_used (
  plan_id TEXT PRIMARY KEY,
  store_id INTEGER NOT NULL REFERENCES store (id) ON DELETE CASCADE,
  snapshot_id INTEGER,
  finished INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE upload (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  store_id INTEGER NOT NULL REFERENCES store (id) ON DELETE CASCADE,
  name TEXT NOT NULL UNIQUE,
  upload TEXT NOT NULL,
  header BLOB NOT NULL,
  job TEXT NOT NULL,
  key BLOB NOT NULL,
  at INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime_ns INTEGER NOT NULL,
  object_id INTEGER REFERENCES object (id) ON DELETE CASCADE,
  blake3 BLOB
);
CREATE TABLE upload_part (
  upload_id INTEGER NOT NULL REFERENCES upload (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  start INTEGER NOT NULL,
  length INTEGER NOT NULL,
  blake3 BLOB NOT NULL,
  sealed_offset INTEGER NOT NULL,
  sealed_lengths BLOB NOT NULL,
  md5 TEXT NOT NULL,
  etag TEXT NOT NULL,
  PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;
CREATE TABLE high_water (
  store_id INTEGER NOT NULL REFERENCES store (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  row_id INTEGER NOT NULL,
  PRIMARY KEY (store_id, name)
) WITHOUT ROWID;
CREATE TABLE change (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  store_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  row_id INTEGER NOT NULL
);
"""

_STORE_OF = {
    "job": "{row}.store_id",
    "snapshot": "(SELECT store_id FROM job WHERE id = {row}.job_id)",
    "path": "(SELECT store_id FROM job WHERE id = {row}.job_id)",
    "object": "{row}.store_id",
    "content": "{row}.store_id",
    "version": "(SELECT j.store_id FROM path p JOIN job j ON j.id = p.job_id WHERE p.id = {row}.path_id)",
    "held": "(SELECT j.store_id FROM path p JOIN job j ON j.id = p.job_id WHERE p.id = {row}.path_id)",
}


def _triggers() -> str:
    """Every update or delete of a recorded row notes its id, so that the next record can carry it."""
    out = []
    for name, store in _STORE_OF.items():
        row = "path_id" if name == "held" else "id"
        events = [("update", "NEW"), ("delete", "OLD")] + ([("insert", "NEW")] if name == "held" else [])
        out += [
            f"CREATE TRIGGER {name}_{event} AFTER {event.upper()} ON {name} BEGIN "
            f"INSERT INTO change (store_id, name, row_id) "
            f"VALUES ({store.format(row=side)}, '{name}', {side}.{row}); END;"
            for event, side in events
        ]
    return "\n".join(out)


def _statements(script: str) -> list[str]:
    found, statement = [], ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            found.append(statement)
            statement = ""
    return found


@migrations()
def m001_tables(db: Database) -> None:
    for statement in _statements(TABLES + _triggers()):
        db.execute(statement)


@migrations()
def m002_contents(db: Database) -> None:
    schema2.migrate(db, _statements(schema2.TABLES))
    for statement in _statements(schema2.INDEXES + schema2.triggers()):
        db.execute(statement)
