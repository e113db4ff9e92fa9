"""`OptionQuotes`: the options of one asset as quoted at one instant; `select` says which of them a fit may use.

Prices are in units of the forward of the option's own expiry.  For inverse options, quoted in coin, that is the quote
itself: Black-76 in coin is black(F, K) / F with the forward of the same expiry, not with spot or index.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from riskengine.arrays import Floats, Ints, as_floats, check_shape
from riskengine.calibrate.pricing_law.arbitrage import Violation, violations
from riskengine.pricing.chain_prices import ChainPricer
from riskengine.pricing.implied_vol import implied_or_nan

YEAR_SECONDS = 31_536_000.0
_VIOLATING_SHARE = 0.1  # above it the data are wrong (units, a wrong forward), not a market with a few stale quotes


@dataclass(frozen=True)
class OptionQuotes:
    """One snapshot of a chain, one row per option.

    Attributes
    ----------
    asset : str
    seconds : int
        Unix time of the snapshot.
    expiry_seconds : ndarray of int, shape (Q,)
        Unix time of each option's expiry.
    strike, forward : ndarray, shape (Q,)
        USD; the forward is that of the option's own expiry.
    sign : ndarray, shape (Q,)
        +1 call, -1 put.
    bid, ask : ndarray, shape (Q,)
        In units of the forward; 0 or NaN where there is none.
    open_interest : ndarray, shape (Q,)
        Contracts; NaN where not known.
    mark : ndarray, shape (Q,)
        The venue's own price in the same units; NaN where there is none.
    """

    asset: str
    seconds: int
    expiry_seconds: Ints
    strike: Floats
    forward: Floats
    sign: Floats
    bid: Floats
    ask: Floats
    open_interest: Floats
    mark: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "expiry_seconds", np.ascontiguousarray(self.expiry_seconds, dtype=np.int64))
        shape = self.expiry_seconds.shape
        for name in ("strike", "forward", "sign", "bid", "ask", "open_interest", "mark"):
            finite = name in ("strike", "forward", "sign")
            object.__setattr__(self, name, as_floats(name, getattr(self, name), 1, finite=finite))
            check_shape(name, getattr(self, name), shape)
        if not ((self.strike > 0).all() and (self.forward > 0).all()):
            raise ValueError("strike and forward must hold positive numbers, got one that is not")
        if not (np.abs(self.sign) == 1.0).all():
            raise ValueError(f"sign must hold +1 (call) or -1 (put), got {np.unique(self.sign).tolist()}")

    @property
    def tau(self) -> Floats:
        """Years of 365 days to each option's expiry, shape (Q,)."""
        return (self.expiry_seconds - self.seconds) / YEAR_SECONDS


@dataclass(frozen=True)
class QuoteRules:
    """Which quotes are used.  The defaults are the filters of the published fits that ours are held against.

    Attributes
    ----------
    min_days : float
        Shortest time to expiry.
    min_open_interest : float
        Contracts; a quote whose open interest is not known passes.
    max_relative_spread : float
        (ask - bid) / mid.
    moneyness : tuple of float
        Lowest and highest K / F.
    out_of_the_money : bool
        Only calls above and puts below the forward.
    """

    min_days: float = 1.0
    min_open_interest: float = 1.0
    max_relative_spread: float = 0.5
    moneyness: tuple[float, float] = (0.6, 1.4)
    out_of_the_money: bool = False

    def __post_init__(self) -> None:
        if not self.min_days > 0.0:
            raise ValueError(f"min_days must be positive, got {self.min_days!r}")
        if not self.max_relative_spread > 0.0:
            raise ValueError(f"max_relative_spread must be positive, got {self.max_relative_spread!r}")
        low, high = self.moneyness
        if not 0.0 < low < high:
            raise ValueError(f"moneyness must be two increasing positive numbers, got {self.moneyness!r}")


@dataclass(frozen=True)
class Chain:
    """The quotes that a fit uses, in their order.

    Attributes
    ----------
    quotes : OptionQuotes
        Only those used.
    expiries : ndarray of int, shape (E,)
        Unix time, increasing.
    expiry : ndarray of int, shape (Q,)
        Position of each option's expiry in `expiries`.
    refused : dict of str to int
        Reason and how many quotes were refused for it (the first that applies).
    violations : tuple of Violation
        Quotes that could be traded against each other without risk; they stay in, with bounded weight.
    """

    quotes: OptionQuotes
    expiries: Ints
    expiry: Ints
    refused: dict[str, int]
    violations: tuple[Violation, ...]

    @property
    def count(self) -> int:
        """Number of quotes Q."""
        return self.expiry.size

    @cached_property
    def tau(self) -> Floats:
        """Years to each expiry, shape (E,)."""
        return (self.expiries - self.quotes.seconds) / YEAR_SECONDS

    @cached_property
    def log_moneyness(self) -> Floats:
        """log(K / F), shape (Q,)."""
        return np.log(self.quotes.strike / self.quotes.forward)

    @cached_property
    def mid(self) -> Floats:
        """Middle of bid and ask, shape (Q,)."""
        return 0.5 * (self.quotes.bid + self.quotes.ask)

    @cached_property
    def half_spread(self) -> Floats:
        """Half of ask less bid, shape (Q,)."""
        return 0.5 * (self.quotes.ask - self.quotes.bid)

    @cached_property
    def volatility(self) -> Floats:
        """Implied volatility of each mid, shape (Q,); NaN where the mid is at or outside its bounds."""
        return implied_or_nan(self.mid, self.log_moneyness, self.tau[self.expiry], self.quotes.sign)

    @cached_property
    def at_the_money(self) -> Floats:
        """Volatility at the forward of each expiry, shape (E,): median of the quotes nearest to it."""
        out = np.empty(self.expiries.size)
        for e in range(out.size):
            rows = np.flatnonzero((self.expiry == e) & np.isfinite(self.volatility) & (self.volatility > 0))
            near = rows[np.argsort(np.abs(self.log_moneyness[rows]))[:4]]
            out[e] = np.median(self.volatility[near]) if near.size else np.nan
        known = np.isfinite(out)
        if not known.any():
            raise ValueError(
                f"the chain of {self.quotes.asset} must have a price above intrinsic value, got none in "
                f"{self.count} quotes: are bid and ask in units of the forward (coin)?"
            )
        return np.interp(np.arange(out.size), np.flatnonzero(known), out[known])

    @cached_property
    def pricer(self) -> ChainPricer:
        """Prices of these options under any pricing law."""
        return ChainPricer(self.tau, self.expiry, self.log_moneyness, self.quotes.sign, self.at_the_money)

    def inside(self, price: Floats) -> np.ndarray:
        """Whether each price lies in [bid, ask], boolean, shape (Q,)."""
        return (price >= self.quotes.bid) & (price <= self.quotes.ask)


