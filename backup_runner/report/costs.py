"""The estimated cost of a plan as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}


def money(amount: float, currency: str) -> str:
    """`$0.12`, `$1,234.50`, `< $0.01`, `12.00 CHF`; 0 without cents."""
    sign = _SIGNS.get(currency, "")
    end = "" if sign else f" {currency}"
    if 0 < amount < 0.01:
        return f"< {sign}0.01{end}"
    return f"{sign}{amount:,.2f}{end}" if amount else f"{sign}0{end}"


def cost_line(cost: Mapping[str, Any]) -> str:
    """One sentence: the month's total and its parts."""
    shown = "; ".join(f"{name} {value}" for name, value in cost_parts(cost))
    return f"Estimated cost: {money(cost['month_total'], cost['currency'])} this month ({shown})"


def cost_parts(cost: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(label, amount) of all parts that are not zero."""
    currency = cost["currency"]
    before, after = cost["storage_before"], cost["storage_after"]
    yield "storage", f"{money(after, currency)} a month, {money(before, currency)} before"
    for name, sign in (("gb_months_added", "+"), ("gb_months_freed", "−")):
        for tier, amount in cost[name].items():
            yield tier, f"{sign}{_gb(amount)} GB-months"
    yield f"{cost['requests']:,} requests", money(cost["requests_cost"], currency)
    for name, said in (("early_deletion_cost", "early deletion"), ("retrieval_cost", "retrieval")):
        if cost[name]:
            yield said, money(cost[name], currency)
    yield "prices of", f"{cost['prices_of']}, without compression and free allowances"


def _gb(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 0.01 else "< 0.01"
