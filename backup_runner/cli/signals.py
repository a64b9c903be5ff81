"""What is said when Ctrl-C is pressed while something is being written; run inside signal handlers."""

from __future__ import annotations

import os

_FIRST = b"\nstopping after what is in flight; Ctrl-C again stops at once\n"
_SECOND = b"\nstopped at once; the next apply goes on from what was recorded\n"
_SHOW_CURSOR = b"\x1b[?25h"


def first_notice() -> None:
    """After the first signal."""
    _write(_FIRST)


def second_notice() -> None:
    """After the second; gives back the cursor that a progress bar may have hidden."""
    _write((_SHOW_CURSOR if os.isatty(2) else b"") + _SECOND)


def _write(text: bytes) -> None:
    # Not through sys.stderr: a handler may run in the middle of one of its writes.
    try:
        os.write(2, text)
    except OSError:
        return
