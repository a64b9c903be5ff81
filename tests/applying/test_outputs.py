"""What programs print, stored as files: real programs, SQLite, a real PostgreSQL server, standard input."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import place
from tests.support.users import give_away, open_folder

__all__ = ["place"]
NOBODY = 65534
"""A user that /etc/passwd has everywhere: PostgreSQL looks its name up."""


def write_job(place: Any, command: str, *, more: str = "", name: str = "dumps/shop.sql") -> None:
    text = place.job.read_text()
    source = f"{{path: {name}, command: {command}{more}}}"
    head, _, rest = text.partition("sources: [")
    place.job.write_text(f"{head}sources: [{source}, {rest}")


def script(place: Any, text: str) -> str:
    """A shell script as a command."""
    path = place.root / "dump.sh"
    path.write_text(text)
    return f'[sh, "{path}"]'


def back(place: Any, *arguments: str) -> bytes:
    shutil.rmtree(place.root / "back", ignore_errors=True)
    done = place.run("restore", "job.yaml", *arguments, "--to", "back")
    assert done.code == 0, done.err
    return bytes((place.root / "back" / "dumps" / "shop.sql").read_bytes())


def test_what_a_command_prints_is_a_file_of_the_snapshot(place: Any) -> None:
    data = random.Random(1).randbytes(5 << 20)
    (place.root / "made").write_bytes(data)
    write_job(place, f'[cat, "{place.root}/made"]')
    planned = place.run("plan", "job.yaml")
    assert "output of a command" in planned.out
    assert not (place.root / "bucket").exists(), "a plan runs nothing"
    done = place.run("apply", "job.yaml", "--yes", "--json")
    assert done.code == 0, done.err
    assert back(place) == data
    assert (place.root / "back" / "dumps" / "shop.sql").stat().st_mode & 0o777 == 0o600
    assert (place.root / "back" / "b.txt").read_text() == "second"
    # A changed middle: what is equal is stored once.
    changed = data[: 2 << 20] + b"inserted" + data[2 << 20 :]
    (place.root / "made").write_bytes(changed)
    summary = place.run("apply", "job.yaml", "--yes", "--json").lines()[-1]
    assert summary["counts"] == {"update": 1}
    assert summary["stored_bytes"] < 2 << 20
    assert back(place) == changed
    assert back(place, "--at", "1") == data
    # The same again is no change.
    assert place.run("apply", "job.yaml", "--yes", "--json").lines()[-1]["counts"] == {"touch": 1}
    assert place.run("verify", "job.yaml", "--level", "data").code == 0


def test_an_emptied_output_counts_with_the_size_it_has_now(place: Any) -> None:
    for size in (3000, 0):
        write_job(place, f'[head, -c, "{size}", /dev/zero]')
        summary = place.run("apply", "job.yaml", "--yes", "--json").lines()[-1]
        place.write_job()
    assert (summary["counts"], summary["bytes"]) == ({"update": 1}, 0)


@pytest.mark.parametrize("size", [0, 1, 5, 1 << 20])
def test_short_outputs(place: Any, size: int) -> None:
    write_job(place, f'[head, -c, "{size}", /dev/zero]')
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert back(place) == bytes(size)


def test_a_dump_that_failed_is_no_backup(place: Any) -> None:
    write_job(place, script(place, "echo good; exit 0"))
    assert place.run("apply", "job.yaml", "--yes").code == 0
    (place.root / "dump.sh").write_text("echo half; echo 'no such table; password swordfish' >&2; exit 7")
    (place.data / "b.txt").write_text("changed meanwhile")
    done = place.run("apply", "job.yaml", "--yes")
    assert done.code == 3
    assert "dumps/shop.sql" in done.out
    assert "sh ended with status 7" in done.out
    assert "the last stored version is kept" in done.out
    assert back(place) == b"good\n"
    assert (place.root / "back" / "b.txt").read_text() == "changed meanwhile", "the rest of the run went on"
    (place.root / "dump.sh").write_text("echo better")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert back(place) == b"better\n"


def test_a_first_dump_that_fails_is_not_there(place: Any) -> None:
    write_job(place, "[/no/such/program]")
    done = place.run("apply", "job.yaml", "--yes")
    assert done.code == 3
    assert "/no/such/program cannot be started" in done.out
    assert "it is not in the backup" in done.out
    assert place.run("restore", "job.yaml", "dumps/shop.sql", "--to", "back").code != 0


def test_a_dump_that_takes_too_long_is_ended(place: Any) -> None:
    write_job(place, script(place, "echo begun; sleep 600 & echo $! > child; wait"), more=", time_limit: 1")
    began = time.monotonic()
    done = place.run("apply", "job.yaml", "--yes")
    assert done.code == 3
    assert "sh did not end within 1 s" in done.out
    assert time.monotonic() - began < 30
    child = int((place.root / "child").read_text())
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            break
        time.sleep(0.05)
    else:
        pytest.fail("what the command started is still there")


def test_an_output_stands_in_for_a_file_of_its_path(place: Any) -> None:
    """As after a restore in place."""
    (place.data / "dumps").mkdir()
    (place.data / "dumps" / "shop.sql").write_text("an old dump")
    (place.data / "dumps" / "z").write_text("a file behind it")
    write_job(place, "[echo, new]")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert back(place) == b"new\n"
    assert (place.root / "back" / "dumps" / "z").read_text() == "a file behind it"
    assert "3 unchanged" in place.run("plan", "job.yaml").out


def test_what_it_complains_of_does_not_hold_it_up(place: Any) -> None:
    noisy = "head -c 3000000 /dev/zero >&2; head -c 300000 /dev/zero; head -c 3000000 /dev/zero >&2"
    write_job(place, script(place, noisy))
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert back(place) == bytes(300000)


def test_the_command_gets_no_key(place: Any) -> None:
    write_job(place, "[env]")
    text = place.job.read_text().replace("{key_file: ./key}", "{key_env: MY_KEY}")
    place.job.write_text(text)
    env = {"MY_KEY": "test-key-0123456789-abcdefghijkl", "OTHER": "yes"}
    assert place.run("apply", "job.yaml", "--yes", env=env).code == 0
    done = place.run("restore", "job.yaml", "dumps", "--to", "back", env=env)
    assert done.code == 0, done.err
    said = (place.root / "back" / "dumps" / "shop.sql").read_text()
    assert "OTHER=yes" in said
    assert "BACKUP_RUNNER_JOB=job" in said
    assert "MY_KEY" not in said


def test_ctrl_c_ends_the_command_and_keeps_the_old_dump(place: Any) -> None:
    write_job(place, script(place, "echo good"))
    assert place.run("apply", "job.yaml", "--yes").code == 0
    (place.root / "dump.sh").write_text("echo $$ > pid; echo half; exec sleep 600")
    arguments = [sys.executable, "-m", "backup_runner", "apply", "job.yaml", "--yes"]
    process = subprocess.Popen(arguments, cwd=place.root, env=place.environment(), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    for _ in range(400):
        if (place.root / "pid").exists() and (place.root / "pid").read_text().strip():
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    child = int((place.root / "pid").read_text())
    for _ in range(200):
        if not Path(f"/proc/{child}").exists():
            break
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()
    assert back(place) == b"good\n"


def test_sqlite_is_dumped_by_its_own_backup(place: Any) -> None:
    database = place.root / "shop.db"
    with sqlite3.connect(database) as made:
        made.execute("CREATE TABLE goods (name TEXT)")
        made.executemany("INSERT INTO goods VALUES (?)", [(f"item {n}",) for n in range(1000)])
    made.close()
    command = documented("sqlite3")
    if not shutil.which("sqlite3"):
        # The program may not be installed; what it does by `.backup` is done by Python's module.
        tool = place.root / "sqlite3"
        code = "import sqlite3, sys; a, b = map(sqlite3.connect, (sys.argv[1], sys.argv[2].split()[1])); a.backup(b)"
        tool.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{code}' \"$@\"\n")
        tool.chmod(0o755)
        command = command.replace("sqlite3 ", f"{tool} ")
    write_job(place, command.replace("/srv/shop/shop.db", str(database)))
    assert place.run("apply", "job.yaml", "--yes").code == 0
    back(place)
    restored = sqlite3.connect(place.root / "back" / "dumps" / "shop.sql")
    assert restored.execute("SELECT count(*) FROM goods").fetchone() == (1000,)
    restored.close()


def documented(word: str) -> str:
    """The command of the example in docs/dumps.md that has this word."""
    page = (Path(__file__).parents[2] / "docs" / "dumps.md").read_text()
    (found,) = {one for one in re.findall(r"(?m)command: (\[.*?\])\}?$", page) if word in one}
    return str(found)


@pytest.fixture
def postgres() -> Iterator[str]:
    """A server of its own on 127.0.0.1, run by an ordinary user, for it refuses root; its port."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs or not shutil.which("psql"):
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])

    with open_folder() as root:
        os.mkdir(f"{root}/data", 0o700)
        who: dict[str, Any] = {}
        if os.geteuid() == 0:
            give_away(root, NOBODY, NOBODY)
            who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

        def run(program: str, *words: str) -> None:
            command = [str(programs[-1] / program), "-D", f"{root}/data", *words]
            subprocess.run(command, cwd="/", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **who)

        run("initdb", "-U", "shop", "-A", "trust", "--no-sync")
        options = f"-h 127.0.0.1 -p {port} -k {root}/data -c fsync=off"
        run("pg_ctl", "-w", "-l", f"{root}/data/log", "-o", options, "start")
        try:
            yield port
        finally:
            run("pg_ctl", "-m", "immediate", "stop")


