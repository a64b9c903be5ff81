"""`python -m backup_runner` and the console script. Imports wait until something is to be done."""

from __future__ import annotations

import gc
import os
import sys

_GENERATIONS = 100_000, 50, 100


def main() -> None:
    """Run the command line and exit with its code."""
    from .cli.app import run

    # Runs make millions of small values and no cycles among them; looking for some costs a tenth of their time.
    gc.set_threshold(*_GENERATIONS)
    code = run(sys.argv[1:])
    sys.stderr.flush()
    if logging := sys.modules.get("logging"):
        logging.shutdown()
    # Everything is closed and written; taking the interpreter apart would cost more than many a command.
    os._exit(code)


if __name__ == "__main__":
    main()
