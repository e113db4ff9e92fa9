"""``fit peg``: a world from irregular quotes, and what is wrong with a call."""

import json

import numpy as np
import pytest
from cli_files import WORLD, call

from riskengine.config.study import load_world
from riskengine.law.peg import Dislocation, PegNoise
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.pegged import Peg, deviations


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Quotes of a stablecoin for 450 days, at odd minutes, with holes and one wrong quote."""
    rng = np.random.default_rng(5)
    shots = tuple(Dislocation(600.0, sign * 0.005, 1.0) for sign in (-1, 1))
    peg = Peg("USDX", "USD", (PegNoise(0.001, 24.0), PegNoise(0.001, 1.0)), shots)
    _, d = deviations(peg, 0, TimeGrid(3_600, 450 * 24 - 1), 0, 1, DrawKeys(5))
    hours = np.arange(450 * 24)
    kept = rng.random(hours.size) > 0.02
    hours, price = hours[kept], np.exp(d[kept, 0])
    price[500] = 2.0
    stamps = 1609459200 + hours * 3600 + rng.integers(0, 3600, hours.size)
    rows = [f"{t},USDX,{p:.6f}" for t, p in zip(stamps, price, strict=True)]
    (tmp_path / "quotes.csv").write_text("timestamp,symbol,price\n" + "\n".join(rows) + "\n")
    (tmp_path / "world.yaml").write_text(WORLD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


FIT = ("fit", "peg", "quotes.csv", "--asset", "USDX", "--base", "world.yaml")


def test_a_world_is_written_with_its_report(capsys, here):
    code, out, err = call(capsys, *FIT, "--depeg", "0.2,-0.09,17", "--out", "usdx.yaml", "--json")
    assert code == 0, err
    said = json.loads(out)
    world = load_world(here / "usdx.yaml")
    assert world.model.assets == ("BTC", "ETH", "USDX")
    assert world.model.pegs[0].dislocations[-1].mean == -0.09
    assert said["fit"]["spikes_dropped"] == 1
    assert said["fit"]["command"].endswith("--base world.yaml --depeg 0.2,-0.09,17 --out usdx.yaml")
    # a base world that was not fitted leaves the whole without a stamp of its own, unless the peg is out
    assert world.stamp in ("NOT FITTED", "UNFIT")
    assert said["parameters"]["noise.sd"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*FIT, "--out", "nowhere/x.yaml"), "nowhere/x.yaml: must be a file in a folder that can be written"),
        ((*FIT, "--out", "x.yaml", "--to", "SOL"), "--to must be one of USD, BTC, ETH, got 'SOL'"),
        ((*FIT, "--out", "x.yaml", "--par", "ETH"), "--par must be left out where the asset is pegged to USD"),
        ((*FIT, "--out", "x.yaml", "--depeg", "0.2,-0.09"), "--depeg must be RATE,MEAN,HOURS such as 0.2,-0.09,12"),
        ((*FIT, "--out", "x.yaml", "--depeg", "0.2,-0.09,-1"), "half_life_hours must lie in (0, 1e+06], got -1"),
        ((*FIT, "--out", "x.yaml", "--to", "ETH"), "ETH"),
        (("fit", "peg", "quotes.csv", "--asset", "USDY", "--base", "world.yaml", "--out", "x.yaml"), "USDY"),
        ((*FIT, "--out", "x.yaml", "--end", "2021-06-01"), "at least a year of hours (8760)"),
        ((*FIT, "--out", "x.yaml", "--base", "doge"), "doge"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_written(capsys, here, arguments, message):
    code, out, err = call(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert not (here / "x.yaml").exists()
