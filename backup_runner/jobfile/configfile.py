"""The config file: its location, its values, and the origin of each value.

Ours is ~/.backup-runner/config.yaml, or the file given by --config or BACKUP_RUNNER_CONFIG; without one,
backup-tool's ~/.backup-tool/config is read unchanged.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..errors import ConfigError, UsageError
from ..targets.models import TARGET_SECTIONS
from . import rules, wording
from .bucket import places, target_defaults
from .configmodel import PATHS, SECTIONS, ConfigFileModel
from .diagnostics import Complaints, JobFileError, Stop, quoted
from .document import Document, make_document
from .nodes import Mapping as MappingNode
from .nodes import resolve_plain
from .paths import Surroundings, Unresolvable, expand
from .yamltext import parse, read_text

VARIABLE = "BACKUP_RUNNER_CONFIG"
OURS = "~/.backup-runner/config.yaml"
THEIRS = "~/.backup-tool/config"
_THEIR_FOLDERS = (".backup-tool", "backup-tool")
"""A config in one of these folders is backup-tool's, and may have keys that we do not know."""
COMMAND_LINE = "command line"
DEFAULT = "default"
_DEFAULTS = {
    "general.database_file": "~/.backup-runner/catalog.db",
    "general.logging_format": "text",
    "general.crypto_key_file": "~/.backup-runner/crypto-key",
    **{f"{kind}.{key}": text for kind, model in TARGET_SECTIONS.items() for key, text in model.DEFAULTS.items()},
}


class Setting(NamedTuple):
    """A value (text, true/false or None) with paths made absolute; `origin` is where it was set."""

    value: Any
    origin: str

    @property
    def given(self) -> bool:
        """Whether the value was set explicitly."""
        return self.origin != DEFAULT


@dataclass(frozen=True, slots=True)
class Config:
    """All settings by `section.key`. `notice` is a line for the user, `foreign_database` is backup-tool's database."""

    path: str | None = None
    settings: dict[str, Setting] = field(default_factory=dict)
    notice: str = ""
    foreign_database: str | None = None

    def value(self, name: str) -> Any:
        return self.settings[name].value

    def given(self, name: str) -> Any:
        """The value, if the config file or the command line sets it; defaults don't count."""
        found = self.settings[name]
        return found.value if found.given else None

    def overrides(self) -> dict[str, Any]:
        """The settings given on the command line."""
        return {name: found.value for name, found in self.settings.items() if found.origin == COMMAND_LINE}


def load_config(
    path: str | None, *, env: Mapping[str, str], overrides: Sequence[str] = (), folder: str | None = None
) -> Config:
    """Read settings. `overrides` are `section.key=value`; their relative paths start at `folder` (default: the cwd).

    Raises JobFileError with all errors of the file, ConfigError if a given file does not exist, UsageError for
    an invalid override."""
    home = env.get("HOME")
    found = path or env.get(VARIABLE) or None
    if found and home and found.startswith("~/"):
        # No shell expands `~` in a unit's environment or in `--config=~/x`.
        found = os.path.join(home, found[2:])
    foreign = found is not None and os.path.basename(os.path.dirname(os.path.realpath(found))) in _THEIR_FOLDERS
    if found is None:
        found, foreign = _usual(home)
    elif not os.path.exists(found):
        raise ConfigError(f"config file not found: {found}", hint=f"give another one with --config or {VARIABLE}")
    settings = dict(_defaults(home))
    if found is not None:
        settings.update(_from_file(found, env, home, lenient=foreign))
    theirs = None
    if foreign:
        theirs = settings["general.database_file"].value if settings["general.database_file"].given else None
        settings["general.database_file"] = dict(_defaults(home))["general.database_file"]
    for text in overrides:
        name, value = _override(text, Surroundings(folder or os.getcwd(), env, home))
        settings[name] = Setting(value, COMMAND_LINE)
    notice = f"using backup-tool's config {found}, because {OURS} does not exist" if foreign else ""
    return Config(found, settings, notice, theirs)


def _usual(home: str | None) -> tuple[str | None, bool]:
    for usual in (OURS, THEIRS):
        place = usual.replace("~", home or "", 1)
        if home and os.path.isfile(place):
            return place, usual == THEIRS
    return None, False


def _defaults(home: str | None) -> Iterator[tuple[str, Setting]]:
    for section, model in SECTIONS.items():
        for key in model.model_fields:
            value = _DEFAULTS.get(f"{section}.{key}")
            if value and key in PATHS:
                value = value.replace("~", home, 1) if home else None
            yield f"{section}.{key}", Setting(value, DEFAULT)


# -- the file