def sql(port: str, text: str, database: str = "shop") -> str:
    command = ["psql", "-h", "127.0.0.1", "-p", port, "-U", "shop", "-d", database, "-qtAc", text]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_postgresql(place: Any, postgres: str) -> None:
    sql(postgres, "CREATE DATABASE shop", "postgres")
    sql(postgres, "CREATE TABLE goods AS SELECT n, md5(n::text) AS name FROM generate_series(1, 20000) AS n")
    write_job(place, f"[pg_dump, -h, 127.0.0.1, -p, '{postgres}', -U, shop, shop]")
    assert (done := place.run("apply", "job.yaml", "--yes")).code == 0, done.err
    sql(postgres, "INSERT INTO goods VALUES (20001, 'new')")
    summary = place.run("apply", "job.yaml", "--yes", "--json").lines()[-1]
    assert summary["stored_bytes"] < 700_000, "most of the dump is as it was"
    sql(postgres, "CREATE DATABASE again", "postgres")
    where = f"-h, 127.0.0.1, -p, '{postgres}', -U, shop, "
    write_job(place, documented("--compress=0").replace("[pg_dump, ", f"[pg_dump, {where}"), name="dumps/custom")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    back(place)
    listed = subprocess.run(["pg_restore", "-l", place.root / "back" / "dumps" / "custom"], capture_output=True)
    assert b"TABLE DATA public goods" in listed.stdout
    command = ["psql", "-h", "127.0.0.1", "-p", postgres, "-U", "shop", "-d", "again", "-q"]
    subprocess.run(command, input=back(place), check=True, capture_output=True)
    assert sql(postgres, "SELECT count(*), max(name) FROM goods", "again") == "20001|new"
    # A database that is gone: the last good dump stays.
    sql(postgres, "ALTER DATABASE shop RENAME TO other", "postgres")
    failed = place.run("apply", "job.yaml", "--yes")
    assert failed.code == 3
    assert "pg_dump ended with status 1" in failed.out
    assert 'database "shop" does not exist' in failed.out
    assert b"20001\tnew" in back(place)


