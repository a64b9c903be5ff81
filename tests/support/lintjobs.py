"""Job files put together from blocks, for tests of rules."""

import re

BASE = {
    "version": "version: 1",
    "name": "name: documents",
    "sources": "sources: [{path: /srv/data}]",
    "target": "target: {type: directory, path: /srv/bucket}",
    "encryption": "encryption: {key_file: /etc/backup/key}",
    "catalog": "catalog: /var/lib/backup/catalog.db",
    "retention": "retention: {keep_last: 3}",
    "guards": "guards: {max_delete_percent: 20}",
}
ENV = {"HOME": "/home/u"}


def job(piece="", *, comment=""):
    """The base job with its blocks replaced by those of `piece`; "-key" takes one away."""
    blocks = dict(BASE)
    if piece.startswith("-"):
        del blocks[piece[1:]]
        piece = ""
    for key in re.findall(r"(?m)^(\w+):", piece):
        blocks.pop(key, None)
    head = f"{comment}\n" if comment else ""
    return head + "\n".join(blocks.values()) + "\n" + (piece + "\n" if piece else "")


def oci(*, prefix="", name="documents", catalog="/var/lib/backup/catalog.db", key="/etc/backup/key"):
    """A job with a bucket on OCI."""
    shown = f", prefix: {prefix}" if prefix else ""
    target = f"target: {{type: oci, bucket: backup{shown}}}"
    return job(f"name: {name}\n{target}\ncatalog: {catalog}\nencryption: {{key_file: {key}}}")
