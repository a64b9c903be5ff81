"""The checksum that a service states for an object that went up in parts."""

from __future__ import annotations

from base64 import b64decode, b64encode
from hashlib import md5

from .base import Parts


def multipart_checksum(parts: Parts) -> str:
    """base64 of the MD5 over the part MD5s in order, "-", and the number of parts, as OCI states it."""
    digests = b"".join(b64decode(part.md5) for part in sorted(parts, key=lambda part: part.number))
    return f"{b64encode(md5(digests, usedforsecurity=False).digest()).decode()}-{len(parts)}"
