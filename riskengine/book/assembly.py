"""A book from its accounts, one position after another: instruments in an order that no order of accounts can move."""

from collections.abc import Mapping, Sequence

import numpy as np

from riskengine.book.marks import Marks
from riskengine.book.portfolio import Portfolio
from riskengine.instrument.terms import Future, Instrument, Perpetual, PoolToken, PrincipalToken

Row = Mapping[Instrument, tuple[float, float]]


def instrument_order(instrument: Instrument, assets: tuple[str, ...]) -> tuple:
    """Sorting key: by asset, then perpetuals, options, futures, principal and pool tokens, each by its terms."""
    asset = assets.index(instrument.asset)
    if isinstance(instrument, Perpetual):
        return (asset, 0, 0.0, 0.0, instrument.quote, instrument.settlement)
    if isinstance(instrument, PoolToken):
        return (asset, 4, instrument.low, instrument.high, instrument.against, instrument.fee_rate)
    if isinstance(instrument, PrincipalToken):
        return (asset, 3, instrument.expiry_hours, 0.0, "", "")
    if isinstance(instrument, Future):
        return (asset, 2, instrument.expiry_hours, 0.0, instrument.quote, instrument.settlement)
    return (asset, 1, instrument.expiry_hours, instrument.strike, instrument.kind, instrument.settlement)


def assembled(
    assets: tuple[str, ...],
    rows: Sequence[Row],
    cash: Sequence[Mapping[str, float]],
    names: Sequence[str],
    kinds: Sequence[str],
    marks: Marks | None = None,
) -> Portfolio:
    """The book of accounts that hold `rows` (instrument to quantity and entry) and `cash` (currency to amount)."""
    instruments = tuple(sorted({i for row in rows for i in row}, key=lambda i: instrument_order(i, assets)))
    place = {instrument: m for m, instrument in enumerate(instruments)}
    quantity, entry = np.zeros((2, len(rows), len(instruments)))
    money = np.zeros((len(rows), 1 + len(assets)))
    for k, (row, held) in enumerate(zip(rows, cash, strict=True)):
        for instrument, (amount, price) in row.items():
            quantity[k, place[instrument]], entry[k, place[instrument]] = amount, price
        for currency, amount in held.items():
            money[k, 0 if currency == "USD" else 1 + assets.index(currency)] = amount
    return Portfolio(assets, instruments, quantity, entry, money, tuple(names), tuple(kinds), marks)
