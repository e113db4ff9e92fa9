"""Series of a file: names, sources, faults."""

import numpy as np
import pytest

from riskengine.data.records import forecast_record, price_records
from riskengine.errors import InputError
from riskengine.market.record import PriceRecord, returns_of


@pytest.fixture
def prices(tmp_path):
    lines = ["timestamp,symbol,close,source"]
    for symbol, source in (("BTC", "a"), ("BTC", "b"), ("ETH", "a")):
        lines += [f"2024-01-0{d},{symbol},{100 + d},{source}" for d in range(1, 6)]
    file = tmp_path / "prices.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_every_series_by_symbol_and_source(prices):
    assert [r.name for r in price_records(prices)] == ["BTC a", "BTC b", "ETH"]
    assert [r.name for r in price_records(prices, ("BTC",))] == ["BTC a", "BTC b"]
    assert [r.name for r in price_records(prices, ("ETH", "BTC b"))] == ["ETH", "BTC b"]
    assert [r.name for r in price_records(prices, source="a")] == ["BTC a", "ETH"]
    assert price_records(prices, ("ETH",), start="2024-01-03")[0].prices.tolist() == [103, 104, 105]


def test_faults_are_named_together(prices):
    text = (
        prices.read_text()
        .replace("2024-01-03,ETH,103", "2024-01-03,ETH,-1")
        .replace("2024-01-04,BTC,104,b", "x,BTC,1,b")
    )
    prices.write_text(text)
    with pytest.raises(InputError) as raised:
        price_records(prices)
    said = str(raised.value)
    assert "price of ETH must be a positive number" in said and "timestamp must be an ISO date" in said
    with pytest.raises(InputError, match="did you mean 'BTC a'"):
        price_records(prices, ("BTC aa",))
    with pytest.raises(InputError, match="source must be one of a, b"):
        price_records(prices, source="c")


def test_stamps_must_increase(prices):
    prices.write_text(prices.read_text().replace("2024-01-03,ETH", "2024-01-01,ETH"))
    with pytest.raises(InputError, match="stamps of ETH must increase"):
        price_records(prices, ("ETH",))


def record(days, prices):
    return PriceRecord("X", "X", "", np.array(days) * 86_400, np.array(prices, dtype=float), "f", "0" * 64)


def test_returns_do_not_bridge_gaps_nor_overlap():
    made = returns_of(record([0, 1, 2, 4, 5, 6], [1, 2, 4, 8, 16, 8]), 86_400)
    np.testing.assert_allclose(made.values, [1, 1, 1, -0.5])
    assert made.left_out == 1 and made.follows.tolist() == [False, True, False, True]
    two = returns_of(record(range(7), [1, 2, 4, 8, 16, 8, 4]), 2 * 86_400)
    np.testing.assert_allclose(two.values, [3, 3, -0.75])
    bridged = returns_of(record([0, 1, 2, 4, 5], [1, 2, 4, 8, 16]), 86_400, "bridge")
    assert bridged.values.size == 4 and bridged.follows[1:].all()
    with pytest.raises(ValueError, match="whole multiple"):
        returns_of(record(range(7), [1] * 7), 3_600)


def test_irregular_stamps_take_the_last_price_that_is_fresh():
    days = [0.01, 0.9, 1.3, 1.95, 2.6, 3.99, 4.9, 5.0]
    made = returns_of(record(days, [1, 2, 3, 4, 5, 6, 7, 8]), 86_400, "last")
    # marks 1 to 5 hold 2, 4, nothing fresh (2.6 is 9.6 h old), 6, 8
    np.testing.assert_allclose(made.values, [1.0, 1 / 3])
    assert made.seconds.tolist() == [2 * 86_400, 5 * 86_400]
    assert made.left_out == 2 and made.follows.tolist() == [False, False]


def test_forecasts_in_returns_become_losses(tmp_path):
    file = tmp_path / "f.csv"
    file.write_text("r,q,e\n-0.05,-0.03,-0.04\n0.01,-0.03,-0.05\n")
    found = forecast_record(file, "r", "q", "e", 0.975)
    assert found.losses.tolist() == [0.05, -0.01] and found.es.tolist() == [0.04, 0.05]
    assert forecast_record(file, "r", "q", "e", 0.975, 0.01).var.tolist() == pytest.approx([3e-4, 3e-4])
    with pytest.raises(InputError, match="column 'v' must be in the file"):
        forecast_record(file, "r", "v", "e", 0.975)
    file.write_text("r,q,e\n-0.05,-0.03,-0.04\n0.01,-0.03,-0.02\n")
    with pytest.raises(InputError, match="ES <= VaR < 0"):
        forecast_record(file, "r", "q", "e", 0.975)


@pytest.fixture
def mixed(tmp_path):
    """Prices, log returns with dates, and percent returns with numbers for stamps."""
    lines = ["timestamp,series,value"]
    lines += [f"2024-01-0{d},PRICE,{100 + d}" for d in range(1, 6)]
    lines += [f"2024-01-0{d},LOG,{0.01 * (d - 3)}" for d in range(1, 6)]
    lines += [f"obs0000{d},PCT,{d - 3}" for d in range(1, 6)]
    file = tmp_path / "mixed.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_returns_and_stamps_that_only_count(mixed):
    found = price_records(mixed, returns={"LOG": (True, 1.0), "PCT": (False, 0.01)}, ordinal={"PCT": 86_400})
    price, log, pct = (next(r for r in found if r.name == n) for n in ("PRICE", "LOG", "PCT"))
    assert price.prices.tolist() == [101, 102, 103, 104, 105]
    np.testing.assert_allclose(np.diff(np.log(log.prices)), [-0.02, -0.01, 0, 0.01, 0.02], atol=1e-15)
    assert (log.seconds[1:] == price.seconds).all() and log.seconds[0] == price.seconds[0] - 86_400
    made = returns_of(pct, 86_400)
    np.testing.assert_allclose(made.values, [-0.02, -0.01, 0, 0.01, 0.02], atol=1e-15)
    assert made.seconds.tolist() == [1, 2, 3, 4, 5] and made.left_out == 0
    two = returns_of(pct, 2 * 86_400, "last")  # no calendar: every second bar, whatever is asked for gaps
    np.testing.assert_allclose(two.values, [0.98 * 0.99 - 1, 1.01 - 1], atol=1e-15)
    with pytest.raises(ValueError, match="whole multiple of the bars of PCT"):
        returns_of(pct, 3_600)


def test_what_is_said_of_series_must_fit_the_file(mixed):
    with pytest.raises(InputError, match="timestamp must be an ISO date"):
        price_records(mixed, returns={"LOG": (True, 1.0), "PCT": (False, 0.01)})
    with pytest.raises(InputError, match=r"price of LOG must be a positive number, got 3 others"):
        price_records(mixed, ("LOG",))
    with pytest.raises(InputError, match=r"growth of PCT must be a positive number, got 5 others"):
        price_records(mixed, ("PCT",), returns={"PCT": (False, 1.0)}, ordinal={"PCT": 86_400})
    with pytest.raises(InputError) as raised:
        price_records(mixed, ("PRICE",), returns={"LGO": (True, 1.0)}, ordinal={"PCTT": 60})
    assert "returns must name series of the file (LOG, PCT, PRICE), got 'LGO'" in str(raised.value)
    assert "ordinal must name series of the file" in str(raised.value)
    mixed.write_text(mixed.read_text().replace("obs00004", "obs00002"))
    with pytest.raises(InputError, match="stamps of PCT must increase, got obs00002 after obs00003"):
        price_records(mixed, ("PCT",), ordinal={"PCT": 86_400})
