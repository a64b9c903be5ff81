"""The part of the model that restores over what is there: with every policy, by root and by an ordinary user."""

from __future__ import annotations

import os
import random
import shutil
import stat
import struct
from contextlib import closing
from typing import TYPE_CHECKING, Any

from blake3 import blake3
from hypothesis import strategies as st
from hypothesis.stateful import rule

from backup_runner.progress import RestoreOutcome, Silent
from backup_runner.records import Kind
from backup_runner.restoring.run import RestoreOptions, restore
from backup_runner.source.access import read_xattrs
from backup_runner.spec import Overwrite
from tests.history.site import Site
from tests.restoring.build import tree
from tests.support.users import USER, as_user, give_away

if TYPE_CHECKING:
    from collections import Counter


Tree = dict[bytes, tuple[Any, ...]]
PLACES = 8
NAMES = st.sampled_from(["a", "b", "c", "sub/a", "sub/b", "sub/deep/x", "ä", "z.bin"])
FOLDERS = st.sampled_from(["sub", "sub/deep", "empty", "empty/too"])
ATTRIBUTES = st.sampled_from(["user", "acl", "default acl", "none"])
MEDDLING = ("modes", "read-only", "owners", "times", "bytes", "gone", "attributes", "extra", "types")
_EVERYBODY = 0xFFFFFFFF
STRANGER = 4321
"""Nobody whose files are backed up, or restored."""
ROOT = os.geteuid() == 0
"""Only root can be somebody else."""