def select(quotes: OptionQuotes, rules: QuoteRules | None = None) -> Chain:
    """The quotes of a snapshot that pass `rules`, and why the others do not.

    Raises
    ------
    ValueError
        Where none passes, or where more than a tenth of those that do are part of an arbitrage: the message names the
        first pairs.
    """
    rules = QuoteRules() if rules is None else rules
    moneyness, mid = quotes.strike / quotes.forward, 0.5 * (quotes.bid + quotes.ask)
    with np.errstate(invalid="ignore", divide="ignore"):
        tests = (
            ("no bid or ask", (quotes.bid > 0) & (quotes.ask > 0)),
            ("ask below bid", quotes.ask >= quotes.bid),
            (f"expiry nearer than {rules.min_days:g} days", quotes.tau >= rules.min_days / 365.0),
            ("too little open interest", ~(quotes.open_interest < rules.min_open_interest)),
            ("spread too wide", (quotes.ask - quotes.bid) / mid <= rules.max_relative_spread),
            ("moneyness out of range", (moneyness >= rules.moneyness[0]) & (moneyness <= rules.moneyness[1])),
            ("in the money", (quotes.sign * (moneyness - 1.0) >= 0.0) | (not rules.out_of_the_money)),
            ("ask below intrinsic value", quotes.ask >= np.maximum(quotes.sign * (1.0 - moneyness), 0.0)),
            ("bid above its ceiling", quotes.bid < np.where(quotes.sign > 0, 1.0, moneyness)),
            # such a quote would get infinite weight
            ("no spread", quotes.ask > quotes.bid),
        )
    keep, refused = np.ones(moneyness.size, dtype=bool), {}
    for reason, passes in tests:
        fails = keep & ~passes
        if fails.any():
            refused[reason] = int(fails.sum())
        keep &= passes
    if not keep.any():
        told = "; ".join(f"{reason}: {count}" for reason, count in refused.items()) or "the chain is empty"
        raise ValueError(f"chain of {quotes.asset} must hold a quote that passes the rules, got none ({told})")
    return _checked(_take(quotes, np.flatnonzero(keep)), refused)


def _take(quotes: OptionQuotes, rows: Ints) -> OptionQuotes:
    names = ("expiry_seconds", "strike", "forward", "sign", "bid", "ask", "open_interest", "mark")
    return OptionQuotes(quotes.asset, quotes.seconds, *(getattr(quotes, n)[rows] for n in names))


def _checked(used: OptionQuotes, refused: dict[str, int]) -> Chain:
    expiries, expiry = np.unique(used.expiry_seconds, return_inverse=True)
    options, times = np.unique(np.column_stack([expiry, used.strike, used.sign]), axis=0, return_counts=True)
    if (times > 1).any():
        e, strike, sign = options[np.argmax(times > 1)]
        day = np.datetime64(int(expiries[int(e)]), "s").astype("datetime64[D]")
        raise ValueError(
            f"chain of {used.asset} must hold every option once, got {times.max()} times the {strike:g} "
            f"{'call' if sign > 0 else 'put'} of {day}"
        )
    found = violations(used.expiry_seconds, used.strike, used.forward, used.sign, used.bid, used.ask)
    touched = len({row for v in found for row in v.rows})
    if touched > max(2, _VIOLATING_SHARE * expiry.size):
        shown = "; ".join(v.text for v in found[:5])
        raise ValueError(
            f"chain of {used.asset} must be free of arbitrage between quotes, got {len(found)} violations over "
            f"{touched} of {expiry.size} quotes, the first: {shown}"
        )
    return Chain(used, expiries, expiry, refused, found)


def part(chain: Chain, rows: Ints) -> Chain:
    """The chain of the quotes at `rows` alone, expiries renumbered."""
    used = _take(chain.quotes, np.sort(np.asarray(rows)))
    expiries, expiry = np.unique(used.expiry_seconds, return_inverse=True)
    return Chain(used, expiries, expiry, {}, ())
