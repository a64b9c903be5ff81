"""What has to be done: literal cases for each action and reason, and random trees against a model."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backup_runner.planning.knowledge import Policy
from backup_runner.planning.paths import PathPlanner
from backup_runner.reasons import Cause, Reason
from backup_runner.records import Action, ActionKind, CatalogRow, Digests, Entry, Flag, Kind
from backup_runner.report.reasons import reason_text, why
from backup_runner.spec import Detect, Overwrite


def digests_of(data: bytes) -> Digests:
    # The planner compares digests and never makes any; any hash will do.
    return Digests(len(data), hashlib.sha256(data).digest(), hashlib.md5(data).digest())


@dataclass
class Knowledge:
    """Answers for the planner: files by key, stored contents by id."""

    files: dict[bytes, bytes] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)
    md5_only: set[int] = field(default_factory=set)
    damaged: dict[int, Reason] = field(default_factory=dict)
    keys: dict[int, bytes] = field(default_factory=dict)
    hidden: tuple[bytes, ...] = ()
    unreadable: set[bytes] = field(default_factory=set)
    rows: dict[bytes, CatalogRow] = field(default_factory=dict)
    hashed: list[bytes] = field(default_factory=list)

    def has_size(self, size: int) -> bool:
        return any(len(data) == size for number, data in self.contents.items() if number not in self.md5_only)

    def digest(self, key: bytes, like: int | None = None) -> Digests | None:
        self.hashed.append(key)
        return None if key in self.unreadable else digests_of(self.files[key])

    def find(self, digests: Digests) -> int | None:
        for number, data in self.contents.items():
            if number not in self.md5_only and digests_of(data) == digests:
                return number
        return None

    def same(self, content_id: int, digests: Digests) -> bool | None:
        equal = digests_of(self.contents[content_id]) == digests
        return (None if equal else False) if content_id in self.md5_only else equal

    def imported(self, content_id: int) -> bool:
        return False

    def leader_key(self, path_id: int) -> bytes:
        return self.keys[path_id]

    def row(self, key: bytes) -> CatalogRow:
        return self.rows[key]

    def damage(self, content_id: int) -> Reason | None:
        return self.damaged.get(content_id)

    def unlisted(self, key: bytes) -> bool:
        return any(key.startswith(root) for root in self.hidden)

    def gone_reason(self, key: bytes) -> Reason:
        return Reason(Cause.GONE)


def entry(key: bytes, size: int = 3, **more: int) -> Entry:
    kind = Kind.DIRECTORY if key.endswith(b"/") or not key else Kind.FILE
    fields = {
        "kind": int(kind), "size": 0 if kind else size, "mtime_ns": 10, "ctime_ns": 20, "mode": 0o644, "uid": 1,
        "gid": 2, "dev": 1, "ino": zlib.crc32(key), "links": 1, "blocks": 8,
    }  # fmt: skip
    return Entry(key, **(fields | more))


def known(seen: Entry, *, path_id: int = 1, content_id: int | None = 1, flags: int = 0, leader: int | None = None,
          held: tuple[int, int, int] | None = None, **more: int) -> CatalogRow:  # fmt: skip
    content_id = content_id if more.get("kind", seen.kind) == Kind.FILE else None
    return CatalogRow(*seen[:8], path_id, content_id, flags, leader, held)._replace(**more)


def plan(entries: Sequence[Entry], rows: Sequence[CatalogRow], facts: Knowledge, *,
         overwrite: Overwrite = Overwrite.CHANGED, detect: Detect = Detect.CTIME) -> list[str]:  # fmt: skip
    planner = PathPlanner(Policy(overwrite, detect), facts)
    return [show(action) for action in planner.run(entries, rows)]


def show(action: Action) -> str:
    extra = f" #{action.content_id}" if action.content_id else ""
    extra += f" &{action.leader.decode()}" if action.leader is not None else ""
    extra += " forced" if action.forced else ""
    return f"{action.kind.value} {action.key.decode() or '/'}: {why(action)}{extra}"


A = entry(b"a")


def test_new() -> None:
    entries = [entry(b""), A, entry(b"b/"), entry(b"b/c"), entry(b"s", kind=Kind.SYMLINK, size=0)]
    facts = Knowledge({b"a": b"one", b"b/c": b"two"}, {5: b"two"})
    assert plan(entries, [], facts) == [
        "upload /: new", "upload a: new", "upload b/: new", "link b/c: new, content stored already #5", "upload s: new",
    ]  # fmt: skip
    # Bytes are read at plan time only where another content has that size.
    assert facts.hashed == [b"a", b"b/c"]
    facts = Knowledge({b"a": b"one"}, {5: b"longer"})
    assert plan([A], [], facts) == ["upload a: new"]
    assert facts.hashed == []


CHANGES: list[tuple[dict[str, int], bytes, str]] = [
    ({}, b"old", ""),
    ({"mtime_ns": 1}, b"old", "touch a: mtime changed, content equal #1"),
    ({"ctime_ns": 1}, b"old", "touch a: ctime changed, content equal #1"),
    ({"mode": 1}, b"old", "touch a: mode changed #1"),
    ({"uid": 9}, b"old", "touch a: owner changed #1"),
    ({"uid": 9, "gid": 9}, b"old", "touch a: owner and group changed #1"),
    ({"mtime_ns": 1}, b"new", "update a: content changed (mtime changed)"),
    ({"ctime_ns": 1}, b"new", "update a: content changed (ctime changed)"),
    ({"mtime_ns": 1}, b"two", "link a: mtime changed, content stored already #2"),
    ({"size": 9}, b"nine byte", "update a: size changed"),
    ({"kind": Kind.SYMLINK, "size": 0}, b"", "update a: was a file"),
]


@pytest.mark.parametrize(("change", "now", "expected"), CHANGES)
def test_a_known_file(change: dict[str, int], now: bytes, expected: str) -> None:
    facts = Knowledge({b"a": now}, {1: b"old", 2: b"two"})
    assert plan([A._replace(**change)], [known(A)], facts) == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("detect", "expected"),
    [(Detect.CTIME, ["touch a: ctime changed, content equal #1"]), (Detect.MTIME, []),
     (Detect.CHECKSUM, ["touch a: ctime changed, content equal #1"])],
)  # fmt: skip
def test_detect(detect: Detect, expected: list[str]) -> None:
    facts = Knowledge({b"a": b"old"}, {1: b"old"})
    assert plan([A._replace(ctime_ns=1)], [known(A)], facts, detect=detect) == expected


def test_checksum_reads_everything() -> None:
    facts = Knowledge({b"a": b"new", b"b": b"old"}, {1: b"old"})
    expected = ["update a: content changed (content changed)"]
    assert plan([A, entry(b"b")], [known(A), known(entry(b"b"))], facts, detect=Detect.CHECKSUM) == expected
    assert set(facts.hashed) == {b"a", b"b"}


NEVER, ALWAYS = Overwrite.NEVER, Overwrite.ALWAYS


def test_overwrite() -> None:
    moved = A._replace(mtime_ns=1)
    facts = Knowledge({b"a": b"old"}, {1: b"old"})
    assert plan([moved], [known(A)], facts, overwrite=NEVER) == ["hold a: mtime changed, overwrite: never"]
    assert plan([moved], [known(A)], facts, overwrite=ALWAYS) == ["update a: mtime changed, overwrite: always forced"]
    assert plan([A], [known(A)], facts, overwrite=NEVER) == []
    # What was held already is no change; once it moves again, it is.
    held = known(A, held=(3, 1, 20))
    planner = PathPlanner(Policy(NEVER, Detect.CTIME), facts)
    assert list(planner.run([moved], [held])) == []
    assert (planner.tally.held_before, planner.tally.held_examples) == (1, [b"a"])
    again = moved._replace(mtime_ns=2)
    assert plan([again], [held], facts, overwrite=NEVER) == ["hold a: mtime changed, overwrite: never"]
    # What was held is stored as soon as the job says so, though the file did not move again since.
    assert plan([moved], [held], facts) == ["touch a: mtime changed, content equal #1"]
    longer = A._replace(size=4, mtime_ns=1)
    held = known(A, held=(4, 1, 20))
    facts = Knowledge({b"a": b"more"}, {1: b"old"})
    assert plan([longer], [held], facts) == ["update a: size changed"]
    assert plan([longer], [held], facts, overwrite=ALWAYS) == ["update a: size changed, overwrite: always forced"]
    # A mode is no content, so it may follow the file.
    assert plan([A._replace(mode=1)], [known(A)], facts, overwrite=NEVER) == ["touch a: mode changed #1"]


def test_what_was_held_back_is_stored_once_the_job_says_so() -> None:
    moved, held = A._replace(mtime_ns=1), known(A, held=(3, 1, 20))
    facts = Knowledge({b"a": b"new"}, {1: b"old"})
    assert plan([moved], [held], facts, overwrite=NEVER) == []
    assert plan([moved], [held], facts) == ["update a: content changed (mtime changed)"]
    assert plan([moved], [held], facts, overwrite=ALWAYS) == ["update a: mtime changed, overwrite: always forced"]


def test_never_protects_only_what_is_there() -> None:
    lost = Reason(Cause.OBJECT_MISSING)
    moved, held = A._replace(mtime_ns=1), known(A, held=(3, 1, 20))
    facts = Knowledge({b"a": b"old"}, {1: b"old"}, damaged={1: lost})
    for row in (known(A), held):
        facts.files[b"a"] = b"old"
        assert plan([moved], [row], facts, overwrite=NEVER) == [f"repair a: {reason_text(lost)} #1 forced"]
        facts.files[b"a"] = b"new"
        assert plan([moved], [row], facts, overwrite=NEVER) == ["update a: content changed (mtime changed)"]


def test_never_and_a_file_that_could_not_be_read() -> None:
    facts = Knowledge({b"a": b"old"}, {1: b"old"})
    stale = known(A, flags=Flag.STALE)
    assert plan([A], [stale], facts, overwrite=NEVER) == ["touch a: could not be read last time #1"]
    expected = ["hold a: could not be read last time, overwrite: never"]
    assert plan([A._replace(mtime_ns=1)], [stale], facts, overwrite=NEVER) == expected


def test_hard_links() -> None:
    first, second = entry(b"a", ino=7, links=2), entry(b"b", ino=7, links=2)
    facts = Knowledge({b"a": b"old", b"b": b"old"}, {1: b"old"}, keys={1: b"a", 2: b"b"})
    assert plan([first, second], [], Knowledge({b"a": b"old"})) == ["upload a: new &a", "link b: hard link to a &a"]
    both = [known(first, leader=1), known(second, path_id=2, leader=1)]
    assert plan([first, second], both, facts) == []
    # One name is taken away: the other stands alone. A second name comes: the first one leads.
    alone = entry(b"a", ino=7, links=1)
    assert plan([alone], both[:1], facts) == ["touch a: hard links changed #1"]
    assert plan([first, second], [known(alone)], facts) == [
        "touch a: hard links changed #1 &a", "link b: hard link to a &a",
    ]  # fmt: skip
    moved = [one._replace(mtime_ns=1) for one in (first, second)]
    facts.files = {b"a": b"new", b"b": b"new"}
    assert plan(moved, both, facts) == [
        "update a: content changed (mtime changed) &a", "link b: hard link to a (mtime changed) &a",
    ]  # fmt: skip
    assert plan(moved, both, facts, overwrite=NEVER) == [
        "hold a: mtime changed, overwrite: never", "hold b: mtime changed, overwrite: never",
    ]  # fmt: skip
    # Under `never`, links that come later change nothing that is stored.
    assert plan([first, second], [known(alone), known(entry(b"b"), path_id=2)], facts, overwrite=NEVER) == []


def test_files_that_were_not_stored_well_are_looked_at_again() -> None:
    facts = Knowledge({b"a": b"old"}, {1: b"old"})
    assert plan([A], [known(A, flags=Flag.STALE)], facts) == [
        "touch a: could not be read last time, content equal #1"
    ]  # fmt: skip
    for other in (entry(b"d/"), entry(b"s", kind=Kind.SYMLINK, size=0)):
        said = [f"touch {other.key.decode()}: could not be read last time"]
        assert plan([other], [known(other, flags=Flag.STALE)], facts) == said
        assert plan([other], [known(other)], facts) == []
    assert plan([A], [known(A, flags=Flag.MOVED)], facts) == [
        "touch a: changed while it was read last time, content equal #1"
    ]  # fmt: skip
    facts.files[b"a"] = b"new"
    assert plan([A], [known(A, flags=Flag.MOVED)], facts) == [
        "update a: content changed (changed while it was read last time)"
    ]  # fmt: skip
    assert plan([A], [known(A, flags=Flag.SPARSE)], facts) == []
    facts.unreadable.add(b"a")
    assert plan([A._replace(mtime_ns=1)], [known(A)], facts) == ["update a: mtime changed"]


def test_damage() -> None:
    lost = Reason(Cause.OBJECT_MISSING)
    facts = Knowledge({b"a": b"old", b"b": b"old"}, {1: b"old"}, damaged={1: lost})
    assert plan([A], [known(A)], facts) == [f"repair a: {reason_text(lost)} #1 forced"]
    assert plan([A._replace(mtime_ns=1)], [known(A)], facts) == [f"repair a: {reason_text(lost)} #1 forced"]
    assert plan([entry(b"b")], [], facts) == ["upload b: new"]
    facts.files[b"a"] = b"new"
    assert plan([A._replace(mtime_ns=1)], [known(A)], facts) == ["update a: content changed (mtime changed)"]


def test_md5_only_contents_are_trusted_where_they_lie() -> None:
    facts = Knowledge({b"a": b"old", b"b": b"old"}, {1: b"old"}, md5_only={1})
    assert plan([A._replace(mtime_ns=1), entry(b"b")], [known(A)], facts) == [
        "touch a: mtime changed, content equal (trusted by MD5) #1", "upload b: new",
    ]  # fmt: skip


def test_gone_and_unseen() -> None:
    rows = [known(entry(key)) for key in (b"a", b"d/", b"d/x", b"z")]
    planner = PathPlanner(Policy(Overwrite.CHANGED, Detect.CTIME), Knowledge(hidden=(b"d/",)))
    assert [show(action) for action in planner.run([], rows)] == ["remove a: gone", "remove z: gone"]
    assert (planner.tally.kept_unseen, planner.tally.known) == (2, 3)


def test_brief_rows_are_looked_up_when_they_differ() -> None:
    facts = Knowledge({b"a": b"old", b"b": b"old"}, {1: b"old"}, rows={b"b": known(entry(b"b"))})
    rows = [tuple(known(A)[:8]), tuple(known(entry(b"b"))[:8]), tuple(known(entry(b"c"))[:8])]
    facts.rows[b"c"] = known(entry(b"c"))
    assert plan([A, entry(b"b", mtime_ns=1)], rows, facts) == [  # type: ignore[arg-type]
        "touch b: mtime changed, content equal #1", "remove c: gone",
    ]  # fmt: skip


# -- random trees


@dataclass(frozen=True)
class Thing:
    """One path of a model tree. `inode` joins hard links; content and times are then those of the first."""

    kind: int
    data: bytes = b""
    mtime: int = 0
    mode: int = 0
    inode: int = 0


Tree = dict[bytes, Thing]
_NAMES = st.sampled_from([b"a", b"a.b", b"b", b"c", b"\xff", b"a-"])
_THINGS = st.builds(
    Thing,
    kind=st.sampled_from([Kind.FILE, Kind.FILE, Kind.FILE, Kind.SYMLINK]),
    data=st.sampled_from([b"", b"one", b"two", b"longer"]),
    mtime=st.integers(0, 1),
    mode=st.integers(0, 1),
    inode=st.integers(0, 2),
)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Paths of up to two levels; inode 0 stands for a file of its own."""
    tree: Tree = {b"": Thing(Kind.DIRECTORY)}
    for name in draw(st.lists(_NAMES, unique=True)):
        if draw(st.booleans()):
            tree[name] = draw(_THINGS)
            continue
        tree[name + b"/"] = Thing(Kind.DIRECTORY, mtime=draw(st.integers(0, 1)))
        for inner in draw(st.lists(_NAMES, unique=True, max_size=3)):
            tree[name + b"/" + inner] = draw(_THINGS)
    first: dict[int, Thing] = {}
    for key in sorted(tree):
        thing = tree[key]
        if thing.kind == Kind.FILE and thing.inode:
            tree[key] = first.setdefault(thing.inode, thing)
        elif thing.kind == Kind.SYMLINK:
            tree[key] = replace(thing, inode=0)
    return tree


