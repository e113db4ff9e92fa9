"""Parameter records: the invariants of the configurator, shifts, and the shipped parameter set."""

import csv
from pathlib import Path

import pytest

from riskengine.config.build import Builder
from riskengine.config.reader import read_yaml
from riskengine.lending.aave_v3.rules import AaveV3Rules, EfficiencyMode, Reserve, to_bps
from riskengine.oracle.push import PushOracle
from riskengine.rates.two_slope import TwoSlope

SHIPPED = Path(__file__).parents[3] / "configs" / "protocols" / "aave_v3_ethereum_20231031.yaml"
RATES = TwoSlope(0.8, 0.0, 0.04, 0.6)


def reserve(ltv=0.8, threshold=0.83, bonus=0.05, symbol="WETH", emode=0):
    return Reserve(symbol, "ETH", 18, ltv, threshold, bonus, 0.1, RATES, emode=emode)


@pytest.fixture(scope="module")
def shipped():
    builder = Builder(read_yaml(SHIPPED))
    return builder.done(builder.record(AaveV3Rules, ()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ltv": 0.84}, "WETH liquidation_threshold must be at least ltv 0.84, got 0.83"),
        ({"threshold": 0.96}, r"liquidation_threshold times \(1 \+ liquidation_bonus\) must be at most 1, got 1.008"),
        ({"threshold": 1.2}, r"WETH liquidation_threshold must lie in \[0, 1\], got 1.2"),
        ({"bonus": -0.01}, "WETH liquidation_bonus must lie in"),
        ({"threshold": 0.83333}, "WETH liquidation_threshold must be a whole number of basis points, got 0.83333"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        reserve(**arguments)


def test_threshold_times_bonus_may_be_exactly_one():
    # percentMul rounds halves up: 95.24 % of 105 % is 100.00 % to the basis point
    assert reserve(ltv=0.9, threshold=0.9523).liquidation_threshold == 0.9523
    assert EfficiencyMode(1, "ETH correlated", 0.9, 0.93, 0.01).liquidation_bonus == 0.01
    with pytest.raises(ValueError, match="at most 1, got 1.0001"):
        reserve(ltv=0.9, threshold=0.9525)


def test_set_of_reserves_is_checked():
    with pytest.raises(ValueError, match="each once"):
        AaveV3Rules("x", "2023-10-31", "s", (reserve(), reserve()), PushOracle())
    with pytest.raises(ValueError, match="emode of every reserve must be listed"):
        AaveV3Rules("x", "2023-10-31", "s", (reserve(emode=1),), PushOracle())
    with pytest.raises(ValueError, match="reserve must be one of .*'DAI'"):
        AaveV3Rules("x", "2023-10-31", "s", (reserve(),), PushOracle()).reserve("DAI")


def test_basis_points():
    assert [to_bps("x", v) for v in (0.805, 0.0, 1.0, 0.0001)] == [8050, 0, 10_000, 1]


def test_shift_moves_thresholds_and_no_more_than_it_must():
    both = AaveV3Rules("x", "d", "s", (reserve(), reserve(0.0, 0.0, 0.0, "USDC")), PushOracle())
    down = both.with_threshold_shift(-0.05)
    assert (down.reserve("WETH").liquidation_threshold, down.reserve("WETH").ltv) == (0.78, 0.78)
    assert down.reserve("USDC") == both.reserve("USDC")
    up = both.with_threshold_shift(0.03)
    assert (up.reserve("WETH").liquidation_threshold, up.reserve("WETH").ltv) == (0.86, 0.8)
    assert both.with_threshold_shift(0.0) is both
    with pytest.raises(ValueError, match="at most 1"):
        both.with_threshold_shift(0.15)
    with pytest.raises(ValueError, match="must lie in"):
        both.with_threshold_shift(-0.9)


def test_shipped_parameters(shipped):
    weth, wbtc, usdc = (shipped.reserve(s) for s in ("WETH", "WBTC", "USDC"))
    assert (weth.ltv, weth.liquidation_threshold, weth.liquidation_bonus) == (0.805, 0.83, 0.05)
    assert (wbtc.ltv, wbtc.liquidation_threshold, wbtc.liquidation_bonus) == (0.73, 0.78, 0.05)
    assert (usdc.decimals, usdc.asset, usdc.rates.optimal_usage) == (6, None, 0.9)
    assert shipped.oracle == PushOracle(0.005, 1.0)
    assert (shipped.close_factor, shipped.full_close_health) == (0.5, 0.95)
    for shift in (-0.03, 0.03):
        assert shipped.with_threshold_shift(shift).reserve("WBTC").liquidation_threshold == round(0.78 + shift, 4)


def test_shipped_parameters_are_the_published_ones(shared, shipped):
    path = shared / "data" / "risk_params_aave_20231031.csv"
    with open(path, newline="") as handle:
        rows = {r["symbol"]: r for r in csv.DictReader(handle) if r["market"] == "aave_v3_ethereum"}
    for found in shipped.reserves:
        row = rows[found.symbol]
        pairs = [
            (found.decimals, "decimals"),
            (found.ltv, "ltv"),
            (found.liquidation_threshold, "liquidation_threshold"),
            (found.liquidation_bonus, "liquidation_bonus"),
            (found.liquidation_protocol_fee, "liquidation_protocol_fee"),
            (found.rates.reserve_factor, "reserve_factor"),
            (found.rates.optimal_usage, "optimal_usage"),
            (found.rates.base, "base_var_rate"),
            (found.rates.slope1, "var_slope1"),
            (found.rates.slope2, "var_slope2"),
            (found.supply_cap, "supply_cap"),
            (found.borrow_cap, "borrow_cap"),
            (found.emode, "emode_category"),
        ]
        for value, column in pairs:
            assert value == pytest.approx(float(row[column]), abs=1e-12), (found.symbol, column)
        spot = shipped.reference_spot[found.asset] if found.asset else found.price
        assert spot == pytest.approx(float(row["oracle_price"]), rel=1e-12 if found.asset else 2e-4)
