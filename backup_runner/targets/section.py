"""A target's sections in job files and in the config file: what `targets/NAME/model.py` derives its models from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field

from ..spec.target import Limits, TargetSpec
from ..spec.texts import Rate, Strict
from ..spec.values import parse_rate

Keys = tuple[str | int, ...]
"""From a section down to a value."""


class LimitsModel(Strict):
    """Limits on bandwidth and requests."""

    upload: Rate | None = None
    download: Rate | None = None
    requests_in_flight: int | None = Field(None, ge=1, le=256)
    listed_objects: int | None = Field(None, ge=1000, le=10**9)

    def resolved(self) -> Limits:
        """The rates as numbers."""
        return Limits(
            upload=None if self.upload is None else parse_rate(self.upload),
            download=None if self.download is None else parse_rate(self.download),
            requests_in_flight=self.requests_in_flight,
            listed_objects=self.listed_objects,
        )


class TargetModel(Strict):
    """A job's `target` section of one type, as it is written. The field `type` is a Literal."""

    NEEDED: ClassVar[tuple[str, ...]] = ()
    """Keys that are optional in the file because the config file may have them."""
    FORMS: ClassVar[Mapping[str, tuple[str, str | None]]] = {}
    """For messages about texts that have another form than their pattern: what a key's value is, and an example."""

    @classmethod
    def paths(cls, block: Mapping[str, Any]) -> Iterator[tuple[Keys, object]]:
        """The values of a section that are paths; `block` was not validated. None: there is none."""
        raise NotImplementedError

    def resolved(self, paths: Mapping[Keys, str]) -> TargetSpec:
        """The section with defaults filled in, and with absolute `paths`."""
        raise NotImplementedError


class TargetSection(Strict):
    """A target's section of the config file, for the one-shot commands. All keys are optional."""

    PLACE: ClassVar[str]
    """The key that says where the bucket is: one-shot commands use the section that has it."""
    FOR_JOBS: ClassVar[bool]
    """Whether it also has defaults for jobs with such a target."""
    DEFAULTS: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def block(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """A job's `target` section with these values of the config file, without `type`; empty if there are none."""
        raise NotImplementedError
