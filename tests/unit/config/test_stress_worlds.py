"""Stress worlds from files: what they hold, where their figures come from, and what is said of wrong ones."""

import csv
import math

import pytest

from riskengine.config.dump import dump
from riskengine.config.locate import shipped
from riskengine.config.study import load_study, load_world
from riskengine.errors import InputError

EVENTS = {
    "covid_2020": ("Covid crash", None),
    "may_2021": ("May-2021 deleveraging", None),
    "luna_2022": ("Terra/LUNA collapse", None),
    "ftx_2022": ("FTX collapse", (56.76, 114.72)),
    "steth_2022": ("Celsius/3AC", None),
    "usdc_2023": ("USDC depeg", (50.12, 62.24)),
    "august_2024": ("Yen carry unwind", (49.81, 63.08)),
    "october_2025": ("Oct-2025 liquidation cascade", (39.73, 46.15)),
}
LARGEST = EVENTS["ftx_2022"][1]


def _write(folder, text):
    file = folder / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_every_shipped_stress_is_a_world_on_a_base():
    found = [name for name, file in shipped("scenarios").items() if file.parent.name == "stress"]
    assert set(EVENTS) <= set(found)
    for name in found:
        world = load_world(name)
        assert world.name == name
        assert world.stress
        assert any(line.startswith("base world: ") for line in world.source)


@pytest.mark.parametrize("name", EVENTS)
def test_figures_of_an_event_come_from_the_table(shared, name):
    """Moves are the table's; variance is what the event realised beyond them; the surface's state comes through its
    loading at 30 days from the rise of the volatility index (that of 2022-11 where there was none)."""
    title, index = EVENTS[name]
    with open(shared / "data" / "stress_events.csv", encoding="utf-8") as file:
        rows = {r["symbol"]: r for r in csv.DictReader(file) if r["event"] == title}
    world = load_world(name)
    model = getattr(world.model, "base", world.model)
    surface, multiples = world.surface, []
    for i, asset in enumerate(("BTC", "ETH")):
        row, move = rows[asset], world.overlay.moves[asset]
        hours = float(row["hours"])
        assert move.move == pytest.approx(float(row["worst_24h_return"]), abs=1e-6)
        assert math.log1p(move.worst_hour) == pytest.approx(float(row["worst_1h_log_return"]), abs=1e-4)
        back = 1 - math.log(float(row["close"]) / float(row["open"])) / math.log1p(float(row["open_to_min_close"]))
        assert move.recovers == pytest.approx(min(back, 1.0), abs=0.005)
        even = (math.log1p(move.move) - math.log1p(move.worst_hour)) / 23
        stated = math.log1p(move.worst_hour) ** 2 + 23 * even**2
        left = max(float(row["realised_vol_annual"]) ** 2 - stated * 8760 / hours, 0.0)
        expected = model.theta[i] + surface.add[i] / surface.premium[i]
        # the mean of 2^-t over one half-life is 1 / (2 log 2)
        multiples.append(1 + max(left / expected - 1, 0.0) * 2 * math.log(2))
    assert world.overlay.variance.multiple == pytest.approx(sum(multiples) / 2, rel=0.05)
    assert world.overlay.variance.half_life_hours == hours
    before, peak = index or LARGEST
    share = model.theta[0] / (model.theta[0] + surface.add[0] / surface.premium[0])
    x = surface.reversion[0] * 30 / 365
    wanted = 1 + ((peak / before) ** 2 - 1) / (share * (1 - math.exp(-x)) / x)
    assert world.overlay.implied.multiple == pytest.approx(wanted, rel=0.03)
    assert world.overlay.implied.half_life_hours == pytest.approx(math.log(2) / surface.reversion[0] * 8760, rel=0.002)


def test_pegged_assets_move_as_their_figures_say(shared):
    """UST's worst day for the stable of 2022-05, USDC's lowest close, the discount of stETH on ETH's fall."""
    with open(shared / "data" / "stress_events.csv", encoding="utf-8") as file:
        rows = {(r["event"], r["symbol"]): r for r in csv.DictReader(file)}
    luna, usdc = load_world("luna_2022").overlay.moves["USDC"], load_world("usdc_2023").overlay.moves["USDC"]
    assert luna.move == float(rows["Terra/LUNA collapse", "UST"]["worst_24h_return"])
    assert usdc.move == float(rows["USDC depeg", "USDC"]["open_to_min_close"])
    moves = load_world("steth_2022").overlay.moves
    assert (1 + moves["stETH"].move) / (1 + moves["ETH"].move) == pytest.approx(0.9306 / 0.9716, rel=1e-4)


def test_a_stress_resolves_to_a_whole_world(tmp_path):
    file = _write(tmp_path, "title: a fall\nbase: btc_eth\nevent: {asset: BTC, move: -0.2, hours: 24}\n")
    world = load_world(str(file))
    plain = dump(world)
    assert plain["event"] == {"asset": "BTC", "move": -0.2, "hours": 24.0, "when": "any"}
    assert plain["model"]["kind"] == "bates"
    assert world.name == "mine"
    assert world.stamp == "FIT"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title: x\nbase: btc_eth\n", "overlay or an event, got neither"),
        ("title: x\nbase: covid_2020\nevent: {asset: BTC, move: -0.1, hours: 24}\n", "without a stress of its own"),
        ("title: x\nbase: btc_eth\nevent: {asset: XRP, move: -0.1, hours: 24}\n", "asset of the world"),
        ("title: x\nbase: btc_eth\noverlay: {at_hours: 0, moves: {XRP: {move: -0.1, hours: 2}}}\n", "got 'XRP'"),
        ("title: x\nbase: btc_et\nevent: {asset: BTC, move: -0.1, hours: 24}\n", "did you mean 'btc_eth'"),
    ],
)
def test_wrong_stresses_are_named(tmp_path, text, says):
    with pytest.raises(InputError, match=says):
        load_world(str(_write(tmp_path, text)))


def test_calibration_error_has_no_truth_under_a_stress():
    with pytest.raises(InputError, match="calibration needs a world without a stress"):
        load_study("quickstart", ("world=covid_2020",))
