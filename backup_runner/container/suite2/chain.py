"""The envelopes of a lineage, one after the other (docs/format.md, Envelope)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...errors import NoiseError
from .envelope import Envelope


@dataclass(frozen=True, slots=True)
class Chain:
    """Consecutive envelopes, from the first, or from a remembered one."""

    envelopes: tuple[Envelope, ...]

    @classmethod
    def start(cls, first: Envelope, *, suite1_end: bytes | None = None, remembered: bytes | None = None) -> Chain:
        """From the first envelope, or from one whose digest this machine `remembered`. Raises NoiseError.

        `suite1_end`: digest of the last record of suite 1, for a lineage that began under it.
        """
        if remembered is not None:
            if first.digest != remembered:
                raise NoiseError(f"envelope {first.number} differs from the one seen here before")
        elif first.number > 1 and (suite1_end is None or not first.succeeds_suite1):
            raise NoiseError(f"envelope {first.number} is not the first of its lineage")
        elif first.succeeds_suite1 and first.previous != suite1_end:
            raise NoiseError("the first envelope does not follow the last record of suite 1")
        return cls((first,))

    @property
    def newest(self) -> Envelope:
        """The one to seal under."""
        return self.envelopes[-1]

    @property
    def digests(self) -> frozenset[bytes]:
        """Of all envelopes; what `Identity.accept` takes."""
        return frozenset(envelope.digest for envelope in self.envelopes)

    def extended(self, envelope: Envelope) -> Chain:
        """With one more. Raises NoiseError if it does not follow the newest."""
        follows(self.newest, envelope)
        return Chain((*self.envelopes, envelope))

    def continued(self, candidates: Iterable[Envelope]) -> tuple[Chain, list[Envelope]]:
        """The longest chain from the envelopes in the bucket, and those that do not count: junk, forks, copies."""
        found, noise = list(self.envelopes), []
        known = set(self.digests)
        for envelope in sorted(candidates, key=lambda one: one.number):
            if envelope.digest in known:
                continue
            try:
                follows(found[-1], envelope)
            except NoiseError:
                noise.append(envelope)
            else:
                found.append(envelope)
                known.add(envelope.digest)
        return Chain(tuple(found)), noise


def follows(before: Envelope, after: Envelope) -> None:
    """Raises NoiseError unless `after` is a valid next envelope."""
    where = f"envelope {after.number}"
    if after.lineage != before.lineage or after.previous != before.digest or after.number <= before.number:
        raise NoiseError(f"{where} does not follow envelope {before.number}")
    if after.salt != before.salt:
        raise NoiseError(f"{where} changes the salt")
    if after.signer not in before.owners:
        raise NoiseError(f"{where} is not signed by an owner")
    same_key = after.public == before.public
    if (after.epoch, same_key) not in ((before.epoch, True), (before.epoch + 1, False)):
        raise NoiseError(f"{where} does not continue epoch {before.epoch}")
