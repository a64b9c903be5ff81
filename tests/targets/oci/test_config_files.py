"""Each way in which an OCI config file or its key can be wrong has its own message, which never quotes the file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from hashlib import md5
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from backup_runner.errors import BackupRunnerError
from backup_runner.targets.oci.spec import AuthMethod, AuthSpec, OciTargetSpec
from backup_runner.targets.oci.target import OciTarget
from tests.oci_emulator.fixture import Running
from tests.targets.oci.site import Site

DATA = b"data"
RSA = rsa.generate_private_key(65537, 2048)
PLAIN, PKCS1 = (Encoding.PEM, PrivateFormat.PKCS8), (Encoding.PEM, PrivateFormat.TraditionalOpenSSL)
PEM = RSA.private_bytes(*PLAIN, NoEncryption())
BODY = [line for line in PEM.decode().split("\n") if line and "-----" not in line]


@pytest.fixture
def good(running: Running) -> str:
    return Path(running.owner.config_file).read_text()


@pytest.fixture
def attempt(running: Running, tmp_path: Path) -> Callable[..., str]:
    """Message and hint of the first call with this config file; "" if it works."""

    def run(text: str | bytes, *, profile: str = "DEFAULT", method: AuthMethod = AuthMethod.CONFIG_FILE) -> str:
        path = tmp_path / "config"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        auth = AuthSpec(method, str(path), profile)
        spec = OciTargetSpec(running.bucket, running.namespace, endpoint=running.url, auth=auth)
        try:
            OciTarget(spec, patience=2).put(f"{tmp_path.name}/x", DATA, md5=md5(DATA, usedforsecurity=False).digest())
        except BackupRunnerError as error:
            told = f"{error.message}\n{error.hint or 'no hint'}"
        else:
            return ""
        assert not re.search(r"[A-Za-z0-9+/]{40}|no hint", told)
        return told

    return run


Attempt = Callable[..., str]


def test_a_good_one_works(attempt: Attempt, good: str) -> None:
    assert attempt(good) == ""
    assert attempt(good.replace("\n", "\r\n")) == ""
    assert attempt("# note\n; note\n" + good + "\n[OTHER]\nuser = x\n") == ""
    assert attempt(good.replace("DEFAULT", "MINE"), profile="MINE") == ""


def test_a_byte_order_mark_is_read_over(attempt: Attempt, good: str) -> None:
    assert attempt(b"\xef\xbb\xbf" + good.encode()) == ""


@pytest.mark.parametrize("indent", ["", "  "])
def test_a_key_in_the_config(attempt: Attempt, good: str, indent: str) -> None:
    key = f"\n{indent}".join(PEM.decode().strip().split("\n"))
    told = attempt(f"{good}key_content={key}\n")
    assert "has a private key in it" in told
    assert "key_file" in told
    told = attempt(f"{good}key_content={indent}{BODY[0]}\n")
    assert "key_content is not allowed in a file" in told
    told = attempt(f"{good}key_content=\n" + "\n".join(BODY))
    assert "line 8 is neither NAME=VALUE nor [PROFILE]" in told


def test_what_is_no_config(attempt: Attempt, good: str) -> None:
    assert "line 1 is before the first profile" in attempt(good.replace("[DEFAULT]\n", ""))
    assert "line 7 is a duplicate of user in profile DEFAULT" in attempt(good + "user=x\n")
    assert "line 8 is a duplicate of a setting" in attempt(f"{good}{BODY[0]}=x\n{BODY[0]}=y\n")
    assert "line 9 is a duplicate of the profile A" in attempt(good + "[A]\nuser=x\n[A]\n")
    assert "line 7 is neither" in attempt(good + BODY[0] + "\n")
    assert "is not UTF-8" in attempt(good.encode("utf-16"))
    assert "user is missing" in attempt("")
    assert "has no profile TEST" in attempt(good + "[OTHER]\n", profile="TEST")
    assert "OTHER" in attempt(good + "[OTHER]\n", profile="TEST")


def test_settings_that_are_wrong(attempt: Attempt, good: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("user", "tenancy", "fingerprint", "key_file", "region"):
        told = attempt(re.sub(f"(?m)^{name}=.*\n", "", good))
        assert f"{name} is missing" in told
        if name not in ("key_file", "region"):
            assert f"{name} is malformed" in attempt(re.sub(f"(?m)^{name}=.*", f"{name}=x", good))
    assert "user is missing, region is missing" in attempt(re.sub("(?m)^(user|region)=.*\n", "", good))
    monkeypatch.setenv("OCI_REGION", "eu-frankfurt-1")
    assert attempt(re.sub("(?m)^region=.*\n", "", good)) == ""
    assert attempt(good + "log_requests=perhaps\n") == ""


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("instance_principal", "set target.auth.method to instance_principal"),
        ("resource_principal", "set target.auth.method to resource_principal"),
        ("security_token", "set target.auth.method to session_token"),
        ("delegation_token_with_instance_principal", "choose target.auth.method"),
        ("odd", "choose target.auth.method"),
    ],
)
def test_profiles_for_other_methods(attempt: Attempt, good: str, kind: str, hint: str) -> None:
    assert hint in attempt(f"{good}authentication_type={kind}\n")
    assert hint in attempt(f"[DEFAULT]\nauthentication_type={kind}\n")


def test_a_profile_with_a_session_token(attempt: Attempt, good: str, tmp_path: Path) -> None:
    session = re.sub("(?m)^user=.*\n", "", good)
    assert "set target.auth.method to session_token" in attempt(f"{session}security_token_file={tmp_path}/token\n")
    told = attempt(f"{session}security_token_file={tmp_path}/token\n", method=AuthMethod.SESSION_TOKEN)
    assert "token cannot be read: No such file" in told
    assert "oci session authenticate" in told


KEYS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the file is empty"),
    "text": (b"hello\n", "this is not a key in PEM"),
    "binary": (bytes(range(256)), "this is not a key in PEM"),
    "der": (RSA.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), "this is not a key in PEM"),
    "public": (RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "this is a public key"),
    "certificate": (b"-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n", "this is not a private key"),
    "ssh": (RSA.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()), "this is an SSH key"),
    "cut": (PEM[:900], "the key is damaged"),
    "elliptic": (
        ec.generate_private_key(ec.SECP256R1()).private_bytes(*PLAIN, NoEncryption()),
        "this is not an RSA key",
    ),
    "edwards": (ed25519.Ed25519PrivateKey.generate().private_bytes(*PLAIN, NoEncryption()), "but Ed25519"),
    "encrypted": (RSA.private_bytes(*PLAIN, BestAvailableEncryption(b"x")), "the profile has no pass_phrase"),
    "encrypted, old form": (RSA.private_bytes(*PKCS1, BestAvailableEncryption(b"x")), "the profile has no pass_phrase"),
}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("method", [AuthMethod.CONFIG_FILE, AuthMethod.SESSION_TOKEN])
def test_keys(attempt: Attempt, good: str, tmp_path: Path, name: str, method: AuthMethod) -> None:
    data, expected = KEYS[name]
    (tmp_path / "key.pem").write_bytes(data)
    (tmp_path / "token").write_text("token")
    text = re.sub("(?m)^key_file=.*", f"key_file={tmp_path}/key.pem", good)
    if method is AuthMethod.SESSION_TOKEN:
        text += f"security_token_file={tmp_path}/token\n"
    told = attempt(text, method=method)
    assert expected in told
    assert f"key_file {tmp_path}/key.pem" in told


def test_passphrases(attempt: Attempt, running: Running, tmp_path: Path) -> None:
    user = running.new_user("phrase")
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = Path(user.key_file)
    plain = path.read_bytes()
    key = load_pem_private_key(plain, None)
    good = Path(user.config_file).read_text()
    assert attempt(good + "pass_phrase=not needed\n") == ""
    for form in (PLAIN, PKCS1):
        path.write_bytes(key.private_bytes(*form, BestAvailableEncryption(b"open % sesame")))
        assert attempt(good + "pass_phrase=open % sesame\n") == ""
        told = attempt(good + "pass_phrase=Wr0ngPhrase\n")
        assert "pass_phrase is wrong" in told
        assert "Wr0ngPhrase" not in told
        told = attempt(good + "pass_phrase=gehäim\n")
        assert "pass_phrase has characters other than ASCII" in told
        assert "gehäim" not in told


def test_key_files_that_cannot_be_read(attempt: Attempt, good: str, tmp_path: Path) -> None:
    def with_key(path: object) -> str:
        return attempt(re.sub("(?m)^key_file=.*", f"key_file={path}", good))

    assert "file not found" in with_key(tmp_path / "none")
    assert "Is a directory" in with_key(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    assert "Invalid argument" in with_key(tmp_path / "fifo")


def test_the_config_itself(running: Running, tmp_path: Path) -> None:
    spec = OciTargetSpec(running.bucket, running.namespace, endpoint=running.url)
    for path, expected in (("none", "OCI config file not found"), ("", "Is a directory")):
        with pytest.raises(BackupRunnerError, match=expected):
            OciTarget(replace(spec, auth=AuthSpec(config_file=f"{tmp_path}/{path}"))).put("x", b"", md5=b"")


@pytest.mark.parametrize("debug", ["", "1"])
def test_no_command_prints_a_key(running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, debug: str) -> None:
    monkeypatch.setenv("BACKUP_RUNNER_DEBUG", debug)
    config = tmp_path / "oci.config"
    config.write_text(Path(running.owner.config_file).read_text() + "key_content=\n" + "\n".join(BODY) + "\n")
    site = Site(tmp_path, running, {"auth": {"method": "config_file", "config_file": str(config)}})
    site.write("a", 100)
    for command in (("plan",), ("apply", "--yes"), ("verify",), ("target check",), ("catalog pull",)):
        done = site.run(*command, codes=None)
        assert done.code in (1, 3), done.text
        for line in BODY:
            assert line not in done.out + done.err


def test_a_key_that_others_can_read_is_warned_about(running: Running, tmp_path: Path) -> None:
    user = running.new_user("exposed")
    site = Site(tmp_path, running, {"auth": {"method": "config_file", "config_file": user.config_file}})
    site.write("a", 100)
    assert "readable by other users" not in site.run("plan").err
    os.chmod(user.key_file, 0o644)
    assert f"{user.key_file} is readable by other users and contains a key to the bucket" in site.run("plan").err
    assert "readable by other users" in site.apply().err
    os.chmod(user.config_file, 0o644)
    assert f"{user.config_file} is readable" not in site.run("plan").err
    with open(user.config_file, "a") as file:
        file.write("pass_phrase=x\n")
    assert f"{user.config_file} is readable" in site.run("plan").err
