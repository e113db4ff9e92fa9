"""Quotes at any stamps: of a pegged asset and its par, and the prices that they add to a history."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.calibrate.peg import between_quotes, over_par, without_spikes
from riskengine.data.prices import Prices, within
from riskengine.data.table import read_table
from riskengine.errors import Fault, InputError
from riskengine.study.lending_replay_spec import QuotedAsset

Quotes = tuple[Ints, Floats]
_APART = 3 * 3600  # seconds


def load_quotes(
    file: Path, symbols: tuple[str, ...], start: str | None = None, end: str | None = None, source: str | None = None
) -> tuple[list[Quotes], int, str]:
    """(Unix seconds and prices of each symbol, wrong quotes dropped, hash of the file).

    Raises
    ------
    InputError
        Where a symbol is missing, or has fewer than three prices.
    """
    table = within(read_table(file, symbols, source), start, end, str(file))
    out, spikes = [], 0
    for number, symbol in enumerate(symbols):
        mine = (table.asset == number) & np.isfinite(table.price) & (table.price > 0.0)
        if mine.sum() < 3:
            raise InputError(Fault(f"{symbol} must have at least three prices, got {int(mine.sum())}", str(file)))
        seconds, price, dropped = without_spikes(table.seconds[mine], table.price[mine])
        out.append((seconds, price))
        spikes += dropped
    return out, spikes, table.sha256


def with_quoted(history: Prices, file: Path, quoted: Mapping[str, QuotedAsset]) -> Prices:
    """`history` with an asset for each of `quoted`: the price of what it stands for, times its quote over par.

    A bar is labelled by its opening, so its close takes the quote over par at its end, between neighbouring quotes at
    most three hours apart, which a wrong quote that is dropped leaves; bars without are left out.

    Raises
    ------
    InputError
        Where a symbol is missing.
    """
    seconds, columns = history.seconds, list(history.prices.T)
    digest = ""
    for own in quoted.values():
        # an asset that is its own par is quoted at 1: what would have happened on its peg
        found, _, digest = load_quotes(file, tuple(dict.fromkeys((own.symbol, own.par))))
        quotes, par = found[0], found[-1]
        ratio = between_quotes(history.seconds + history.step_seconds, over_par(quotes, par, _APART), _APART)
        columns.append(history.prices[:, history.assets.index(own.of)] * ratio)
    prices = np.array(columns).T
    known = np.isfinite(prices).all(axis=1)
    return replace(
        history,
        assets=(*history.assets, *quoted),
        seconds=seconds[known],
        prices=prices[known],
        added=((file.name, digest),),
    )
