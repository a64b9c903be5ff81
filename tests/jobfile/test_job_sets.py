"""Several files at once, and files that are none."""

import os
from pathlib import Path

import pytest

from backup_runner.jobfile import JobFileError, load, load_one
from backup_runner.jobfile.render import render_text

MINIMAL = (Path(__file__).parent / "valid" / "minimal.yaml").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def codes(result):
    return [(item.file, item.code) for item in result.diagnostics]


def test_one_name_twice_in_a_catalog():
    Path("a.yaml").write_text(MINIMAL)
    Path("b.yaml").write_text("# b\n" + MINIMAL)
    result = load(["a.yaml", "b.yaml"], env={})
    assert render_text(result.diagnostics, result.sources) == (
        'b.yaml:3:7: error BR045: the name "minimal" is already used in this catalog, by a.yaml:2\n'
        "    3 | name: minimal\n"
        "      |       ^^^^^^^\n"
        "    hint: rename one of the two jobs"
    )
    assert [job.file for job in result.jobs] == ["a.yaml"]


def test_one_name_in_two_catalogs_is_fine():
    Path("a.yaml").write_text(MINIMAL)
    Path("b.yaml").write_text(MINIMAL.replace("catalog.db", "other.db"))
    assert len(load(["a.yaml", "b.yaml"], env={}).jobs) == 2


def test_a_symlink_hides_no_common_catalog():
    Path("here").mkdir()
    Path("there").symlink_to("here")
    Path("a.yaml").write_text(MINIMAL.replace("/srv/catalog.db", "here/c.db"))
    Path("b.yaml").write_text(MINIMAL.replace("/srv/catalog.db", "there/c.db"))
    assert codes(load(["a.yaml", "b.yaml"], env={})) == [("b.yaml", "BR045")]


def test_a_broken_job_still_takes_its_name():
    Path("a.yaml").write_text(MINIMAL + "colour: blue\n")
    Path("b.yaml").write_text(MINIMAL)
    assert codes(load(["a.yaml", "b.yaml"], env={})) == [("a.yaml", "BR020"), ("b.yaml", "BR045")]


def test_a_file_named_twice_is_read_once():
    Path("a.yaml").write_text(MINIMAL)
    result = load(["a.yaml", "./a.yaml"], env={})
    assert len(result.jobs) == 1
    assert result.diagnostics == []


def test_one_broken_file_does_not_hide_the_others():
    Path("a.yaml").write_text("{")
    Path("b.yaml").write_text(MINIMAL)
    result = load(["a.yaml", "gone.yaml", "b.yaml"], env={})
    assert codes(result) == [("a.yaml", "BR007"), ("gone.yaml", "BR001")]
    assert [job.name for job in result.jobs] == ["minimal"]


def test_what_is_no_file():
    os.mkfifo("fifo")
    Path("folder").mkdir()
    Path("loop").symlink_to("loop")
    result = load(["fifo", "folder", "loop", "gone", "nul\0", "/dev/zero", "x" * 300], env={})
    assert [item.code for item in result.diagnostics] == ["BR001"] * 7
    assert [item.message for item in result.diagnostics[:2]] == [
        "is not a regular file",
        "is a folder, not a job file",
    ]


def test_names_that_are_not_text_can_be_shown():
    name = os.fsdecode(b"caf\xe9\x1b.yaml")
    Path(name).write_text("a: b\n")
    render_text(load([name], env={}).diagnostics, {}).encode("utf-8")


def test_symlinked_sources_overlap():
    Path("a/b").mkdir(parents=True)
    Path("link").symlink_to("a/b")
    Path("a.yaml").write_text(MINIMAL.replace("[{path: /srv/data}]", "[{path: a}, {path: link}]"))
    result = load(["a.yaml"], env={})
    assert [item.code for item in result.diagnostics] == ["BR042"]
    assert "leads into" in result.diagnostics[0].message


def test_a_symlink_hides_no_bucket():
    Path("a/bucket").mkdir(parents=True)
    Path("link").symlink_to("a/bucket")
    Path("a.yaml").write_text(MINIMAL.replace("/srv/data", "a").replace("/srv/bucket", "link"))
    assert codes(load(["a.yaml"], env={})) == [("a.yaml", "BR043")]


def test_siblings_with_a_common_beginning_do_not_overlap():
    sources = "[{path: /s/a}, {path: /s/a-b}, {path: /s/a.c}, {path: /s/ab}]"
    Path("a.yaml").write_text(MINIMAL.replace("[{path: /srv/data}]", sources))
    assert load(["a.yaml"], env={}).diagnostics == []


def test_a_file_is_no_relative_path():
    Path("file").write_text("x")
    Path("a.yaml").write_text(MINIMAL.replace("/srv/data", "file") + "relative_path: file\n")
    assert codes(load(["a.yaml"], env={})) == [("a.yaml", "BR044")]


def test_load_one_says_the_first_and_counts_the_rest():
    Path("a.yaml").write_text(MINIMAL + "overwrit: x\ncolour: blue\n")
    with pytest.raises(JobFileError) as caught:
        load_one("a.yaml", env={})
    assert str(caught.value) == 'a.yaml:7:1: BR020 unknown key "overwrit" (and 1 more)'
    assert caught.value.hint == 'did you mean "overwrite"?'
    assert caught.value.exit_code == 1
    assert len(caught.value.diagnostics) == 2


def test_reading_leaves_nothing_behind():
    Path("a.yaml").write_text(MINIMAL.replace("/srv/", "./"))
    load(["a.yaml"], env={})
    assert [path.name for path in Path().iterdir()] == ["a.yaml"]
