"""`encryption.recipients` in a job file: who can open is part of the plan, and an apply carries its changes out."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from backup_runner.container.suite2.seeds import Secret, SecretKind
from backup_runner.keytext import RECIPIENT, encode_text


def encryption(place: Any, text: str) -> None:
    job = place.root / "job.yaml"
    job.write_text(re.sub(r"encryption: .*", f"encryption: {text}", job.read_text()))


def pair(place: Any, name: str) -> str:
    """The public half, which is in NAME.pub as well."""
    assert place.run("key", "pair", f"{name}.pair").code == 0
    told = place.run("key", "recipient", f"{name}.pair").out
    (place.root / f"{name}.pub").write_text(told)
    return str(told.splitlines()[-1])


def opens(place: Any, key: str, env: dict[str, str] | None = None) -> bool:
    """Whether somebody on an empty machine who has that secret alone pulls and restores all."""
    away = place.root / "away"
    shutil.rmtree(away, ignore_errors=True)
    away.mkdir()
    text = (place.root / "job.yaml").read_text()
    text = re.sub(r"encryption: .*", f"encryption: {{{key}}}", text).replace("./", f"{place.root}/")
    (away / "job.yaml").write_text(text.replace(f"{place.root}/catalog.db", f"{away}/catalog.db"))
    if place.run("catalog", "pull", away / "job.yaml", env=env).code:
        return False
    done = place.run("restore", away / "job.yaml", "--to", away / "back", env=env)
    got = {p.relative_to(away / "back"): p.read_bytes() for p in (away / "back").rglob("*") if p.is_file()}
    want = {p.relative_to(place.data): p.read_bytes() for p in place.data.rglob("*") if p.is_file()}
    return done.code == 0 and got == want


def holders(place: Any, env: dict[str, str] | None = None) -> dict[str, str]:
    found = place.run("key", "list", "job.yaml", "--json", env=env)
    assert found.code == 0, found.err
    return {one["name"]: one["kind"] for one in json.loads(found.out)["recipients"]}


def actions(place: Any, *more: str, env: dict[str, str] | None = None) -> list[dict[str, Any]]:
    done = place.run("plan", "job.yaml", "--json", *more, env=env)
    assert done.code == 0, done.err
    return [line for line in done.lines() if line.get("action") == "key"]


WORDS = {"WORDS": "correct horse battery staple"}


def test_recipients_come_with_the_first_apply_and_each_opens_alone(place: Any, schema: Any) -> None:
    text = pair(place, "vault")
    pair(place, "ops")
    encryption(place, f"{{key_file: ./key, recipients: [{text}, ./ops.pub, {{passphrase_env: WORDS}}]}}")
    planned = place.run("plan", "job.yaml", "--json", env=WORDS)
    assert planned.code == 0, planned.err
    for line in planned.lines():
        schema("plan")(line)
    named = [(line["change"], line["recipient"]) for line in planned.lines() if line.get("action") == "key"]
    assert [change for change, _ in named] == ["add"] * 3
    assert {name for _, name in named} >= {"ops", "WORDS"}
    assert len(planned.lines()[-1]["opens"]) == 4
    said = place.run("plan", "job.yaml", env=WORDS).out
    assert "Can be decrypted by: the key of this job, " in said
    assert "3 recipients to change" in said
    assert place.run("apply", "job.yaml", "--yes", env=WORDS).code == 0
    assert actions(place, env=WORDS) == []
    assert sorted(holders(place).values()) == ["pair", "pair", "passphrase", "raw"]
    assert opens(place, "key_file: ./ops.pair")
    assert opens(place, "key_file: ./vault.pair")
    # Somebody's passphrase is a secret like a key, in a variable of its own.
    assert not opens(place, "key_file: ./other")


def test_who_comes_and_goes_is_a_change_of_the_plan(place: Any) -> None:
    pair(place, "ops")
    pair(place, "boss")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert not opens(place, "key_file: ./ops.pair")
    encryption(place, "{key_file: ./key, recipients: [./ops.pub, ./boss.pub]}")
    assert [(one["change"], one["recipient"]) for one in actions(place)] == [("add", "ops"), ("add", "boss")]
    (place.data / "c.txt").write_text("third")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert opens(place, "key_file: ./ops.pair")
    # Somebody whom `key add` let in is nobody's business here.
    pair(place, "friend")
    assert place.run("key", "add", "job.yaml", "friend.pub", "--yes").code == 0
    encryption(place, "{key_file: ./key, recipients: [./boss.pub]}")
    (found,) = actions(place)
    assert (found["change"], found["recipient"]) == ("remove", "ops")
    (place.data / "d.txt").write_text("fourth")
    for form in ("text", "markdown", "html"):
        place.run("plan", "job.yaml", "--out", "saved.plan")
        shown = place.run("show", "saved.plan", "--format", form).out
        assert "remove ops" in shown
        assert "friend" in shown
        assert "can still decrypt" in shown or form == "markdown"
    done = place.run("apply", "saved.plan", "--yes")
    assert done.code == 0, done.err
    assert set(holders(place)) >= {"boss", "friend"}
    assert "ops" not in holders(place)
    assert not opens(place, "key_file: ./ops.pair")
    assert opens(place, "key_file: ./boss.pair")
    assert opens(place, "key_file: ./friend.pair")
    assert opens(place, "key_file: ./key")
    assert actions(place) == []


def test_a_plan_does_not_let_in_whom_it_did_not_name(place: Any) -> None:
    """The file of a public key is replaced between review and apply."""
    pair(place, "ops")
    place.run("apply", "job.yaml", "--yes")
    encryption(place, "{key_file: ./key, recipients: [./ops.pub]}")
    assert place.run("plan", "job.yaml", "--out", "saved.plan").code == 0
    pair(place, "evil")
    shutil.copy(place.root / "evil.pub", place.root / "ops.pub")
    before = sorted(Path(place.root / "bucket").rglob("*"))
    done = place.run("apply", "saved.plan", "--yes")
    assert done.code == 5 or done.code == 4, (done.code, done.err)
    assert "the recipients changed since the plan was made: ops" in done.err
    assert [p for p in sorted(Path(place.root / "bucket").rglob("*")) if p not in before] == []


def test_the_last_one_and_the_own_key_stay(place: Any) -> None:
    pair(place, "ops")
    encryption(place, "{key_file: ./key, recipients: [./ops.pub]}")
    place.run("apply", "job.yaml", "--yes")
    encryption(place, "{key_file: ./key}")
    assert [one["change"] for one in actions(place)] == ["remove"]
    place.run("apply", "job.yaml", "--yes")
    assert list(holders(place).values()) == ["raw"]
    assert actions(place) == []
    # Who reads only changes nothing, and is told so.
    place.run("key", "add", "job.yaml", "ops.pub", "--yes")
    encryption(place, "{key_file: ./ops.pair, recipients: []}")
    pair(place, "boss")
    encryption(place, "{key_file: ./ops.pair, recipients: [./boss.pub]}")
    said = place.run("plan", "job.yaml")
    assert "only an owner can change who else may" in said.out
    assert "key" not in {line.get("action") for line in place.run("plan", "job.yaml", "--json").lines()}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("{{key_file: ./key, recipients: [{wrong}]}}", "", "if only one letter is wrong, it is character 300 or 1323"),
        ("{{key_file: ./key, recipients: [{good}, {good}]}}", "", "recipient 2 is the same as recipient 1"),
        ("{{key_file: ./key, recipients: [{short}]}}", "", "a public key has 1248 bytes, this one has 32"),
        ("{{key_file: ./key, recipients: [{secret}]}}", "", "this is a secret key"),
        ("{{key_file: ./key, recipients: [age1qqq]}}", "", "this is a key of age"),
        ("{{recipients: [{{passphrase_env: WORDS}}]}}", "", "seals to public keys only"),
        ("{{recipients: []}}", "", "has no setting for the key"),
        ("{{key_file: ./key, recipients: ./ops.pub}}", "", "recipients must be a list"),
        ("{{key_file: ./key, recipients: [{{passphrase: x}}]}}", "", "must not contain secrets"),
        ("{{key_env: KEY, passphrase_env: WORDS}}", "", "`passphrase_env` without `key_file`"),
    ],
)
def test_mistakes_are_named_with_their_place(place: Any, text: str, line: str, says: str) -> None:
    good = encode_text(RECIPIENT, bytes(1248))
    wrong = good[:299] + ("q" if good[299] != "q" else "p") + good[300:]
    secret = Secret(SecretKind.TEXT, b"s" * 32).text
    encryption(place, text.format(good=good, wrong=wrong, secret=secret, short=encode_text(RECIPIENT, bytes(32))))
    done = place.run("validate", "job.yaml")
    assert done.code == 1
    said = done.out + done.err
    assert says in said
    assert re.search(r"job\.yaml:6:\d+", said)
    assert secret[8:20] not in said


def test_a_host_without_a_secret_backs_up_and_says_who_reads(place: Any) -> None:
    pair(place, "ops")
    encryption(place, "{recipients: [./ops.pub]}")
    assert place.run("validate", "job.yaml").code == 0
    said = place.run("plan", "job.yaml")
    assert "add ops" in said.out
    done = place.run("apply", "job.yaml", "--yes")
    assert done.code == 0, done.err
    (place.data / "later.txt").write_text("later")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    for command in (("restore", "--to", "back"), ("verify", "--level", "data"), ("catalog", "pull"), ("key", "check")):
        name, *rest = command if command[0] not in ("catalog", "key") else (command,)
        words = [*name] if isinstance(name, tuple) else [name]
        done = place.run(*words, "job.yaml", *rest)
        assert done.code == 1, (command, done)
        assert "this host only encrypts" in done.err
        assert "with the key of a recipient: ops (" in done.err
    assert place.run("verify", "job.yaml").code == 0
    listed = json.loads(place.run("key", "list", "job.yaml", "--json").out)
    assert [one["rights"] for one in listed["writers"]] == ["owner", "host"]
    assert opens(place, "key_file: ./ops.pair")
    # Its own file is no part of a backup, and decrypts nothing as a key either.
    assert not opens(place, "key_file: ./catalog.db.host-key")


def test_a_writer_comes_and_what_they_wrote_goes(place: Any) -> None:
    pair(place, "ops")
    place.run("apply", "job.yaml", "--yes")
    done = place.run("key", "add", "job.yaml", "ops.pub", "--writer", "--yes")
    assert done.code == 0, done.err
    assert "may write" in done.out
    listed = json.loads(place.run("key", "list", "job.yaml", "--json").out)
    assert [one["rights"] for one in listed["writers"]] == ["owner", "writer", "writer"]
    encryption(place, "{key_file: ./ops.pair}")
    (place.data / "theirs.txt").write_text("theirs")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    encryption(place, "{key_file: ./key}")
    assert place.run("catalog", "pull", "job.yaml", "--until", "1").code == 0
    assert place.run("restore", "job.yaml", "--to", "one").code == 0
    assert not (place.root / "one" / "theirs.txt").exists()
    assert place.run("catalog", "pull", "job.yaml").code == 0
    told = place.run("key", "remove", "job.yaml", "ops", "--after", "1", "--yes")
    assert "wrote after record 1 is ignored" in told.out, told.err
    assert place.run("catalog", "pull", "job.yaml").code == 0
    assert place.run("restore", "job.yaml", "--to", "two").code == 0
    assert not (place.root / "two" / "theirs.txt").exists()
    assert place.run("apply", "job.yaml", "--yes").code == 0


def test_an_owner_adds_the_signing_key_of_another_machine(place: Any, schema: Any) -> None:
    """A reader on that machine then makes backups from there; with `key list`, the owner sees which machines write."""
    pair(place, "ops")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert place.run("key", "add", "job.yaml", "ops.pub", "--yes").code == 0
    web = place.root / "web.yaml"
    text = (place.root / "job.yaml").read_text().replace("./catalog.db", "./web/catalog.db")
    web.write_text(text.replace("key_file: ./key", "key_file: ./ops.pair"))
    assert place.run("catalog", "pull", "web.yaml").code == 0
    (place.data / "new.txt").write_text("new")
    refused = place.run("apply", "web.yaml", "--yes")
    assert "no owner enrolled it as a writer" in refused.err
    assert "key writer JOB" in refused.err
    told = place.run("key", "writer", "web.yaml")
    assert told.code == 0, told.err
    assert (place.root / "web" / "catalog.db.host-key").stat().st_mode & 0o777 == 0o600
    assert place.run("key", "writer", "web.yaml").out == told.out
    key = told.out.splitlines()[-1]
    assert key.startswith("bkr-writer1")
    (place.root / "web.pub").write_text(told.out)
    without = place.run("key", "add", "job.yaml", key, "--yes")
    assert "add it with --writer" in without.err
    wrong = key[:20] + ("q" if key[20] != "q" else "p") + key[21:]
    mistyped = place.run("key", "add", "job.yaml", wrong, "--writer", "--yes")
    assert "it is character 21" in mistyped.err
    done = place.run("key", "add", "job.yaml", "web.pub", "--writer", "--yes")
    assert done.code == 0, done.err
    assert "+ web (" in done.out
    assert "decrypts nothing" in done.out
    fingerprint = told.out.split()[2]
    applied = place.run("apply", "web.yaml", "--yes")
    assert applied.code == 0, applied.err
    listed = json.loads(place.run("key", "list", "job.yaml", "--json").out)
    schema("key-list")(listed)
    rows = {one["fingerprint"]: one for one in listed["writers"]}
    assert (rows[fingerprint]["name"], rows[fingerprint]["rights"]) == ("web", "writer")
    assert rows[fingerprint]["machine_of"] is None
    assert [one["this_machine"] for one in listed["writers"]] == [False, True, False]
    shown = place.run("key", "list", "job.yaml").out
    assert f"{fingerprint}  web  writer, since record 1" in shown
    assert ", this machine" in shown
    assert "the key of this job" not in shown
    assert place.run("key", "remove", "job.yaml", "web", "--after", "1", "--yes").code == 0
    assert "is void" in place.run("apply", "web.yaml", "--yes").err
    assert place.run("catalog", "pull", "web.yaml").code == 0
    again = place.run("apply", "web.yaml", "--yes")
    assert "was removed as a writer" in again.err
    assert place.run("catalog", "pull", "job.yaml").code == 0
    assert place.run("apply", "job.yaml", "--yes").code == 0


def test_a_pair_under_a_passphrase_pulls_and_restores(place: Any) -> None:
    env = {"OPS_WORDS": "correct horse"}
    assert place.run("key", "pair", "ops.pair", "--passphrase-env", "OPS_WORDS", env=env).code == 0
    told = place.run("key", "recipient", "ops.pair", "--passphrase-env", "OPS_WORDS", env=env).out
    encryption(place, f"{{key_file: ./key, recipients: [{told.splitlines()[-1]}]}}")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert opens(place, "key_file: ./ops.pair, passphrase_env: OPS_WORDS", env)
    assert not opens(place, "key_file: ./ops.pair, passphrase_env: OPS_WORDS", {"OPS_WORDS": "horse"})
    assert not opens(place, "key_file: ./ops.pair")


def test_removing_an_owner_removes_their_machines_and_says_what_it_does_not_do(place: Any) -> None:
    pair(place, "ops")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert place.run("key", "add", "job.yaml", "ops.pub", "--owner", "--yes").code == 0
    theirs = place.root / "theirs.yaml"
    text = (place.root / "job.yaml").read_text().replace("./catalog.db", "./theirs/catalog.db")
    theirs.write_text(text.replace("key_file: ./key", "key_file: ./ops.pair"))
    pulled = place.run("catalog", "pull", "theirs.yaml")
    assert "this machine now signs with a key of its own" in pulled.out + pulled.err
    (place.data / "theirs.txt").write_text("theirs")
    assert place.run("apply", "theirs.yaml", "--yes").code == 0
    assert place.run("catalog", "pull", "job.yaml").code == 0
    asked = place.run("key", "remove", "job.yaml", "ops")
    assert "--yes" in asked.err
    for said in (
        r"- ops \([0-9a-f-]{19}\) cannot decrypt backups made from now on",
        r"- what ops \([0-9a-f-]{19}\) wrote after record 2 is ignored",
        r"- what \S+ [0-9a-f-]{19} wrote after record 2 is ignored",
        "has a copy of the bucket can still decrypt everything written so far",
        "stay in the bucket until `prune` deletes them",
    ):
        assert re.search(said, asked.out), asked.out
    assert set(holders(place)) >= {"ops"}
    assert place.run("key", "remove", "job.yaml", "ops", "--yes").code == 0
    listed = json.loads(place.run("key", "list", "job.yaml", "--json").out)
    assert [one["void_after"] for one in listed["writers"]] == [None, None, 2, 2]
    assert "may read, but not write" in place.run("apply", "theirs.yaml", "--yes").err
    assert "was removed as a writer" in place.run("key", "add", "job.yaml", "ops.pub", "--owner", "--yes").err
    (place.data / "more.txt").write_text("more")
    assert place.run("apply", "job.yaml", "--yes").code == 0
    assert opens(place, "key_file: ./key")
    assert not opens(place, "key_file: ./ops.pair")
