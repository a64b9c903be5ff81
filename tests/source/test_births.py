"""Birth times of real files, and whatever a file system may say."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup_runner.catalog.births import split_birth
from backup_runner.moments import HIGHEST_NS, LOWEST_NS
from backup_runner.source.births import born_of, read_birth
from backup_runner.source.xattrs import encode_xattrs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="statx(2)")


def born(path: Path) -> int:
    """As stat(1) of the system says; 0 if the file system does not know."""
    seconds, _, rest = subprocess.check_output(["stat", "-c", "%.9W", path], text=True).strip().partition(".")
    return int(seconds) * 10**9 + int(rest or 0)


def test_a_files_birth_time_is_what_stat_says(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"x")
    os.utime(file, (1, 1))
    link.symlink_to("nowhere")
    if not born(file):
        pytest.skip("this file system has no birth times")
    with file.open("rb") as opened:
        assert read_birth(opened.fileno()) == read_birth(os.fsencode(file)) == born(file)
    assert read_birth(os.fsencode(link)) == born(link)
    assert read_birth(os.fsencode(tmp_path)) == born(tmp_path)


def test_a_file_system_without_birth_times_has_none() -> None:
    assert read_birth(b"/proc/version") is None
    assert read_birth(b"/nowhere/at/all") is None


@given(st.integers(0, 2**32 - 1), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**32 - 1))
def test_what_a_file_system_says_is_kept_within_range(mask: int, seconds: int, nanoseconds: int) -> None:
    answer = bytearray(256)
    struct.pack_into("=I", answer, 0, mask)
    struct.pack_into("=qI", answer, 80, seconds, nanoseconds)
    found = born_of(bytes(answer))
    assert (found is not None) == bool(mask & 0x800)
    if found is not None:
        assert found == min(max(seconds * 10**9 + nanoseconds, LOWEST_NS), HIGHEST_NS)


@given(st.one_of(st.binary(max_size=30), st.integers().map(lambda number: b"%d" % number)))
def test_a_value_in_a_catalog_is_a_time_or_none(value: bytes) -> None:
    """Catalogs come from buckets, too."""
    others = {b"user.colour": b"blue"}
    time_ns, blob = split_birth(encode_xattrs(others | {b"birth_time": value}))
    assert blob == encode_xattrs(others)
    assert time_ns is None or LOWEST_NS <= time_ns <= HIGHEST_NS


@given(st.binary(max_size=60))
def test_a_blob_that_is_not_ours_is_left_alone(rest: bytes) -> None:
    assert split_birth(b'{"birth_time":' + rest)[0] is None
    assert split_birth(rest) == (None, rest)
    assert split_birth(None) == (None, None)


def test_another_attribute_cannot_pass_for_a_birth_time() -> None:
    blob = encode_xattrs({b'user."birth_time":': b'"birth_time":', b"user.birth_time": b"12"})
    assert split_birth(blob) == (None, blob)