def acl(reader: int, owner: int = 7) -> bytes:
    """u::OWNER, u:READER:r--, g::---, m::r--, o::--- as the kernel keeps it."""
    entries = [(1, owner, _EVERYBODY), (2, 4, reader), (4, 0, _EVERYBODY), (16, 4, _EVERYBODY), (32, 0, _EVERYBODY)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def whole_tree(base: str) -> Tree:
    """`build.tree`, with the attributes of folders."""
    found: Tree = dict(tree(os.fsencode(base)))
    for key, entry in found.items():
        if entry[0] == Kind.DIRECTORY:
            found[key] = (*entry, read_xattrs(os.fsencode(base) + b"/" + key))
    return found


def set_attributes(path: str, what: str) -> None:
    for name in os.listxattr(path):
        if name.startswith(("user.", "system.posix_acl")):
            os.removexattr(path, name)
    if what == "user":
        os.setxattr(path, "user.note", b"of " + os.fsencode(path)[-4:])
    elif what == "acl":
        os.setxattr(path, "system.posix_acl_access", acl(1234))
    elif what == "default acl" and os.path.isdir(path):
        os.setxattr(path, "system.posix_acl_default", acl(4321))


class Restores:
    """Rules and checks; to be mixed into a machine with `site`, `root`, `trees`, `damaged`, `path` and `tally`."""

    site: Site
    root: str
    trees: dict[int, Tree]
    damaged: set[bytes]
    tally: Counter[str]
    goals: int = 0
    chance: random.Random
    """What chooses here: there are more choices in a life than rules are good at."""
    theirs: bool
    """Whether the sources are an ordinary user's, who then can set all attributes."""

    def path(self, name: str) -> str:
        raise NotImplementedError

    def give_sources(self) -> None:
        if self.theirs and ROOT:
            give_away(self.site.data)

    def apply(self) -> None:
        raise NotImplementedError

    # -- what sources have, besides bytes

    @rule(name=st.one_of(NAMES, FOLDERS), what=ATTRIBUTES)
    def give_attributes(self, name: str, what: str) -> None:
        path = self.path(name)
        if os.path.lexists(path) and not os.path.islink(path):
            set_attributes(path, what)

    @rule(name=FOLDERS, mode=st.sampled_from([0o500, 0o555, 0o600, 0o700, 0o755]))
    def change_folder_mode(self, name: str, mode: int) -> None:
        if os.path.isdir(self.path(name)):
            os.chmod(self.path(name), mode)

    # -- over what is there

    @rule(times=st.integers(1, 6))
    def restore_over(self, times: int) -> None:
        """One snapshot over another one or itself, after somebody was at it: under any policy, by root or by a user."""
        for _ in range(times):
            if numbers := self._whole_snapshots():
                number, chance = self.chance.choice(numbers), self.chance
                below = number if chance.random() < 0.5 else chance.choice(numbers)
                self._over(number, below, chance.choice(list(Overwrite)), mine=ROOT and chance.random() < 0.5)

    def _whole_snapshots(self) -> list[int]:
        """Those of which nothing is damaged. After an apply, the newest is one: the sources have all of it."""
        if self.trees and self._is_damaged(max(self.trees)):
            self.apply()
        return [number for number in sorted(self.trees) if not self._is_damaged(number)]

    def _is_damaged(self, number: int) -> bool:
        files = (entry[5] for entry in self.trees[number].values() if entry[0] == Kind.FILE)
        return any(blake3(data).digest() in self.damaged for data in files)

    def _over(self, number: int, below: int, policy: Overwrite, *, mine: bool) -> None:
        self.goals += 1
        goal = f"{self.root}/over{self.goals}"
        if mine:
            self._give_to_user(goal)
        try:
            self._restored(goal, below, Overwrite.NEVER, mine=mine)
            for how in self.chance.choices(MEDDLING, k=self.chance.randint(1, 3)):
                self._meddle(goal, how, self.chance.randrange(PLACES), mine=mine)
            before = whole_tree(goal)
            look = self._restored(goal, number, policy, mine=mine, dry_run=True)
            assert whole_tree(goal) == before, "a dry run changed something"
            done = self._restored(goal, number, policy, mine=mine)
            self.tally[f"restored over ({policy}{', by a user' if mine else ''})"] += 1
            # What may not be set, only trying tells.
            said, did = ((one.counts, _named(one, besides="attributes")) for one in (look, done))
            assert said == did, (said, did)
            self._compare(number, before, whole_tree(goal), policy, done, mine=mine)
            again = self._restored(goal, number, policy, mine=mine)
            # What it may not touch, it does not say again that it could not set.
            besides = "attributes" if policy is Overwrite.NEVER else ""
            named = [
                {(self._first_name(number, key), kind) for key, kind in _named(one, besides=besides)}
                for one in (done, again)
            ]
            assert named[0] == named[1], "a second restore differs"
        finally:
            self._away(goal)

    def _first_name(self, number: int, key: bytes) -> bytes:
        """One name for all hard links to a file: which of them has a problem depends on which were there."""
        entry = self.trees[number].get(key)
        return bytes(entry[6]) if entry and entry[0] == Kind.FILE else key

    def _give_to_user(self, goal: str) -> None:
        """What a user needs, of which root stays the master: bucket, catalog, and a folder to put things into."""
        os.mkdir(goal)
        os.chown(goal, USER, USER)
        os.chmod(self.root, 0o755)
        for part in ("bucket", f"state{self.site.machine}"):
            give_away(f"{self.root}/{part}")

    def _restored(
        self, goal: str, number: int, policy: Overwrite, *, mine: bool, dry_run: bool = False
    ) -> RestoreOutcome:
        options = RestoreOptions(to=os.fsencode(goal), at=str(number), workers=1, overwrite=policy, dry_run=dry_run)

        def act() -> RestoreOutcome:
            with closing(self.site.session()) as session:
                return restore(session, options, Silent())

        return as_user(act) if mine else act()

    def _meddle(self, goal: str, how: str, place: int, *, mine: bool) -> None:
        there = tree(os.fsencode(goal))
        names = sorted(
            key for key in there if key and (how in ("owners", "times", "types") or there[key][0] != Kind.SYMLINK)
        )
        if how == "extra":
            with open(f"{goal}/extra", "w") as file:
                file.write("not in the snapshot")
        if how == "read-only":
            for key in names:
                if key.endswith(b"/"):
                    os.chmod(os.fsencode(goal) + b"/" + key, 0o500 if place % 2 else 0o555)
        if not names:
            return
        kind = self.chance.choice(sorted({there[key][0] for key in names}))
        name = self.chance.choice([key for key in names if there[key][0] == kind])
        path = os.fsdecode(os.fsencode(goal) + b"/" + name).rstrip("/")
        is_folder = name.endswith(b"/")
        if how == "modes":
            os.chmod(path, (0o711, 0o600, 0o500, 0)[place % 4] if is_folder else 0o640)
        elif how == "owners" and ROOT and not (mine and is_folder):
            # A user may replace another's file in a folder of their own, but write nothing in another's folder.
            os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
        elif how == "times":
            os.utime(path, (0, place), follow_symlinks=False)
        elif how == "types":
            self._change_type(path, place, is_folder=is_folder, mine=mine)
        elif how == "attributes":
            set_attributes(path, "acl")
        elif how == "bytes" and not is_folder:
            with open(path, "ab") as file:
                file.write(b"more")
        elif how in ("gone", "read-only") and not is_folder:
            os.unlink(path)

    def _change_type(self, path: str, place: int, *, is_folder: bool, mine: bool) -> None:
        """Something that no snapshot has there, with something in it or without."""
        if is_folder:
            self._away(path)
            if place % 3 == 0:
                os.symlink("elsewhere", path)
            else:
                with open(path, "wb") as file:
                    file.write(b"in the way" * (place % 3 - 1))
        else:
            os.unlink(path)
            os.makedirs(f"{path}/in the way" if place % 2 else path)
        if mine and not os.path.isdir(path):
            os.chown(path, USER, USER, follow_symlinks=False)
        elif mine:
            give_away(path)

    def _compare(
        self, number: int, before: Tree, after: Tree, policy: Overwrite, done: RestoreOutcome, *, mine: bool
    ) -> None:
        expected = self.trees[number]
        said = _named(done, besides="attributes")
        named = {key for key, _ in said}
        # Whoever restores owns the goal and what is in it, so they can write everywhere.
        assert not [key for key, kind in said if kind == "unwritable"], done.problems
        lacking = {problem.key for problem in done.problems if problem.kind == "attributes"}
        assert mine or not lacking
        for key, entry in before.items():
            other = _other_type(key)
            if policy is Overwrite.ALWAYS and other in expected and _holds_nothing(key, before):
                assert other not in named, other
            elif policy is Overwrite.NEVER or key not in expected or key in named:
                # Folders get new names in them, and with these new times.
                assert _still(after[key]) == _still(entry), key
        for key, entry in expected.items():
            kept = key in before and policy is Overwrite.NEVER
            if not key or kept or key in named or any(key.startswith(one) for one in named if one.endswith(b"/")):
                continue
            found = after[key]
            if key in lacking:
                assert found[0] == entry[0]
                assert entry[0] == Kind.SYMLINK or not found[4] & ~entry[4] & 0o777, f"{key!r}: more access than before"
                assert entry[0] != Kind.FILE or found[5] == entry[5]
                continue
            assert _core(found, mine=mine) == _core(entry, mine=mine), (key, policy, done.problems)

    def _away(self, goal: str) -> None:
        os.chmod(goal, 0o700)
        for base, folders, _ in os.walk(goal):
            for name in folders:
                if not os.path.islink(f"{base}/{name}"):
                    os.chmod(f"{base}/{name}", 0o700)
        shutil.rmtree(goal)


def _named(outcome: RestoreOutcome, *, besides: str = "") -> set[tuple[bytes, str]]:
    return {(problem.key, problem.kind) for problem in outcome.problems if problem.kind != besides}


def _other_type(key: bytes) -> bytes:
    """A folder's key for a file or symlink, and a file's for a folder."""
    return key[:-1] if key.endswith(b"/") else key + b"/"


def _holds_nothing(key: bytes, found: Tree) -> bool:
    """Whether it is an empty file or folder."""
    if key.endswith(b"/"):
        return not any(one != key and one.startswith(key) for one in found)
    return bool(found[key][0] == Kind.FILE and not found[key][5])


def _still(entry: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a restore that touches nothing leaves."""
    if entry[0] == Kind.DIRECTORY:
        return (entry[0], *entry[2:])
    return (*entry[:6], *entry[7:]) if entry[0] == Kind.FILE else entry


def _core(entry: tuple[Any, ...], *, mine: bool) -> tuple[Any, ...]:
    """What a restore brings back: not which names a file has besides, and of a user's own not another's id."""
    kind, mtime_ns, uid, gid, *rest = entry
    owner = () if mine else (uid, gid)
    if kind == Kind.FILE:
        mode, data, _, attributes = rest
        # Who is not the owner may not set these bits for them.
        return (kind, mtime_ns, *owner, stat.S_IMODE(mode) & (0o777 if mine else 0o7777), data, sorted(attributes))
    if kind == Kind.DIRECTORY:
        return (kind, mtime_ns, *owner, rest[0])
    return (kind, *(() if mine else (mtime_ns,)), *owner, *rest)
