"""`config show`: the settings and where each is set."""

from __future__ import annotations

import typer

from .options import Json
from .output import output

app = typer.Typer(help="Show the settings that all jobs share.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _config() -> None:
    """Show the settings that all jobs share."""


@app.command("show")
def show(context: typer.Context, *, json: Json = False) -> int:
    """Show every setting, its value and where it is set.

    Example: backup-runner --set oci.bucket=other config show
    """
    from ..report.tables import table

    out = output(context, json=json)
    found = out.settings
    out.emit(
        {
            "file": found.path,
            "settings": {name: {"value": item.value, "origin": item.origin} for name, item in found.settings.items()},
        }
    )
    if not out.json:
        out.say([f"config file: {found.path or 'none'}", ""])
        rows = [(name, _text(item.value), item.origin) for name, item in found.settings.items()]
        out.say(table(("setting", "value", "from"), rows))
    return 0


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "-" if value is None else str(value)
