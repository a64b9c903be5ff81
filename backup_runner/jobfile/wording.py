"""Messages for invalid values. Values below `encryption` are never repeated."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence as List
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic_core import ErrorDetails

from ..targets.models import TARGET_MODELS
from . import rules
from .diagnostics import quoted
from .document import Loc
from .nodes import Scalar


class Complaint(NamedTuple):
    code: str
    message: str
    hint: str | None


_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "model_type": "a block of keys",
    "model_attributes_type": "a block of keys",
    "dict_type": "a block of keys",
}
_FORMS = {
    "name": ('a job\'s name: up to 64 letters, digits, ".", "_" and "-"', "e.g. `name: documents`"),
    "upload": ("a byte rate", "e.g. 10MiB/s or 500kB/s"),
    "download": ("a byte rate", "e.g. 10MiB/s or 500kB/s"),
    "keep_within": (
        "a duration in hours, days, weeks or years",
        'e.g. 12h, 7d, 2w, 1y; "m" is not allowed, it could mean minutes or months',
    ),
    "min_age": ("a duration in hours, days, weeks or years", "e.g. 12h, 7d, 2w, 1y"),
    "endpoint": ("an http or https URL without user and password", "e.g. https://objectstorage.example.com"),
    "proxy": ("an http or https URL without user and password", "e.g. http://proxy.example.com:3128"),
    "prefix": ('a path without a leading "/" and without empty components', "e.g. `prefix: laptop/`"),
    "key_env": ("the name of an environment variable", "put the key into the variable, not into the job"),
    "passphrase_env": ("the name of an environment variable", "put the passphrase into the variable, not into the job"),
    "url": ("an http or https URL without user and password", "e.g. https://ntfy.example.com/backups"),
    "url_env": ("the name of an environment variable", "put the URL into the variable"),
    "max_file_size": ("a size", "e.g. 4GiB or 500MB"),
    "skip_if_present": ("the name of a file or folder", "write the name alone, without a path, e.g. .nobackup"),
    "busy": ("one line of text", "write one item per rule"),
    "tags": ('a tag: up to 64 letters, digits, ".", "_" and "-"', "e.g. `tags: [nightly]`"),
    "keep_tags": ('a tag: up to 64 letters, digits, ".", "_" and "-"', "e.g. `keep_tags: [before-upgrade]`"),
    "at": ("a time of day", 'e.g. `at: "02:30"`'),
    "skip": ("one line of text", "write one item per rule"),
    **{key: form for model in TARGET_MODELS.values() for key, form in model.FORMS.items()},
}
_EXAMPLES = {
    "version": "add `version: 1`",
    "name": "e.g. `name: documents`",
    "sources": "e.g. `sources: [{path: ~/documents}]`",
    "target": "e.g. `target: {type: directory, path: ./bucket}`",
    "encryption": "e.g. `encryption: {key_file: ~/.backup-runner/crypto-key}`, here or in the config file",
    "catalog": "e.g. `catalog: ~/.backup-runner/catalog.db`, here or in the config file",
    "key_command": "e.g. `key_command: [pass, show, backup-key]`",
    "recipients": "e.g. `recipients: [./ops.pub]`",
    "cache": "e.g. `catalog: {remote: true, cache: ~/.backup-runner/catalog.db}`",
    "style": "add `style: healthchecks` or `style: ntfy`",
    "every": "add `every: day` (or hour, week, month)",
    "textfile": "e.g. `textfile: /var/lib/node_exporter/backup.prom`",
    "path": "e.g. `path: ./bucket`",
    "bucket": "set it here or in the config file",
}
_UNITS = {"keep_within": "d", "max_file_size": "MiB", "upload": "MiB/s", "download": "MiB/s"}
_COMMANDS = ("before", "after", "on_failure", "command")
_SHELL = re.compile(r"[|&;<>()$`*?\n]")
_PLAIN_WORD = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*")
_BOOLEAN_WORDS = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}


def block_name(block: str) -> str:
    """The user-facing name of a block."""
    return {
        "sources.*": "a source",
        "sources.*.guards": "a source's guards",
        "notify.*": "a notice",
        "encryption.recipients.*": "a recipient",
    }.get(block, re.sub(r"\(.*\)", "", block))


def inside(block: str) -> str:
    return f" in {block_name(block)}" if block else ""


def nearest(word: object, known: List[str]) -> str | None:
    """`did you mean …?` with the most similar known word."""
    lower = {name.lower(): name for name in known}
    folded = str(word)[:100].lower().replace("-", "_")
    close = get_close_matches(folded, lower, n=1, cutoff=0.6)
    return f"did you mean {quoted(lower[close[0]])}?" if close else None


def example(block: str, key: str) -> str | None:
    if block == "sources.*" and key == "path":
        return "a source is a block, e.g. `- path: ~/documents`"
    return _EXAMPLES.get(key)


def of_value(kind: str, loc: Loc, detail: ErrorDetails, written: Scalar | None, value: Any) -> Complaint:
    """The message for pydantic's error `kind` at `loc`; `written` is the value as in the file."""
    context = detail.get("ctx", {})
    name = _name(loc)
    shown = "this value" if loc[:1] == ("encryption",) else _shown(value, written)
    if loc == ("version",):
        return _version(value, written)
    if kind in _WANTED:
        return Complaint(
            rules.WRONG_TYPE, f"{name} must be {_WANTED[kind]}, not {_what(value)}", _type_hint(kind, loc, written)
        )
    if kind == "enum":
        return _choice(name, shown, value, str(context["expected"]))
    if isinstance(value, str) and "${" in value and kind in ("string_pattern_mismatch", "value_error"):
        return Complaint(rules.MALFORMED, f"{shown}: ${{…}} is not expanded here", "write the value itself")
    if kind == "string_pattern_mismatch":
        form, hint = _FORMS[_key(loc)]
        return Complaint(rules.MALFORMED, f"{shown} is not {form}", hint)
    if kind == "value_error":
        return _own_rule(loc, detail, shown)
    return Complaint(rules.RANGE, _range(kind, name, shown, context), None)


