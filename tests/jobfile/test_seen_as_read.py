"""What a reviewer sees in a job file is what the program reads; other characters are refused, with their place."""

import pytest

from backup_runner.cli.app import run
from backup_runner.jobfile import load
from backup_runner.jobfile.configfile import load_config
from backup_runner.jobfile.diagnostics import JobFileError
from tests.support.lintjobs import ENV, job

BREAKS = ["\x85", "\u2028", "\u2029", "\r"]
BIDI = [*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"]
INVISIBLE = [*"\u00ad\u034f\u115f\u180e\u200b\u2060\u2064\u206f\u3164\U000e0001\U000e0041"]


def name_of(character):
    return f"U+{ord(character):04X}"


def findings(tmp_path, text):
    path = tmp_path / "job.yaml"
    path.write_bytes(text.encode())
    return load([str(path)], env=ENV)


@pytest.mark.parametrize("character", BREAKS, ids=name_of)
def test_a_key_hidden_in_a_comment_is_refused(tmp_path, character):
    text = job(comment=f"# note{character}hooks: {{before: [touch, pwned]}}")
    result = findings(tmp_path, text)
    assert result.jobs == []
    [item] = result.diagnostics
    assert (item.code, item.line, item.column) == ("BR003", 1, 7)
    assert name_of(character) in item.message


@pytest.mark.parametrize("character", BREAKS, ids=name_of)
def test_commands_refuse_it(tmp_path, monkeypatch, capsys, character):
    monkeypatch.chdir(tmp_path)
    text = job(comment=f"# note{character}hooks: {{before: [touch, pwned]}}")
    (tmp_path / "job.yaml").write_bytes(text.encode())
    for command in (["validate"], ["fmt", "--check"], ["fmt"], ["migrate"], ["plan"], ["apply", "--yes"]):
        assert run([*command, "job.yaml"]) == 1
        out, err = capsys.readouterr()
        assert "job.yaml:1:7: error BR003" in out + err
    assert (tmp_path / "job.yaml").read_bytes() == text.encode()
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("character", BIDI + INVISIBLE, ids=name_of)
def test_what_reorders_or_hides_text_is_refused(tmp_path, character):
    result = findings(tmp_path, job(f"sources:\n  - path: /srv/da{character}ta"))
    [item] = result.diagnostics
    lines = job("sources:").splitlines()
    assert (item.code, item.line, item.column) == ("BR003", len(lines) + 1, 18)
    assert name_of(character) in item.message
    assert f"\\{'U000e' if ord(character) > 0xFFFF else 'x' if ord(character) < 256 else 'u'}" in item.hint


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u202e", "\u200b"], ids=name_of)
def test_an_escape_can_be_seen_and_is_fine(tmp_path, character):
    escape = f"\\u{ord(character):04x}"
    result = findings(tmp_path, job(f'sources: [{{path: "/srv/a{escape}b"}}]'))
    assert result.diagnostics == [] or not [item for item in result.diagnostics if item.severity == "error"]
    [one] = result.jobs
    assert character.encode() in bytes(one.sources[0].path)


@pytest.mark.parametrize("space", [*"\u00a0\u2003\u3000\u202f"], ids=name_of)
def test_a_space_that_is_none_to_the_parser(tmp_path, space):
    """Before a # it makes the comment a part of the value, at a line's start it is no indentation."""
    result = findings(tmp_path, job(f"sources:\n  - path: /srv/data{space}# all of it"))
    [item] = result.diagnostics
    assert (item.code, item.column) == ("BR003", 20)
    result = findings(tmp_path, job(f"sources:\n{space} - path: /srv/data"))
    assert "BR003" in {item.code for item in result.diagnostics}


def test_names_of_all_languages_are_fine(tmp_path):
    text = job("sources:\n  - path: /srv/日本\u3000語 é\u0301 👩\u200d👧 می\u200cخواهم 10\u202fAM")
    [one] = findings(tmp_path, text).jobs
    assert "\u202fAM".encode() in bytes(one.sources[0].path)


def test_line_ends_of_windows_are_fine(tmp_path):
    assert findings(tmp_path, job().replace("\n", "\r\n")).jobs


def test_config_files_too(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes("# note\u2028oci: {bucket: theirs}\n".encode())
    with pytest.raises(JobFileError) as caught:
        load_config(str(path), env=ENV)
    assert "U+2028" in caught.value.message
