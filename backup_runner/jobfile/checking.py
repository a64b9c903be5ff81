"""Turns validation errors of the models into messages with a place in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..targets.models import TARGET_MODELS
from . import others, rules, wording
from .aroundmodel import HooksModel, MetricsModel, NotifyModel, ScheduleModel, TimesModel, VerifyTimesModel
from .diagnostics import Complaints, quoted
from .document import Document, Loc
from .leaks import ENVIRONMENT_KEYS, SECRET_KEYS, check_hooks
from .model import (
    EncryptionModel,
    JobGuardsModel,
    JobModel,
    PassphraseModel,
    PricesModel,
    RemoteCatalogModel,
    RetentionModel,
)
from .recipients import check_recipients
from .sourcemodel import GuardsModel, SourceModel


def _target_blocks() -> Iterator[tuple[str, type[BaseModel]]]:
    for kind, model in TARGET_MODELS.items():
        yield f"target({kind})", model
        for name, field in model.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                yield f"target({kind}).{name}", field.annotation


BLOCKS: dict[str, type[BaseModel]] = {
    "": JobModel,
    "sources.*": SourceModel,
    "sources.*.guards": GuardsModel,
    "guards": JobGuardsModel,
    "prices": PricesModel,
    **dict(_target_blocks()),
    "encryption": EncryptionModel,
    "encryption.recipients.*": PassphraseModel,
    "catalog": RemoteCatalogModel,
    "retention": RetentionModel,
    "hooks": HooksModel,
    "notify.*": NotifyModel,
    "metrics": MetricsModel,
    "schedule": ScheduleModel,
    "schedule.verify": VerifyTimesModel,
    "schedule.prune": TimesModel,
}
_TAGS = {("catalog", "path"), ("catalog", "remote"), *(("target", kind) for kind in TARGET_MODELS)}


def check(document: Document, complaints: Complaints, *, partial: bool = False) -> JobModel | None:
    """The validated model, or None after every validation error was reported; `partial` is for a file that sets only
    some keys."""
    check_hooks(document, complaints)
    check_recipients(document, complaints)
    try:
        return JobModel.model_validate(document.data)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            if not partial or detail["type"] not in ("missing", "union_tag_not_found"):
                _complain(detail, document, complaints)
        return None


def _complain(detail: ErrorDetails, document: Document, complaints: Complaints) -> None:
    loc = _place(detail["loc"])
    kind = detail["type"]
    if any(loc[:length] in document.settled for length in range(1, len(loc) + 1)):
        return
    if kind == "value_error" and any(place[: len(loc)] == loc for place in document.settled):
        return
    if kind == "extra_forbidden":
        _unknown_key(loc, document, complaints)
    elif kind == "missing":
        _missing_key(loc, document, complaints)
    elif _is_url(loc) and "@" in str(_value(document, loc)):
        message = f"{quoted(loc[-1])}: a URL in a job must not contain a user or password"
        hint = "change any password that was written here"
        complaints.add(rules.LITERAL_KEY, document.span(loc), message, hint, secret=True)
    elif kind in ("union_tag_not_found", "union_tag_invalid"):
        _target_type((*loc, "type"), document, complaints)
    else:
        complaint = wording.of_value(kind, loc, detail, document.written(loc), _value(document, loc))
        message = complaint.message + _origin(loc, document)
        # A key pasted where its location belongs must not appear in the error message.
        secret = loc[0] == "encryption" and document.written(loc) is not None
        complaints.add(complaint.code, document.span(loc), message, complaint.hint, secret=secret)


def _is_url(loc: Loc) -> bool:
    return loc[-1] in ("endpoint", "proxy") or (loc[0] == "notify" and loc[-1] == "url")


def _place(loc: tuple[str | int, ...]) -> Loc:
    """pydantic adds a step for the member of a union, right after the key."""
    if loc[:2] == ("encryption", "recipients"):
        return tuple(loc[:3]) + tuple(loc[4:])
    return (loc[0], *loc[2:]) if tuple(loc[:2]) in _TAGS else tuple(loc)


def _origin(loc: Loc, document: Document) -> str:
    return "" if loc in document.nodes else " (it comes from the config file)"


def _value(document: Document, loc: Loc) -> Any:
    value: Any = document.data
    for step in loc:
        value = value[step]
    return value


def block_of(loc: Loc, document: Document) -> str:
    """The location in the form used by `BLOCKS`: list positions are `*`, and a target includes its type."""
    name = ".".join("*" if isinstance(step, int) else step for step in loc)
    target = document.data.get("target")
    if not isinstance(target, dict) or name.split(".")[0] != "target":
        return name
    return f"target({target.get('type')}){name.removeprefix('target')}"


def _unknown_key(loc: Loc, document: Document, complaints: Complaints) -> None:
    key, block = str(loc[-1]), block_of(loc[:-1], document)
    if key.lower() in SECRET_KEYS or (block == "hooks" and key.lower() in ENVIRONMENT_KEYS):
        _secret_key(loc, document, complaints)
        return
    known = list(BLOCKS[block].model_fields)
    in_encryption = block == "encryption"
    complaints.add(
        rules.UNKNOWN_KEY,
        document.key_span(loc),
        f"unknown key {quoted(key)}{wording.inside(block)}{_origin(loc, document)}",
        others.of_other_tools(key, block)
        or wording.nearest(key, known)
        or _elsewhere(key, block)
        or f"valid keys: {', '.join(known)}",
        secret=in_encryption,
    )


def _secret_key(loc: Loc, document: Document, complaints: Complaints) -> None:
    """Hides the whole value, not only the line of its key."""
    span = document.key_span(loc)
    value = document.nodes.get(loc)
    if value is not None:
        span = span._replace(end_line=value.span.end_line, end_column=value.span.end_column)
    if loc[0] == "hooks":
        message = f"{quoted(loc[-1])}: hooks do not take environment values; a job must not contain secrets"
        hint = "set variables where the job runs; change any secret that was written here"
    else:
        message = f"{quoted(loc[-1])}: a job must not contain secrets"
        hint = "use key_file, key_env or key_command; change any secret that was written here"
    complaints.add(rules.LITERAL_KEY, span, message, hint, secret=True)


def _elsewhere(key: str, block: str) -> str | None:
    if key == "<<":
        return "YAML 1.2 has no merge keys; put settings that jobs share into a file, and write `extends: FILE`"
    homes = [name for name, model in BLOCKS.items() if key in model.model_fields]
    if not homes:
        return None
    name = wording.block_name(homes[0])
    if name == wording.block_name(block):
        return f"it is valid for another type of {name}"
    return f"move it into {name}" if name else "move it to the top level; check the indentation"


def _missing_key(loc: Loc, document: Document, complaints: Complaints) -> None:
    key, block = str(loc[-1]), block_of(loc[:-1], document)
    span = document.span(loc[:-1])
    complaints.add(
        rules.MISSING_KEY, span, f"{quoted(key)} is missing{wording.inside(block)}", wording.example(block, key)
    )


def _target_type(loc: Loc, document: Document, complaints: Complaints) -> None:
    if loc in document.settled:
        return
    if loc not in document.nodes:
        hint = f"add {' or '.join(f'`type: {kind}`' for kind in TARGET_MODELS)}"
        complaints.add(rules.MISSING_KEY, document.span(loc[:-1]), '"type" is missing in target', hint)
        return
    value = document.data["target"]["type"]
    hint = wording.nearest(value, list(TARGET_MODELS)) or f"use {' or '.join(TARGET_MODELS)}"
    complaints.add(rules.NOT_ALLOWED, document.span(loc), f"unknown target type {quoted(value)}", hint)
