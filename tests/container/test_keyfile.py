"""Where the key comes from, what is wrong with it, and that no message ever shows it."""

from __future__ import annotations

import base64
import os
import pathlib
import random
import time

import pytest

from backup_runner.container.keys import CryptoKey
from backup_runner.errors import KeyFileError
from backup_runner.repository import keyfile
from backup_runner.repository.keyfile import load_secret, refuse_guessable
from backup_runner.spec import EncryptionSpec

KEY = b"a secret of just 32 bytes, yes.."


def written(tmp_path: pathlib.Path, raw: bytes, mode: int = 0o600) -> EncryptionSpec:
    path = tmp_path / "key"
    path.write_bytes(raw)
    path.chmod(mode)
    return EncryptionSpec(key_file=str(path))


@pytest.mark.parametrize("length", [16, 24, 32])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_key_file(tmp_path: pathlib.Path, length: int, end: bytes) -> None:
    key, warnings = load_secret(written(tmp_path, KEY[:length] + end), {})
    assert (key.value, warnings) == (KEY[:length], [])


@pytest.mark.parametrize("raw", [b"", KEY[:15], KEY + b"!", KEY[:31] + b"\n", KEY + b"\n\n", KEY + b" \n"])
def test_a_key_of_another_length(tmp_path: pathlib.Path, raw: bytes) -> None:
    with pytest.raises(KeyFileError, match="has 16, 24 or 32 bytes, this one has") as caught:
        load_secret(written(tmp_path, raw), {})
    assert str(tmp_path / "key") in caught.value.message
    unseen(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_file_that_others_can_read_gets_a_warning(tmp_path: pathlib.Path, mode: int) -> None:
    key, (warning,) = load_secret(written(tmp_path, KEY, mode), {})
    assert key.value == KEY
    assert "chmod 600" in warning


def test_no_key_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(KeyFileError, match="key file not found") as caught:
        load_secret(EncryptionSpec(key_file=str(tmp_path / "none")), {})
    assert "key new" in str(caught.value.hint)
    with pytest.raises(KeyFileError, match="cannot read the key file"):
        load_secret(EncryptionSpec(key_file=str(tmp_path)), {})


def test_a_variable() -> None:
    spec = EncryptionSpec(key_env="THE_KEY")
    assert load_secret(spec, {"THE_KEY": os.fsdecode(KEY)})[0].value == KEY
    raw = bytes(range(200, 232))
    assert load_secret(spec, {"THE_KEY": os.fsdecode(raw)})[0].value == raw
    with pytest.raises(KeyFileError, match="THE_KEY for the key is not set"):
        load_secret(spec, {})
    with pytest.raises(KeyFileError, match="this one has 31") as caught:
        load_secret(spec, {"THE_KEY": os.fsdecode(KEY[:31])})
    unseen(caught.value)


def by(*command: str) -> EncryptionSpec:
    return EncryptionSpec(key_command=command)


def test_a_command() -> None:
    assert load_secret(by("echo", os.fsdecode(KEY)), {})[0].value == KEY
    failures = {
        ("sh", "-c", f"echo '{os.fsdecode(KEY)}'; echo '{os.fsdecode(KEY)}' >&2; exit 3"): "failed with status 3",
        ("echo", os.fsdecode(KEY[:20])): "this one has 20",
        ("true",): "this one has 0",
        ("/nowhere/at all",): "cannot be started: No such file",
        ("/dev/null",): "cannot be started: Permission denied",
    }
    for command, message in failures.items():
        with pytest.raises(KeyFileError, match=message) as caught:
            load_secret(by(*command), {})
        unseen(caught.value)


def test_a_command_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Children of the command that outlive it keep its output open; they are not waited for either."""
    monkeypatch.setattr(keyfile, "_COMMAND_SECONDS", 0.3)
    started = time.monotonic()
    with pytest.raises(KeyFileError, match="key_command sh did not answer within"):
        load_secret(by("sh", "-c", "sleep 5 & sleep 5"), {})
    with pytest.raises(KeyFileError, match="this one has 0"):
        load_secret(by("cat"), {})
    assert time.monotonic() - started < 4


def unseen(error: KeyFileError) -> None:
    """No part of the key in what a person or a log sees, the chain of exceptions included."""
    seen: BaseException | None = error
    while seen is not None:
        assert os.fsdecode(KEY[2:12]) not in f"{seen!r} {seen} {getattr(error, 'hint', '')}"
        seen = None if seen.__suppress_context__ else seen.__context__


@pytest.mark.parametrize(
    "raw",
    [
        b"k" * 32,
        bytes(32),
        b"\xff" * 16,
        b"01" * 16,
        b"password" * 4,
        bytes(range(32)),
        bytes(range(64, 32, -1)),
        b"aaaabbbbccccdddd",
    ],
)
def test_a_key_that_nobody_drew_begins_nothing(raw: bytes) -> None:
    with pytest.raises(KeyFileError, match="easy to guess") as error:
        refuse_guessable(CryptoKey(raw))
    assert raw.decode("latin-1") not in f"{error.value.message} {error.value.hint}"


def test_keys_at_random_are_taken() -> None:
    for number in range(1000):
        for length in (16, 24, 32):
            refuse_guessable(CryptoKey(random.Random(number).randbytes(length)))
        # As text, which is how people keep them.
        refuse_guessable(CryptoKey(random.Random(number).randbytes(16).hex().encode()))
        refuse_guessable(CryptoKey(base64.b64encode(random.Random(number).randbytes(24))))
