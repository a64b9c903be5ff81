"""Each rule: met, not met, and turned off by a comment (which only warnings can be)."""

from pathlib import Path

import pytest

from backup_runner.jobfile import RULES, Severity, load
from tests.support.lintjobs import ENV, job, oci


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def codes(*texts, env=ENV):
    """The codes met in each of the files."""
    for index, text in enumerate(texts):
        Path(f"{index}.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    result = load([f"{index}.yaml" for index in range(len(texts))], env=env, lint=True)
    return [[item.code for item in result.diagnostics if item.file == f"{index}.yaml"] for index in range(len(texts))]


WITH_EXAMPLE = [rule for rule in RULES.values() if rule.example]
OTHER = {
    "BR002": [b"name: caf\xe9\n"],
    "BR005": [""],
    "BR045": [job(), job("sources: [{path: /srv/other}]")],
    "BR046": [oci(prefix="a/"), oci(prefix="a/", name="b", key="/etc/backup/other")],
    "BR047": [oci(prefix="a/"), oci(prefix="a/b/", name="b", catalog="/c.db")],
    "BR048": [job(), job("name: b\nsources: [{path: /srv}]\ntarget: {type: directory, path: /mnt/b}")],
    "BR067": [oci(), oci(name="b", catalog="/c.db")],
}


def test_the_base_job_breaks_no_rule():
    assert codes(job()) == [[]]


def test_every_rule_is_here():
    assert set(RULES) - {rule.code for rule in WITH_EXAMPLE} - set(OTHER) == {"BR001"}


@pytest.mark.parametrize("rule", WITH_EXAMPLE, ids=lambda rule: rule.code)
def test_its_example_meets_it(rule):
    assert rule.code in codes(job(rule.example))[0]


@pytest.mark.parametrize("rule", WITH_EXAMPLE, ids=lambda rule: rule.code)
def test_a_comment_turns_off_warnings_only(rule):
    if rule.code == "BR060":
        # A rule about ignore comments: here one comment names it, and another names nothing.
        assert codes(job(rule.example, comment="# backup-runner: ignore BR060")) == [[]]
        return
    found = codes(job(rule.example, comment=f"# backup-runner: ignore {rule.code}"))[0]
    assert (rule.code in found) == (rule.severity is Severity.ERROR)
    if rule.severity is Severity.WARNING:
        assert found == []


@pytest.mark.parametrize("code", OTHER)
def test_rules_that_need_more_than_a_piece(code):
    texts = OTHER[code]
    assert code in codes(*texts)[-1]
    comment = f"# backup-runner: ignore {code}\n"
    ignored = [comment.encode() + text if isinstance(text, bytes) else comment + text for text in texts]
    assert (code in codes(*ignored)[-1]) == (RULES[code].severity is Severity.ERROR)
    # Alone, the last file is in nobody's way, and the comment is no mistake.
    if len(texts) > 1:
        assert codes(ignored[-1]) == [[]] if RULES[code].severity is Severity.WARNING else codes(texts[-1]) == [[]]


def test_a_missing_file():
    [item] = load(["gone.yaml"], env=ENV, lint=True).diagnostics
    assert item.code == "BR001"


def test_warnings_keep_no_job_from_being_loaded():
    Path("a.yaml").write_text(job("-retention"))
    result = load(["a.yaml"], env=ENV, lint=True)
    assert [job.name for job in result.jobs] == ["documents"]
    assert [item.severity for item in result.diagnostics] == ["warning"]
    assert load(["a.yaml"], env=ENV).diagnostics == []


def test_an_error_leaves_only_secrets_to_warn_about():
    assert codes(job("-retention") + "colour: blue\n") == [["BR020"]]
    assert codes(job("-retention") + "colour: ghp_0123456789abcdefghijABCDEFGHIJ012345\n") == [["BR020", "BR064"]]


MISSES = {
    "guards of every source": "-guards\nsources: [{path: /srv/data, guards: {min_files: 2}}]",
    "one guard that is on": "guards: {min_files: 0, max_change_percent: 100, max_delete_percent: 99}",
    "key beside a source": "encryption: {key_file: /srv/data-key}",
    "key that is skipped": "encryption: {key_file: /srv/data/k/key}\nskip: [/k/]",
    "key in a variable": "encryption: {key_env: BACKUP_KEY}",
    "secret in a variable": "hooks: {before: [sh, -c, 'curl -u $U:$P https://example.com/?token=$T']}",
    "secret in a file": "hooks: {before: [pg_dump, --password-file=/etc/pw, PGPASSFILE=/etc/pw]}",
    "ocid": "target: {type: oci, bucket: b, namespace: ocid1_tenancy_oc1_aaaaaaaaexample}",
    "negation behind a rule": 'skip: ["*.tmp", "!keep.tmp"]',
    "negation in the source": 'skip: ["*.tmp"]\nsources: [{path: /srv/data, skip: ["!keep.tmp"]}]',
    "all but some": 'skip: ["*", "!*.txt"]',
    "all folders": 'skip: ["*/"]',
    "all with a dot": 'skip: [".*"]',
    "an inner folder of the same name": "skip: [/srv/data2]",
    "users as a whole": "sources: [{path: /home}]",
    "shared by all users": "sources: [{path: /Users/Shared/x}]",
    "own home": "sources: [{path: ~/documents}]",
    "a hash inside a value": 'name: documents\nskip: ["a # backup-runner: ignore BR999"]',
}


@pytest.mark.parametrize("name", MISSES)
def test_what_is_fine(name):
    piece = MISSES[name]
    text = (
        job("-guards").replace("sources: [{path: /srv/data}]", piece.split("\n")[1]) if piece[0] == "-" else job(piece)
    )
    assert codes(text) == [[]]


NEVER = ["./a", "a/../b", "a//b", "#x", " ", "[a", "!a", "~/x", "${HOME}/x", "/srv/data/cache", "/srv/data"]


@pytest.mark.parametrize("pattern", NEVER)
def test_patterns_that_never_match(pattern):
    assert codes(job(f"skip: ['{pattern}']")) == [["BR065"]]


@pytest.mark.parametrize("pattern", ["*", "**", "/*", "/**", "**/*", "***", "[!/]*", "?*"])
def test_patterns_that_hide_everything(pattern):
    assert codes(job(f"skip: ['{pattern}']")) == [["BR066"]]
    assert codes(job(f"sources: [{{path: /srv/data, skip: ['{pattern}']}}]")) == [["BR066"]]


def test_skip_rules_of_a_file(tmp_path):
    Path("file").write_text("x")
    assert codes(job("sources: [{path: file, skip: ['*.tmp']}]")) == [["BR065"]]


def test_guards_of_a_source_that_stop_nothing():
    off = "guards: {min_files: 0, max_change_percent: 100, max_delete_percent: 100}"
    assert codes(job("-guards").replace("/srv/data}", f"/srv/data, {off}}}")) == [["BR062"]]


def test_a_key_behind_a_symlink():
    Path("data").mkdir()
    Path("data/key").write_text("x")
    Path("link").symlink_to("data")
    assert codes(job("sources: [{path: data}]\nencryption: {key_file: link/key}")) == [["BR063"]]


@pytest.mark.parametrize("home", ["/home/alice/x", "/Users/alice", "/" + "root", "/".join(("", "root", "x"))])
def test_homes(home):
    assert codes(job(f"sources: [{{path: '{home}'}}]")) == [["BR068"]]
    assert codes(job(f"catalog: {home}/c.db")) == [["BR068"]]


def test_prefixes_beside_each_other():
    assert codes(oci(prefix="a/"), oci(prefix="ab/", name="b", catalog="/c.db")) == [[], []]
    assert codes(oci(prefix="a/"), oci(prefix="a/", name="b")) == [[], []]
    assert codes(oci(prefix="a"), oci(prefix="a/", name="b", catalog="/c.db")) == [[], ["BR047"]]
    assert codes(oci(), oci(prefix="a/", name="b", catalog="/c.db")) == [[], ["BR047"]]
    other = oci(prefix="a/b/", name="b", catalog="/c.db").replace("bucket: backup", "bucket: other")
    assert codes(oci(prefix="a/"), other) == [[], []]


def test_another_jobs_bucket_that_is_skipped():
    outer = "name: b\nsources: [{path: /srv, skip: [/bucket/]}]\ntarget: {type: directory, path: /mnt/b}"
    assert codes(job(), job(outer)) == [[], []]


def test_no_secret_is_shown_whatever_else_is_wrong_with_its_line():
    from backup_runner.jobfile.render import render_text

    Path("a.yaml").write_text(job("hooks: {before: [curl, '--token=swordfish'], colour: blue}"))
    result = load(["a.yaml"], env=ENV, lint=True)
    assert {item.code for item in result.diagnostics} == {"BR020", "BR064"}
    assert "swordfish" not in render_text(result.diagnostics, result.sources)


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("# backup-runner: ignore BR061, BR062", []),
        ("#backup-runner:ignore BR061 BR062", []),
        ("# backup-runner: ignore", ["BR060", "BR061", "BR062"]),
        ("# backup-runner: ignore BR061 BR020", ["BR060", "BR062"]),
        ("# backup-runner: ignore BR061 BR062 BR063", ["BR060"]),
        ("# Backup-runner: nothing", ["BR061", "BR062"]),
    ],
)
def test_ignore_comments(comment, found):
    text = job("-retention").replace("guards: {max_delete_percent: 20}\n", "")
    above, beside = f"{comment}\n{text}", text.replace("name: documents", f"name: documents  {comment}")
    assert [sorted(codes(where)[0]) for where in (above, beside)] == [found, found]


def test_a_comment_in_a_block_of_text_is_none():
    piece = "hooks:\n  before:\n    - sh\n    - |\n      # backup-runner: ignore BR061\n      true"
    assert codes(job(piece).replace("retention: {keep_last: 3}\n", "")) == [["BR061"]]


@pytest.mark.parametrize(
    ("patterns", "told"),
    [
        ("[build/, '!build/keep.txt']", True),
        ("['/*', '!/docs/a']", True),
        ("['/*', '!/docs/', '!/docs/a']", False),
        ("['build/*', '!build/keep.txt']", False),
        ("[build/, '!keep.txt']", True),
        ("[build/, '*.txt', '!keep.txt']", False),
        ("[build/, '!*.txt']", False),
        ("['a/b/', '!a/b/c/d']", True),
        ("['a/b/', '!a/*/c']", False),
        ("[build/, '!build/']", False),
    ],
)
def test_a_rule_that_a_skipped_folder_defeats(patterns, told):
    assert ("BR071" in codes(job(f"skip: {patterns}"))[0]) == told
