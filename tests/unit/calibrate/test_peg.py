"""Fit of a peg: what it finds again, how quotes become hours, the file it writes, the shipped worlds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from riskengine.calibrate.bands import Band, Bands, check_fit
from riskengine.calibrate.peg import PegAlone, QuoteSample, fit_peg, peg_sample, without_spikes
from riskengine.calibrate.peg_file import peg_record
from riskengine.calibrate.world_file import to_yaml, write_record
from riskengine.config.study import load_world
from riskengine.law.peg import Dislocation, PegNoise
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.pegged import Peg, deviations

TRUE = {"noise.sd": 0.0012, "frequent.mean": 0.002, "rare.intensity": 150.0, "rare.mean": 0.01, "level": 0.0}
PEG = Peg(
    "X",
    "USD",
    (PegNoise(0.0012, 72.0),),
    (
        *(Dislocation(3_000.0, sign * 0.002, 0.5) for sign in (-1, 1)),
        *(Dislocation(150.0, sign * 0.01, 2.0) for sign in (-1, 1)),
    ),
)


@pytest.fixture(scope="module")
def fitted():
    hours = 2 * 8760
    _, d = deviations(PEG, 0, TimeGrid(3_600, hours), 0, 1, DrawKeys(21))
    sample = QuoteSample(("X",), np.arange(hours + 1), np.exp(d))
    return fit_peg(sample, horizons_hours=(1, 24), replicates=60)


def test_known_parameters_lie_within_four_errors(fitted):
    for name, value in TRUE.items():
        assert abs(fitted.numbers[name] - value) < 4 * fitted.standard_errors[name], name
    assert fitted.report.verdict == "FIT"
    assert fitted.on_bound == ()
    # 2 horizons x 12 points and 6 of the level
    assert len(fitted.residuals) == 30


def test_the_file_is_a_world(fitted, tmp_path):
    base = load_world("btc_eth")
    stated = (Dislocation(0.2, -0.09, 17.0),)
    write_record(tmp_path / "x.yaml", peg_record(fitted, base, "ETH", stated, command="a command", spikes=3))
    world = load_world(tmp_path / "x.yaml")
    assert world.model.assets == ("BTC", "ETH", "X")
    assert world.model.base == base.model
    assert world.model.pegs[0].dislocations == (*fitted.dislocations, *stated)
    assert world.surface.long_variance == (*base.surface.long_variance, base.surface.long_variance[1])
    assert world.fit["spikes_dropped"] == 3
    # a second peg joins the first, and one in USD has a surface that stands still
    again = peg_record(replace(fitted, asset="Y"), world, "USD")
    (tmp_path / "y.yaml").write_text(to_yaml(again), encoding="utf-8")
    more = load_world(tmp_path / "y.yaml")
    assert more.model.assets == ("BTC", "ETH", "X", "Y")
    assert more.surface.premium[3] == 0.0
    assert more.surface.atm(3, 0.1, np.zeros(1))[0] == pytest.approx(np.sqrt(more.surface.long_variance[3]))
    with pytest.raises(ValueError, match="got X twice"):
        peg_record(fitted, world)


def test_hours_take_their_last_quote_over_par_at_its_time():
    seconds = np.array([0, 1_800, 5_400, 9_000])
    ratio = peg_sample("X", (seconds, np.array([1.0, 1.01, 1.02, 0.99])))
    assert ratio.hours.tolist() == [0, 1, 2]
    assert ratio.prices[:, 0].tolist() == [1.01, 1.02, 0.99]
    # par doubles between 0 h and 1 h, then has no quote for three hours
    par = (np.array([0, 3_600, 5_400, 14_400]), np.array([1.0, 2.0, 2.0, 2.0]))
    found = peg_sample("X", (seconds, np.array([1.0, np.sqrt(2), 2.1, 2.0])), par)
    assert found.hours.tolist() == [0, 1]
    assert found.prices[:, 0] == pytest.approx([1.0, 1.05], rel=1e-12)


def test_a_change_needs_its_ends_only():
    sample = QuoteSample(("X",), np.array([0, 1, 3, 4, 7]), np.exp([[0.0], [0.1], [0.3], [0.4], [0.7]]))
    values, exist = sample.returns(3)
    assert exist.tolist() == [True, True, False, True, False]
    np.testing.assert_allclose(values[exist, 0], 0.3, rtol=1e-12)
    with pytest.raises(ValueError, match=r"horizon must lie in \[1, 4\] hours, got 5"):
        sample.returns(5)


def test_single_spikes_go_and_steps_stay():
    price = np.array([1.0, 1.2, 1.001, 1.0, 0.9, 0.9, 1.0, 1.0])
    seconds, kept, dropped = without_spikes(np.arange(8)[::-1] * 3_600, price[::-1])
    assert dropped == 1
    assert kept.tolist() == [1.0, 1.001, 1.0, 0.9, 0.9, 1.0, 1.0]
    assert seconds.tolist() == [0, 7_200, 10_800, 14_400, 18_000, 21_600, 25_200]


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (QuoteSample(("X", "Y"), np.arange(3), np.ones((3, 2))), "sample must hold one pegged asset, got X, Y"),
        (QuoteSample(("X",), np.arange(100), np.ones((100, 1))), r"at least a year of hours \(8760\), got 100"),
        (
            QuoteSample(("X",), np.arange(11_000), np.ones((11_000, 1))),
            "a price that moves, got a ratio of 1 throughout",
        ),
    ],
)
def test_samples_that_say_nothing_are_refused(sample, message):
    with pytest.raises(ValueError, match=message):
        fit_peg(sample)


@pytest.mark.parametrize(
    ("name", "verdict", "outside"),
    [("usdc", "UNFIT", ["USDC 24 h 0.999", "USDC 72 h 0.999"]), ("eth_steth", "FIT", [])],
)
def test_shipped_tables_are_those_of_the_shipped_parameters(name, verdict, outside):
    world = load_world(name)
    fit, peg = world.fit, world.model.pegs[0]
    cells = [
        Band(b["asset"], side, b["horizon_hours"], b["level"], b["data"], b["lower"], b["upper"])
        for side, key in (("long", "bands"), ("short", "bands_short"))
        for b in fit[key]
    ]
    bands = Bands(tuple(cells), fit["band_confidence"], fit["block_hours"], fit["replicates"], fit["bootstrap_seed"])
    report = check_fit(PegAlone((peg.asset,), peg.noise, peg.dislocations), bands)
    stored = [b["model"] for key in ("bands", "bands_short") for b in fit[key]]
    # six decimals
    assert [r.model for r in report.rows] == pytest.approx(stored, abs=5.01e-7)
    assert [f"{r.band.asset} {r.band.horizon_hours} h {r.band.level:g}" for r in report.outside] == outside
    assert (report.verdict, world.stamp, fit["outside"]) == (verdict, verdict, outside)
    assert fit["fitted_part_verdict"] == "FIT"
    assert world.model.base == load_world("btc_eth").model


def test_spike_rule_finds_what_the_data_mark(shared):
    """Quotes marked as suspect in the data are dropped, and hardly any other."""
    pandas = pytest.importorskip("pandas", reason="reads parquet")
    frame = pandas.read_parquet(Path(shared) / "data" / "pegged_assets_usd_1h.parquet")
    for symbol in ("stETH", "WETH", "USDC", "DAI"):
        part = frame[frame.symbol == symbol]
        seconds = part.timestamp.dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
        kept, _, dropped = without_spikes(seconds, part.price.to_numpy())
        marked = set(seconds[part.suspect.to_numpy(dtype=bool)].tolist())
        assert not marked & set(kept.tolist())
        assert dropped <= len(marked) + 1
