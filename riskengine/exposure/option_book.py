"""One account of options, perpetuals and coins on one asset: a loss that need not be monotone in the spot.

The loss is the fall of the account's value in USD over the horizon, by the same valuation that margin runs use
(`riskengine.pricing.valuation`): options at the world's surface, in moneyness and remaining time of the horizon.  The
surface stays at the state that it has at the long-run mean of the world's variance; with it the loss is a function of
the log-return alone and every figure is exact.  Where the surface of a world moves with the variance, what that adds to
the loss is not part of this exposure: no exact joint law of return and variance is at hand to hold an estimate against.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface
from riskengine.pricing.branches import Branches
from riskengine.pricing.option_book import loss_window
from riskengine.pricing.valuation import account_values, snapshot
from riskengine.roles import Law, ScenarioModel


@dataclass(frozen=True, eq=False)
class AccountPosition:
    """Loss of one account as a function of the log-return of its asset; see `riskengine.roles.Position`.

    Attributes
    ----------
    book : Portfolio
        One account, with what it holds only.
    surface : FactorSurface
    spot : ndarray, shape (A,)
    asset : int
    variance : ndarray, shape (A,)
        State of the surface, per year.
    hours : float
    law : Law
        Of the log-return over the horizon: it says how far branches must reach.
    """

    book: Portfolio
    surface: FactorSurface
    spot: Floats
    asset: int
    variance: Floats
    hours: float
    law: Law
    side: None = None

    @cached_property
    def kinks(self) -> tuple[float, ...]:
        """Strikes of the options that expire at the horizon."""
        ends = {s for s, (_, h) in zip(self.book.strikes, self._terms, strict=True) if h <= self.hours}
        return tuple(sorted(float(np.log(s / self.spot[self.asset])) for s in ends))

    @property
    def _terms(self) -> list[tuple[str, float]]:
        return [self.book.expiries[i] for i in self.book.option_expiry]

    @cached_property
    def _branches(self) -> Branches:
        return Branches(self.loss, *loss_window(self.law, (0.0, 1.0)), self.kinks)

    def _values(self, spot: Floats, hours: float) -> Floats:
        """USD value of the account at spots of its asset, shape (P,), after `hours`."""
        lanes = np.repeat(self.spot[:, None], spot.size, axis=1)
        lanes[self.asset] = spot
        state = np.repeat(self.variance[:, None], spot.size, axis=1)
        return account_values(self.book, snapshot(self.book, self.surface, lanes, state, hours))[0]

    @cached_property
    def _now(self) -> float:
        return float(self._values(self.spot[self.asset : self.asset + 1], 0.0)[0])

    def loss(self, x: ArrayLike) -> Floats:
        """Loss in USD at log-returns `x`, shape of `x`."""
        x = np.asarray(x, dtype=np.float64)
        spot = self.spot[self.asset] * np.exp(x.reshape(-1))
        return (self._now - self._values(spot, self.hours)).reshape(x.shape)

    def worse(self, c: ArrayLike) -> tuple[Floats, Floats]:
        """Where the loss is greater than `c`: one interval for each branch of the loss."""
        return self._branches.worse(np.asarray(c, dtype=np.float64))


@dataclass(frozen=True, eq=False)
class OptionBookExposure:
    """One account of a margin book.

    Attributes
    ----------
    book : Portfolio
        A shipped book by name, or one written out.
    account : str, optional
        Which of its accounts; may be left out where there is one only.
    kind : str
        ``option_book``.
    """

    book: Portfolio
    account: str | None = None
    kind: Literal["option_book"] = "option_book"
    note: ClassVar[str] = (
        "Options of a book are valued at the world's surface, which stays at the state of its long-run mean variance."
    )

    def __post_init__(self) -> None:
        if self.account is None and self.book.accounts > 1:
            raise ValueError(f"account must name one of the {self.book.accounts} accounts of the book, got none")
        if self.account is not None and self.account not in self.book.names:
            raise ValueError(f"account must be one of {', '.join(self.book.names)}, got {self.account!r}")
        assets = [a for a, held in zip(self.book.assets, self._held, strict=True) if held]
        if len(assets) != 1:
            raise ValueError(f"account must hold instruments and coins of one asset, got {', '.join(assets) or 'none'}")

    def __eq__(self, other: object) -> bool:
        """Whether the other is the same account of an equal book."""
        if not isinstance(other, OptionBookExposure):
            return NotImplemented
        held = (self.book, other.book)
        same = [getattr(held[0], n) == getattr(held[1], n) for n in ("assets", "instruments", "names", "kinds")]
        same += [np.array_equal(*(getattr(b, n) for b in held)) for n in ("quantity", "entry", "cash")]
        return self.account == other.account and all(same)

    def __hash__(self) -> int:
        return hash((self.account, self.book.names, self.book.instruments))

    @property
    def _row(self) -> int:
        return 0 if self.account is None else self.book.names.index(self.account)

    @property
    def _held(self) -> np.ndarray:
        """Which assets the account holds, shape (A,)."""
        held = self.book.cash[self._row, 1:] != 0.0
        held[self.book.asset_index[self.book.quantity[self._row] != 0.0]] = True
        return held

    @property
    def asset(self) -> str:
        """The asset that the account is on."""
        return self.book.assets[int(np.argmax(self._held))]

    @property
    def name(self) -> str:
        """For example ``BTC book btc_short_straddle``."""
        return f"{self.asset} book {self.book.names[self._row]}"

    def held_in(self, model: ScenarioModel, hours: float) -> Portfolio:
        """The account alone, with what it holds only; ValueError where it cannot be priced to the horizon."""
        row, book = self._row, self.book
        held = np.flatnonzero(book.quantity[row] != 0.0)
        terms = [book.instruments[i] for i in held]
        early = [x.name for x in terms if getattr(x, "expiry_hours", hours) < hours]
        if early:
            raise ValueError(f"options must not expire before the horizon of {hours:g} h, got {', '.join(early)}")
        if book.assets != tuple(model.assets):
            raise ValueError(f"assets of the book must be those of the world, {model.assets}, got {book.assets}")
        return Portfolio(
            book.assets,
            tuple(terms),
            np.ascontiguousarray(book.quantity[row : row + 1, held]),
            np.ascontiguousarray(book.entry[row : row + 1, held]),
            book.cash[row : row + 1],
            (book.names[row],),
            (book.kinds[row],),
        )

    def path_losses(self, model: ScenarioModel, surface: FactorSurface, paths: MarketPaths) -> Floats:
        """Loss in USD over a block of paths with the surface at the state of each path's own variance, shape (P,)."""
        hours = float(paths.grid.times[-1]) * 8760.0
        one = self.held_in(model, hours)

        def values(step: int, at: float) -> Floats:
            variance = None if paths.variance_lanes is None else paths.variance_lanes[step]
            return account_values(one, snapshot(one, surface, paths.spot_lanes[step], variance, at))[0]

        return values(0, 0.0) - values(-1, hours)

    def position(self, model: ScenarioModel, surface: FactorSurface, hours: float) -> AccountPosition:
        """The account at the spot and the mean variance of a world; ValueError where it cannot be priced to the end."""
        one = self.held_in(model, hours)
        asset = one.assets.index(self.asset)
        laws = [model.law(a, hours / 8760.0) for a in one.assets]
        variance = np.array([float(getattr(law, "theta", 0.0)) for law in laws])
        if not surface.static and variance[asset] <= 0.0:
            raise ValueError("the surface must be static, or the world have a long-run variance that it can stay at")
        return AccountPosition(
            one, surface, np.array(model.spot, dtype=np.float64), asset, variance, hours, laws[asset]
        )
