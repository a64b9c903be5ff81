"""Generates docs/rules/ from the table in `rulebook`: a page for each rule and an index.

`python -m backup_runner.jobfile.rulepages docs/rules` writes them.
"""

from __future__ import annotations

import os
import sys

from .rulebook import RULES
from .rules import Rule, Severity


def pages() -> dict[str, str]:
    """File names and contents."""
    return {"README.md": _list(), **{f"{rule.code}.md": _page(rule) for rule in RULES.values()}}


def _list() -> str:
    rows = [f"| [{rule.code}]({rule.code}.md) | {rule.severity} | {rule.title} |" for rule in RULES.values()]
    return "\n".join(
        [
            "# Rules for job files",
            "",
            "What `backup-runner validate` checks. Errors fail; warnings fail with `--strict`. A comment turns one",
            "off for its file: `# backup-runner: ignore BR061`.",
            "",
            "| rule | severity | |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _page(rule: Rule) -> str:
    parts = [f"# {rule.code}: {rule.title.rstrip('.')}", f"Severity: {rule.severity}.", rule.why]
    if rule.example.startswith("-"):
        parts.append(f"Reported for a job without `{rule.example[1:]}`.")
    elif rule.example:
        parts.append(f"Example:\n\n```yaml\n{rule.example}\n```")
    parts.append(f"**What to do.** {rule.help}")
    if rule.severity is Severity.WARNING:
        parts.append(f"To turn this warning off for one file, add this comment: `# backup-runner: ignore {rule.code}`")
    parts.append("[All rules](README.md)")
    return "\n\n".join(parts) + "\n"


def _write(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    for name, text in pages().items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    _write(sys.argv[1])