def _own_rule(loc: Loc, detail: ErrorDetails, shown: str) -> Complaint:
    """Messages for errors raised by the models."""
    text = detail["msg"].removeprefix("Value error, ")
    if loc == ("retention",):
        return Complaint(rules.KEEPS_NOTHING, f"retention {text}", "set one of its keep_ rules above 0, or remove it")
    if loc == ("catalog", "remote"):
        return Complaint(rules.NOT_ALLOWED, text, _EXAMPLES["cache"])
    if loc == ("encryption",):
        return Complaint(
            rules.CONFLICT,
            f"encryption {text}",
            "give exactly one of key_file, key_env, key_command; or only `recipients`, to read nothing back here",
        )
    if loc[:1] == ("sources",) and len(loc) == 2:
        return Complaint(rules.CONFLICT, text, "remove it there")
    if loc[:1] == ("notify",) and len(loc) == 2:
        return Complaint(rules.CONFLICT, f"a notice {text}", "give exactly one of url and url_env")
    return Complaint(rules.MALFORMED, f"{shown}: {text}", _FORMS[_key(loc)][1])


def _range(kind: str, name: str, shown: str, context: dict[str, Any]) -> str:
    if kind == "greater_than_equal":
        return f"{name} must be {context['ge']} or more, not {shown}"
    if kind == "less_than_equal":
        return f"{name} must be at most {context['le']}, not {shown}"
    if kind == "string_too_long":
        return f"{name} is longer than {context['max_length']} characters"
    if kind == "too_long":
        return f"{name} has more than {context['max_length']} items"
    if kind in ("string_too_short", "too_short"):
        return f"{name} is empty"
    return f"{name} is invalid"


def _choice(name: str, shown: str, value: object, expected: str) -> Complaint:
    known = [word.strip("' ") for word in expected.replace(" or ", ", ").split(",")]
    offered = f"{', '.join(known[:-1])} or {known[-1]}" if len(known) > 1 else known[0]
    return Complaint(rules.NOT_ALLOWED, f"{name} must be {offered}, not {shown}", nearest(value, known))


