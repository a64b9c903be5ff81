"""Finds a job's secret. The key never appears in a message, a log or a command line."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Mapping
from itertools import pairwise

from ..container.keys import CryptoKey, KdfBudget
from ..container.suite2.seeds import Secret, read_secret
from ..errors import KeyFileError
from ..foreign import describe
from ..spec import EncryptionSpec

_COMMAND_SECONDS = 60
_MOST = 8192
_FEWEST = 6
_LONGEST_PERIOD = 8


def load_secret(
    spec: EncryptionSpec, env: Mapping[str, str], budget: KdfBudget | None = None
) -> tuple[Secret, list[str]]:
    """The job's secret, and warnings about its file. Raises KeyFileError, WrongKeyError."""
    warnings: list[str] = []
    if spec.key_file:
        where, raw, warnings = f"{spec.key_file}: ", *_from_file(spec.key_file)
    elif spec.key_env:
        value = env.get(spec.key_env)
        if value is None:
            raise KeyFileError(f"the variable {spec.key_env} for the key is not set")
        where, raw = f"variable {spec.key_env}: ", os.fsencode(value)
    else:
        where, raw = f"key_command {spec.key_command[0]}: ", _from_command(spec.key_command)
    try:
        return read_secret(raw, _passphrase(spec, env), budget=budget), warnings
    except KeyFileError as error:
        raise type(error)(f"{where}{error.message}", hint=error.hint) from None


def _passphrase(spec: EncryptionSpec, env: Mapping[str, str]) -> str | None:
    """The passphrase for a protected key pair, if the job says where it is."""
    if not spec.passphrase_env:
        return None
    if spec.passphrase_env not in env:
        raise KeyFileError(f"the variable {spec.passphrase_env} for the passphrase is not set")
    return env[spec.passphrase_env]


def refuse_guessable(key: CryptoKey) -> None:
    """Raise KeyFileError for a key that is obviously not random. Only for new backups: older ones stay readable."""
    raw = key.raw
    steps = {(after - before) % 256 for before, after in pairwise(raw)}
    if len(set(raw)) < _FEWEST:
        why = f"has only {len(set(raw))} different byte(s)"
    elif any(raw == (raw[:period] * len(raw))[: len(raw)] for period in range(1, _LONGEST_PERIOD + 1)):
        why = "repeats a short pattern"
    elif len(steps) == 1:
        why = "is a sequence of consecutive bytes"
    else:
        return
    raise KeyFileError(
        f"the crypto key {why} and is easy to guess",
        hint="make one with `backup-runner key new FILE`; backups made with this key can still be restored",
    )


def _from_file(path: str) -> tuple[bytes, list[str]]:
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(_MOST)
    except FileNotFoundError:
        raise KeyFileError(
            f"key file not found: {path}",
            hint=f"copy your key there, or, if nothing is backed up yet, make one with `backup-runner key new {path}`",
        ) from None
    except OSError as error:
        raise KeyFileError(f"cannot read the key file {path}: {describe(error)}") from None
    warnings = []
    if stat.S_IMODE(mode) & 0o077:
        warnings.append(f"the key file {path} is readable by other users; fix it with `chmod 600 {path}`")
    return raw, warnings


def _from_command(command: tuple[str, ...]) -> bytes:
    name = command[0]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_COMMAND_SECONDS, stdin=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        raise KeyFileError(f"key_command {name} did not answer within {_COMMAND_SECONDS} s") from None
    except OSError as error:
        raise KeyFileError(f"key_command {name} cannot be started: {describe(error)}") from None
    if done.returncode:
        # Its output is not shown: whatever it printed may contain the key.
        raise KeyFileError(
            f"key_command {name} failed with status {done.returncode}", hint="run it manually to see why"
        )
    return done.stdout
