"""Published figures of lending contracts, met to the last integer."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from riskengine.lending.aave_v3.integer import (
    CollateralPosition,
    DebtPosition,
    fixed_spread_identity,
    liquidation_call,
)
from riskengine.lending.aave_v4 import debt_to_target, liquidation_bonus
from riskengine.lending.comet.integer import CometCollateral, is_liquidatable
from riskengine.lending.euler_evk.integer import max_liquidation
from riskengine.lending.liquity_v1 import liquidate, liquidate_capped
from riskengine.lending.maker import linear_price
from riskengine.liquidity.constant_product import impermanent_loss
from riskengine.pricing.fixed_point import RAY, WAD
from riskengine.rates.comet import CometCurve
from riskengine.rates.linear_kink import LinearKink
from riskengine.verify.cases import all_adapters, read_cases, run_case, run_file
from riskengine.verify.lending import ADAPTERS

FIGURES = Path(__file__).with_name("lending_figures.json")


@pytest.mark.parametrize("case", read_cases(FIGURES), ids=lambda c: f"{c.mechanism}: {c.name}")
def test_published_figure(case):
    result = run_case(case, all_adapters())
    assert result.verdict == "PASS", str(result)
    assert result.compared >= 1


@pytest.mark.parametrize("case", read_cases(FIGURES), ids=lambda c: f"{c.mechanism}: {c.name}")
def test_one_unit_beside_an_integer_is_not_it(case):
    """Contracts' integers match to the last unit: only doubles have a tolerance."""

    def nudged(value):
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, list):
            return [nudged(v) for v in value]
        if isinstance(value, dict):
            return {k: nudged(v) for k, v in value.items()}
        is_text = isinstance(value, str)
        if is_text and not value.isdigit() or isinstance(value, float):
            return value
        return str(int(value) + 1) if is_text else value + 1

    for key, value in case.expected.items():
        if nudged(value) != value:
            found = run_case(replace(case, expected={key: nudged(value)}), all_adapters())
            assert found.verdict == "FAIL", (key, value)


def test_reference_file(shared):
    results = run_file(shared / "golden" / "lending.json", ADAPTERS)
    assert [str(r) for r in results if r.verdict != "PASS"] == []


def test_every_mechanism_of_the_reference_file_has_an_adapter(shared):
    document = json.loads((shared / "golden" / "lending.json").read_text())
    wanted = {c["mechanism"] for c in document["cases"]} | set(document["formats_of_further_mechanisms"])
    assert wanted - set(ADAPTERS) == set()


def test_integers_may_come_as_strings():
    case = next(c for c in read_cases(FIGURES) if c.name.startswith("A9"))

    def text(value):
        if isinstance(value, dict):
            return {k: text(v) for k, v in value.items()}
        if isinstance(value, list):
            return [text(v) for v in value]
        return str(value)

    assert ADAPTERS[case.mechanism](text(case.inputs)) == ADAPTERS[case.mechanism](case.inputs)


def test_healthy_account_is_refused():
    found = liquidation_call(
        (CollateralPosition(10**18, 1800 * 10**8, 10**18, 8600, 10500, 1000),),
        (DebtPosition(10**9, 10**8, 10**6),),
        0,
        0,
    )
    assert found.reverts == "HealthFactorNotBelowThreshold"
    assert sum(found.deficits) == 0


def test_toxic_region():
    # above 1 / LB every repayment raises loan-to-value; below it, it lowers it
    assert fixed_spread_identity(1000, 960, 0.83, 1.05, 50).ltv_after > 0.96
    assert fixed_spread_identity(1000, 940, 0.83, 1.05, 50).ltv_after < 0.94
    # health falls exactly where LB * LT exceeds it
    assert fixed_spread_identity(1000, 960, 0.83, 1.05, 50).health_decreases
    assert not fixed_spread_identity(1000, 940, 0.83, 1.05, 50).health_decreases


def test_figures_without_a_case_format():
    assert linear_price(1000 * RAY, 3600, 1080) == 700 * RAY
    assert impermanent_loss(4.0) == pytest.approx(-0.2, abs=1e-15)
    assert debt_to_target(10_000, 0.8, 1.25, 1.5, 0.5) == pytest.approx(9_000, rel=1e-12)
    assert debt_to_target(10_000, 0.8, 1.0, 1.5, 0.5) / 2_000 == pytest.approx(4.0, rel=1e-12)
    assert liquidation_bonus(0.96, 0.8, 1.10, 0.5) == pytest.approx(1.06, rel=1e-12)
    assert liquidation_bonus(0.8, 0.8, 1.10, 0.5) == 1.10
    # E4: one collateral beside another
    beside = max_liquidation(WAD, WAD, 3000, 4 * WAD, 126 * WAD // 10, 2000, 12 * WAD)
    assert (beside.health_score, beside.max_repay, beside.max_yield) == (976190476190476190, 309901738473167044, WAD)
    # E5
    curve = LinearKink(0, 1406417851, 19050045013, 2147483648)
    rates = (1510129667232482373, 3020259335871382597, 23475089397768479147, 43929919477309202859)
    assert tuple(curve.per_second(u, 100 - u) for u in (25, 50, 75, 100)) == rates
    # Compound v2's jump rate is the same curve, not rounded to seconds: percent of base 10, slope 20, kink 90, jump 100
    percent = WAD // 100
    jump, flatter = (CometCurve(90 * percent, 10 * percent, 20 * percent, j * percent) for j in (100, 20))
    assert [jump.per_second(u * percent, 1) * 10 // percent for u in (0, 10, 89, 90, 91, 100)] == [
        100, 120, 278, 280, 290, 380
    ]  # fmt: skip
    assert flatter.per_second(WAD, 1) == 30 * percent
    # C10
    assert is_liquidatable(10**11, 10**8, 10**6, (CometCollateral(10**23, 10**8, 10**18, 8 * WAD // 10, WAD),))
    assert is_liquidatable(10**11, 10**8, 10**6, (CometCollateral(95 * 10**21, 10**8, 10**18, WAD, WAD),))
    # Liquity recovery mode and gas compensation
    capped = liquidate_capped(250 * WAD, 3 * WAD, 100 * WAD)
    assert (capped.gas_compensation, capped.collateral_to_pool) == (1375 * 10**13, 273625 * 10**13)
    assert capped.collateral_surplus == WAD // 4
    assert liquidate(WAD, 375 * 10**17, 0).gas_compensation == 1875 * 10**14
