"""Deribit portfolio margin on lanes: price and volatility matrix, extended moves, roll and delta shocks.

Idea.  Inside one currency everything nets, in coin.  The book is revalued at 9 prices by 3 volatilities, and at eight
far moves whose gains are scaled and dampened; the worst loss, a roll shock on the delta of each expiry and a shock on
large net delta make the risk matrix:

    IM = worst + roll shock + delta shock,   MM = mm_factor IM,

per currency, in coin, times spot and summed over the currencies of an account.  `pnl_offset` below one, the share of
gains of the summed table that counts, is the rule of cross-collateral (X:PM) accounts.  The formulas, and what is not
published and so not part of them, stand in `venues.deribit_portfolio`, the calculator of one account that this model
equals to 1e-9.

Every position is taken as the venue's own: options, perpetuals and dated futures settle in coin.  A future of N USD has
N / M coins, M its mark; a linear one its own.  Coins held are collateral and no position: in coin they do not move.
Forwards move with the index; a future belongs to its expiry in the roll shock.  Charges for open orders and
market-maker protection are zero, as nobody quotes on a path.

Reference: response examples of private/pme/simulate in the venue's documentation.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from riskengine.arrays import Floats, Ints
from riskengine.book.portfolio import Portfolio
from riskengine.margin.grid_values import grid_values
from riskengine.margin.venues.deribit_portfolio import EXTENDED_MOVES, Parameters, counted, dampened
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import contract_coins
from riskengine.roles import Requirement

_MONTH = 30 * 86_400.0
_UP, _SAME, _DOWN = range(3)


@dataclass(frozen=True)
class ParameterSet:
    """A dated parameter set of the venue.

    Attributes
    ----------
    underlyings : dict of str to Parameters
        Figures by asset.
    name, as_of, source : str
        What it is, the day it describes, and where each figure comes from.
    """

    underlyings: dict[str, Parameters]
    name: str = "Deribit portfolio margin"
    as_of: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if not self.underlyings:
            raise ValueError("underlyings must hold at least one asset, got none")


@dataclass(frozen=True)
class _Currency:
    """The part of the book in one currency: its options, and the accounts that have a position."""

    asset: int
    options: Ints
    strike: Floats
    sign: Floats
    expiry: Ints
    accounts: Ints
    perpetuals: Ints  # columns of the book
    size: Floats  # (C, options): coins
    offsets: Ints
    column: Ints
    quantity: Floats
    futures: dict[int, Ints]  # by expiry, columns of the book


@dataclass(frozen=True)
class State:
    """What depends on the book only."""

    portfolio: Portfolio
    currencies: tuple[_Currency, ...]


@dataclass(frozen=True)
class DeribitPortfolio:
    """Deribit portfolio margin; see the module for the rule.

    Attributes
    ----------
    parameters : ParameterSet
        The venue's dated figures, by asset.
    """

    parameters: ParameterSet
    kind = "deribit_portfolio"
    levels = ()

    def scaled(self, factor: float) -> "DeribitPortfolio":
        """The same rule with its price range and volatility moves times `factor`; far moves stay."""
        made = {
            asset: replace(p, **{name: factor * getattr(p, name) for name in ("price_range", "vol_up", "vol_down")})
            for asset, p in self.parameters.underlyings.items()
        }
        return replace(self, parameters=replace(self.parameters, underlyings=made))

    def init(self, portfolio: Portfolio, surface: FactorSurface | None = None) -> State:
        """Index maps of the book; ValueError where it trades an asset for which there are no parameters."""
        portfolio.refuse_tokens("options, perpetuals and futures")
        traded = [a for a in portfolio.assets if a in {x.asset for x in portfolio.instruments}]
        missing = [a for a in traded if a not in self.parameters.underlyings]
        if missing:
            raise ValueError(f"parameters must cover {tuple(traded)}, got none for {missing}")
        made = (_currency(portfolio, a) for a in range(len(portfolio.assets)))
        return State(portfolio, tuple(c for c in made if c.accounts.size))

    def step(self, state: State, paths: MarketPaths | None = None, step: int = 0) -> State:
        """A grid has no memory: returns `state`."""
        return state

    def labels(self, asset: str) -> tuple[str, ...]:
        """Scenarios in words, by number; a book that no scenario hurts has the number -1."""
        moves, directions = _scenarios(self.parameters.underlyings[asset])
        words = ("volatility up", "volatility same", "volatility down")
        return tuple(f"price {m:+.0%}, {words[d]}" for m, d in zip(moves, directions, strict=True))

    def requirement(self, state: State, snapshot: MarketSnapshot, explain: bool = False) -> tuple[Requirement]:
        """Requirement of every account on every lane, one entry.

        Parameters
        ----------
        state : State
        snapshot : MarketSnapshot
        explain : bool
            Fill `components` (USD, shape (K, P); ``scenario_pnl:ASSET`` has shape (S, K, P)).
        """
        book = state.portfolio
        shape = (book.accounts, snapshot.count)
        initial, maintenance = np.zeros(shape), np.zeros(shape)
        heaviest, binding = np.zeros(shape), np.full(shape, -1)
        parts: dict[str, Floats] = {}
        for own in state.currencies:
            asset, rows = book.assets[own.asset], own.accounts
            figures, spot = self.parameters.underlyings[asset], snapshot.spot[own.asset]
            perpetual, futures = _contracts(book, own, snapshot)
            gain = _gains(own, figures, snapshot, perpetual + sum(futures.values()))
            which = gain.argmin(axis=1)
            loss = -np.minimum(np.take_along_axis(gain, which[:, None], axis=1)[:, 0], 0.0)
            roll, delta = _shocks(own, figures, snapshot, perpetual, futures)
            matrix = (loss + roll + delta) * spot
            initial[rows] += matrix
            maintenance[rows] += figures.mm_factor * matrix
            loss *= spot
            binds = loss > heaviest[rows]
            binding[rows] = np.where(binds, which, binding[rows])
            heaviest[rows] = np.where(binds, loss, heaviest[rows])
            if explain:
                named = {"scenario_loss": loss, "roll_shock": roll * spot, "delta_shock": delta * spot}
                for name, x in named.items():
                    parts.setdefault(name, np.zeros(shape))[rows] += x
                full = np.zeros((gain.shape[1], *shape))
                full[:, rows] = gain.transpose(1, 0, 2) * spot
                parts[f"scenario_pnl:{asset}"] = full
        return (Requirement(initial, maintenance, parts, binding),)


def _scenarios(figures: Parameters) -> tuple[Floats, Ints]:
    """Move of the index and volatility direction of each scenario: the standard table, then the extended moves."""
    moves = np.linspace(-figures.price_range, figures.price_range, figures.price_steps)
    standard = np.repeat(moves, 3), np.tile([_UP, _SAME, _DOWN], moves.size)
    far = np.array(EXTENDED_MOVES), np.full(len(EXTENDED_MOVES), _UP)
    return np.concatenate([standard[0], far[0]]), np.concatenate([standard[1], far[1]])


def _contracts(book: Portfolio, own: _Currency, snapshot: MarketSnapshot) -> tuple[Floats, dict[int, Floats]]:
    """Coins at the mark of perpetuals, and of the futures of each expiry, shape (C, P) or (C, 1) each."""

    def coins(columns: Ints, mark: Floats) -> Floats:
        linear, inverse = contract_coins(book, columns, mark)
        return (linear + inverse)[own.accounts]

    futures = {e: coins(columns, snapshot.forward[e]) for e, columns in own.futures.items()}
    return coins(own.perpetuals, snapshot.perpetual[own.asset]), futures


def _gains(own: _Currency, figures: Parameters, snapshot: MarketSnapshot, linear: Floats) -> Floats:
    """What counts of the gain of every account under every scenario, coin, shape (C, S, P)."""
    moves, directions = _scenarios(figures)
    spot = snapshot.spot[own.asset]
    value = np.zeros((own.accounts.size, moves.size + 1, spot.size))
    if own.options.size:
        sigma = snapshot.volatility[own.options]
        seconds = np.asarray(snapshot.seconds, dtype=np.float64)[own.expiry][:, None]
        term = (_MONTH / seconds) ** np.where(seconds < _MONTH, figures.short_term_power, figures.long_term_power)
        up = np.maximum(sigma * (1.0 + figures.vol_up * term), figures.min_vol_up)
        down = np.maximum(sigma * (1.0 - figures.vol_down * term), 0.0)
        totals = np.stack([up, sigma, down]) * np.sqrt(snapshot.tau)[own.expiry][:, None]
        grid_values(
            own.strike, own.sign, own.expiry, np.ones(snapshot.tau.size), snapshot.forward, totals,
            np.concatenate([1.0 + moves, [1.0]]), np.concatenate([directions, [_SAME]]), own.offsets, own.column,
            own.quantity, value,
        )  # fmt: skip
    moved = 1.0 + moves[:, None]
    gain = value[:, :-1] / (spot * moved) - value[:, -1:] / spot + linear[:, None] * (1.0 - 1.0 / moved)
    far = slice(-len(EXTENDED_MOVES), None)
    gain[:, far] = dampened(gain[:, far], moves[far][:, None], spot, figures)
    return counted(gain, figures)


def _shocks(
    own: _Currency, figures: Parameters, snapshot: MarketSnapshot, perpetual: Floats, futures: dict[int, Floats]
) -> tuple[Floats, Floats]:
    """Roll shock and delta shock of every account, coin, shape (C, P) each."""
    delta = np.broadcast_to(perpetual, (own.accounts.size, snapshot.count)).copy()
    roll = np.abs(delta)
    for e in sorted({*own.expiry, *futures}):
        here = own.expiry == e
        forward, total = snapshot.forward[e], snapshot.volatility[own.options[here]] * np.sqrt(snapshot.tau[e])
        d1 = np.log(forward / own.strike[here][:, None]) / total + 0.5 * total
        sign = own.sign[here][:, None]
        held = own.size[:, here] @ (sign * ndtr(sign * d1))
        if e in futures:
            held = held + futures[e]
        delta += held
        roll += np.abs(held)
    net, spot = np.abs(delta), snapshot.spot[own.asset]
    free = figures.delta_slope * np.maximum(net - figures.delta_free_usd / spot, 0.0)
    return figures.min_annualised_move * roll, net * np.minimum(free, figures.max_delta_shock)


def _currency(book: Portfolio, asset: int) -> _Currency:
    """Compressed rows of the book's positions in one currency."""
    mine = np.flatnonzero(book.asset_index[book.options] == asset)
    size = book.quantity[:, book.options[mine]]
    perpetuals = book.perpetuals[book.asset_index[book.perpetuals] == asset]
    dated, expiry = (x[book.asset_index[book.dated] == asset] for x in (book.dated, book.dated_expiry))
    held = np.concatenate([book.options[mine], perpetuals, dated])
    accounts = np.flatnonzero((book.quantity[:, held] != 0).any(axis=1))
    size = np.ascontiguousarray(size[accounts])
    futures = {int(e): dated[expiry == e] for e in np.unique(expiry)}
    row, column = np.nonzero(size)
    return _Currency(
        asset, mine.astype(np.int64), book.strikes[mine], book.call_sign[mine], book.option_expiry[mine], accounts,
        perpetuals, size, np.searchsorted(row, np.arange(accounts.size + 1)).astype(np.int64),
        column.astype(np.int64), np.ascontiguousarray(size[row, column]), futures,
    )  # fmt: skip