def _version(value: object, written: Scalar | None) -> Complaint:
    if isinstance(value, int) and not isinstance(value, bool):
        hint = (
            "this version reads job format 1; upgrade backup-runner for a newer one"
            if value > 1
            else "write `version: 1`"
        )
        return Complaint(rules.VERSION, f"unsupported job file version {str(value)[:20]}", hint)
    shown = _shown(value, written) if written else _what(value)
    return Complaint(rules.VERSION, f"version must be the number 1, not {shown}", "write `version: 1`, without quotes")


def _type_hint(kind: str, loc: Loc, written: Scalar | None) -> str | None:
    if loc[:1] == ("encryption",):
        return _EXAMPLES.get(_key(loc), "give the location of the key, never the key itself")
    if written is None:
        return example("sources.*", "path") if loc[:1] == ("sources",) and len(loc) == 2 else _EXAMPLES.get(_key(loc))
    text = written.text
    if kind == "bool_type":
        return _boolean_hint(written)
    if kind == "string_type" and (unit := _UNITS.get(_key(loc))) and text.strip().isdecimal():
        return f"a number needs its unit, e.g. {text.strip()[:20]}{unit}"
    if kind == "string_type" and written.plain:
        return f'YAML reads this as {_what(written.value)}; to make it text, quote it: "{text[:60]}"'
    if kind in ("int_type", "int_from_float"):
        digits = text.strip().rstrip("%").replace("_", "")
        if not digits.isdecimal():
            return "write an integer in digits"
        return f"write {digits[:20]}" + ("" if written.plain else ", without quotes")
    if kind == "list_type":
        if _key(loc) in _COMMANDS:
            return _command_hint(text)
        one_rule = (
            _key(loc) in ("skip", "skip_from", "skip_if_present", "busy", "tags", "keep_tags") and "\n" not in text
        )
        return f"write [{quoted(text)}]" if one_rule else "write each item on its own line, after `- `"
    if loc[:1] == ("sources",) and len(loc) == 2:
        return f"write `path: {text[:60]}`" if text.isprintable() else "a source has a `path`"
    return _EXAMPLES.get(_key(loc))


def _command_hint(text: str) -> str:
    """The command as a list; shell syntax is wrapped in `sh -c`."""
    text = text.strip()
    try:
        words = ["sh", "-c", text] if _SHELL.search(text) else shlex.split(text)
    except ValueError:
        words = ["sh", "-c", text]
    shown = ", ".join(word if _PLAIN_WORD.fullmatch(word) else quoted(word) for word in words)
    why = "commands run without a shell; " if words[:2] == ["sh", "-c"] else ""
    return f"{why}write [{shown}]" if len(text) <= 200 else "write a list: the program, then each argument"


def _boolean_hint(written: Scalar | None) -> str | None:
    if written is None:
        return None
    text = written.text.lower()
    if text in _BOOLEAN_WORDS and written.plain:
        return f"YAML 1.2 reads {quoted(written.text)} as text; write {_BOOLEAN_WORDS[text]}"
    return f"write {text}, without quotes" if text in ("true", "false") and not written.plain else None


def _key(loc: Loc) -> str:
    return next((step for step in reversed(loc) if isinstance(step, str)), "")


def _name(loc: Loc) -> str:
    if loc and isinstance(loc[-1], int):
        return {"sources": "a source", "skip": "a skip rule"}.get(_key(loc), f"an item of {_key(loc)}")
    return _key(loc) or "the job"


def _shown(value: object, written: Scalar | None) -> str:
    if written is not None:
        return quoted(written.text) if isinstance(value, str) else quoted(written.text).strip('"')
    return quoted(value) if isinstance(value, str) else _what(value)


def _what(value: object) -> str:
    if isinstance(value, bool):
        return "true/false"
    names = {str: "text", int: "a number", float: "a fraction", list: "a list", dict: "a block of keys"}
    return names.get(type(value), "nothing")
