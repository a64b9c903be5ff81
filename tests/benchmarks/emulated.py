"""Through the OCI emulator, with and without latency: this program on the whole small set, and with rclone on a tenth
of it (rclone makes a request a file, and the emulator answers on the same cores)."""

from __future__ import annotations

import os
import shutil
import time
from typing import Any

from tests.oci_emulator.fixture import Running, start

from . import measure
from .data import make
from .rounds import Bench, measure_tool, say
from .tools import Ours, Rclone, Tool, program

LATENCIES = (0.0, 0.02)
_OOS = {
    "TYPE": "oracleobjectstorage", "PROVIDER": "user_principal_auth", "REGION": "us-ashburn-1",
    "COMPARTMENT": "ocid1.compartment.oc1..emulated", "CONFIG_PROFILE": "DEFAULT", "NO_CHECK_BUCKET": "true",
}  # fmt: skip


class _OursOci(Ours):
    def __init__(self, site: str, data: str, running: Running) -> None:
        super().__init__(site, data)
        self._running = running
        self.target = (
            f"{{type: oci, namespace: {running.namespace}, bucket: {running.bucket}, "
            f"prefix: bench/, "
            f"region: us-ashburn-1, endpoint: '{running.url}', auth: {{config_file: {running.owner.config_file}}}}}"
        )

    def stored(self) -> int | None:
        return None

    def requests(self) -> int:
        return _counted(self._running)


class _RcloneOci(Rclone):
    def __init__(self, site: str, data: str, running: Running) -> None:
        super().__init__(site, data)
        self._running = running
        extra = {"NAMESPACE": running.namespace, "ENDPOINT": running.url, "CONFIG_FILE": running.owner.config_file}
        self.env |= {f"RCLONE_CONFIG_OOS_{name}": value for name, value in (_OOS | extra).items()}
        self.env["RCLONE_CRYPT_REMOTE"] = f"oos:{running.bucket}/rclone"

    def stored(self) -> int | None:
        return None

    def requests(self) -> int:
        return _counted(self._running)


def _counted(running: Running) -> int:
    count = len(running.log())
    running.clear_log()
    return count


def run(bench: Bench) -> None:
    """Measure through the emulator; what `results` has already is not measured again."""
    tenth = bench.scale / 10
    folder = f"{bench.folder}/data"
    for number in range(bench.rounds):
        for latency in LATENCIES:
            _one(bench, "small", make("small", bench.scale, folder), "us", latency, number)
            for tool in ("us", "rclone"):
                # Minutes of one request a file with latency: one round of it is enough.
                if tool in bench.tools and program(tool if tool == "rclone" else "backup-runner") and not number:
                    _one(bench, "tenth", make("small", tenth, folder), tool, latency, number)
    if "us" in bench.tools and bench.results.facts.get("one-of-million", {}).get("scale") != bench.scale:
        one_of_million(bench)


def _one(bench: Bench, name: str, data: str, tool_name: str, latency: float, number: int) -> None:
    label = f"oci-{name}-{latency * 1000:.0f}ms"
    works = ("new", "nothing", "restore")
    if all(bench.results.has(label, tool_name, work, number) for work in works):
        return
    with _emulator(bench, latency) as running:
        kind: Any = _OursOci if tool_name == "us" else _RcloneOci
        tool: Tool = kind(f"{bench.folder}/site", data, running)
        measure_tool(bench, label, tool, tool_name, number, works)


def _emulator(bench: Bench, latency: float) -> Any:
    folder = f"{bench.folder}/emulator"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    return start(folder, "--latency", str(latency))


def one_of_million(bench: Bench) -> None:
    """Restore one small file out of a million: requests and seconds, compared."""
    data = make("million", bench.scale, f"{bench.folder}/data")
    wanted = sorted(os.listdir(data))[-1] + "/000.txt"
    with _emulator(bench, 0.0) as running:
        tool = _OursOci(f"{bench.folder}/site", data, running)
        tool.begin()
        log = f"{tool.site}/output.log"
        measure.run(tool.commands("new"), folder=tool.site, log=log, env=tool.env, sample=1.0)
        found = []
        for _ in range(3):
            tool.requests()
            tool.clear("restore")
            command = [tool.program, "restore", "job.yaml", wanted, "--to", "back"]
            done = measure.run(command, folder=tool.site, log=log, env=tool.env)
            lines = running.log()
            found.append((done.seconds, done.cpu, len(lines), [line["operation"] for line in lines]))
            with open(f"{data}/{wanted}", "rb") as one, open(f"{tool.back}/{wanted}", "rb") as two:
                assert one.read() == two.read()
        tool.end()
    seconds, cpu, requests, operations = sorted(found)[1]
    bench.results.fact(
        "one-of-million",
        {"scale": bench.scale, "seconds": seconds, "cpu": cpu, "requests": requests, "operations": operations,
         "when": int(time.time())},
    )  # fmt: skip
    say(f"one of a million: {seconds:.2f} s, {requests} requests {operations}")
