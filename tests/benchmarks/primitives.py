"""One primitive alone over all files of a folder, on one core: prints its seconds of CPU."""

from __future__ import annotations

import hashlib
import sys
import time

import zstandard

from .data import files

_CHUNK = 1 << 20


def main(what: str, folder: str) -> None:
    compressor = zstandard.ZstdCompressor(level=1)
    begun = time.process_time()
    for path in files(folder):
        with open(path, "rb", buffering=0) as file:
            while data := file.read(_CHUNK):
                if what == "md5":
                    hashlib.md5(data, usedforsecurity=False)
                elif what == "zstd":
                    compressor.compress(data)
    print(time.process_time() - begun)


if __name__ == "__main__":
    main(*sys.argv[1:])
