"""What a plan costs: the arithmetic with literals, then in plans, with other prices and as a guard."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from backup_runner.planning.cost import DAY_NS, GB, Work, estimate
from backup_runner.report.costs import cost_line, money
from backup_runner.spec.prices import Prices, Tariff
from backup_runner.targets.oci.spec import OciTargetSpec, StorageTier

STANDARD, INFREQUENT, ARCHIVE = StorageTier.STANDARD, StorageTier.INFREQUENT_ACCESS, StorageTier.ARCHIVE


def tariff(**said: float) -> Tariff:
    found = OciTargetSpec("b").tariff(Prices(**said))  # type: ignore[arg-type]
    assert found is not None
    return found


def test_storage_of_a_month_and_requests() -> None:
    cost = estimate(Work(stored={STANDARD: 100 * GB}, objects=2500, added=20 * GB, puts=1000), tariff())
    assert cost["storage_before"] == 2.55
    assert cost["storage_after"] == 3.06
    assert cost["requests"] == 1000 + 2 + 2 * 3
    assert cost["requests_cost"] == pytest.approx(1008 * 0.0034 / 10_000, abs=1e-6)
    assert cost["month_total"] == pytest.approx(3.06 + 0.000343, abs=1e-6)
    assert (cost["gb_months_added"], cost["gb_months_freed"]) == ({"Standard": 20.0}, {})


@pytest.mark.parametrize(
    ("tier", "days", "expected"),
    [
        (ARCHIVE, 0, 10 * 0.0026 * 90 / 30),
        (ARCHIVE, 60, 10 * 0.0026 * 30 / 30),
        (ARCHIVE, 90, 0),
        (ARCHIVE, 400, 0),
        (INFREQUENT, 1, 10 * 0.01 * 30 / 30),
        (STANDARD, 0, 0),
    ],
)
def test_what_is_deleted_early_is_billed_to_the_end(tier: str, days: int, expected: float) -> None:
    work = Work(stored={tier: 30 * GB}, freed=[(tier, 10 * GB, days * DAY_NS)])
    cost = estimate(work, tariff())
    assert cost["early_deletion_cost"] == pytest.approx(expected)
    assert cost["gb_months_freed"] == {tier: 10.0}
    assert cost["storage_after"] == pytest.approx(cost["storage_before"] * 2 / 3)


def test_reading_from_infrequent_access_costs() -> None:
    cost = estimate(Work(moved={INFREQUENT: 5 * GB, STANDARD: 9 * GB}), tariff(infrequent_access_retrieval=0.02))
    assert cost["retrieval_cost"] == 0.1


def test_amounts_as_people_write_them() -> None:
    said = [money(0, "USD"), money(0.004, "USD"), money(1234.5, "USD"), money(0.004, "EUR"), money(12, "CHF")]
    assert said == ["$0", "< $0.01", "$1,234.50", "< €0.01", "12.00 CHF"]
    line = cost_line(estimate(Work(tier=ARCHIVE, added=50 * GB, puts=1600), tariff()))
    assert line == (
        "Estimated cost: $0.13 this month (storage $0.13 a month, $0 before; Archive +50.00 GB-months; "
        "1,604 requests < $0.01; prices of 2026-09, without compression and free allowances)"
    )


@pytest.fixture
def oci_job(place: Any) -> Callable[..., None]:
    """Writes a job for a bucket that is never asked: nothing was applied, so a plan has nothing to ask."""
    (place.root / "config").write_text("[DEFAULT]\n")

    def write(**values: Any) -> None:
        target = {"type": "oci", "namespace": "ns", "bucket": "b", "region": "us-ashburn-1"}
        target |= {"storage_tier": "InfrequentAccess", "auth": {"config_file": "config"}}
        document = {"version": 1, "name": "job", "sources": [{"path": "./data"}], "relative_path": "./data"}
        document |= {"target": target, "encryption": {"key_file": "key"}, "catalog": "catalog.db"}
        place.job.write_text(json.dumps(document | values))

    with open(place.data / "large", "wb") as file:
        file.truncate(200_000_000)
    return write


def plan(place: Any) -> tuple[Any, dict[str, Any]]:
    from backup_runner.jobfile import load
    from backup_runner.jobfile.configfile import job_defaults, load_config
    from backup_runner.options import PlanOptions
    from backup_runner.planning.making import make_plan
    from backup_runner.progress import Silent
    from backup_runner.repository.session import Session

    env = {"HOME": str(place.root)}
    found = load([str(place.job)], env=env, defaults=job_defaults(load_config(None, env=env)))
    assert not [item for item in found.diagnostics if item.severity == "error"], found.diagnostics
    session = Session(found.jobs[0])
    made = make_plan(session, PlanOptions(offline=True), Silent())
    made.close()
    session.close()
    return made.header, made.header.cost or {}


def test_plans_for_oci_say_what_they_cost(place: Any, oci_job: Callable[..., None]) -> None:
    oci_job()
    header, cost = plan(place)
    assert cost["gb_months_added"] == pytest.approx({"InfrequentAccess": 0.2}, abs=1e-6)
    # 200 MB and two small files go up in packs of 32 MiB.
    assert cost["requests"] == 6 + 2 + 2
    assert (header.guards, cost["estimate"], cost["prices_of"]) == ([], True, tariff().dated)


def test_a_directory_costs_nothing_by_the_byte(place: Any) -> None:
    assert plan(place)[0].cost is None


def test_job_and_config_file_have_other_prices(place: Any, oci_job: Callable[..., None]) -> None:
    (place.root / ".backup-runner").mkdir()
    shared = "prices: {dated: 2026-11-01, currency: EUR, infrequent_access: 1, requests: 0}\n"
    (place.root / ".backup-runner" / "config.yaml").write_text(shared)
    oci_job(prices={"infrequent_access": 3})
    _, cost = plan(place)
    assert (cost["currency"], cost["prices_of"], cost["month_total"]) == ("EUR", "2026-11-01", pytest.approx(0.6))


@pytest.mark.parametrize(("limit", "stops"), [(0.001, True), (5, False), (0, True)])
def test_the_guard_on_cost(place: Any, oci_job: Callable[..., None], limit: float, stops: bool) -> None:
    oci_job(guards={"max_cost_per_month": limit})
    header, _ = plan(place)
    assert [guard["name"] for guard in header.guards] == (["max_cost_per_month"] if stops else [])


def test_a_limit_is_no_other_job(place: Any) -> None:
    """Older plans and journals stay good: the new settings do not count in the digest while they are absent."""
    from backup_runner.jobfile import load

    before = load([str(place.job)], env={}).jobs[0].digest()
    place.write_job(prices="{standard: 1}")
    assert load([str(place.job)], env={}).jobs[0].digest() == before
    place.write_job(guards="{max_cost_per_month: 3}")
    assert load([str(place.job)], env={}).jobs[0].digest() != before
