"""Migration 2: contents are at one place or are composed of pieces; lean rows.

A content's `layout` says how its bytes are found: 0 *placed*, in `object_id` at `offset`; 1 the same in another tool's
format; 2 *spread*, in rows of `stretch` (large files of suite 1); 3 *composed*, in rows of `extent`: the placed content
`piece_id` from byte `at` on. What no row covers is a hole, so a hole costs nothing however long it is. `list` is
`records.pieces_digest` of a composed content, and its `object_id` the pack whose index has its list, so that the list
stays in the bucket when packs are rewritten. Whatever is in `version` is keyed by path and first snapshot. An
`envelope` is one of the store's chain, as it is in `keys/<number>`, with what that says in words (empty if it could
not be opened here).

There are no foreign keys where they would need an index of their own on a million rows (`version.content_id`,
`version.leader`, `content.object_id`, `extent.piece_id`); `replaying.check_references` looks at them after a pull.
All of it is one transaction: a kill at any point leaves the catalog as it was.
"""

from __future__ import annotations

import json

from sqlite_utils import Database

from .seeds import seed_of

_CONTENT = """
CREATE TABLE content (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  store_id INTEGER NOT NULL REFERENCES store (id),
  layout INTEGER NOT NULL DEFAULT 0 CHECK (layout BETWEEN 0 AND 3),
  object_id INTEGER,
  offset INTEGER,
  size INTEGER,
  blake3 BLOB CHECK (length(blake3) = 32),
  md5 BLOB CHECK (length(md5) = 16),
  list BLOB CHECK (length(list) = 32),
  marked INTEGER NOT NULL DEFAULT 0 CHECK (marked IN (0, 1)),
  pinned INTEGER NOT NULL DEFAULT 0 CHECK (pinned IN (0, 1)),
  CHECK (CASE layout WHEN 2 THEN object_id IS NULL WHEN 3 THEN 1 ELSE object_id IS NOT NULL END),
  CHECK ((offset IS NOT NULL) = (layout IN (0, 1))),
  CHECK ((layout = 3) = (list IS NOT NULL))
);
"""
_EXTENT = """
CREATE TABLE stretch (
  content_id INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  object_id INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  length INTEGER NOT NULL,
  PRIMARY KEY (content_id, seq)
) WITHOUT ROWID;
CREATE TABLE extent (
  content_id INTEGER NOT NULL REFERENCES content (id) ON DELETE CASCADE,
  at INTEGER NOT NULL CHECK (at >= 0),
  piece_id INTEGER NOT NULL,
  PRIMARY KEY (content_id, at)
) WITHOUT ROWID;
"""
_VERSION = """
CREATE TABLE version (
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
  content_id INTEGER,
  flags INTEGER NOT NULL DEFAULT 0,
  link BLOB,
  xattrs BLOB,
  leader INTEGER,
  PRIMARY KEY (path_id, first),
  CHECK (until IS NULL OR until > first),
  CHECK ((kind = 0) = (content_id IS NOT NULL)),
  CHECK ((kind = 2) = (link IS NOT NULL))
) WITHOUT ROWID;
"""
_UPLOAD = """
CREATE TABLE upload (
  id INTEGER PRIMARY KEY,
  store_id INTEGER NOT NULL REFERENCES store (id) ON DELETE CASCADE,
  name TEXT NOT NULL UNIQUE,
  upload TEXT NOT NULL
)
"""
_ENVELOPE = """
CREATE TABLE envelope (
  store_id INTEGER NOT NULL REFERENCES store (id) ON DELETE CASCADE,
  number INTEGER NOT NULL,
  raw BLOB NOT NULL,
  roster BLOB NOT NULL DEFAULT x'',
  PRIMARY KEY (store_id, number)
) WITHOUT ROWID;
"""
INDEXES = """
CREATE INDEX content_hash ON content (substr(blake3, 1, 5)) WHERE blake3 IS NOT NULL;
CREATE INDEX content_md5 ON content (store_id, md5) WHERE blake3 IS NULL;
CREATE INDEX version_ended ON version (until) WHERE until IS NOT NULL;
CREATE INDEX version_leader ON version (leader) WHERE leader IS NOT NULL;
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

_MOVE_CONTENT = """
INSERT INTO content (id, store_id, layout, object_id, offset, size, blake3, md5, marked, pinned)
SELECT c.id, c.store_id,
  CASE WHEN e.object_id IS NULL OR s.object_id IS NOT NULL THEN 2 WHEN c.format = 'legacy' THEN 1 ELSE 0 END,
  CASE WHEN s.object_id IS NULL THEN e.object_id END, CASE WHEN s.object_id IS NULL THEN e.offset END,
  c.size, c.blake3, c.md5, c.marked, c.pinned
