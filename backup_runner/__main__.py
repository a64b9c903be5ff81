"""`python -m backup_runner` and the console script. Imports wait until something is to be done."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType, TracebackType

_GENERATIONS = 100_000, 50, 100
_INTERRUPTED = 130
_PROFILE = "BACKUP_RUNNER_PROFILE"
"""Names a file to write a profile of the main process to, for `python -m pstats FILE`."""


def main() -> None:
    """Run the command line and exit with its code."""
    # Runs make millions of small values and no cycles among them; looking for some costs a tenth of their time.
    gc.set_threshold(*_GENERATIONS)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _at_once)
    code = _INTERRUPTED
    try:
        _fill_closed_streams()
        keep_foreign_texts_in()
        from .cli.app import run

        code = _profiled(run, path) if (path := os.environ.get(_PROFILE)) else run(sys.argv[1:])
        # All is done and said; Ctrl-C on the last steps must not make it look otherwise.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except KeyboardInterrupt:
        # In the instant after the command, which has said all there is to say.
        pass
    _leave(code)


def _profiled(run: Callable[[list[str]], int], path: str) -> int:
    import cProfile

    profile = cProfile.Profile()
    try:
        return profile.runcall(run, sys.argv[1:])
    finally:
        try:
            profile.dump_stats(path)
        except OSError as error:
            from .foreign import describe

            sys.stderr.write(f"warning: {_PROFILE}={path}: cannot write the profile: {describe(error)}\n")


def keep_foreign_texts_in() -> None:
    """What libraries print by themselves may contain secrets: warnings and logs are dropped, errors lose their
    texts."""
    import logging
    import threading
    import warnings

    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    logging.lastResort = None
    sys.excepthook = _show
    threading.excepthook = lambda found: _show(found.exc_type, found.exc_value, found.exc_traceback)


def _show(kind: type[BaseException], error: BaseException | None, at: TracebackType | None) -> None:
    """In place of the interpreter's own report of an error that nothing caught."""
    from .foreign import trace

    sys.stderr.write("\n".join([*trace(error or kind()), ""]))


def _at_once(number: int, frame: FrameType | None) -> None:
    """While modules load, when an exception could come out of an import as any other."""
    os.write(2, b"error: interrupted before anything was done\n")
    os._exit(_INTERRUPTED)


def _leave(code: int) -> None:
    """Everything is closed and written; taking the interpreter apart would cost more than many a command."""
    sys.stderr.flush()
    if logging := sys.modules.get("logging"):
        logging.shutdown()
    os._exit(code)


def _fill_closed_streams() -> None:
    """Started with stdout or stderr closed, the next file opened would get their number, and our text with it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - open until the process ends
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


if __name__ == "__main__":
    main()
