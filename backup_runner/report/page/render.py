"""The contents of the page, and the page from its template."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from .rows import Rows
from .shapes import Tile


@dataclass(slots=True)
class Page:
    """What a page shows, top down. Texts are plain; the template escapes them.

    Larger than usual, because it is what the template fills in.
    """

    title: str
    heading: str
    facts: list[tuple[str, str]]
    rows: Rows
    list_title: str
    headline: str = ""
    figures: list[tuple[str, str, str]] = field(default_factory=list)
    """(label, value, note)"""
    stops: list[tuple[str, str]] = field(default_factory=list)
    """(guard, message): why nothing will be done."""
    problems: list[tuple[str, str]] = field(default_factory=list)
    """(path, what is wrong)"""
    problem_count: int = 0
    notes: list[str] = field(default_factory=list)
    map_title: str = "Bytes by folder"
    tiles: list[Tile] = field(default_factory=list)
    growth: list[dict[str, Any]] = field(default_factory=list)
    charts: list[dict[str, Any]] = field(default_factory=list)
    costs: list[tuple[str, str]] = field(default_factory=list)


def render(page: Page) -> str:
    """The whole HTML document."""
    script = _part("page.js")
    # Only this script may run: even a name that got past the escaping would not be executed.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _template().render(
        page=page,
        style=Markup(_part("page.css")),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        digest=digest,
        data=Markup(page.rows.packed()),  # noqa: S704 - JSON without "<"
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=DictLoader({"page": _part("page.html.jinja")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page")


@cache
def _part(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")
