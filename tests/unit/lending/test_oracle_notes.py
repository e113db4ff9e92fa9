"""What a market says of its oracle: the danger condition at its boundary, under every mechanism, and in `check`."""

from dataclasses import replace

import pytest
from markets import market

from riskengine.config.check import inspect_file
from riskengine.config.study import load_study
from riskengine.lending.keeper import DelayShares
from riskengine.lending.oracle_notes import hidden_falls, oracle_words
from riskengine.oracle.chained import ChainedOracle, FeedLeg, RateLeg
from riskengine.oracle.push import PushOracle
from riskengine.oracle.twap import TwapOracle


def said(oracle, **parameters):
    return list(hidden_falls(market(oracle=oracle, **parameters)))


def test_danger_begins_where_the_deviation_exceeds_what_a_loan_has_to_spare():
    """LT 0.8, bonus 5 %: 1 - 0.84 = 16 %; LTV 0.7: 1 - 0.735 = 26.5 %."""
    assert said(PushOracle(0.16 - 1e-9)) == []
    near = said(PushOracle(0.16 + 1e-9))
    assert len(near) == 2 and "fall of WETH by 16 %" in near[0] and "near liquidation has 16 % to spare" in near[0]
    assert "just taken at the full loan-to-value has 26.5 % to spare" in said(PushOracle(0.265 + 1e-9))[0]
    assert said(PushOracle(0.04), threshold=0.93, bonus=0.05, ltv=0.9)[0].startswith(
        "the oracle may hide a fall of WETH"
    )
    assert said(TwapOracle(), threshold=0.95) == []


def test_a_chain_hides_what_its_legs_hide_together():
    legs = (FeedLeg("feed", "ETH", "BTC", 0.1), FeedLeg("feed", "BTC", None, 0.08))
    (only,) = said(ChainedOracle({"ETH": legs}, PushOracle(0.005)))
    assert "fall of WETH by 17.2 %" in only
    assert said(ChainedOracle({"ETH": (RateLeg("rate"), legs[1])}, PushOracle(0.005))) == []


def test_every_mechanism_has_its_own_to_spare():
    """Aave v3 0.83 x 1.05, Compound v3 0.83 / 0.975, Morpho Blue 0.805 x its incentive, Euler v2 0.83 without bonus."""
    markets = load_study("lending_mechanisms").study.lending.markets
    spare = {
        "aave_v3": 1 - 0.83 * 1.05,
        "comet": 1 - 0.83 / 0.975,
        "morpho_blue": 1 - 0.805 / (0.3 * 0.805 + 0.7),
        "euler_evk": 0.17,
    }
    for each in markets:
        below, above = (
            list(hidden_falls(replace(each, oracle=PushOracle(spare[each.kind] + d)))) for d in (-1e-3, 1e-3)
        )
        assert below == [] and len(above) == 1
        assert "fall of WETH" in above[0] and f"has {100 * spare[each.kind]:.3g} % to spare" in above[0]
        assert list(hidden_falls(each)) == []


def test_words_for_the_report():
    plain = market()
    assert list(oracle_words(plain)) == []
    late = replace(plain.keeper, extra_delay=DelayShares("shares", (0.0, 2.0), (0.9, 0.1)))
    told = list(oracle_words(replace(plain, oracle=TwapOracle(2.0), keeper=late)))
    assert told == [
        "its oracle is twap (window_hours 2, mean geometric)",
        "its keepers come 0 h late and as much later as is drawn: shares (hours 0, 2, shares 0.9, 0.1)",
    ]
    chain = ChainedOracle({"ETH": (RateLeg("rate", 1.1), FeedLeg("feed", "ETH"))})
    (words,) = oracle_words(replace(plain, oracle=chain))
    assert "ETH: rate (value 1.1, growth 0) x feed (asset ETH, per USD, deviation 0.005, heartbeat_hours 1)" in words
    assert not list(oracle_words(object()))


@pytest.mark.parametrize(("deviation", "notes"), [(0.05, 0), (0.2, 2)])
def test_check_notes_it(tmp_path, deviation, notes):
    text = f"""
kind: calibration
title: t
world: btc_eth
seed: 1
paths: 2
horizon_hours: 2
step_hours: 1
lending:
  book: aave_borrowers
  market:
    kind: aave_v3
    rules: aave_v3_ethereum_20231031
    oracle: {{deviation: {deviation}}}
    keeper: {{delay_hours: 1}}
    liquidity: {{depth_usd: {{BTC: 1e6, ETH: 1e6}}}}
"""
    (tmp_path / "s.yaml").write_text(text)
    kind, found = inspect_file(tmp_path / "s.yaml")
    assert kind == "study" and len([n for n in found if n.startswith("aave_v3: the oracle may hide")]) == notes
