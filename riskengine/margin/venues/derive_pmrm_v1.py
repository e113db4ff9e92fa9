"""Derive PMRM, first version: the worst of 21 shocks of spot and volatility, scaled up for the initial margin.

Idea.  Inside one underlying everything nets.  The book is revalued under seven moves of spot with volatility up,
unchanged and down; the worst result, or the basis contingency where that is worse, less charges on notional:

    M = min(B, min_s PnL_s) - charges,
    maintenance = MtM + cash + M,
    initial = MtM + cash + (im_factor + max(threshold - stable, 0) peg_factor) M - oracle contingency.
Margins are excess equity: below zero the account lacks money.

An expiry's shocked value counts at a discount base exp(-T (mult r + add)) where it is positive, in full where it is
negative.  B sums min(V(up) - V, V(down) - V, 0) (add + mult T) over expiries.  Charges: a share of spot per coin of
perpetual, coin held and naked short option; calls and puts of one strike offset each other.

Reference: documentation of Derive (PMRM) and the worked portfolios of its test folder.  Written from the formulas; no
code of that project is used.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.margin.derive_pmrm_v2.parameters import BasisContingency, VolDirection, VolShock
from riskengine.pricing.black import black76

_MONTH, _YEAR, _DAY = 30 * 86_400.0, 365 * 86_400.0, 86_400.0
_DIRECTIONS: tuple[VolDirection, ...] = ("None", "Up", "Down")


@dataclass(frozen=True)
class Option:
    """A position in one option; quantity + long, volatility decimal, confidence that of its volatility feed."""

    strike: float
    kind: Literal["call", "put"]
    quantity: float
    volatility: float
    confidence: float = 1.0

    def __post_init__(self) -> None:
        check_range("strike", self.strike, 0.0, np.inf, open_high=True)
        check_range("volatility", self.volatility, 0.0, np.inf, open_high=True)
        if self.kind not in ("call", "put"):
            raise ValueError(f"kind must be call or put, got {self.kind!r}")


@dataclass(frozen=True)
class Expiry:
    """Options of one expiry.

    Attributes
    ----------
    seconds : float
        To expiry.
    forward_fixed, forward_variable : float
        USD; the part of the settlement average that is already fixed, and the part that moves with spot.
    rate : float
        Per year.
    options : tuple of Option
    confidence : float
        Least of the forward and rate feeds.
    """

    seconds: float
    forward_fixed: float
    forward_variable: float
    rate: float
    options: tuple[Option, ...]
    confidence: float = 1.0

    def __post_init__(self) -> None:
        for name in ("seconds", "forward_fixed", "forward_variable"):
            check_range(name, getattr(self, name), 0.0, np.inf, open_high=True)


@dataclass(frozen=True)
class Account:
    """Everything held in one underlying; amounts in USD, `base` and `perpetual` in signed coins."""

    spot: float
    cash: float = 0.0
    base: float = 0.0
    perpetual: float = 0.0
    perpetual_price: float = 0.0
    unrealised: float = 0.0
    expiries: tuple[Expiry, ...] = ()
    stable_price: float = 1.0
    spot_confidence: float = 1.0
    perpetual_confidence: float = 1.0

    def __post_init__(self) -> None:
        check_range("spot", self.spot, 0.0, np.inf, open_low=True, open_high=True)
        check_range("stable_price", self.stable_price, 0.0, np.inf, open_high=True)
        seconds = [e.seconds for e in self.expiries]
        if len(set(seconds)) < len(seconds):
            raise ValueError(f"expiries must differ in seconds, got {seconds}")


def standard_grid() -> tuple[tuple[float, VolDirection], ...]:
    """The 21 scenarios (spot multiplier, volatility direction)."""
    moves = (1.15, 1.10, 1.05, 1.0, 0.95, 0.90, 0.85)
    return tuple((x, d) for x in moves for d in ("Up", "None", "Down"))


@dataclass(frozen=True)
class Parameters:
    """Figures of the rule; defaults are those of the worked portfolios."""

    scenarios: tuple[tuple[float, VolDirection], ...] = field(default_factory=standard_grid)
    vol_shock: VolShock = VolShock(0.45, 0.3, 0.0, 0.3, 0.13, 1.0)
    basis: BasisContingency = BasisContingency(1.05, 0.95, 0.25, 0.01)
    base_charge: float = 0.02
    perpetual_charge: float = 0.02
    option_charge: float = 0.01
    im_factor: float = 1.3
    peg_threshold: float = 0.98
    peg_factor: float = 2.0
    confidence_threshold: float = 0.6
    confidence_margin: float = 0.5
    static_discount: float = 0.95
    rate_mult: float = 4.0
    rate_add: float = 0.05

    def __post_init__(self) -> None:
        if not self.scenarios:
            raise ValueError("scenarios must hold at least one, got none")
        for multiplier, direction in self.scenarios:
            check_range("multiplier", multiplier, 0.0, np.inf, open_high=True)
            if direction not in _DIRECTIONS:
                raise ValueError(f"direction must be one of {_DIRECTIONS}, got {direction!r}")


@dataclass(frozen=True)
class Margin:
    """Excess margins and what they are made of, USD; `scenario_pnl` has shape (scenarios,)."""

    initial: float
    maintenance: float
    mark_to_market: float
    scenario_pnl: Floats
    basis_contingency: float
    static_contingency: float
    oracle_contingency: float


def margin(account: Account, parameters: Parameters) -> Margin:
    """Excess initial and maintenance margin; `mark_to_market` includes cash."""
    p, moves = parameters, np.array([x for x, _ in parameters.scenarios])
    pnl = (moves - 1.0) * (account.perpetual * account.perpetual_price + account.base * account.spot)
    mark = account.cash + account.base * account.spot + account.unrealised
    basis = 0.0
    for expiry in account.expiries:
        value = float(_value(expiry, np.ones(1), ("None",), p)[0])
        shocked = _value(expiry, moves, tuple(d for _, d in p.scenarios), p)
        years = expiry.seconds / _YEAR
        discount = p.static_discount * np.exp(-years * (p.rate_mult * max(expiry.rate, 0.0) + p.rate_add))
        pnl = pnl + np.where(shocked > 0.0, shocked * discount, shocked) - value
        ends = _value(expiry, np.array([p.basis.spot_up, p.basis.spot_down]), ("None", "None"), p)
        basis += min(float(ends.min()) - value, 0.0) * (p.basis.add + p.basis.mult * years)
        mark += value
    charges = account.spot * (
        p.perpetual_charge * abs(account.perpetual)
        + p.base_charge * abs(account.base)
        + p.option_charge * _naked(account)
    )
    loss = min(basis, float(pnl.min())) - charges
    oracle = _oracle(account, p)
    factor = p.im_factor + max(p.peg_threshold - account.stable_price, 0.0) * p.peg_factor
    return Margin(mark + factor * loss - oracle, mark + loss, mark, pnl, basis, charges, oracle)


def _value(expiry: Expiry, moves: Floats, directions: tuple[str, ...], p: Parameters) -> Floats:
    """Value of one expiry's options under each (move, direction), USD."""
    if not expiry.options:
        return np.zeros(moves.size)
    shock = p.vol_shock
    power = shock.short_term_power if expiry.seconds <= _MONTH else shock.long_term_power
    term = (_MONTH / max(expiry.seconds, shock.dte_floor_days * _DAY)) ** power
    up, down = 1.0 + shock.up * term, max(1.0 - shock.down * term, 0.0)
    sigma = np.array([o.volatility for o in expiry.options])
    by_direction = {"None": sigma, "Up": np.maximum(sigma * up, shock.minimum_up), "Down": sigma * down}
    forward = expiry.forward_variable * moves + expiry.forward_fixed
    price = black76(
        forward[:, None],
        np.array([o.strike for o in expiry.options]),
        expiry.seconds / _YEAR,
        np.stack([by_direction[d] for d in directions]),
        np.array([1.0 if o.kind == "call" else -1.0 for o in expiry.options]),
    )
    return price @ np.array([o.quantity for o in expiry.options])


def _naked(account: Account) -> float:
    """Naked short options: what stays short at each strike of each expiry."""
    net: dict[tuple[float, float], float] = defaultdict(float)
    for expiry in account.expiries:
        for o in expiry.options:
            net[expiry.seconds, o.strike] += o.quantity
    return sum(max(-x, 0.0) for x in net.values())


def _oracle(account: Account, p: Parameters) -> float:
    """What feeds in doubt add to the initial margin, USD."""

    def doubt(*feeds: float) -> float:
        least = min(feeds)
        return (1.0 - least) * p.confidence_margin if least < p.confidence_threshold else 0.0

    coins = abs(account.perpetual) * doubt(account.spot_confidence, account.perpetual_confidence)
    coins += abs(account.base) * doubt(account.spot_confidence)
    for e in account.expiries:
        if e.options:
            size = sum(abs(o.quantity) for o in e.options)
            coins += size * doubt(account.spot_confidence, e.confidence, *(o.confidence for o in e.options))
    return coins * account.spot
