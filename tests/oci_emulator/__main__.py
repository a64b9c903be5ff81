"""`python -m tests.oci_emulator`: start the emulator and print its URL."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading

from .control import Emulator
from .keys import add_user, make_identity
from .log import Log
from .server import Server
from .signing import Users
from .store import Bucket, Store

_SAVE_EVERY = 1.0


def main() -> int:
    options = _options()
    if options.config_dir:
        return _serve(options, options.config_dir)
    with tempfile.TemporaryDirectory(prefix="oci-emulator-") as folder:
        return _serve(options, folder)


def _serve(options: argparse.Namespace, folder: str) -> int:
    users_file = options.users or f"{folder}/users.json"
    if not os.path.exists(users_file):
        add_user(users_file, make_identity(folder))
    store = Store(options.namespace, options.root)
    store.restore_delay = options.restore_delay
    store.users_file = users_file
    for name in options.bucket:
        store.buckets.setdefault(name, Bucket(name, options.namespace, "", store.now(), {}))
    emulator = Emulator(store, Users(users_file), Log(options.log), latency=options.latency)
    if options.faults:
        with open(options.faults, "rb") as file:
            emulator.faults.add(json.load(file))
    server = Server(emulator, options.host, options.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.stop())
    print(f"{server.url} namespace={options.namespace} config={folder} users={users_file}", flush=True)
    stopping = threading.Event()
    saver = threading.Thread(target=_save_now_and_then, args=(store, stopping), daemon=True)
    saver.start()
    server.serve()
    stopping.set()
    saver.join()
    store.save()
    return 0


def _save_now_and_then(store: Store, stopping: threading.Event) -> None:
    while store.root is not None and not stopping.wait(_SAVE_EVERY):
        store.save()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.oci_emulator", description="Emulates OCI Object Storage on 127.0.0.1."
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one; the URL is printed")
    parser.add_argument("--root", help="keep objects below this folder instead of in memory")
    parser.add_argument("--namespace", default="emulated")
    parser.add_argument("--bucket", action="append", default=[], help="have this bucket from the start; repeatable")
    parser.add_argument("--users", help="JSON file of the keys that may sign; read again when it changes")
    parser.add_argument("--config-dir", help="where a key and an OCI config go if there are no users yet")
    parser.add_argument("--log", help="append one JSON line a request to this file")
    parser.add_argument("--faults", help="JSON file with a list of fault rules")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to every request")
    parser.add_argument("--restore-delay", type=float, default=0.5, help="seconds that a thaw takes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