def test_a_guard_on_changes_does_not_count_dumps(place: Any) -> None:
    for number in range(25):
        write_job(place, "[date, +%N]", name=f"dumps/{number}")
    place.job.write_text(place.job.read_text() + "guards: {max_change_percent: 5}\n")
    for _ in range(2):
        assert (done := place.run("apply", "job.yaml", "--yes")).code == 0, done.err + done.out


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{path: /dumps/x, command: [date]}", "BR041"),
        ("{path: ../x, command: [date]}", "BR041"),
        ("{path: a//x, command: [date]}", "BR041"),
        ("{path: '${UNSET}/x', command: [date]}", "BR040"),
        ("{path: x, command: [date], skip: [a]}", "BR028"),
        ("{path: ./data, time_limit: 5}", "BR028"),
        ("{path: x, command: date +%s}", 'write [date, "+%s"]'),
        ("{path: x, command: [date], time_limit: 0}", "BR025"),
        ("{path: x, command: [date]}, {path: x, command: [true]}", "BR042"),
    ],
)
def test_validate(place: Any, source: str, said: str) -> None:
    text = place.job.read_text().replace("sources: [{path: ./data}]", f"sources: [{source}]")
    place.job.write_text(text)
    done = place.run("validate", "job.yaml")
    assert said in done.out + done.err
    assert done.code == 1