FROM content1 c LEFT JOIN extent1 e ON e.content_id = c.id AND e.seq = 0
LEFT JOIN extent1 s ON s.content_id = c.id AND s.seq = 1 ORDER BY c.id
"""
_MOVE_STRETCHES = """
INSERT INTO stretch SELECT e.content_id, e.seq, e.object_id, e.offset, e.length
FROM extent1 e JOIN content c ON c.id = e.content_id WHERE c.layout = 2
"""
_VERSION_COLUMNS = (
    "path_id, first, until, kind, size, mtime_ns, ctime_ns, mode, uid, gid, content_id, flags, link, xattrs, leader"
)
_NOTE_CHANGED_VERSIONS = """
UPDATE change SET (row_id, first) = (SELECT v.path_id, v.first FROM version1 v WHERE v.id = change.row_id)
WHERE name = 'version' AND row_id IN (SELECT id FROM version1)
"""
_NOTE_NEW_VERSIONS = """
INSERT INTO change (store_id, name, row_id, first)
SELECT j.store_id, 'version', v.path_id, v.first FROM version1 v JOIN path p ON p.id = v.path_id
JOIN job j ON j.id = p.job_id LEFT JOIN high_water h ON h.store_id = j.store_id AND h.name = 'version'
WHERE v.id > coalesce(h.row_id, 0)
"""
"""Versions that no record has yet. They are found by their ids, which are about to go."""


def triggers() -> str:
    """Every update or delete of a recorded row notes its id, so that the next record can carry it."""
    out = []
    for name, store in _STORE_OF.items():
        row = "path_id" if name in ("held", "version") else "id"
        events = [("update", "NEW"), ("delete", "OLD")] + ([("insert", "NEW")] if name == "held" else [])
        for event, side in events:
            first = f"{side}.first" if name == "version" else "NULL"
            out.append(
                f"CREATE TRIGGER {name}_{event} AFTER {event.upper()} ON {name} BEGIN "
                f"INSERT INTO change (store_id, name, row_id, first) "
                f"VALUES ({store.format(row=side)}, '{name}', {side}.{row}, {first}); END;"
            )
    return "\n".join(out)


def migrate(db: Database, statements: list[str]) -> None:
    """Turn the tables of migration 1 into those of migration 2; `statements` make the new ones. Runs in a transaction,
    with foreign keys off."""
    run = db.execute
    for (name,) in run("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        run(f"DROP TRIGGER {name}")
    for name in ("content_identity", "content_md5", "extent_object", "version_open", "version_history",
                 "version_ended", "version_content", "version_leader"):  # fmt: skip
        run(f"DROP INDEX {name}")
    (newest,) = run("SELECT coalesce(max(id), 0) FROM snapshot").fetchone()
    for name in ("content", "extent", "version"):
        run(f"ALTER TABLE {name} RENAME TO {name}1")
    for statement in statements:
        run(statement)
    run("INSERT INTO sqlite_sequence (name, seq) SELECT 'content', seq FROM sqlite_sequence WHERE name = 'content1'")
    run(_MOVE_CONTENT)
    run(_MOVE_STRETCHES)
    run(f"INSERT INTO version ({_VERSION_COLUMNS}) SELECT {_VERSION_COLUMNS} FROM version1 ORDER BY path_id, first")
    run("ALTER TABLE change ADD COLUMN first INTEGER")
    run("UPDATE change SET name = 'version1' WHERE name = 'version' AND row_id NOT IN (SELECT id FROM version1)")
    run(_NOTE_CHANGED_VERSIONS)
    run(_NOTE_NEW_VERSIONS)
    run("UPDATE high_water SET row_id = ? WHERE name = 'version'", (newest,))
    # Nobody continues with uploads in parts: what is left of them is aborted once.
    run("ALTER TABLE upload RENAME TO upload1")
    run(_UPLOAD)
    run("INSERT INTO upload SELECT id, store_id, name, upload FROM upload1 WHERE object_id IS NULL AND upload != ''")
    for name in ("extent1", "version1", "content1", "upload_part", "upload1"):
        run(f"DROP TABLE {name}")
    _stores(db, newest)


def _stores(db: Database, newest: int) -> None:
    db.execute("ALTER TABLE store ADD COLUMN seed BLOB NOT NULL DEFAULT x''")
    for store_id, lineage, pending in db.execute("SELECT id, lineage, pending FROM store").fetchall():
        noted = json.loads(pending) if pending else None
        if noted:
            noted["marks"]["version"] = newest
        pending = json.dumps(noted) if noted else None
        db.execute("UPDATE store SET seed = ?, pending = ? WHERE id = ?", (seed_of(lineage), pending, store_id))


TABLES = _CONTENT + _EXTENT + _VERSION + _ENVELOPE
