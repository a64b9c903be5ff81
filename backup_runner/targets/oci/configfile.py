"""The OCI config file: read here and not by the SDK, whose errors quote the file, private keys in it included."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import stat
from typing import Any

import oci
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from ...errors import ConfigError
from ...foreign import describe
from .spec import AuthMethod, AuthSpec

HINT = "docs/oci-setup.md shows how to create a key and a config file"
_MOST = 1 << 20
_KEYS = ("user", "tenancy", "fingerprint", "key_file", "region")
_FORMS = {
    "user": "user is malformed: an OCID is expected, ocid1.user.…",
    "tenancy": "tenancy is malformed: an OCID is expected, ocid1.tenancy.…",
    "fingerprint": "fingerprint is malformed: 16 pairs of hexadecimal digits are expected, with colons between them",
}
_KNOWN = frozenset(
    {*_KEYS, "pass_phrase", "security_token_file", "key_content", "log_requests", "authentication_type"}
    | {"additional_user_agent", "delegation_token_file", "compartment", "compartment-id"}
)
_METHODS = {
    "instance_principal": "instance_principal",
    "resource_principal": "resource_principal",
    "security_token": "session_token",
}
"""Values of `authentication_type` in profiles of oci-cli and rclone, and their names in a job."""


def read_profile(auth: AuthSpec, region: str | None = None) -> dict[str, Any]:
    """The profile's settings for the SDK. Raises ConfigError, which never quotes the file."""
    sections = _parse(auth.config_file)
    if auth.profile not in sections:
        there = [name for name in sections if name != "DEFAULT" or sections["DEFAULT"]]
        hint = f"set target.auth.profile to one it has: {', '.join(there[:10]) or 'there is none'}"
        raise ConfigError(f"{auth.config_file} has no profile {auth.profile}", hint=hint)
    found: dict[str, Any] = oci.config.DEFAULT_CONFIG | dict(sections[auth.profile])
    # The SDK would log every request with its headers.
    found["log_requests"] = False
    found["region"] = region or found.get("region") or os.environ.get("OCI_REGION")
    if "key_content" in found:
        raise _unusable(auth, "key_content is not allowed in a file", hint=_KEY_HINT)
    if auth.method is AuthMethod.CONFIG_FILE:
        _check(found, auth)
    return found


_KEY_HINT = "put the private key into its own file (mode 600), and set key_file to its path"


def check_key(config: dict[str, Any], auth: AuthSpec) -> None:
    """Raise ConfigError unless the profile's key_file contains a private key that can sign requests."""
    path, pass_phrase = os.path.expanduser(str(config["key_file"])), config.get("pass_phrase")
    try:
        data = _read(path).strip()
    except FileNotFoundError:
        raise _unusable(auth, f"key_file {path}: file not found", hint=HINT) from None
    except OSError as error:
        hint = "the user who runs backups must be able to read it; check its owner and mode"
        raise _unusable(auth, f"key_file {path}: {describe(error)}", hint=hint) from None
    if problem := _key_problem(data, pass_phrase):
        raise _unusable(auth, f"key_file {path}: {problem[0]}", hint=problem[1])


def exposed_keys(auth: AuthSpec) -> list[str]:
    """Secret files of the profile that others may read; none if the profile is invalid."""
    if auth.method not in (AuthMethod.CONFIG_FILE, AuthMethod.SESSION_TOKEN):
        return []
    found = []
    with contextlib.suppress(ConfigError, OSError):
        sections = _parse(auth.config_file)
        profile = dict(sections[auth.profile]) if auth.profile in sections else {}
        names = [str(profile[name]) for name in ("key_file", "security_token_file") if profile.get(name)]
        if profile.get("pass_phrase"):
            names.append(auth.config_file)
        for name in names:
            path = os.path.expanduser(name)
            if stat.S_IMODE(os.stat(path).st_mode) & 0o077:
                found.append(path)
    return found