def test_explain_skips_and_show(place: Any) -> None:
    write_job(place, "[date]")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert place.run("skips", "job.yaml").code == 0
    said = place.run("plan", "job.yaml", "--explain", "dumps/shop.sql")
    assert "yes, by source" in said.out
    # Taken out of the job, the dump is removed from the next snapshot.
    place.write_job()
    assert "dumps/shop.sql" in place.run("plan", "job.yaml").out


def test_standard_input(place: Any) -> None:
    (place.root / "config.yaml").write_text(
        "general: {database_file: ./oneshot.db, crypto_key_file: ./key}\ndirectory: {path: ./one}\n"
    )
    config = ("--config", "config.yaml")
    text = "dump\n" * 100_000
    done = place.run(*config, "file", "backup", "-", "--as", "dumps/shop.sql", stdin=text)
    assert done.code == 0, done.err
    again = place.run(*config, "file", "backup", "-", "--as", "dumps/shop.sql", stdin=text + "more\n")
    assert again.code == 0, again.err
    ((listed,),) = place.run(*config, "file", "list", "--json").lines()
    assert listed["local_file_path"] == "dumps/shop.sql"
    assert listed["size"] == len(text) + 5
    # It is nowhere on disk, and so never gone.
    kept = place.run(*config, "file", "cleanup", "--yes")
    assert kept.code == 0, kept.err
    assert len(place.run(*config, "file", "list", "--json").lines()[0]) == 1
    assert place.run(*config, "file", "backup", "-").code == 64
    assert place.run(*config, "file", "backup", "data/b.txt", "--as", "x").code == 64
    assert place.run(*config, "file", "backup", "-", "--as", "../x").code == 64


