"""`Portfolio`: accounts x instruments, signed quantities, cash by currency."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from riskengine.arrays import Floats, Ints, check_shape
from riskengine.book.marks import Marks
from riskengine.instrument.terms import EuropeanOption, Future, Instrument, Perpetual, PoolToken, PrincipalToken


@dataclass(frozen=True)
class Portfolio:
    """Margin accounts over one list of instruments.

    Attributes
    ----------
    assets : tuple of str
        Underlyings in the order of the market's asset axis.
    instruments : tuple of Instrument
        Distinct instruments.
    quantity : ndarray, shape (K, M)
        Signed positions: + long, - short, in coins of the underlying; liquidity of pool tokens, never negative.
    entry : ndarray, shape (K, M)
        Entry price of perpetuals and futures in USD; of pool tokens the price at deposit or 0 (0 elsewhere).
    cash : ndarray, shape (K, 1 + A)
        USD, then coins of each asset.
    names, kinds : tuple of str
        Account name and kind (``short_straddle``, ``basis`` ...), K each.
    marks : Marks or None
        A venue's prices at time 0, where the book was read from one.
    origin : dict or None
        Words that make the same book again, where it was drawn.
    """

    assets: tuple[str, ...]
    instruments: tuple[Instrument, ...]
    quantity: Floats
    entry: Floats
    cash: Floats
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    marks: Marks | None = None
    origin: dict[str, Any] | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        k, m = len(self.names), len(self.instruments)
        check_shape("quantity", self.quantity, (k, m))
        check_shape("entry", self.entry, (k, m))
        check_shape("cash", self.cash, (k, 1 + len(self.assets)))
        if len(set(self.instruments)) != m:
            raise ValueError("instruments must be distinct")
        against = {self.instruments[m].against for m in self.pools} - {"USD"}
        unknown = sorted(({i.asset for i in self.instruments} | against) - set(self.assets))
        if unknown:
            raise ValueError(f"instruments must be on assets {self.assets}, got {unknown}")
        quotes = {getattr(i, "quote", "USD") for i in self.instruments} - {"USD", *self.assets}
        if quotes:
            raise ValueError(f"quote of an instrument must be USD or one of {self.assets}, got {sorted(quotes)}")
        owed = [self.instruments[m].name for m in self.pools if (self.quantity[:, m] < 0.0).any()]
        if owed:
            raise ValueError(f"quantity of a pool token must not be negative, got one that is of {', '.join(owed)}")

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed when the book was read from a venue."""
        return () if self.marks is None else self.marks.notes

    @property
    def accounts(self) -> int:
        """Number of accounts K."""
        return len(self.names)

    @cached_property
    def options(self) -> Ints:
        """Positions of the options in `instruments`, shape (O,)."""
        return np.array([i for i, x in enumerate(self.instruments) if isinstance(x, EuropeanOption)], dtype=np.int64)

    @cached_property
    def perpetuals(self) -> Ints:
        """Positions of the perpetuals in `instruments`."""
        return np.array([i for i, x in enumerate(self.instruments) if isinstance(x, Perpetual)], dtype=np.int64)

    @cached_property
    def dated(self) -> Ints:
        """Positions of the dated futures and principal tokens in `instruments`, shape (F,)."""
        own = (Future, PrincipalToken)
        return np.array([i for i, x in enumerate(self.instruments) if isinstance(x, own)], dtype=np.int64)

    @cached_property
    def principals(self) -> Ints:
        """Positions of the principal tokens in `instruments`."""
        return np.array([i for i, x in enumerate(self.instruments) if isinstance(x, PrincipalToken)], dtype=np.int64)

    @cached_property
    def pools(self) -> Ints:
        """Positions of the pool tokens in `instruments`, shape (L,)."""
        return np.array([i for i, x in enumerate(self.instruments) if isinstance(x, PoolToken)], dtype=np.int64)

    @cached_property
    def against_index(self) -> Ints:
        """Second asset of each pool token, -1 for USD, shape (L,)."""
        names = [self.instruments[m].against for m in self.pools]
        return np.array([-1 if a == "USD" else self.assets.index(a) for a in names], dtype=np.int64)

    def without(self, columns: Ints) -> "Portfolio":
        """The same accounts without some instruments."""
        kept = np.setdiff1d(np.arange(len(self.instruments)), columns)
        named = tuple(self.instruments[m] for m in kept)
        return replace(self, instruments=named, quantity=self.quantity[:, kept], entry=self.entry[:, kept])

    def refuse(self, columns: Ints, listed: str) -> None:
        """ValueError naming the instruments at `columns`, for a venue that has `listed` only."""
        if len(columns):
            named = ", ".join(self.instruments[m].name for m in columns)
            raise ValueError(f"instruments must be {listed}, as the venue lists, got {named}")

    def refuse_tokens(self, listed: str) -> None:
        """The same for principal and pool tokens."""
        self.refuse(np.sort(np.concatenate([self.principals, self.pools])), listed)

    @cached_property
    def inverse(self) -> np.ndarray:
        """Which instruments are contracts of one USD that pay in coin: inverse perpetuals and futures, shape (M,)."""
        own = (Perpetual, Future)
        return np.array([isinstance(x, own) and x.settlement == "inverse" for x in self.instruments], dtype=bool)

    def sizes(self, spot: Floats) -> Floats:
        """Coins of each position at `spot` (A,), none negative, shape (K, M): of inverse ones what dollars buy."""
        held = np.abs(self.quantity)
        own = self.inverse
        held[:, own] *= self.entry[:, own] / spot[self.asset_index[own]]
        return held

    @cached_property
    def quote_index(self) -> Ints:
        """Asset that each instrument's entry price is counted in, -1 for USD, shape (M,)."""
        quotes = [getattr(x, "quote", "USD") for x in self.instruments]
        return np.array([-1 if q == "USD" else self.assets.index(q) for q in quotes], dtype=np.int64)

    @cached_property
    def coins(self) -> Floats:
        """Coins of each asset that an account is worth, shape (K, A): held, less what positions quoted in it paid."""
        out = self.cash[:, 1:]
        quoted = np.flatnonzero(self.quote_index >= 0)
        if quoted.size:
            out = out.copy()
            for m in quoted:
                out[:, self.quote_index[m]] -= self.quantity[:, m] * self.entry[:, m]
        return out

    @cached_property
    def asset_index(self) -> Ints:
        """Asset of each instrument, shape (M,)."""
        return np.array([self.assets.index(x.asset) for x in self.instruments], dtype=np.int64)

    @cached_property
    def expiries(self) -> tuple[tuple[str, float], ...]:
        """Distinct (asset, expiry in hours) of all that expires, sorted by asset order and time: the axis E."""
        found = {
            (self.assets.index(x.asset), x.expiry_hours)
            for x in self.instruments
            if isinstance(x, (EuropeanOption, Future, PrincipalToken))
        }
        return tuple((self.assets[a], h) for a, h in sorted(found))

    @cached_property
    def option_expiry(self) -> Ints:
        """Position in `expiries` of each option, shape (O,)."""
        return np.array(
            [self.expiries.index((x.asset, x.expiry_hours)) for x in self.instruments if isinstance(x, EuropeanOption)],
            dtype=np.int64,
        )

    @cached_property
    def dated_expiry(self) -> Ints:
        """Position in `expiries` of each dated instrument, shape (F,)."""
        own = [self.instruments[m] for m in self.dated]
        return np.array([self.expiries.index((x.asset, x.expiry_hours)) for x in own], dtype=np.int64)

    @cached_property
    def strikes(self) -> Floats:
        """Strike of each option in USD, shape (O,)."""
        return np.array([x.strike for x in self.instruments if isinstance(x, EuropeanOption)], dtype=np.float64)

    @cached_property
    def call_sign(self) -> Floats:
        """+1 for calls, -1 for puts, shape (O,)."""
        return np.array([1.0 if x.kind == "call" else -1.0 for x in self.instruments if isinstance(x, EuropeanOption)])


def accounts_of(
    book: Portfolio, quantity: Floats, entry: Floats | None = None, cash: Floats | None = None
) -> Portfolio:
    """One account for each row of `quantity` (K, M) in the instruments of `book`.

    Parameters
    ----------
    book : Portfolio
    quantity : ndarray, shape (K, M)
        Signed coins.
    entry : ndarray, shape (M,), optional
        Entry prices of all accounts; 0 by default, so that a linear perpetual is worth its price.  An inverse contract
        has no size without one.
    cash : ndarray, shape (1 + A,), optional
        Cash of every account; none by default.
    """
    count, assets = len(quantity), len(book.assets)
    return replace(
        book,
        quantity=np.ascontiguousarray(quantity, dtype=np.float64),
        entry=np.zeros(quantity.shape) if entry is None else np.repeat(entry[None], count, axis=0),
        cash=np.zeros((count, 1 + assets)) if cash is None else np.repeat(cash[None], count, axis=0),
        names=tuple(f"account {k}" for k in range(count)),
        kinds=("account",) * count,
    )
