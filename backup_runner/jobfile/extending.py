"""Settings that several jobs share: the file that a job names in `extends`, and those that this one names in turn.

A value keeps its place in the file where it is written (`Span.file`), and a relative path in it starts at that
file's folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from . import rules
from .defaults import BY_KEY
from .diagnostics import Complaints, Stop, printable, quoted
from .document import Document, Loc, make_document
from .model import JobModel
from .nodes import Node
from .yamltext import TOP, parse, read_text

ADDED = ("skip", "skip_from", "skip_if_present", "busy", "tags")
"""Lists to which a job adds its own items, after the shared ones."""
MOST = 8
"""Files in a chain of `extends`."""
_OWN = ("version", "extends")


@dataclass(slots=True)
class SharedFile:
    """`named` is its path as seen from the given one, `label` the same for messages, `path` an absolute one."""

    named: str
    label: str
    path: str
    complaints: Complaints
    text: str = ""
    root: Node | None = None
    document: Document = field(default_factory=Document)


class SharedFiles:
    """Reads each shared file once, for any number of jobs."""

    def __init__(self, *, confined: bool) -> None:
        self.confined = confined
        self._read: dict[str, SharedFile] = {}

    def extend(self, document: Document, path: str, complaints: Complaints) -> list[SharedFile]:
        """Add to a job what the files of its `extends` set and it does not. Returns these files, the nearest first.

        What is wrong in them is reported in `complaints`, each at its place."""
        used: list[SharedFile] = []
        steps = [os.path.realpath(path)]
        here, named_in = document, path
        while (shared := self._next(here, named_in, steps, complaints)) is not None:
            complaints.items += shared.complaints.items
            used.append(shared)
            steps.append(os.path.realpath(shared.path))
            _check_version(shared, complaints)
            _merge(document, shared)
            here, named_in = shared.document, shared.named
        return used

    def _next(self, here: Document, path: str, steps: list[str], complaints: Complaints) -> SharedFile | None:
        """The file that `here` extends, or None, with the reason reported."""
        text, span = here.data.get("extends"), here.span(("extends",))
        if text is None:
            return None
        goal = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(path)), str(text)))
        if wrong := _why_not(text, goal, steps, confined=self.confined):
            complaints.add(rules.EXTENDS, span, *wrong)
            if len(steps) == 1:
                here.settled.add(("extends",))
            return None
        found = self._load(goal, os.path.normpath(os.path.join(os.path.dirname(path), str(text))))
        if unread := next((one for one in found.complaints.items if one.code == rules.UNREADABLE), None):
            hint = "a relative path starts at the folder of the file that names it"
            complaints.add(rules.EXTENDS, span, f"{quoted(text)} {unread.message}", hint)
            return None
        return found

    def _load(self, path: str, shown: str) -> SharedFile:
        if path in self._read:
            return self._read[path]
        label = printable(shown)
        self._read[path] = found = SharedFile(shown, label, path, Complaints(label))
        try:
            found.text = read_text(path, found.complaints)
            found.root = parse(found.text, found.complaints)
            found.document = make_document(found.root, found.complaints)
        except Stop:
            found.document.data["version"] = 1
        return found


def only_shared(document: Document) -> bool:
    """Whether a file has settings for jobs, but is none: nothing is backed up and it has no name."""
    keys = set(document.data)
    return "version" in keys and keys.isdisjoint(("name", "sources")) and len(keys & set(JobModel.model_fields)) > 1


def _why_not(text: object, goal: str, steps: list[str], *, confined: bool) -> tuple[str, str | None] | None:
    if not isinstance(text, str) or not text or "\0" in text:
        return '"extends" must be the path of a file', "e.g. `extends: defaults.yaml`"
    if text.startswith("~") or "${" in text:
        return f"{quoted(text)}: ~ and ${{…}} are not expanded here", "write a path that starts at this file's folder"
    if os.path.realpath(goal) in steps:
        return f"{quoted(text)} leads back to a file that extends it", "remove one `extends`"
    if len(steps) > MOST:
        return f"more than {MOST} files extend each other", "join some of them"
    if confined and not _may_be_read(goal, steps[0]):
        hint = "start the command in a folder that contains both files"
        return f"{quoted(text)} is outside the folder that this command may read", hint
    return None


def _may_be_read(goal: str, job: str) -> bool:
    """Below the current folder, if the job is, else below the job's own: a merge request must not show other files."""
    here = os.path.realpath(os.getcwd())
    inside = here != "/" and job.startswith(here + "/")
    folder = here if inside else os.path.realpath(os.path.dirname(job))
    return os.path.realpath(goal).startswith(folder.rstrip("/") + "/")


def _check_version(shared: SharedFile, complaints: Complaints) -> None:
    document = shared.document
    given = document.data.get("version")
    if given == 1 and given is not True:
        return
    span = document.span(("version",))
    if "version" not in document.data:
        span = TOP._replace(file=shared.label)
    complaints.add(rules.VERSION, span, "a shared file has a version, too", "start it with `version: 1`")


def _merge(document: Document, shared: SharedFile) -> None:
    """Add what the document does not set: by key in blocks that are merged so, in front of lists that are added."""
    base, data = shared.document, document.data
    document.folders[shared.label] = os.path.dirname(shared.path)
    for key, value in base.data.items():
        if key in _OWN:
            continue
        if key not in data:
            data[key] = deepcopy(value)
            _adopt(document, base, (key,))
        elif key in ADDED and isinstance(data[key], list) and isinstance(value, list):
            _move(document, key, len(value))
            data[key] = [*deepcopy(value), *data[key]]
            for index in range(len(value)):
                _adopt(document, base, (key, index))
        elif key in BY_KEY and isinstance(data[key], dict) and isinstance(value, Mapping):
            if key == "target" and "type" in value and data[key].get("type", value["type"]) != value["type"]:
                continue
            for inner in value:
                if inner not in data[key]:
                    data[key][inner] = deepcopy(value[inner])
                    _adopt(document, base, (key, inner))


def _adopt(document: Document, base: Document, place: Loc) -> None:
    """The places of a value and of all in it."""
    size = len(place)
    document.nodes |= {loc: node for loc, node in base.nodes.items() if loc[:size] == place}
    document.keys |= {loc: node for loc, node in base.keys.items() if loc[:size] == place}
    document.settled |= {loc for loc in base.settled if loc[:size] == place}


def _move(document: Document, key: str, count: int) -> None:
    """Make room for that many items in front of a list."""

    def moved(loc: Loc) -> Loc:
        return (key, int(loc[1]) + count, *loc[2:]) if len(loc) > 1 and loc[0] == key else loc

    document.nodes = {moved(loc): node for loc, node in document.nodes.items()}
    document.keys = {moved(loc): node for loc, node in document.keys.items()}
    document.settled = {moved(loc) for loc in document.settled}