def test_a_closed_standard_input_replaces_no_dump(place: Any) -> None:
    (place.root / "config.yaml").write_text(
        "general: {database_file: ./oneshot.db, crypto_key_file: ./key}\ndirectory: {path: ./one}\n"
    )
    words = ("--config", "config.yaml", "file", "backup", "-", "--as", "dumps/c")
    assert place.run(*words, stdin="precious").code == 0
    before = files(place.root / "one")
    # A process of its own: a shell closes the stream before the interpreter starts.
    command = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "backup_runner", *words]
    done = subprocess.run(command, cwd=place.root, env=place.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 64, done.stdout
    assert "standard input is closed" in done.stderr
    assert files(place.root / "one") == before
    ((listed,),) = place.run("--config", "config.yaml", "file", "list", "--json").lines()
    assert listed["size"] == len("precious")


def files(folder: Path) -> list[str]:
    return sorted(map(str, folder.rglob("*")))


@pytest.mark.parametrize("kept", [True, False])
def test_a_folder_with_nothing_but_an_output_is_not_emptied(place: Any, *, kept: bool) -> None:
    """Neither while the output is in the job, nor once it is taken out."""
    (place.data / "dumps").mkdir()
    text = place.job.read_text()
    folder = "{path: ./data/dumps}"
    output = "{path: dumps/x.sql, command: [echo, hi]}"
    place.job.write_text(text.replace("{path: ./data}", f"{folder}, {output}"))
    assert place.run("apply", "job.yaml", "--yes").code == 0
    if not kept:
        place.job.write_text(text.replace("{path: ./data}", folder) + "guards: {min_files: 0}\n")
    done = place.run("apply", "job.yaml", "--yes")
    assert done.code == 0, done.out + done.err


def test_a_folder_with_an_output_that_was_emptied_is_stopped(place: Any) -> None:
    write_job(place, "[echo, hi]", name="docs/x.sql")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    (place.data / "docs" / "a.txt").unlink()
    (place.data / "b.txt").unlink()
    done = place.run("apply", "job.yaml", "--yes")
    assert done.code == 5
    assert "is empty, but 2 of its files are backed up" in done.out + done.err


def test_outputs_do_not_hide_that_all_files_changed(place: Any) -> None:
    for number in range(30):
        write_job(place, "[date, +%N]", name=f"dumps/{number}")
        (place.data / str(number)).write_text("as it was")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    for number in range(30):
        (place.data / str(number)).write_text("encrypted")
    done = place.run("apply", "job.yaml", "--yes")
    assert done.code == 5, done.out
    assert "mass change: 30 of 32 files" in done.out + done.err


@pytest.mark.parametrize("stored", [True, False])
def test_an_output_with_the_name_of_a_folder_on_disk(place: Any, *, stored: bool) -> None:
    """It is stored instead of the folder, and that is a problem of every run: no name is a file and a folder."""
    if stored:
        assert place.run("apply", "job.yaml", "--yes").code == 0
    write_job(place, "[echo, hi]", name="docs")
    for name in ("docs!", "docs.txt", "docs0"):
        (place.data / name).write_text("sorts around it")
    (place.data / "docs" / "folder").mkdir()
    for _ in range(2):
        done = place.run("apply", "job.yaml", "--yes", "--json")
        assert done.code == 3, done.out + done.err
        assert done.lines()[-1]["problem_count"] == 1
    assert "! docs/  name-taken: is stored as the output of a command" in place.run("plan", "job.yaml").out
    assert place.run("restore", "job.yaml", "--to", "back").code == 0
    assert (place.root / "back" / "docs").read_text() == "hi\n"
    names = ["b.txt", "docs", "docs!", "docs.txt", "docs0"]
    assert sorted(path.name for path in (place.root / "back").iterdir()) == names
    said = place.run("plan", "job.yaml", "--explain", str(place.data / "docs" / "a.txt"))
    assert "not backed up" in said.out


@pytest.mark.parametrize("link", [True, False])
def test_an_output_below_the_name_of_a_file_on_disk(place: Any, *, link: bool) -> None:
    write_job(place, "[echo, hi]", name="b.txt/deep/x.sql")
    if link:
        (place.data / "b.txt").unlink()
        (place.data / "b.txt").symlink_to("docs/a.txt")
        place.job.write_text(place.job.read_text() + "symlinks: store\n")
    done = place.run("apply", "job.yaml", "--yes")
    assert done.code == 3, done.out + done.err
    assert "the output of a command is stored below it" in done.out
    assert place.run("restore", "job.yaml", "--to", "back").code == 0
    assert (place.root / "back" / "b.txt" / "deep" / "x.sql").read_text() == "hi\n"
    assert (place.root / "back" / "docs" / "a.txt").read_text() == "first"


def test_standard_input_under_a_name_that_is_taken(place: Any) -> None:
    (place.root / "config.yaml").write_text(
        "general: {database_file: ./oneshot.db, crypto_key_file: ./key, relative_path: .}\ndirectory: {path: ./one}\n"
    )
    words = ("--config", "config.yaml", "file", "backup", "-", "--as")
    assert place.run(*words, "dumps/a", stdin="first").code == 0
    assert place.run("--config", "config.yaml", "directory", "backup", "--dir-paths", "data").code == 0
    for name, said in (
        ("dumps", "dumps/ is a folder in the backup"),
        ("dumps/a/b", "dumps/a is a file in the backup"),
        ("dumps/a/b/c", "dumps/a is a file in the backup"),
        ("data/docs", "data/docs/ is a folder in the backup"),
    ):
        done = place.run(*words, name, stdin="other")
        assert done.code == 64, done.out
        assert said in done.err
    for name in ("dumps/a", "dumps/b", "dump", "dumps.x"):
        assert place.run(*words, name, stdin="other").code == 0
