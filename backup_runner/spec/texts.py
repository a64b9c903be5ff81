"""Types of values in job and config files: texts in a certain form, numbers within bounds."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from .values import DURATION_PATTERN, RATE_PATTERN, SIZE_PATTERN

COUNT_LIMIT = 100_000
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,255}$"
# YAML defines a lone ~ as null, and editors read it so; in these two places people mean the home folder.
LONE_TILDE: JsonDict = {"type": ["string", "null"]}


def or_variable(pattern: str) -> JsonDict:
    """For the schema: text of this form, or with a variable in it, which is expanded before the model sees it."""
    return {"pattern": f"^({pattern}|.*\\$\\{{.*)$"}


class Strict(BaseModel):
    """A block whose values are validated strictly, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True)


def no_variable(text: str) -> str:
    """Reject what looks like a variable where none is expanded."""
    # Taken literally, hosts that should differ would share a prefix.
    if "${" in text:
        raise ValueError("${…} is not expanded here")
    return text


def _usable_prefix(text: str) -> str:
    if any(part in (".", "..") for part in text.split("/")):
        raise ValueError('"." and ".." are not valid in object names')
    return no_variable(text)


PathText = Annotated[str, Field(min_length=1, max_length=4096)]
# Git treats a carriage return at the end as part of the line ending; `Icon[\r]` matches the files of macOS.
SkipText = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\n\u0000]*[^\n\r\u0000]$")]
_NAME = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
Name = Annotated[str, Field(pattern=f"^{_NAME}$", json_schema_extra=or_variable(_NAME))]
SnapshotTag = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Rate = Annotated[str, Field(pattern=RATE_PATTERN, examples=["10MiB/s", "500kB/s"])]
Duration = Annotated[str, Field(pattern=DURATION_PATTERN, examples=["12h", "7d", "2w", "1y"])]
# No "@": a password in a URL would be a secret in the job.
Url = Annotated[str, Field(pattern=r"^https?://[^\s/@]+(/[^\s@]*)?$", max_length=1024), AfterValidator(no_variable)]
Prefix = Annotated[
    str, Field(pattern=r"^([^/\u0000-\u001f]+/)*[^/\u0000-\u001f]*$", max_length=512), AfterValidator(_usable_prefix)
]
Count = Annotated[int, Field(ge=0, le=COUNT_LIMIT)]
Price = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Percent = Annotated[int, Field(ge=0, le=100)]
Size = Annotated[str, Field(pattern=SIZE_PATTERN, examples=["4GiB", "500MB"])]
EntryName = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^/\u0000\n]+$")]
Arguments = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
"""A program and its arguments; no shell interprets them."""
