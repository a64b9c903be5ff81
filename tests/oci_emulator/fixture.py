"""The emulator as a process for tests: `with start(folder) as emulator: …`, and as a pytest fixture."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .keys import Identity, add_user, make_identity

_CHECKOUT = Path(__file__).parents[2]
BUCKET = "backup"
NAMESPACE = "emulated"


@dataclass
class Running:
    """A started emulator with one bucket and one user, whose OCI config is `owner.config_file`."""

    url: str
    folder: str
    owner: Identity
    process: subprocess.Popen[str]
    namespace: str = NAMESPACE
    bucket: str = BUCKET

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def users_file(self) -> str:
        return f"{self.folder}/users.json"

    def client(self, config_file: str = "") -> Any:
        """The SDK's client, of the owner by default, for what the program itself does not do."""
        import oci

        config = oci.config.from_file(config_file or self.owner.config_file)
        retry = oci.retry.NoneRetryStrategy()
        return oci.object_storage.ObjectStorageClient(config, service_endpoint=self.url, retry_strategy=retry)

    def add_faults(self, *rules: dict[str, object]) -> None:
        """Rules as in `faults.Rule`; they add to those that are there."""
        self._call("POST", "faults", list(rules))

    def faults(self) -> list[dict[str, Any]]:
        return self._call("GET", "faults")  # type: ignore[no-any-return]

    def clear_faults(self) -> None:
        self._call("DELETE", "faults")

    def log(self, *operations: str) -> list[dict[str, Any]]:
        """The requests so far, of these operations only if any are named."""
        lines = self._call("GET", "log")
        return [line for line in lines if not operations or line["operation"] in operations]

    def clear_log(self) -> None:
        self._call("DELETE", "log")

    def settings(self, **values: float) -> None:
        """`latency`, `restore_delay`, `clock_offset`, and `age`, which lets time pass for retention rules; seconds."""
        self._call("POST", "settings", values)

    def new_user(
        self,
        name: str,
        *,
        deny: tuple[str, ...] = (),
        policy: str | None = None,
        session_token: str = "",
        expires: float = 0,
    ) -> Identity:
        """Another user with a key and config file; with a session token, the config names its file. With a `policy`
        (statements, one a line) the user may do what these say, and nothing else."""
        identity = make_identity(self.folder, name)
        if session_token:
            token_file = f"{self.folder}/{name}.token"
            Path(token_file).write_text(session_token)
            with open(identity.config_file, "a") as file:
                file.write(f"security_token_file={token_file}\n")
        key_id = f"ST${session_token}" if session_token else ""
        add_user(self.users_file, identity, deny=deny, policy=policy, key_id=key_id, expires=expires)
        return identity

    def expire(self, user: Identity, session_token: str) -> None:
        """From now on the service does not accept this token."""
        add_user(self.users_file, user, key_id=f"ST${session_token}", expires=1)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)

    def _call(self, method: str, what: str, value: object = None) -> Any:
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(f"{self.url}/_emulator/{what}", data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None


@contextlib.contextmanager
def start(folder: str | Path, *options: str, empty: bool = False) -> Iterator[Running]:
    """Run the emulator with its key, config and users below `folder`; more command line options may follow. `empty`:
    without a bucket."""
    folder = os.fspath(folder)
    owner = make_identity(folder)
    add_user(f"{folder}/users.json", owner)
    command = [sys.executable, "-m", "tests.oci_emulator", "--namespace", NAMESPACE]
    command += [] if empty else ["--bucket", BUCKET]
    command += ["--users", f"{folder}/users.json", *options]
    process = subprocess.Popen(command, cwd=_CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the emulator did not start; exit code {process.wait()}")
    running = Running(line.split()[0], folder, owner, process)
    try:
        yield running
    finally:
        running.stop()
        process.stdout.close()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One emulator for all tests of a module, in memory."""
    with start(tmp_path_factory.mktemp("emulator")) as running:
        yield running
