"""Bars of seconds, as SVG."""

from __future__ import annotations

from .results import Results

_COLOURS = {"us": "#1f6feb", "restic": "#c0504d", "borg": "#7f9f3f", "rclone": "#8064a2"}
_GROUPS = [(name, work) for name in ("small", "big", "million") for work in ("new", "nothing", "restore")]
_WIDTH, _BAR, _GAP, _LEFT = 760, 14, 12, 130


def chart(results: Results) -> str:
    """One group of bars for each set and work, each scaled to its slowest tool."""
    out: list[str] = []
    top = 30
    for name, work in _GROUPS:
        bars = [
            (tool, seconds) for tool in results.tools(name) if (seconds := results.median(name, tool, work)) is not None
        ]
        if not bars:
            continue
        out.append(_text(_LEFT - 10, top + _BAR * len(bars) / 2 + 4, f"{name}, {work}", anchor="end"))
        longest = max(seconds for _, seconds in bars)
        for tool, seconds in bars:
            width = max(1.0, (_WIDTH - _LEFT - 130) * seconds / longest)
            size = f'width="{width:.1f}" height="{_BAR - 2}"'
            out.append(f'<rect x="{_LEFT}" y="{top}" {size} fill="{_COLOURS.get(tool, "#888")}"/>')
            label = "backup-runner" if tool == "us" else tool
            out.append(_text(_LEFT + width + 5, top + _BAR - 4, f"{label} {seconds:.1f} s"))
            top += _BAR
        top += _GAP
    size = f'width="{_WIDTH}" height="{top}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
    title = _text(10, 16, "Seconds (median), shorter is better; each group has its own scale")
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', title, *out, "</svg>", ""])


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{text}</text>'
