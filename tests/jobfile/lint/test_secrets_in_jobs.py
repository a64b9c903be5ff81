"""BR029 for URLs and hooks' environment values: refused, and never repeated."""

from pathlib import Path

import pytest

from backup_runner.jobfile import load
from backup_runner.jobfile.leaks import looks_secret
from backup_runner.jobfile.render import render_text
from tests.support.lintjobs import ENV, job

REFUSED = {
    "notify url": "notify: [{style: ntfy, url: 'https://u:swordfish@example.com/t'}]",
    "notify url with a user only": "notify: [{style: ntfy, url: 'https://swordfish@example.com/t'}]",
    "endpoint": "target: {type: oci, bucket: b, endpoint: 'https://u:swordfish@example.com'}",
    "proxy": "target: {type: oci, bucket: b, proxy: 'http://u:swordfish@example.com'}",
    "env in a hook": "hooks: {before: [env, PGPASSWORD=swordfish, pg_dump]}",
    "shell in a hook": "hooks: {after: [sh, -c, 'A=1 API_TOKEN=swordfish notify']}",
    "hook that is text": "hooks: {on_failure: 'AWS_SECRET_ACCESS_KEY=swordfish x'}",
    "url in a hook": "hooks: {before: [psql, 'postgres://u:swordfish@db/x']}",
    "environment block": "hooks: {env: {PGPASSWORD: swordfish}}",
    "environment block over lines": "hooks:\n  environment:\n    PLAIN: x\n    PGPASSWORD: swordfish",
    "environment list": "hooks: {Env: [PGPASSWORD=swordfish]}",
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("lint", [False, True])
def test_refused_and_not_shown(name, lint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(job(REFUSED[name]))
    result = load(["a.yaml"], env=ENV, lint=lint)
    assert "BR029" in {item.code for item in result.diagnostics}
    assert result.jobs == []
    assert "swordfish" not in render_text(result.diagnostics, result.sources)
    assert "swordfish" not in repr(result.diagnostics)


@pytest.mark.parametrize(
    "piece",
    [
        "notify: [{style: ntfy, url: 'https://example.com/t'}]",
        "hooks: {before: [env, PGUSER=backup, PGPASSFILE=/etc/pgpass, 'MAILTO=a@example.com', pg_dump]}",
        "hooks: {before: [sh, -c, 'PGPASSWORD=$SECRET pg_dump postgres://u:$P@db/x']}",
        "hooks: {before: [ssh, 'ssh://git@example.com/x', RESTIC_PASSWORD_FILE=/etc/pw]}",
    ],
)
def test_allowed(piece, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(job(piece))
    assert load([str(path)], env=ENV, lint=True).diagnostics == []


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "AKIA" + "Q7" * 8,
        "glpat-" + "a1" * 10,
        "Authorization: Bearer " + "a1" * 10,
        "0123456789abcdef" * 4,
        "A" * 43 + "=",
        "--api-key abc",
    ],
)
def test_what_looks_secret(text):
    assert looks_secret(text)


@pytest.mark.parametrize(
    "text", ["--password-file /x", "TOKENIZER=a", "a" * 40, "ocid1.tenancy.oc1..aaaa", "--token $X"]
)
def test_what_does_not(text):
    assert not looks_secret(text)