def _key_problem(data: bytes, pass_phrase: str | None) -> tuple[str, str] | None:
    """What is wrong with the key, and what to do; the data itself is never shown."""
    made = "create an RSA key in PEM, for example with `oci setup keys` (docs/oci-setup.md)"
    if not data:
        return "the file is empty", made
    if pass_phrase is not None and not str(pass_phrase).isascii():
        return (
            "pass_phrase has characters other than ASCII",
            "the SDK does not support them; change the key's passphrase",
        )
    if b"-----BEGIN OPENSSH PRIVATE KEY" in data:
        return "this is an SSH key", made
    if b"-----BEGIN" not in data:
        return "this is not a key in PEM", made
    if b"PRIVATE KEY" not in data:
        return _not_private(data), "use the private key; the public key is for the console"
    secret = None if pass_phrase is None else str(pass_phrase).encode()
    try:
        try:
            key = load_pem_private_key(data, secret, unsafe_skip_rsa_key_validation=True)
        except TypeError:
            if secret is None:
                return "the key is encrypted, and the profile has no pass_phrase", "add pass_phrase to the profile"
            key = load_pem_private_key(data, None, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm:
        return "this kind of key is not supported", made
    except ValueError:
        if b"ENCRYPTED" in data:
            return "the key cannot be decrypted: pass_phrase is wrong, or the file is damaged", made
        return "the key is damaged", made
    if not isinstance(key, RSAPrivateKey):
        return f"this is not an RSA key but {type(key).__name__.removesuffix('PrivateKey')}", made
    return None


def _not_private(data: bytes) -> str:
    try:
        load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        return "this is not a private key"
    return "this is a public key, not a private one"


def _parse(path: str) -> configparser.ConfigParser:
    hint = HINT
    try:
        text = _read(path).decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"OCI config file not found: {path}", hint=f"set target.auth.config_file; {HINT}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {describe(error)}", hint="save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {describe(error)}", hint=hint) from None
    if re.search("(?m)^[^#;\n]{0,200}-----BEGIN [A-Z ]{0,40}KEY", text):
        raise ConfigError(f"{path} has a private key in it", hint=_KEY_HINT)
    # Inline values may contain %; the SDK reads them so as well.
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except configparser.MissingSectionHeaderError as error:
        message = f"line {error.lineno} is before the first profile, which begins with [DEFAULT] or [NAME]"
    except configparser.DuplicateSectionError as error:
        message = f"line {error.lineno} is a duplicate of the profile {error.section}"
    except configparser.DuplicateOptionError as error:
        name = error.option if error.option in _KNOWN else "a setting"
        message = f"line {error.lineno} is a duplicate of {name} in profile {error.section}"
    except configparser.ParsingError as error:
        numbers = sorted({number for number, _ in error.errors})
        message = (
            f"line {numbers[0]} is neither NAME=VALUE nor [PROFILE]" if numbers else "it is not an OCI config file"
        )
        hint = f"each setting must be on one line; {_KEY_HINT}"
    except configparser.Error:
        message = "it is not an OCI config file"
    else:
        return parser
    raise ConfigError(f"{path} cannot be read as an OCI config file: {message}", hint=hint)


def _read(path: str) -> bytes:
    """A regular file's bytes; a FIFO must not block. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise IsADirectoryError(21, os.strerror(21)) if stat.S_ISDIR(os.fstat(fd).st_mode) else OSError(22, "")
        return file.read(_MOST)


def _check(config: dict[str, Any], auth: AuthSpec) -> None:
    if kind := config.get("authentication_type"):
        method = _METHODS.get(str(kind).lower())
        hint = f"set target.auth.method to {method} in the job" if method else "choose target.auth.method in the job"
        raise _unusable(auth, "it is not for an API key: it has authentication_type", hint=hint)
    if config.get("security_token_file") and "user" not in config:
        raise _unusable(auth, "it has a session token", hint="set target.auth.method to session_token in the job")
    problems = [f"{key} is missing" for key in _KEYS if not config.get(key)]
    problems += [
        _FORMS[key] for key, form in oci.config.PATTERNS.items() if config.get(key) and not form.match(config[key])
    ]
    if problems:
        raise _unusable(auth, ", ".join(problems), hint=HINT)
    check_key(config, auth)


def _unusable(auth: AuthSpec, problem: str, *, hint: str) -> ConfigError:
    return ConfigError(f"profile {auth.profile} in {auth.config_file} cannot be used: {problem}", hint=hint)
