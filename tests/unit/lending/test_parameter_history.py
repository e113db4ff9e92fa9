"""A dated parameter set stepped by a log of changes, and sets brought to equal borrow capacity."""

from dataclasses import replace

import pytest

from riskengine.config.build import Builder
from riskengine.config.locate import find
from riskengine.config.reader import read_yaml
from riskengine.lending.aave_v3.history import ChangeLog, ParameterChange, stepped
from riskengine.lending.aave_v3.rules import AaveV3Rules
from riskengine.lending.parameter_set import ParameterSet, TokenChange, at_capacity


def shipped(name: str) -> AaveV3Rules:
    builder = Builder(read_yaml(find("protocols", name)))
    return builder.done(builder.record(AaveV3Rules, ()))


BASE = shipped("aave_v3_ethereum_20231031")


def change(date: str, parameter: str, before: float, after: float, token: str = "WBTC") -> ParameterChange:
    return ParameterChange(date, token, parameter, before, after)


def logged(*changes: ParameterChange, first: str = "2023-01-01", last: str = "2024-12-31") -> AaveV3Rules:
    return replace(BASE, history=ChangeLog(first, last, "made here", changes))


LOG = (
    change("2023-05-01", "ltv", 0.72, 0.73),
    change("2023-10-31", "liquidation_threshold", 0.77, 0.78),
    change("2024-01-10", "liquidation_bonus", 0.05, 0.06),
    change("2024-01-10", "reserve_factor", 0.2, 0.5),
    change("2024-06-01", "liquidation_bonus", 0.06, 0.07),
)


def test_changes_are_made_forwards_and_undone_backwards():
    rules = logged(*LOG)
    later = stepped(rules, "2024-03-01T05:00")
    own = later.reserve("WBTC")
    assert (later.as_of, own.liquidation_bonus, own.rates.reserve_factor) == ("2024-03-01", 0.06, 0.5)
    assert own.ltv == 0.73 and later.reserve("WETH") == BASE.reserve("WETH")
    # what was changed on the day of the set is in it, and is undone the day before
    assert stepped(rules, "2023-10-31") == rules
    assert stepped(rules, "2023-10-30").reserve("WBTC").liquidation_threshold == 0.77
    earlier = stepped(rules, "2022-06-01")
    assert (earlier.as_of, earlier.reserve("WBTC").ltv) == ("2023-01-01", 0.72)
    assert stepped(rules, "2026-01-01").as_of == "2024-12-31"
    # there and back again
    assert stepped(stepped(rules, "2024-12-31"), "2023-10-31") == rules
    assert stepped(earlier, "2023-10-31") == rules


def test_without_a_log_or_outside_it_nothing_is_stepped():
    assert stepped(BASE, "2025-01-01") is BASE
    late = logged(first="2024-01-01")
    assert stepped(late, "2024-05-01") is late


def test_a_log_of_another_market_is_refused():
    with pytest.raises(ValueError, match="WBTC liquidation_bonus on 2024-01-10 must find 0.04, got 0.05"):
        stepped(logged(change("2024-01-10", "liquidation_bonus", 0.04, 0.06)), "2024-05-01")
    with pytest.raises(ValueError, match="reserve must be one of"):
        stepped(logged(change("2024-01-10", "ltv", 0.04, 0.06, token="DOGE")), "2024-05-01")
    with pytest.raises(ValueError, match="in order of date"):
        logged(*reversed(LOG))
    with pytest.raises(ValueError, match="parameter must be one of"):
        change("2024-01-10", "slope", 0.0, 1.0)
    with pytest.raises(ValueError, match="date must be an ISO date"):
        change("soon", "ltv", 0.0, 1.0)


def test_the_transcribed_history_is_every_change_of_the_published_log(shared):
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(shared / "data" / "risk_param_changes_aave.csv.gz")
    assert (frame.date.min(), frame.date.max()) == ("2024-10-04", "2026-02-09")
    rules = shipped("aave_v3_ethereum_20251023")
    names = {
        "ltv": "ltv",
        "liquidationThreshold": "liquidation_threshold",
        "liquidationBonus": "liquidation_bonus",
        "liquidationProtocolFee": "liquidation_protocol_fee",
        "reserveFactor": "reserve_factor",
    }
    own = frame[(frame.market == "AaveV3Ethereum") & (frame.scope == "reserve") & (frame.kind == "changed")]
    own = own[own.asset.isin([r.symbol for r in rules.reserves]) & own.param.isin(names)]
    told = [
        ParameterChange(r.date, r.asset, names[r.param], float(r[5]) / 1e4, float(r[6]) / 1e4)
        for r in own.itertuples(index=False)
    ]
    assert told and list(rules.history.changes) == told
    # the set, stepped back, against the other published set: no change of these in between is left unexplained
    first, base = stepped(rules, "2024-08-03"), shipped("aave_v3_ethereum_20231031")
    assert first.as_of == "2024-10-04"
    for symbol in ("WETH", "WBTC"):
        a, b = first.reserve(symbol), base.reserve(symbol)
        assert (a.ltv, a.liquidation_threshold, a.liquidation_bonus) == (
            b.ltv,
            b.liquidation_threshold,
            b.liquidation_bonus,
        )
        assert a.rates.reserve_factor == b.rates.reserve_factor


def offered(rules, worth):
    return sum(worth.get(r.symbol, 0.0) * r.ltv for r in rules.reserves)


@pytest.mark.parametrize("worth", [{"WBTC": 7e6, "WETH": 3e6, "USDC": 1e6}, {"WBTC": 1.0}, {"WETH": 5e8, "DAI": 5e8}])
def test_equal_capacity_is_equal_to_the_basis_point_and_keeps_the_shape_of_the_set(worth):
    tokens = {
        "WBTC": TokenChange(ltv=0.80, liquidation_threshold=0.85, liquidation_bonus=0.06),
        "WETH": TokenChange(ltv=0.76, liquidation_threshold=0.82),
    }
    listed = {r.symbol: r for r in BASE.reserves}
    scaled = at_capacity(ParameterSet("s", tokens, close_factor=0.4), listed, worth)
    rules = BASE.with_parameters(scaled)
    named = sum(worth.get(s, 0.0) for s in tokens)
    assert abs(offered(rules, worth) - offered(BASE, worth)) <= 0.5e-4 * named * (1.0 + 1e-9)
    a, b = rules.reserve("WBTC"), rules.reserve("WETH")
    assert a.ltv / b.ltv == pytest.approx(0.80 / 0.76, abs=2e-4)
    assert a.liquidation_threshold / a.ltv == pytest.approx(0.85 / 0.80, abs=2e-4)
    # what is no limit stays as recommended, and what the set leaves alone as in force
    assert a.liquidation_bonus == 0.06 and rules.close_factor == 0.4 and rules.reserve("DAI") == BASE.reserve("DAI")


def test_equal_capacity_needs_collateral_of_the_book():
    listed = {r.symbol: r for r in BASE.reserves}
    with pytest.raises(ValueError, match="must be collateral that the book borrows against"):
        at_capacity(ParameterSet("s", {"WBTC": TokenChange(ltv=0.7)}), listed, {"WETH": 1.0})
    # a set that changes the market only is at equal capacity as it stands
    assert at_capacity(ParameterSet("s", close_factor=1.0), listed, {}).tokens == {}
