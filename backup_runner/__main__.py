"""`python -m backup_runner` and the console script. Imports wait until something is to be done."""

from __future__ import annotations

import gc
import sys

_GENERATIONS = 100_000, 50, 100


def main() -> None:
    """Run the command line and exit with its code."""
    from .cli.app import run

    # Runs make millions of small values and no cycles among them; looking for some costs a tenth of their time.
    gc.set_threshold(*_GENERATIONS)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
