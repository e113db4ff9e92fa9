"""Derive StandardManager: rules per position, bounded for options by the most an expiry can lose.

Idea.  Margin is excess equity, cash plus a figure for every market:

    perpetual:  -|n| price rate + unrealised profit and funding;
    coin held:  n S factor (initial: times a scale);
    options, per expiry: the better of the sum of isolated figures and the bound on the loss at expiry.
Isolated, per unit with mark v (long options count 0):
    short call: MM = -v - a S,                          IM = -v - max(m - OTM/S, l) S;
    short put:  MM = -v + min(-a S, -b v),              IM = min(-v - max(m - OTM/S, l) S, c MM).
Bound: min over settlement prices K in {0, strikes} of min(payoff(K), 0); a net short of calls loses without limit and
adds scale F per call.  Payoffs are piecewise linear, so with no such net short the bound is the exact maximum loss.

The initial margin also bears a charge for a lost peg on short options and perpetuals, and for feeds in doubt on
everything held.  Reference: documentation of Derive (standard margin) and the worked portfolios of its test folder.
Written from the formulas; no code of that project is used.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from riskengine.arrays import Floats, check_range
from riskengine.pricing.black import black76

_YEAR = 365 * 86_400.0


@dataclass(frozen=True)
class Option:
    """A position in one option; quantity + long, volatility decimal."""

    strike: float
    kind: Literal["call", "put"]
    quantity: float
    volatility: float

    def __post_init__(self) -> None:
        check_range("strike", self.strike, 0.0, np.inf, open_high=True)
        check_range("volatility", self.volatility, 0.0, np.inf, open_high=True)
        if self.kind not in ("call", "put"):
            raise ValueError(f"kind must be call or put, got {self.kind!r}")


@dataclass(frozen=True)
class Expiry:
    """Options of one expiry: seconds left, forward in USD, least confidence of its feeds."""

    seconds: float
    forward: float
    options: tuple[Option, ...]
    confidence: float = 1.0

    def __post_init__(self) -> None:
        for name in ("seconds", "forward"):
            check_range(name, getattr(self, name), 0.0, np.inf, open_high=True)


@dataclass(frozen=True)
class Market:
    """Positions in one underlying; `base` and `perpetual` in coins, the rest in USD."""

    spot: float
    base: float = 0.0
    perpetual: float = 0.0
    perpetual_price: float = 0.0
    unrealised: float = 0.0
    expiries: tuple[Expiry, ...] = ()
    spot_confidence: float = 1.0
    perpetual_confidence: float = 1.0

    def __post_init__(self) -> None:
        check_range("spot", self.spot, 0.0, np.inf, open_low=True, open_high=True)
        seconds = [e.seconds for e in self.expiries]
        if len(set(seconds)) < len(seconds):
            raise ValueError(f"expiries must differ in seconds, got {seconds}")


@dataclass(frozen=True)
class OptionRates:
    """Shares of spot for short options; names as in the formulas of the module: m, l, a (calls, puts), b, scales, c."""

    initial: float = 0.15
    initial_floor: float = 0.10
    maintenance_call: float = 0.075
    maintenance_put: float = 0.075
    maintenance_put_mark: float = 0.075
    unpaired_im_scale: float = 1.2
    unpaired_mm_scale: float = 1.1
    put_im_scale: float = 1.05


@dataclass(frozen=True)
class OracleRates:
    """Thresholds of confidence, and the share of notional that a feed in full doubt costs."""

    perpetual: float = 0.4
    option: float = 0.4
    base: float = 0.4
    factor: float = 0.4


@dataclass(frozen=True)
class Parameters:
    """Figures of the rule; defaults are those of the worked portfolios."""

    option: OptionRates = field(default_factory=OptionRates)
    oracle: OracleRates = field(default_factory=OracleRates)
    perpetual_mm: float = 0.05
    perpetual_im: float = 0.065
    depeg_threshold: float = 0.98
    depeg_factor: float = 1.2
    base_factor: float = 0.0
    base_im_scale: float = 1.0


@dataclass(frozen=True)
class Margin:
    """Excess margins and the equity they start from, USD."""

    initial: float
    maintenance: float
    mark_to_market: float


def margin(markets: tuple[Market, ...], cash: float, stable_price: float, parameters: Parameters) -> Margin:
    """Excess initial and maintenance margin of an account over all its markets, USD.

    Parameters
    ----------
    markets : tuple of Market
        One per underlying.
    cash : float
        USD.
    stable_price : float
        USD price of the settlement coin.
    parameters : Parameters
    """
    check_range("stable_price", stable_price, 0.0, np.inf, open_high=True)
    lost = max(parameters.depeg_threshold - stable_price, 0.0) * parameters.depeg_factor
    initial = maintenance = mark = cash
    for market in markets:
        im, mm, value = _market(market, lost, parameters)
        initial, maintenance, mark = initial + im, maintenance + mm, mark + value
    return Margin(initial, maintenance, mark)


def _market(market: Market, lost: float, p: Parameters) -> tuple[float, float, float]:
    """(initial, maintenance, value) of one market; `lost` is the charge per USD of notional for a lost peg."""
    size, coin = abs(market.perpetual), market.base * market.spot
    notional = size * market.perpetual_price
    mark = coin + market.unrealised
    maintenance = market.unrealised - notional * p.perpetual_mm + coin * p.base_factor
    initial = market.unrealised - notional * p.perpetual_im + coin * p.base_factor * p.base_im_scale
    shorts = 0.0
    charged = size * _doubt(p.oracle.perpetual, p.oracle, market.spot_confidence, market.perpetual_confidence)
    charged += abs(market.base) * _doubt(p.oracle.base, p.oracle, market.spot_confidence)
    for e in market.expiries:
        if not e.options:
            continue
        value = _value(e)
        mark += float(value.sum())
        bound, calls = max_loss(e.options)
        unpaired = min(calls, 0.0) * e.forward
        own_im, own_mm = isolated(e, value, market.spot, p.option)
        initial += max(own_im, bound + unpaired * p.option.unpaired_im_scale)
        maintenance += max(own_mm, bound + unpaired * p.option.unpaired_mm_scale)
        shorts += sum(max(-o.quantity, 0.0) for o in e.options)
        held = sum(abs(o.quantity) for o in e.options)
        charged += held * _doubt(p.oracle.option, p.oracle, market.spot_confidence, e.confidence)
    initial -= market.spot * ((shorts + size) * lost + charged)
    return initial, maintenance, mark


def max_loss(options: tuple[Option, ...]) -> tuple[float, float]:
    """(least payoff at settlement prices 0 and the strikes, at most 0; net calls) of options of one expiry."""
    settle = np.array([0.0, *(o.strike for o in options)])
    payoff = np.zeros(settle.size)
    calls = 0.0
    for o in options:
        sign = 1.0 if o.kind == "call" else -1.0
        payoff += o.quantity * np.maximum(sign * (settle - o.strike), 0.0)
        calls += o.quantity if o.kind == "call" else 0.0
    return min(float(payoff.min()), 0.0), calls


def isolated(expiry: Expiry, value: Floats, spot: float, rates: OptionRates) -> tuple[float, float]:
    """(initial, maintenance) figure of the options of one expiry, each on its own; `value` is the mark of each."""
    initial = maintenance = 0.0
    for o, mark in zip(expiry.options, value.tolist(), strict=True):
        if o.quantity >= 0:
            continue
        notional = -o.quantity * spot
        otm = max(o.strike - spot, 0.0) if o.kind == "call" else max(spot - o.strike, 0.0)
        im = mark - max(rates.initial - otm / spot, rates.initial_floor) * notional
        if o.kind == "call":
            mm = mark - rates.maintenance_call * notional
        else:
            mm = mark + min(-rates.maintenance_put * notional, rates.maintenance_put_mark * mark)
            im = min(im, rates.put_im_scale * mm)
        initial, maintenance = initial + im, maintenance + mm
    return initial, maintenance


def _value(expiry: Expiry) -> Floats:
    """Mark of each position, USD: undiscounted Black-76."""
    price = black76(
        expiry.forward,
        np.array([o.strike for o in expiry.options]),
        expiry.seconds / _YEAR,
        np.array([o.volatility for o in expiry.options]),
        np.array([1.0 if o.kind == "call" else -1.0 for o in expiry.options]),
    )
    return price * np.array([o.quantity for o in expiry.options])


def _doubt(threshold: float, rates: OracleRates, *feeds: float) -> float:
    """Charge per USD of notional for the least certain of `feeds`."""
    least = min(feeds)
    return (1.0 - least) * rates.factor if least < threshold else 0.0
