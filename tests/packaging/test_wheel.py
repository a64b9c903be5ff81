"""What is installed: the wheel in an empty environment, man pages and completions, and the steps of Containerfile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from backup_runner.cli.manpages import files

ROOT = Path(__file__).parents[2]


def only_in_whole_proofs() -> None:
    """Libraries come from a registry, which takes minutes."""
    if os.environ.get("PROOF") != "full":
        pytest.skip("`make proof` installs everything from the registry")


def run(*words: str | Path, cwd: Path | str = "/", **env: str) -> str:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, env=env or None, timeout=900)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def copied(goal: Path) -> Path:
    """The tree without what is made in it."""
    left_out = shutil.ignore_patterns(".*", "tests", "__pycache__", "build", "*.egg-info")
    shutil.copytree(ROOT, goal, ignore=left_out)
    return goal


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, copied(folder / "src"))
    (found,) = folder.glob("backup_runner-*.whl")
    return found


def environment(folder: Path, wheel: Path, *, from_registry: bool) -> Path:
    """An environment with nothing but the wheel and what it requires; the libraries may be those of this one."""
    venv.create(folder, with_pip=False, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "-q"]
    if from_registry:
        run(*pip, "--constraint", ROOT / "constraints.txt", wheel)
    else:
        run(*pip, "--no-deps", wheel)
        (place,) = folder.glob("lib/python*/site-packages")
        (place / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


@pytest.mark.parametrize("from_registry", [False, pytest.param(True, marks=pytest.mark.proof)])
def test_in_an_empty_environment(wheel: Path, tmp_path: Path, from_registry: bool) -> None:
    if from_registry:
        only_in_whole_proofs()
    place = environment(tmp_path / "venv", wheel, from_registry=from_registry)
    program, home = place / "bin" / "backup-runner", tmp_path / "home"
    (home / "data").mkdir(parents=True)
    (home / "data" / "a.txt").write_text("kept")
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
    where = run(place / "bin" / "python", "-c", "import backup_runner; print(backup_runner.__file__)", **env)
    assert where.startswith(str(place))
    assert run(program, "--version", **env).startswith("backup-runner ")
    run(program, "init", home / "job.yaml", "--source", home / "data", "--to", home / "bucket", **env)
    run(program, "apply", home / "job.yaml", "--yes", cwd=home, **env)
    run(program, "restore", home / "job.yaml", "--to", home / "back", cwd=home, **env)
    assert next((home / "back").rglob("a.txt")).read_text() == "kept"
    run(program, "report", home / "job.yaml", "--html", home / "report.html", cwd=home, **env)
    for name, text in files().items():
        assert (place / "share" / name).read_text() == text, name
    script = place / "share" / "bash-completion" / "completions" / "backup-runner"
    ask = f'_backup_runner_completion {program}; echo "${{COMPREPLY[@]}}"'
    said = run("bash", "-c", f"source {script}; COMP_WORDS=(backup-runner sna); COMP_CWORD=1; {ask}", **env)
    assert said.split() == ["snapshots"]


def test_pages_and_completions_are_those_of_the_commands() -> None:
    """`make docs` writes them."""
    there = {str(path.relative_to(ROOT / "share")): path for path in (ROOT / "share").rglob("*") if path.is_file()}
    wanted = files()
    assert there.keys() == wanted.keys()
    assert [name for name, path in there.items() if path.read_text() != wanted[name]] == []


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff; Debian has it in groff-base")
def test_groff_has_nothing_to_say() -> None:
    pages = sorted((ROOT / "share" / "man" / "man1").iterdir())
    done = subprocess.run(["groff", "-man", "-ww", "-z", *pages], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def steps() -> list[list[tuple[str, str]]]:
    """The instructions of each stage of Containerfile."""
    stages: list[list[tuple[str, str]]] = []
    for line in (ROOT / "Containerfile").read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        if word.isupper():
            stages[-1].append((word, rest))
    return stages


def test_the_image_is_slim_and_its_user_has_no_rights() -> None:
    last = dict(steps()[-1])
    assert last["FROM"].endswith("-slim")
    assert last["USER"] not in ("root", "0")
    words = [word for word, _ in steps()[-1]]
    assert words.index("USER") > max(at for at, word in enumerate(words) if word == "RUN")
    assert "--from=build" in last["COPY"], "no sources in the image"


@pytest.mark.proof
def test_the_steps_of_the_image_run_in_a_fresh_root(tmp_path: Path) -> None:
    """As far as that goes without an engine: on a copy-on-write root, with this machine's Python for the image's."""
    only_in_whole_proofs()
    if os.geteuid() != 0:
        pytest.skip("needs root for a root of its own")
    script = ["set -eux"]
    for stage in steps():
        for word, rest in stage:
            if word == "COPY":
                _, source, goal = ["", *rest.split()] if not rest.startswith("--from") else rest.split()
                script.append(f"mkdir -p {goal}; cp -r /context/. {goal}" if source == "." else f"test -e {source}")
            elif word == "RUN":
                script.append(rest)
    script.append(f"cd /home/runner; exec setpriv --reuid 10001 --clear-groups {steps()[-1][-2][1][2:-2]} --version")
    (tmp_path / "steps.sh").write_text("\n".join(script))
    copied(tmp_path / "context")
    python = Path(sys.base_prefix)
    # It may be in a home that is closed to others; opened only in the copy.
    doors = " ".join(f"root{folder}" for folder in python.parents)
    setup = (
        'mount -t tmpfs none "$1"; cd "$1"; mkdir up work root; '
        "mount -t overlay none root -o lowerdir=/,upperdir=up,workdir=work; "
        'mkdir -p root/context; cp -r "$2"/. root/context; cp "$3" root/steps.sh; mount --rbind /proc root/proc; '
        f"mount --rbind /dev root/dev; chmod a+x {doors}; "
        f"exec chroot root env -i PATH={python}/bin:/usr/sbin:/usr/bin:/sbin:/bin sh /steps.sh"
    )
    (tmp_path / "mount").mkdir()
    words = [
        "unshare",
        "--mount",
        "sh",
        "-euc",
        setup,
        "sh",
        tmp_path / "mount",
        tmp_path / "context",
        tmp_path / "steps.sh",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=900)
    if "mount:" in done.stderr and done.returncode:
        pytest.skip(f"this machine allows no root of one's own: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("backup-runner ")
