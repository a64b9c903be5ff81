"""The targets' sections of the config file: where one-shot commands back up to, and defaults for jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import ConfigError
from ..spec import TargetSpec
from ..targets.models import TARGET_MODELS, TARGET_SECTIONS

Value = Callable[[str], Any]
"""The value of `section.key`, None if there is none."""


def places(kinds: Sequence[str], word: str = "and") -> str:
    """The keys that say where the bucket is: `oci.bucket and directory.path`."""
    return f" {word} ".join(f"{kind}.{TARGET_SECTIONS[kind].PLACE}" for kind in kinds)


def target_defaults(value: Value) -> list[dict[str, object]]:
    """A job's `target` section for each section that has settings for jobs, from the settings that were made."""
    found = []
    for kind, section in TARGET_SECTIONS.items():
        if section.FOR_JOBS and (block := section.block(_values(kind, value))):
            found.append({"type": kind, **block})
    return found


def configured_target(value: Value, kind: str) -> TargetSpec:
    """The bucket of the one-shot commands: that of the section of this type, whose values include defaults."""
    return _resolved({"type": kind, **TARGET_SECTIONS[kind].block(_values(kind, value))})


def override_target(target: TargetSpec, value: Value, said: Mapping[str, Any], kind: str) -> TargetSpec:
    """A job's target with the settings `said` of the section `kind`. Raises ConfigError if it is of another type."""
    section = TARGET_SECTIONS[kind]
    if target.kind != kind:
        hint = f"set {places([target.kind])}"
        raise ConfigError(f'the target of the job is of type "{target.kind}", not "{kind}"', hint=hint)
    # What belongs together, such as how to sign in, changes as a whole.
    changed = section.block(said)
    whole = section.block(_values(kind, value))
    made = _resolved({**target.block(), **{key: whole[key] for key in changed}})
    known: Any = target
    return replace(known, **{key: getattr(made, key) for key in changed})  # type: ignore[no-any-return]


def _values(kind: str, value: Value) -> dict[str, Any]:
    keys = TARGET_SECTIONS[kind].model_fields
    return {key: found for key in keys if (found := value(f"{kind}.{key}")) is not None}


def _resolved(block: Mapping[str, Any]) -> TargetSpec:
    model = TARGET_MODELS[block["type"]]
    paths = {keys: text for keys, text in model.paths(block) if isinstance(text, str)}
    return model.model_validate(block).resolved(paths)
