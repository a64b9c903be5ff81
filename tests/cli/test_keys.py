"""`key new`, `key show`, `key check --typed`, key pairs: keys as text, on paper and typed again."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from backup_runner.container.suite2.recipients import read_recipient
from backup_runner.container.suite2.seeds import SecretKind, read_secret
from backup_runner.keytext import KeyTextError
from backup_runner.report.paper import paper_html, paper_lines
from backup_runner.repository.keyfile import load_secret
from backup_runner.spec import EncryptionSpec

RAW = b"a secret of just 32 bytes, yes.."


@pytest.mark.parametrize("form", ["raw", "text", "hex", "base64"])
def test_a_raw_key_in_every_form_opens_what_its_file_sealed(place: Any, form: str) -> None:
    """The job's key file moves into an environment variable, as CI has it."""
    import base64

    key = (place.root / "key").read_bytes()
    place.run("apply", "job.yaml", "--yes")
    told = place.run("key", "show", "key").out.strip()
    forms = {"raw": os.fsdecode(key), "text": told, "hex": key.hex(), "base64": base64.b64encode(key).decode()}
    job = place.root / "job.yaml"
    job.write_text(re.sub(r"key_file: \S*?key", "key_env: THE_KEY", job.read_text()))
    done = place.run("restore", "job.yaml", "--to", "back", env={"THE_KEY": forms[form]})
    assert done.code == 0, done.err
    assert place.run("apply", "job.yaml", "--yes", env={"THE_KEY": forms[form]}).code == 0


def test_a_wrong_letter_is_no_wrong_key(tmp_path: Path) -> None:
    text = read_secret(RAW).text
    for place in range(len("bkr-raw1"), len(text), 7):
        wrong = text[:place] + ("q" if text[place] != "q" else "p") + text[place + 1 :]
        with pytest.raises(KeyTextError) as caught:
            load_secret(EncryptionSpec(key_env="K"), {"K": wrong})
        assert wrong[8:20] not in f"{caught.value.message}{caught.value.hint}"


def test_paper_is_read_back(place: Any, tmp_path: Path) -> None:
    page = place.run("key", "show", "key", "--paper").out
    assert read_secret(page.encode()) == read_secret((place.root / "key").read_bytes())
    assert place.run("key", "check", "job.yaml", "--typed", stdin=page).code == 0
    letter = page.index("bkr-ra") + 10
    wrong = page[:letter] + ("q" if page[letter] != "q" else "p") + page[letter + 1 :]
    said = place.run("key", "check", "job.yaml", "--typed", stdin=wrong)
    assert said.code == 1
    assert "letter" in said.err
    other = place.run("key", "check", "job.yaml", "--typed", stdin=read_secret(RAW).text)
    assert "not the key of this job" in other.err


def test_the_page_holds_what_its_qr_code_does() -> None:
    text = read_secret(RAW).text
    html = paper_html(text, "0123")
    assert "<svg" in html
    assert read_secret("\n".join(paper_lines(text, "0123")).encode()).value == RAW
    letters = re.search(r"<pre>(.*?)</pre>", html, re.DOTALL)
    assert letters is not None
    assert read_secret(letters[1].encode()).value == RAW


def test_a_key_pair_and_its_public_half(place: Any) -> None:
    assert place.run("key", "pair", "ops.pair").code == 0
    assert (place.root / "ops.pair").stat().st_mode & 0o777 == 0o600
    public = place.run("key", "recipient", "ops.pair").out
    assert len(read_recipient(public).opening) == 1216
    assert "not a key pair" in place.run("key", "recipient", "key").err
    env = {"WORDS": "correct horse"}
    assert place.run("key", "pair", "sealed.pair", "--passphrase-env", "WORDS", env=env).code == 0
    refused = place.run("key", "recipient", "sealed.pair")
    assert "protected by a passphrase" in refused.err
    assert place.run("key", "recipient", "sealed.pair", "--passphrase-env", "WORDS", env=env).code == 0
    wrong = place.run("key", "recipient", "sealed.pair", "--passphrase-env", "WORDS", env={"WORDS": "horse"})
    assert "wrong passphrase for this key pair" in wrong.err
    secret, _ = load_secret(
        EncryptionSpec(key_file=str(place.root / "sealed.pair"), passphrase_env="WORDS"), {"WORDS": "correct horse"}
    )
    assert secret.kind is SecretKind.PAIR
