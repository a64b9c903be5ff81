"""docs/rules/: a page for each rule and a list of all, made from the table in `rulebook`.

`python -m backup_runner.jobfile.rulepages docs/rules` writes them.
"""

from __future__ import annotations

import os
import sys

from .rulebook import RULES
from .rules import Rule, Severity


def pages() -> dict[str, str]:
    """File names and their text."""
    return {"README.md": _list(), **{f"{rule.code}.md": _page(rule) for rule in RULES.values()}}


def _list() -> str:
    rows = [f"| [{rule.code}]({rule.code}.md) | {rule.severity} | {rule.title} |" for rule in RULES.values()]
    return "\n".join(
        [
            "# Rules for job files",
            "",
            "What `backup-runner validate` checks. Errors fail; warnings fail with `--strict`, and a comment turns one",
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
        parts.append(f"Found where a job has no `{rule.example[1:]}`.")
    elif rule.example:
        parts.append(f"Found here:\n\n```yaml\n{rule.example}\n```")
    parts.append(f"**What to do.** {rule.help}")
    if rule.severity is Severity.WARNING:
        parts.append(f"To turn it off for one file, put this comment into it: `# backup-runner: ignore {rule.code}`")
    parts.append("[All rules](README.md)")
    return "\n\n".join(parts) + "\n"


def _write(folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    for name, text in pages().items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    _write(sys.argv[1])
