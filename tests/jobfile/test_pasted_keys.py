"""A private key pasted into a job, anywhere, is shown by no message and in no excerpt: CI logs are public."""

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from backup_runner.jobfile import load
from backup_runner.jobfile.render import render_text
from backup_runner.jobfile.veil import veiled
from tests.support.lintjobs import ENV, job

PEM = rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
BODY = [line for line in PEM.split("\n") if line and "-----" not in line]
LINE = BODY[0]
PASTED = {
    "below the job": job() + PEM,
    "unknown key of a block": job("encryption: {key_file: /k, secret: " + LINE + "}"),
    "key": job(LINE + ": x"),
    "key, twice": job(f"{LINE}: x\n{LINE}: y"),
    "alias": job("name: *" + LINE),
    "tag": job("name: !" + LINE + " x"),
    "version": job("version: " + LINE),
    "block scalar": job("encryption:\n  key_file: |\n" + PEM),
    "open quote": job('encryption: {key_file: "' + "\n".join(BODY)),
    "quoted": job('name: "' + PEM + '"'),
    "choice": job("overwrite: " + LINE),
    "bad escape": job('name: "' + LINE + '\\q"'),
    "text for a list": job("sources: " + LINE),
    "path": job("sources: [{path: ~" + LINE + "}]"),
    "variable": job('sources: [{path: "/a/${' + LINE + '}"}]'),
    "hook": job('hooks: {before: "' + LINE + '"}'),
    "duration": job("retention: {keep_within: " + LINE + "}"),
}


@pytest.mark.parametrize("where", PASTED)
def test_it_is_not_shown(tmp_path, where):
    path = tmp_path / "job.yaml"
    path.write_text(PASTED[where])
    result = load([str(path)], env=ENV)
    text = render_text(result.diagnostics, result.sources) + repr(result.diagnostics)
    assert result.diagnostics
    assert not [line for line in BODY if line[:24] in text]


@pytest.mark.parametrize(
    "text",
    [
        "/home/someone/Documents/Projects2024/ReallyLongFolderName/and/more",
        "ocid1.compartment.oc1..aaaaaaaabbbbbbbbcccccccc",
        "set target.auth.method to instance_principal in the job",
    ],
)
def test_paths_and_words_are_shown(text):
    assert veiled(text) == text
