"""Encrypted backups to OCI Object Storage or a directory, run like infrastructure as code.

The names are those of `backup_runner.api`; docs/python.md shows how they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import *  # noqa: F403 - the names are listed once, there

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Not `from . import api`, which would ask here for `api` first.
    api = import_module(f"{__name__}.api")
    if name in api.__all__:
        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from . import api

    return [*api.__all__, "__version__"]
