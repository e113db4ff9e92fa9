"""The ``oracle`` of a market in a file: a push feed where no kind is given, others by kind, all faults at once."""

import pytest

from riskengine.config.build import Builder
from riskengine.config.dump import dump
from riskengine.config.reader import parse_yaml
from riskengine.config.study import load_study, study_of
from riskengine.errors import InputError
from riskengine.lending.keeper import DelayShares, ExponentialDelay, Keeper
from riskengine.oracle.chained import ChainedOracle, FeedLeg, RateLeg
from riskengine.oracle.ema import EmaOracle
from riskengine.oracle.osm import OsmOracle
from riskengine.oracle.push import PushOracle
from riskengine.oracle.stale import StaleOracle
from riskengine.oracle.twap import TwapOracle
from riskengine.roles import PriceOracle

CHAIN = "{kind: chained, chains: {ETH: [{kind: rate, value: 1.1}, {kind: feed, asset: ETH, deviation: 0.01}]}}"
GIVEN = {
    "{deviation: 0.01}": PushOracle(0.01),
    "{kind: push, heartbeat_hours: 24}": PushOracle(0.005, 24.0),
    "{kind: twap, window_hours: 2, mean: arithmetic}": TwapOracle(2.0, "arithmetic"),
    "{kind: ema, time_hours: 0.5}": EmaOracle(0.5),
    "osm": OsmOracle(),
    CHAIN: ChainedOracle({"ETH": (RateLeg("rate", 1.1), FeedLeg("feed", "ETH", None, 0.01))}),
    "{kind: stale, of: {kind: twap}, missed_share: 0.1}": StaleOracle(TwapOracle(), missed_share=0.1),
}


def built(text, hint=PriceOracle):
    builder = Builder(parse_yaml(text, "f.yaml"))
    return builder.done(builder.build(hint))


def faults(text, hint=PriceOracle):
    with pytest.raises(InputError) as error:
        built(text, hint)
    return [str(f) for f in error.value.faults]


@pytest.mark.parametrize("text", GIVEN)
def test_read_and_written(text):
    assert built(text) == GIVEN[text]


def test_a_push_feed_is_written_as_it_always_was():
    """Resolved studies, and so their hashes, are those from before there were other kinds."""
    assert dump(PushOracle()) == {"deviation": 0.005, "heartbeat_hours": 1.0}
    assert dump(StaleOracle())["of"] == {"deviation": 0.005, "heartbeat_hours": 1.0}
    assert dump(TwapOracle()) == {"kind": "twap", "window_hours": 1.0, "mean": "geometric"}
    assert "extra_delay" not in dump(Keeper())


@pytest.mark.parametrize("text", GIVEN)
def test_a_study_with_it_is_read_back_from_what_it_is_written_as(text):
    loaded = load_study("quickstart", (f"lending.market.oracle={text}",))
    assert loaded.study.lending.market.feed == GIVEN[text]
    assert dump(study_of(loaded.resolved)) == loaded.resolved


def test_keepers_that_are_late_by_a_law():
    assert built("{extra_delay: {kind: exponential, mean_hours: 2}}", Keeper).extra_delay == ExponentialDelay(
        "exponential", 2.0
    )
    shares = "{extra_delay: {kind: shares, hours: [0, 2], shares: [0.9, 0.1]}}"
    assert built(shares, Keeper).extra_delay == DelayShares("shares", (0.0, 2.0), (0.9, 0.1))
    (said,) = faults("{extra_delay: {kind: geometric}}", Keeper)
    assert "kind must be one of exponential, shares, got 'geometric'" in said


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{kind: twop}", ["kind: kind must be one of push, chained, twap, ema, osm, stale, got 'twop'; did you mean"]),
        ("{window_hours: 1}", ["window_hours: unknown key; legal keys are deviation, heartbeat_hours"]),
        ("{kind: twap, mean: harmonic, window_hours: -1}", ["window_hours must lie in", "mean: must be"]),
        ("{kind: stale, of: {deviation: 2}, missed_share: 3}", ["missed_share must lie in", "deviation must lie in"]),
        ("{kind: chained, chains: {ETH: [{kind: fed}]}}", ["kind must be one of feed, rate, got 'fed'"]),
        ("{kind: chained}", ["chains must be given"]),
    ],
)
def test_every_fault_is_said(text, wanted):
    said = "\n".join(faults(text))
    assert all(w in said for w in wanted), said


def test_what_an_oracle_needs_of_the_study_is_said_with_its_place():
    """Names of the world and its grid: known only where the study is."""
    for text, wanted in {
        "{kind: twap, window_hours: 0.5}": "oracle window_hours must fall on the time grid",
        "{kind: chained, chains: {X: [{kind: feed, asset: X}]}}": "chains must name assets of the world, BTC, ETH",
    }.items():
        with pytest.raises(InputError) as error:
            load_study("quickstart", (f"lending.market.oracle={text}",))
        assert any("lending" in str(f) and wanted in str(f) for f in error.value.faults), error.value.faults