def _from_file(path: str, env: Mapping[str, str], home: str | None, *, lenient: bool) -> dict[str, Setting]:
    complaints = Complaints(path)
    text = ""
    try:
        text = read_text(path, complaints)
        document = _document(text, complaints)
        _check(document, complaints, lenient=lenient)
    except Stop:
        if {item.code for item in complaints.items} == {rules.EMPTY}:
            return {}
        raise JobFileError(complaints.in_order(), {path: text}) from None
    around = Surroundings(os.path.dirname(os.path.abspath(path)), env, home)
    found = {} if complaints.items else dict(_settings(document, around, complaints))
    if complaints.items:
        raise JobFileError(complaints.in_order(), {path: text})
    return found


def _document(text: str, complaints: Complaints) -> Document:
    root = parse(text, complaints)
    if not isinstance(root, MappingNode):
        hint = f"valid sections: {', '.join(SECTIONS)}"
        raise complaints.stop(rules.WRONG_TYPE, root.span, "has no sections", hint)
    return make_document(root, complaints)


def _check(document: Document, complaints: Complaints, *, lenient: bool) -> None:
    try:
        ConfigFileModel.model_validate(document.data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if not (lenient and detail["type"] == "extra_forbidden"):
                _complain(detail, document, complaints)


def _complain(detail: ErrorDetails, document: Document, complaints: Complaints) -> None:
    loc = tuple(detail["loc"])
    if any(loc[:length] in document.settled for length in range(1, len(loc) + 1)):
        return
    if detail["type"] == "extra_forbidden":
        known = list(SECTIONS) if len(loc) == 1 else list(SECTIONS[str(loc[0])].model_fields)
        hint = wording.nearest(loc[-1], known) or f"valid keys: {', '.join(known)}"
        complaints.add(rules.UNKNOWN_KEY, document.key_span(loc), f"unknown key {quoted(loc[-1])}", hint)
        return
    value: Any = document.data
    for step in loc:
        value = value[step]
    complaint = wording.of_value(detail["type"], loc, detail, document.written(loc), value)
    complaints.add(complaint.code, document.span(loc), complaint.message, complaint.hint)


def _settings(document: Document, around: Surroundings, complaints: Complaints) -> Iterator[tuple[str, Setting]]:
    for section, model in SECTIONS.items():
        for key, value in document.data.get(section, {}).items():
            if key not in model.model_fields:
                continue
            span = document.span((section, key))
            try:
                resolved = expand(value, around) if key in PATHS else value
            except Unresolvable as error:
                for code, message, hint in error.reasons:
                    complaints.add(code, span, message, hint)
                continue
            yield f"{section}.{key}", Setting(resolved, f"{complaints.file}:{span.line}")
    chosen = [kind for kind, model in TARGET_SECTIONS.items() if document.data.get(kind, {}).get(model.PLACE)]
    if len(chosen) > 1:
        message = f"{places(chosen)} are both set; one-shot commands need exactly one"
        complaints.add(rules.CONFLICT, document.key_span((chosen[1],)), message, "keep one of the two")


# -- the command line


def _override(text: str, around: Surroundings) -> tuple[str, Any]:
    name, equals, written = text.partition("=")
    section, _, key = name.partition(".")
    if not equals or section not in SECTIONS or key not in SECTIONS[section].model_fields:
        known = [f"{one}.{key}" for one, model in SECTIONS.items() for key in model.model_fields]
        hint = wording.nearest(name, known) or f"known: {', '.join(known)}"
        raise UsageError(f'--set {text}: write SECTION.KEY=VALUE, for example oci.bucket=backup; "{name}"', hint=hint)
    value: Any = written
    if key == "instance_principal" or section == "prices":
        value = resolve_plain(written)
    try:
        ConfigFileModel.model_validate({section: {key: value}})
        return name, expand(written, around) if key in PATHS else value
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        complaint = wording.of_value(detail["type"], (section, key), detail, None, value)
        raise UsageError(f"--set {text}: {complaint.message}", hint=complaint.hint) from None
    except Unresolvable as unresolvable:
        raise UsageError(f"--set {text}: {unresolvable.reasons[0][1]}", hint=unresolvable.reasons[0][2]) from None


# -- defaults for jobs


def job_defaults(config: Config) -> dict[str, object]:
    """Settings from config file and command line in a job's shape, for `load(…, defaults=…)`."""
    found: dict[str, object] = {}
    if config.given("general.database_file"):
        found["catalog"] = config.value("general.database_file")
    if config.given("general.crypto_key_file"):
        found["encryption"] = {"key_file": config.value("general.crypto_key_file")}
    for key in ("relative_path", "work_directory"):
        if config.given(f"general.{key}"):
            found[key] = config.value(f"general.{key}")
    if targets := target_defaults(config.given):
        found["target"] = targets
    names = SECTIONS["prices"].model_fields
    if prices := {key: value for key in names if (value := config.given(f"prices.{key}")) is not None}:
        found["prices"] = prices
    return found
