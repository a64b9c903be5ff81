"""A key on paper: a page to print, as text and as HTML with a QR code. The only output that shows a secret."""

from __future__ import annotations

from html import escape
from io import BytesIO

import segno

_GROUP = 6
_IN_LINE = 6


def grouped(text: str) -> list[str]:
    """The letters in readable groups; white space is ignored when they are typed."""
    groups = [text[at : at + _GROUP] for at in range(0, len(text), _GROUP)]
    return [" ".join(groups[at : at + _IN_LINE]) for at in range(0, len(groups), _IN_LINE)]


def _advice(key_id: str) -> list[str]:
    return [
        f"Key id {key_id}. Whoever has this page can decrypt every backup made with this key; without the key, "
        f"nobody can.",
        "Keep it away from the computer, where neither fire nor theft takes both.",
        "To use it: copy the key above into a file (spaces, line breaks and lines that begin with # are ignored),",
        "set `encryption: {key_file: ...}` in the job to that file, and run `backup-runner catalog pull JOB`.",
        "To test it: `backup-runner key check JOB --typed` reads what you type and compares it with the job's key;",
        "it reports a wrong letter.",
    ]


def paper_lines(text: str, key_id: str) -> list[str]:
    """The page as text."""
    return ["# backup-runner key", *grouped(text), *(f"# {line}" for line in _advice(key_id))]


def paper_html(text: str, key_id: str) -> str:
    """The page as self-contained HTML; the QR code contains the same letters."""
    drawn = BytesIO()
    # Capital letters take less space in a QR code, and mean the same.
    segno.make(text.upper(), error="q", micro=False).save(drawn, kind="svg", scale=5, xmldecl=False)
    letters = "\n".join(grouped(text))
    advice = "".join(f"<p>{escape(line)}</p>" for line in _advice(key_id))
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>backup-runner key</title>"
        "<style>body{font:12pt sans-serif;margin:2cm}pre{font-size:14pt}</style>"
        f"<h1>backup-runner key</h1><pre>{escape(letters)}</pre>{drawn.getvalue().decode()}{advice}</html>\n"
    )
