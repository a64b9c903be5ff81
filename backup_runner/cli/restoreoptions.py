"""The options of `restore`, and the values they take."""

from __future__ import annotations

from typing import Annotated

import typer

from .completing import snapshots, stored_paths
from .options import Overwrite

Paths = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="PATH",
        help="Files, folders or patterns: stored, absolute or relative to the current folder. Default: everything.",
        autocompletion=stored_paths,
    ),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="DIR|-",
        help="Restore to DIR/<stored path> instead of the original location; - writes one file to stdout.",
    ),
]
AsTar = Annotated[
    str | None, typer.Option("--as-tar", metavar="FILE|-", help="Write a tar archive, to a new file or to stdout.")
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="SNAPSHOT|TIME",
        help="The snapshot to restore: a number or a time. Default: the newest.",
        autocompletion=snapshots,
    ),
]
Existing = Annotated[Overwrite, typer.Option(help="What to do with an existing file that differs.")]
Delete = Annotated[
    bool,
    typer.Option(
        "--delete",
        help="Also delete what is in restored folders, not in the snapshot. Shows it first; skipped files stay.",
    ),
]
NumericOwner = Annotated[bool, typer.Option("--numeric-owner", help="Owners by number, not by the names they had.")]
MapOwner = Annotated[
    list[str] | None,
    typer.Option("--map-owner", metavar="OLD:NEW", help="Give the files of a user to another. May be repeated."),
]
MapGroup = Annotated[list[str] | None, typer.Option("--map-group", metavar="OLD:NEW", help="The same for a group.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="List what would be done; change nothing.")]
Thaw = Annotated[bool, typer.Option("--thaw", help="Request that archived objects be made readable.")]
