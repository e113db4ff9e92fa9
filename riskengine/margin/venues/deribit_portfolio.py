"""Deribit portfolio margin: a matrix of price and volatility moves, extended moves, and shocks on delta, in coin.

Standard table: prices from -range to +range in even steps, three volatilities each (up, unchanged, down):
    up = max(sigma (1 + up (30/DTE)^p), minimum),   down = max(sigma (1 - down (30/DTE)^p), 0),
p = 0.30 below 30 days, 0.13 from there.  A future of N coins gains N (1 - 1/(1 + m)) coins on a move m; an option gains
the change of its price divided by the index.  Extended table, volatility up: a move m beyond the range counts as
    adj = PnL factor (range / |m|) (1 + m) / (1 + sign(m) range),
then moved towards 0 by (|m| / range - 1) dampener / ((1 + sign(m) range) S).  Gains of the summed table count at
`pnl_offset`.  Then
    roll shock  = least annualised move x sum over expiries of |delta|,
    delta shock = |delta| min(slope max(|delta| - free / S, 0), highest),
    risk matrix = worst case + roll + delta shocks,   IM = risk matrix + other charges,   MM = mm_factor risk matrix.

The slope of the delta shock is read off the published parameters, not off an example with a shock above zero; the
larger roll move of distant expiries and the correlation contingency are not published and not part of this.  Reference:
response examples of private/pme/simulate in the venue's documentation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.pricing.black import black76, call_delta

# moves of the extended table
EXTENDED_MOVES = (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
_MONTH_DAYS = 30.0


@dataclass(frozen=True)
class Parameters:
    """Figures of the venue for one currency pair; defaults: BTC, June 2024.

    Attributes
    ----------
    price_range : float
        Largest move of the standard table.
    price_steps : int
        Odd, its number of prices.
    vol_up, vol_down, min_vol_up, short_term_power, long_term_power : float
        Volatility moves.
    extended_factor, extended_dampener : float
        Scale of the extended table; its dampener in USD.
    min_annualised_move : float
        Roll shock per coin of delta.
    delta_free_usd, delta_slope, max_delta_shock : float
        Delta without a shock in USD; shock per coin beyond; highest shock.
    pnl_offset : float
        Share of the gains of the summed tables that counts, in [0, 1].
    mm_factor : float
    """

    price_range: float = 0.16
    price_steps: int = 9
    vol_up: float = 0.5
    vol_down: float = 0.25
    min_vol_up: float = 0.5
    short_term_power: float = 0.30
    long_term_power: float = 0.13
    extended_factor: float = 1.0
    extended_dampener: float = 100_000.0
    min_annualised_move: float = 0.01
    delta_free_usd: float = 20e6
    delta_slope: float = 5e-5
    max_delta_shock: float = 0.1
    pnl_offset: float = 1.0
    mm_factor: float = 0.8

    def __post_init__(self) -> None:
        check_range("price_range", self.price_range, 0.0, 1.0, open_low=True, open_high=True)
        check_range("pnl_offset", self.pnl_offset, 0.0, 1.0)
        check_range("mm_factor", self.mm_factor, 0.0, 1.0)
        for name in ("vol_up", "extended_factor", "extended_dampener", "min_annualised_move", "delta_free_usd"):
            check_range(name, getattr(self, name), 0.0, np.inf, open_high=True)
        if self.price_steps < 3 or self.price_steps % 2 == 0:
            raise ValueError(f"price_steps must be an odd number of at least 3, got {self.price_steps!r}")


@dataclass(frozen=True)
class Future:
    """An inverse future or perpetual: signed size in coins, `expiry` its name."""

    expiry: str
    size: float


@dataclass(frozen=True)
class Option:
    """An inverse option: settles the USD payoff in coin.  Size in coins, forward in USD, volatility decimal."""

    expiry: str
    size: float
    kind: Literal["call", "put"]
    strike: float
    forward: float
    days: float
    volatility: float

    def __post_init__(self) -> None:
        for name in ("strike", "forward", "days"):
            check_range(name, getattr(self, name), 0.0, np.inf, open_low=True, open_high=True)
        check_range("volatility", self.volatility, 0.0, np.inf, open_high=True)
        if self.kind not in ("call", "put"):
            raise ValueError(f"kind must be call or put, got {self.kind!r}")


@dataclass(frozen=True)
class Margin:
    """Requirement in coin and its parts.

    Attributes
    ----------
    standard : ndarray, shape (price_steps, 3)
        Gain of the book at each price, volatility up, unchanged, down; before the offset.
    extended : ndarray, shape (8,)
        Gain at the extended moves, after the scale and the dampener; before the offset.
    worst_case, roll_shock, delta_shock, risk_matrix, initial, maintenance : float
    """

    standard: Floats
    extended: Floats
    worst_case: float
    roll_shock: float
    delta_shock: float
    risk_matrix: float
    initial: float
    maintenance: float


def counted(gain: Floats, parameters: Parameters) -> Floats:
    """Table with gains at the share that counts; losses in full."""
    return np.where(gain > 0.0, gain * parameters.pnl_offset, gain)


def dampened(gain: Floats, moves: Floats, index: Floats | float, parameters: Parameters) -> Floats:
    """Gains at extended moves, scaled to the range and moved towards zero; arguments broadcast."""
    p = parameters
    end = 1.0 + np.sign(moves) * p.price_range
    scaled = gain * p.extended_factor * (p.price_range / np.abs(moves)) * (1.0 + moves) / end
    beyond = np.maximum(np.abs(moves) / p.price_range, 1.0) - 1.0
    towards = np.minimum(beyond * p.extended_dampener / (end * index), np.abs(scaled))
    return scaled - np.sign(scaled) * towards


def margin(
    positions: Sequence[Future | Option], index: float, parameters: Parameters, other_charges: float = 0.0
) -> Margin:
    """Requirement of the positions in one currency, in coin.

    Parameters
    ----------
    positions : sequence of Future or Option
    index : float
        USD.
    parameters : Parameters
    other_charges : float
        Market-maker protection, open orders and spot: added to the initial margin, coin.
    """
    p = parameters
    check_range("index", index, 0.0, np.inf, open_low=True, open_high=True)
    moves = np.linspace(-p.price_range, p.price_range, p.price_steps)
    standard = np.zeros((moves.size, 3))
    tails = np.array(EXTENDED_MOVES)
    raw = np.zeros(tails.size)
    delta: dict[str, float] = {}
    for x in positions:
        standard += _gain(x, index, moves, p)
        raw += _gain(x, index, tails, p)[:, 0]
        delta[x.expiry] = delta.get(x.expiry, 0.0) + _delta(x)
    extended = dampened(raw, tails, index, p)
    worst = -min(float(counted(standard, p).min()), float(counted(extended, p).min()), 0.0)
    roll = p.min_annualised_move * sum(abs(d) for d in delta.values())
    net = abs(sum(delta.values()))
    shock = net * min(p.delta_slope * max(net - p.delta_free_usd / index, 0.0), p.max_delta_shock)
    matrix = worst + roll + shock
    return Margin(standard, extended, worst, roll, shock, matrix, matrix + other_charges, p.mm_factor * matrix)


def _gain(x: Future | Option, index: float, moves: Floats, p: Parameters) -> Floats:
    """Gain at each move, volatility up, unchanged, down; coin, shape (moves, 3)."""
    if isinstance(x, Future):
        return np.repeat((x.size * (1.0 - 1.0 / (1.0 + moves)))[:, None], 3, axis=1)
    power = p.short_term_power if x.days < _MONTH_DAYS else p.long_term_power
    term = (_MONTH_DAYS / x.days) ** power
    up = max(x.volatility * (1.0 + p.vol_up * term), p.min_vol_up)
    down = max(x.volatility * (1.0 - p.vol_down * term), 0.0)
    sign, years = 1.0 if x.kind == "call" else -1.0, x.days / 365.0
    forward = x.forward * (1.0 + moves[:, None])
    shocked = black76(forward, x.strike, years, np.array([up, x.volatility, down]), sign)
    now = float(black76(x.forward, x.strike, years, x.volatility, sign))
    return x.size * (shocked / (index * (1.0 + moves[:, None])) - now / index)


def _delta(x: Future | Option) -> float:
    """Coins of spot that hedge the position."""
    if isinstance(x, Future):
        return x.size
    call = call_delta(x.forward, x.strike, x.days / 365.0, x.volatility)
    return x.size * (call if x.kind == "call" else call - 1.0)
