"""Messages for Ctrl-C during a run, printed from signal handlers."""

from __future__ import annotations

import os
from collections.abc import Callable

_FIRST = b"\nfinishing uploads in progress; press Ctrl-C again to stop at once\n"
_SHOW_CURSOR = b"\x1b[?25h"


def first_notice() -> None:
    """After the first signal."""
    _write(_FIRST)


def second_notice(what_now: str) -> Callable[[], None]:
    """After the second: prints `what_now` and shows the cursor again, which a progress bar may have hidden."""
    text = f"\nstopped at once; {what_now}\n".encode()
    return lambda: _write((_SHOW_CURSOR if os.isatty(2) else b"") + text)


def _write(text: bytes) -> None:
    # Not through sys.stderr: a handler may run in the middle of one of its writes.
    try:
        os.write(2, text)
    except OSError:
        return
