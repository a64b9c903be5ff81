"""docs/from-restic.md and docs/from-borgmatic.md: each answer is carried out, in the page's order, by a real job; each
command and option of the other program that people use has a line."""

from __future__ import annotations

import re
import tarfile
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.review.newhome import LETTER, Home

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("from-restic.md", "from-borgmatic.md")
RESTIC = """
backup cache cat check copy diff dump features find forget generate help init key list ls migrate mount options prune
recover repair restore rewrite snapshots stats tag unlock version
--dry-run --exclude --exclude-caches --exclude-file --exclude-if-present --exclude-larger-than --files-from --force
--group-by --host --iexclude --iexclude-file --ignore-ctime --ignore-inode --no-scan --one-file-system --parent
--read-concurrency --skip-if-unchanged --stdin --stdin-filename --stdin-from-command --tag --time --with-atime
--delete --exclude-xattr --include --include-xattr --overwrite --sparse --target --verify --keep-last --keep-hourly
--keep-daily --keep-weekly --keep-monthly --keep-yearly --keep-within --keep-tag --unsafe-allow-remove-all --max-unused
--max-repack-size --repack-smaller-than --repack-uncompressed --read-data --read-data-subset --latest --long --recursive
--add --remove --set --cacert --cache-dir --cleanup-cache --compression --json --limit-download --limit-upload
--no-cache --no-lock --option --pack-size --password-command --password-file --quiet --repo --repository-file
--retry-lock --tls-client-cert --verbose
"""
"""Of `restic help` of 0.19.1, and of each command's."""
BORGMATIC = """
repo-create transfer prune compact create check delete extract config export-tar mount umount repo-delete restore
repo-list list repo-info info break-lock key recreate diff browse borg bootstrap generate validate show export import
change-passphrase
apprise archive_hostname archive_name_format atime before_actions after_actions before_backup after_backup btrfs
check_last checks chunker_params commands compression constants container cronitor encryption_passcommand
encryption_passphrase exclude_caches exclude_from exclude_if_present exclude_nodump exclude_patterns extra_borg_options
files_cache files_changed healthchecks influxdb_databases keep_daily keep_exclude_tags keep_hourly keep_monthly
keep_weekly keep_within keep_yearly keepassxc local_path lock_wait log_file log_json loki lvm mariadb_databases
match_archives mongodb_databases mysql_databases ntfy numeric_ids on_error one_file_system onepassword
openldap_databases pagerduty patterns patterns_from postgresql_databases pushover read_special recompress remote_path
repositories retries retry_wait sentry source_directories source_directories_must_exist sqlite_databases ssh_command
systemd temporary_directory umask upload_rate_limit uptime_kuma verbosity working_directory zabbix zfs
--dry-run --list --comment --json --stats --find --repair
"""
"""Of `borgmatic --help` of 2.1.10, and of `borgmatic config generate`."""


@cache
def rows(page: str) -> list[tuple[str, list[str]]]:
    """The left column, and what stands in code in the right one."""
    lines = [line for line in (DOCS / page).read_text().splitlines() if line.startswith("| ")][1:]
    pairs = [line.split(" | ", 1) for line in lines]
    return [(left, re.findall(r"`([^`]+)`", right)) for left, right in pairs]


@pytest.mark.parametrize(("page", "names"), [("from-restic.md", RESTIC), ("from-borgmatic.md", BORGMATIC)])
def test_every_command_and_option_has_a_line(page: str, names: str) -> None:
    known = set(re.findall(r"[\w-]+", " ".join(left for left, _ in rows(page))))
    assert not set(names.split()) - known


@pytest.mark.parametrize("page", PAGES)
def test_every_command_works(page: str, tmp_path: Path) -> None:
    home = Home(tmp_path)
    answers = [one for _, found in rows(page) for one in found if one.startswith("backup-runner ")]
    assert len(answers) > 30
    # What comes first on a page is about options of a backup: there is a key, and a tagged snapshot, before.
    home.answer("backup-runner key new KEY")
    home.answer("backup-runner apply JOB --tag TAG")
    for answer in dict.fromkeys(answers):
        said = home.answer(answer)
        if "--to -" in answer:
            assert said == LETTER, answer
        if " find " in answer:
            assert "documents/letters/bank.txt" in said, answer
    assert (tmp_path / "back/documents/letters/bank.txt").read_text() == LETTER
    if page == "from-borgmatic.md":
        with tarfile.open(tmp_path / "letters.tar") as tar:
            assert any(name.endswith("letters/bank.txt") for name in tar.getnames())


@pytest.mark.parametrize("page", PAGES)
def test_every_key_works(page: str, tmp_path: Path) -> None:
    """Each in a job of its own: valid, and applied."""
    home = Home(tmp_path)
    home.answer("backup-runner key new KEY")
    snippets = [one for _, found in rows(page) for one in found if re.match(r"[a-z_]+: ", one)]
    assert len(snippets) > 15
    jobs, here = [], []
    for number, snippet in enumerate(dict.fromkeys(snippets)):
        keys = YAML(typ="safe", pure=True).load(snippet)
        jobs.append(home.write_job(f"job{number}", keys).name)
        # Notices and OCI need a service, and a bucket or catalog belongs to one job.
        if not {"target", "notify", "catalog"} & keys.keys():
            here.append(jobs[-1])
    for job in jobs:
        done = home.run("validate", job)
        assert done.returncode == 0, done.stdout + done.stderr
    done = home.run("apply", "--yes", *here)
    assert done.returncode == 0, done.stdout + done.stderr
