"""Dated futures, venues' marks and curves in files: values, faults with their places, lossless round trips."""

import pytest
from toys import WORLD

from riskengine.config.book import dump_portfolio, load_book
from riskengine.config.dump import dump, to_yaml
from riskengine.config.study import load_world
from riskengine.errors import InputError
from riskengine.instrument.terms import EuropeanOption, Future, Perpetual
from riskengine.market.curve import Curve

BOOK = """\
assets: [BTC, ETH]
spot: {BTC: 34500, ETH: 1810}
accounts:
  - name: calendar
    cash: {USD: 1000}
    positions:
      - {instrument: future, asset: BTC, expiry_days: 90, quantity: -1, entry: 35100.5}
      - {instrument: future, asset: ETH, settlement: inverse, expiry_hours: 100, quantity: 3}
      - {instrument: perpetual, asset: BTC, quantity: 1}
"""
MARKED = """\
assets: [BTC]
as_of: '2026-03-01T12:00:00Z'
mark_source: by hand
spot: {BTC: 48000}
accounts:
  - name: a
    positions:
      - {instrument: perpetual, asset: BTC, quantity: 1, entry: 47000, mark: 48010}
      - {instrument: future, asset: BTC, expiry_hours: 620, quantity: 1, entry: 47000, forward: 48200}
      - {instrument: option, asset: BTC, type: call, strike: 5e4, expiry_hours: 620, quantity: 1, mark_volatility: 0.6}
"""
CSV = """\
account,instrument,asset,settlement,expiry_days,quantity,entry
calendar,cash,USD,,,1000,
calendar,future,BTC,,90,-1,35100.5
calendar,future,ETH,inverse,4.166666666666667,3,1810
calendar,perpetual,BTC,,,1,34500
"""


def load(tmp_path, text, name="book.yaml", **options):
    file = tmp_path / name
    file.write_text(text)
    return load_book(file, **options)


def faults(tmp_path, text):
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    return str(caught.value)


def test_futures_of_a_book(tmp_path):
    book = load(tmp_path, BOOK)
    terms = (Perpetual("BTC"), Future("BTC", 2160.0), Future("ETH", 100.0, "inverse"))
    assert book.instruments == terms
    assert book.quantity.tolist() == [[1.0, -1.0, 3.0]] and book.entry.tolist() == [[34500.0, 35100.5, 1810.0]]
    assert book.expiries == (("BTC", 2160.0), ("ETH", 100.0)) and book.dated_expiry.tolist() == [0, 1]
    again = load(tmp_path, to_yaml(dump_portfolio(book)), "again.yaml")
    assert again.instruments == terms and (again.entry == book.entry).all() and (again.quantity == book.quantity).all()
    table = load(tmp_path, CSV, "book.csv")
    assert table.instruments == terms and table.entry.tolist() == book.entry.tolist()


def test_marks_of_a_book(tmp_path):
    book = load(tmp_path, MARKED)
    option = EuropeanOption("BTC", 5e4, 620.0, "call")
    assert (book.marks.spot, book.marks.perpetual) == ({"BTC": 48000.0}, {"BTC": 48010.0})
    assert (book.marks.forward, book.marks.volatility) == ({("BTC", 620.0): 48200.0}, {option: 0.6})
    # the forward of the expiry is that of the option too
    assert book.marks.of(option) == {"mark_volatility": 0.6, "forward": 48200.0}
    assert load(tmp_path, to_yaml(dump_portfolio(book)), "again.yaml").marks == book.marks


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("expiry_days: 90, ", "", "a future must have one of expiry_days, expiry_hours, got none"),
        ("expiry_days: 90", "expiry_days: -1", "the future has expired"),
        ("expiry_days: 90", "expiry_days: 90, strike: 3", "strike must not be given for a future, got 3.0"),
        ("instrument: perpetual", "instrument: futures", "did you mean 'future'?"),
        ("quantity: 1}", "quantity: 1, forward: 3}", "forward must not be given for a perpetual, got 3.0"),
        ("quantity: 1}", "quantity: 1, mark: 3}", "mark must be given only in a book that says as_of when"),
    ],
)
def test_faults_of_futures(tmp_path, old, new, words):
    assert words in faults(tmp_path, BOOK.replace(old, new))


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("spot: {BTC: 48000}\n", "", "spot of BTC must be given, its index at 2026-03-01T12:00:00Z"),
        ("as_of: '2026-03-01T12:00:00Z'\n", "", "as_of must be given where a mark_source or notes are"),
        ("mark_volatility: 0.6", "forward: 48000", "forward of what expires with BTC-25.8333d-50000-C must be one"),
        ("mark_volatility: 0.6", "mark: 48000", "mark must not be given for an option"),
    ],
)
def test_faults_of_marks(tmp_path, old, new, words):
    assert words in faults(tmp_path, MARKED.replace(old, new))


def test_a_surface_may_have_curves(tmp_path):
    file = tmp_path / "world.yaml"
    file.write_text(WORLD)
    plain = load_world(file)
    assert "carry" not in dump(plain)["surface"]
    curves = "carry:\n    - {hours: [720], forward_over_spot: [1.01]}\n    - {hours: [720], zero_coupon: [0.99]}\n"
    lines = WORLD.splitlines(keepends=True)
    place = next(i for i, line in enumerate(lines) if line.startswith("surface:"))
    file.write_text("".join([*lines[: place + 1], f"  {curves}", *lines[place + 1 :]]))
    world = load_world(file)
    assert world.surface.carry[0] == Curve((720.0,), forward_over_spot=(1.01,))
    assert set(dump(world)["surface"]["carry"][0]) == {"hours", "rate", "basis_hours"}
    file.write_text("".join([*lines[: place + 1], f"  {curves}".replace("0.99", "-1"), *lines[place + 1 :]]))
    with pytest.raises(InputError, match=r"surface.carry\[1\].*zero_coupon must be positive"):
        load_world(file)