def scan(tree: Tree) -> list[Entry]:
    """Entries as a kernel shows them: whatever changes, changes the ctime."""
    links: dict[int, int] = {}
    for thing in tree.values():
        if thing.kind == Kind.FILE and thing.inode:
            links[thing.inode] = links.get(thing.inode, 0) + 1
    found = []
    for key in sorted(tree):
        thing = tree[key]
        count = links.get(thing.inode, 1) if thing.kind == Kind.FILE else 1
        size = len(thing.data) if thing.kind == Kind.FILE else 0
        inode = thing.inode if thing.kind == Kind.FILE and thing.inode else 1000 + zlib.crc32(key)
        ctime = zlib.crc32(repr((thing, count)).encode())
        found.append(
            Entry(key, int(thing.kind), size, thing.mtime, ctime, thing.mode, 0, 0, 1, inode, count, 8)
        )  # fmt: skip
    return found


@dataclass
class Model:
    """A catalog as dictionaries; carrying out a plan is a few lines."""

    overwrite: Overwrite
    detect: Detect
    state: dict[bytes, tuple[Entry, bytes]] = field(default_factory=dict)
    leaders: dict[bytes, bytes] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)

    def rows(self) -> list[CatalogRow]:
        ids = {key: number for number, key in enumerate(sorted(self.state), start=1)}
        by_data = {data: number for number, data in self.contents.items()}
        return [
            known(
                seen, path_id=ids[key], content_id=by_data.get(data),
                leader=ids.get(self.leaders[key]) if key in self.leaders else None,
            )
            for key, (seen, data) in sorted(self.state.items())
        ]  # fmt: skip

    def plan(self, tree: Tree) -> list[Action]:
        keys = dict(enumerate(sorted(self.state), start=1))
        facts = Knowledge({key: thing.data for key, thing in tree.items()}, self.contents, keys=keys)
        return list(PathPlanner(Policy(self.overwrite, self.detect), facts).run(scan(tree), self.rows()))

    def carry_out(self, actions: list[Action], tree: Tree) -> None:
        entries = {one.key: one for one in scan(tree)}
        # Followers of hard links come last, as in an apply.
        for action in sorted(actions, key=lambda one: one.leader not in (None, one.key)):
            key = action.key
            if action.kind is ActionKind.REMOVE:
                del self.state[key]
                self.leaders.pop(key, None)
                continue
            data = tree[key].data
            if action.leader is not None and action.leader != key:
                data = self.state[action.leader][1]
            elif action.content_id is not None:
                data = self.contents[action.content_id]
            if entries[key].kind == Kind.FILE and data not in self.contents.values():
                self.contents[len(self.contents) + 1] = data
            self.state[key] = (entries[key], data)
            self.leaders.pop(key, None)
            if action.leader is not None:
                self.leaders[key] = action.leader


@settings(max_examples=150, deadline=None)
@given(st.lists(trees(), min_size=1, max_size=3), st.sampled_from([Overwrite.CHANGED, ALWAYS]), st.sampled_from(Detect))
def test_random_trees(versions: list[Tree], overwrite: Overwrite, detect: Detect) -> None:
    """Whatever a tree becomes, the plan makes the catalog that tree, and the next plan is empty."""
    model = Model(overwrite, detect)
    for tree in versions:
        actions = model.plan(tree)
        keys = [action.key for action in actions]
        assert keys == sorted(set(keys))
        model.carry_out(actions, tree)
        assert sorted(model.state) == sorted(tree)
        if detect is not Detect.MTIME:
            # By mtime alone, a change that leaves size and mtime is not seen: that is what the setting means.
            assert {key: data for key, (seen, data) in model.state.items() if seen.kind == Kind.FILE} == {
                key: thing.data for key, thing in tree.items() if thing.kind == Kind.FILE
            }
            assert {key: seen[:8] for key, (seen, _) in model.state.items()} == {one.key: one[:8] for one in scan(tree)}
        assert model.plan(tree) == []
