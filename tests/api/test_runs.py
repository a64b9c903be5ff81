"""Plan, apply, restore, verify, prune as a Python program uses them."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from backup_runner import (
    ApplyOptions,
    BackupRunnerError,
    BusyError,
    CatalogError,
    GuardError,
    Interrupt,
    JobFileError,
    Level,
    Overwrite,
    PlanFileError,
    PlanOptions,
    RestoreOptions,
    StalePlanError,
    VerifyOptions,
    apply,
    browse,
    catalog_info,
    check_key,
    diff,
    explain,
    files,
    find,
    format_job,
    history,
    load_job,
    new_key,
    open_plan,
    plan,
    prune,
    pull,
    rebuild,
    restore,
    skips,
    snapshots,
    validate,
    verify,
)


def test_nothing_is_printed_and_no_handler_is_installed(site, heard, capfd) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    job = site.job()
    outcome = apply(job, events=heard)
    assert (outcome.status, outcome.counts["upload"], outcome.incomplete) == ("complete", 2, False)
    assert restore(job, to="back").counts["restored"] == 2
    assert verify(job, VerifyOptions(level=Level.DATA)).contents == 2
    assert "scanning" in heard.phases
    assert capfd.readouterr() == ("", "")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_a_plan_is_a_context_and_is_applied_once(site) -> None:
    job = site.job()
    with plan(job) as made:
        assert made.changes == 4
        assert made.target.startswith("directory:")
        assert made.last_complete is None
        assert {action.key for action in made.actions()} == {b"", b"letters/", b"letters/bank.txt", b"notes.txt"}
        assert apply(made).status == "complete"
        with pytest.raises(StalePlanError):
            apply(made)
    made.close()
    with plan(job) as again:
        assert again.changes == 0
        assert again.last_complete is not None


def test_a_saved_plan_needs_its_job_file_only_when_applied(site) -> None:
    job = site.job()
    with plan(job) as made:
        made.save("documents.plan")
    site.root.joinpath("documents.yaml").rename("elsewhere.yaml")
    with open_plan("documents.plan") as saved:
        assert saved.header.job == "documents"
        assert saved.target == ""
        with pytest.raises(PlanFileError, match="does not exist"):
            apply(saved)
        site.root.joinpath("elsewhere.yaml").rename("documents.yaml")
        assert apply(saved).status == "complete"


def test_review_sees_the_plan_before_anything_is_done(site) -> None:
    job = site.job()
    seen = []
    outcome = apply(job, review=lambda made: bool(seen.append(made.header.totals.counts)))
    assert (outcome.status, outcome.snapshot_id) == ("declined", None)
    assert seen == [{"upload": 2}]
    with pytest.raises(CatalogError):
        snapshots(job)


def test_two_applies_after_each_other_and_two_jobs_in_threads(site) -> None:
    first, second = site.job("first"), site.job("second")
    done = {}

    def work(job) -> None:
        done[job.name] = [apply(job, ApplyOptions(workers=1)).status for _ in range(2)]

    threads = [threading.Thread(target=work, args=(job,)) for job in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == {"first": ["complete", "complete"], "second": ["complete", "complete"]}
    assert len(snapshots(first)) == len(snapshots(second)) == 2


@pytest.mark.parametrize("kind", ["function", "event", "interrupt"])
def test_stop_leaves_an_outcome_and_the_next_run_finishes(site, kind: str) -> None:
    job = site.job()
    event, interrupt = threading.Event(), Interrupt()
    event.set()
    interrupt.requested = True
    stop = {"function": lambda: True, "event": event, "interrupt": interrupt}[kind]
    outcome = apply(job, stop=stop)
    assert outcome.interrupted
    assert apply(job).status == "complete"
    assert restore(job, to="back", stop=stop).interrupted
    assert not restore(job, to="back").interrupted


def test_an_interrupted_run_is_a_failure_to_its_hooks(site) -> None:
    job = site.job(hooks="{on_failure: [sh, -c, 'echo $BACKUP_RUNNER_STATUS > status']}")
    assert apply(job, stop=lambda: True).interrupted
    assert (site.root / "status").read_text() == "interrupted\n"


def test_hooks_run_and_what_a_failed_one_printed_is_handed_over(site) -> None:
    printed: list[str] = []
    job = site.job(hooks="{before: [sh, -c, 'echo no disk; exit 1']}")
    with pytest.raises(BackupRunnerError, match="hook before"):
        apply(job, hook_output=printed.append)
    assert "no disk" in printed[0]


def test_guards_are_raised_by_apply_and_named_by_plan(site) -> None:
    job = site.job(guards="{min_files: 5}")
    with plan(job) as made:
        assert [guard["name"] for guard in made.header.guards] == ["min_files"]
    with pytest.raises(GuardError) as caught:
        apply(job)
    assert caught.value.exit_code == 5
    allowed = frozenset({"min_files"})
    assert apply(job, ApplyOptions(overrides=allowed), planning=PlanOptions(overrides=allowed)).status == "complete"


def test_a_job_is_planned_again_if_another_run_was_faster(site, heard) -> None:
    job = site.job()
    apply(job)
    site.write("new.txt", "new")
    raced = []

    def review(made) -> bool:
        if not raced:
            raced.append(apply(job).snapshot_id)
        return True

    assert apply(job, ApplyOptions(wait_seconds=30), events=heard, review=review).snapshot_id == raced[0] + 1
    assert any("planning again" in text for text in heard.warnings)
    site.write("newer.txt", "newer")
    raced.clear()
    with pytest.raises(StalePlanError):
        apply(job, ApplyOptions(wait_seconds=30, plans_again=False), review=review)


def test_a_catalog_that_is_held_is_busy(site) -> None:
    job = site.job()
    apply(job)

    def review(made) -> bool:
        return True

    import fcntl

    with open(job.catalog.path + ".lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BusyError):
            apply(job, review=review)


def test_restore_takes_options_and_paths(site) -> None:
    job = site.job()
    apply(job)
    site.write("notes.txt", "changed")
    kept = restore(job, ["notes.txt"])
    assert kept.incomplete
    assert [problem.key for problem in kept.problems] == [b"notes.txt"]
    assert not restore(job, [b"notes.txt"], RestoreOptions(overwrite=Overwrite.ALWAYS)).incomplete
    assert (site.data / "notes.txt").read_text() == "notes"


def test_the_past(site) -> None:
    job = site.job()
    apply(job)
    site.write("letters/bank.txt", "dear bank, again")
    apply(job)
    assert [one.id for one in snapshots(job)] == [1, 2]
    assert [one.key for one in files(job, "letters/bank.txt", "1")] == [b"letters/bank.txt"]
    assert len(find(job, "*.txt")) == 3
    assert [one.size for one in history(job, "letters/bank.txt")] == [9, 16]
    assert [one.key for one in diff(job, "1", "latest") if one.key.endswith(b".txt")] == [b"letters/bank.txt"]
    with browse(job) as past, pytest.raises(BackupRunnerError, match="has no 'nothing'"):
        past.files("nothing")


def test_prune(site) -> None:
    job = site.job(retention="{keep_last: 1}")
    with pytest.raises(CatalogError):
        prune(job)
    apply(job)
    assert prune(job).status == "nothing"


def test_after_the_disk_died(site) -> None:
    job = site.job()
    apply(job)
    for path in site.root.glob("documents.db*"):
        path.unlink()
    info = catalog_info(job)
    assert (info.catalog.stores, len(info.bucket or [])) == ([], 1)
    assert pull(job).snapshots == 1
    assert rebuild(job, review=lambda: False) is None
    found = rebuild(job)
    assert found is not None
    assert not found.incomplete


def test_explain_and_skips(site) -> None:
    job = site.job(skip="['*.txt']")
    assert [one.verdict.state for one in explain(job, ["notes.txt", b"letters/"])] == ["skipped", "taken"]
    assert [use.files for use in skips(job).uses] == [2]


def test_job_files(site) -> None:
    site.job()
    path = site.root / "documents.yaml"
    assert [one.name for one in validate([str(site.root)]).jobs] == ["documents"]
    path.write_text(path.read_text() + "nonsense: 1\n")
    found = validate([str(path)])
    assert (found.errors, found.jobs) == (1, [])
    with pytest.raises(JobFileError) as caught:
        load_job(str(path))
    assert caught.value.diagnostics[0].line == 8
    rewriting = format_job(str(path))
    assert rewriting.changed
    assert path.read_text() == rewriting.old
    rewriting.write()
    assert path.read_text() == rewriting.new


def test_keys(site) -> None:
    made = new_key(Path("fresh"))
    assert len(made) > 8
    with pytest.raises(BackupRunnerError, match="already"):
        new_key("fresh")
    job = site.job()
    assert check_key(job).opens is None
    apply(job)
    assert check_key(job).opens is True


def test_faults_of_the_system_are_ours(site) -> None:
    job = site.job()
    apply(job)
    Path(job.catalog.path).write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(CatalogError):
        snapshots(job)
