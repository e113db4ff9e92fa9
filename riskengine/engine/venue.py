"""A venue as a participant of the step loop: the life of its accounts on a block of paths.

A linear perpetual of q coins entered at e is worth q (M - F) - q e USD at the mark M, F what one coin has paid in
funding.  An inverse one is N = q e contracts of one USD each and pays in coin: with the index S and what one contract
has paid H, it is worth N (1/e - 1/M - H) coins, so it is held as N / e coins and -N contracts of S (1/M + H) USD.
Funding flows at the start of each step at the rate of the path, as in `riskengine.engine.desks`.  A dated future is
the same with the forward of its expiry as its mark, and without funding.  A contract quoted in a coin is held as q of
M USD and -q e such coins, and pays in them.  An option is worth what the book's valuation says at the path's state; an
inverse one pays in coin.
"""

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio
from riskengine.engine.maker_book import MakerBook
from riskengine.engine.questions import VolatilityFeedback
from riskengine.liquidation.account_life import live_one_step
from riskengine.liquidation.auction_life import GIVEN, PAYMENT, PROFIT, STARTED, auction_one_step, no_auctions
from riskengine.liquidation.margin_calls import add_called_notional, called_accounts
from riskengine.liquidation.venue_state import (
    ADL_COUNT,
    ADL_LOSS,
    ADL_VOLUME,
    BANKRUPT,
    CALLS,
    EXHAUSTED,
    FEES,
    FUND_IN,
    FUND_OUT,
    LIQUIDATED,
    MAKER_SPREAD,
    NEED,
    REACH,
    SHORTFALL,
    SLIPPAGE,
    SOCIALISED,
    SPREAD,
    SUMS,
    UNCOVERED,
    VOLUME,
    Life,
    Now,
)  # fmt: skip
from riskengine.liquidation.venue_terms import VenueTerms
from riskengine.liquidity.execution import BOOK, POOL
from riskengine.margin.deribit_standard import DeribitStandard
from riskengine.margin.sensitivities import sensitivities
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import BUMP, option_values, snapshot

# money that no entry explains, as a share of all there is: more than this marks the path as failed
CONSERVED = 1e-9

BY_KIND = {
    "margin_calls": CALLS,
    "liquidated_accounts": LIQUIDATED,
    "liquidated_notional": VOLUME,
    "execution_cost": SLIPPAGE,
    "liquidation_fees": FEES,
    "bankrupt_accounts": BANKRUPT,
    "account_shortfall": SHORTFALL,
    "deleveraged_notional": ADL_VOLUME,
    "deleveraging_loss": ADL_LOSS,
    "deleveragings": ADL_COUNT,
    "socialised_loss": SOCIALISED,
}
OF_AUCTION = {"auctions": STARTED, "auction_discount": GIVEN, "bidder_profit": PROFIT, "bidder_payment": PAYMENT}
OF_FUND = {"fund_draw": FUND_OUT, "fund_need": NEED, "fund_exhausted": EXHAUSTED, "uncovered_loss": UNCOVERED}


def starting_holdings(book: Portfolio) -> Floats:
    """USD, coins and positions of every account at the start, shape (K, 1 + A + M); inverse ones in contracts."""
    inverse = book.inverse
    units = np.where(inverse, book.quantity * book.entry, book.quantity)
    in_usd = ~inverse & (book.quote_index < 0)
    usd = book.cash[:, 0] - np.where(in_usd, book.quantity * book.entry, 0.0).sum(axis=1)
    member = (book.asset_index[:, None] == np.arange(len(book.assets))) & inverse[:, None]
    coins = book.coins + book.quantity @ member
    return np.ascontiguousarray(np.concatenate([usd[:, None], coins, units], axis=1))


def book_faults(book: Portfolio, terms: VenueTerms, surface: FactorSurface, paths: MarketPaths) -> list[str]:
    """What keeps a venue from taking a book at the start of `paths`: every fault, a sentence each."""
    execution = terms.execution
    faults = [f"maintenance must be given for {a}, got none" for a in book.assets if a not in terms.maintenance]
    parts = {"book": execution.book, "pool": execution.pool, "book of options": execution.options}
    faults += [
        f"depth_usd of the {name} must be given for {a}, got none"
        for name, part in parts.items()
        if part is not None
        for a in book.assets
        if a not in part.depth_usd
    ]
    maker = execution.maker
    for name, limits in {} if maker is None else {"vega": maker.vega_limit_usd, "delta": maker.delta_limit_usd}.items():
        faults += [
            f"{name}_limit_usd of the maker must be given for {a}, got none" for a in book.assets if a not in limits
        ]
    if book.options.size and maker is None and (execution.book is None or execution.options is None):
        faults.append("execution must have a maker, or a book and a book of options, for a book with options, got none")
    entered = ~np.isin(np.arange(len(book.instruments)), [*book.options, *book.principals, *book.pools])
    if not ((book.entry > 0) | (book.quantity == 0))[:, entered].all():
        faults.append("entry must be positive for every perpetual and future, got one that is not")
    for m in (*book.principals, *book.pools):
        faults.append(f"instruments must be traded at the venue, got {book.instruments[m].name}")
    if faults:
        return faults
    desk = VenueDesk(book, terms, surface, np.inf, paths)
    desk.look(0, paths.spot_lanes[0])
    equity, need, _ = desk.figures()
    return [
        f"account {name} must start with its maintenance requirement of {r:,.0f} USD, got {e:,.0f}"
        for name, e, r in zip(book.names, equity[:, 0], need[:, 0], strict=True)
        if e < r
    ]


class VenueDesk:
    """The accounts of one venue with one size of fund.

    Accounts are taken in the order of their names, so that no figure depends on the order of the book.

    Parameters
    ----------
    book : Portfolio
        Every account at or above its requirement (`book_faults`).
    terms : VenueTerms
    surface : FactorSurface
        Prices options.
    fund : float
        Insurance fund at the start, USD; infinite: it never empties.
    paths : MarketPaths
    sells : bool
        Report the coins that closed options move like; only feedback needs it.
    heat : VolatilityFeedback or None
        What is closed raises the variance that options are marked at.
    """

    def __init__(
        self, book: Portfolio, terms: VenueTerms, surface: FactorSurface, fund: float, paths: MarketPaths,
        sells: bool = True, heat: VolatilityFeedback | None = None,
    ):  # fmt: skip
        order = np.argsort(np.array(book.names), kind="stable")
        kinds = tuple(dict.fromkeys(sorted(book.kinds)))
        accounts, assets, lanes = len(order), len(book.assets), paths.count
        self.book, self.kinds, self._paths, self._order, self._surface = book, kinds, paths, order, surface
        self._sells = sells
        self._heated: Floats | None = None
        if heat is not None:
            self._heated = np.zeros((assets, lanes))
            self._per_usd = heat.elasticity / np.array([heat.depth_usd[a] for a in book.assets])[:, None]
            self._cooled = 0.5 ** (paths.grid.step_seconds / 3600.0 / heat.half_life_hours)
            self._hottest, self._largest = np.zeros(lanes), heat.largest
        self._inverse = book.inverse
        self._rate = np.array([terms.maintenance[a] for a in book.assets])[book.asset_index][:, None]
        self._options = DeribitStandard(maintenance=terms.option_maintenance)
        option = np.isin(np.arange(len(book.instruments)), book.options)
        execution = terms.execution
        books = 2 * assets if option.any() else assets
        hours = paths.grid.step_seconds / 3600.0
        made = execution.maker is not None and option.any()
        self._maker = MakerBook(execution.maker, book, hours) if made else None
        places = 3 if made else 2
        # a pool has nothing for options: so little that no order is filled
        self._depth = np.full((places, books, 1), 1e-9)
        self._refill = np.ones((places, 1, books, 1))
        quote = np.zeros((7 if made else 2, books))
        if made:
            quote[MAKER_SPREAD:, :assets] = self._maker.quote()
        for where, part, first in (
            (BOOK, execution.book, 0),
            (POOL, execution.pool, 0),
            (BOOK, execution.options, assets),
        ):
            if part is None or first >= books:
                continue
            own = slice(first, first + assets)
            self._depth[where, own, 0] = [part.depth_usd[a] for a in book.assets]
            self._refill[where, 0, own] = 0.5 ** (hours / part.refill_half_life_hours)
            if where == BOOK:
                quote[SPREAD, own], quote[REACH, own] = part.half_spread, part.reach
        keep = 1.0 if execution.pool is None else 1.0 - execution.pool.fee
        start = starting_holdings(book)[order]
        in_coin = np.array([x.settlement == "inverse" for x in book.instruments])
        self.life = Life(
            start=start,
            state=np.empty((*start.shape, lanes)),
            touched=np.zeros(accounts, np.uint8),
            status=np.zeros((accounts, lanes), np.uint8),
            liquidated=np.zeros((accounts, lanes), np.uint8),
            kind=np.array([kinds.index(book.kinds[k]) for k in order]),
            entry=np.ascontiguousarray(book.entry[order]),
            asset=book.asset_index,
            book=book.asset_index + np.where(option, assets, 0),
            settle=np.where(in_coin, 1 + book.asset_index, 1 + book.quote_index),
            inverse=self._inverse,
            ranked=~option,
            present=np.array([execution.book is not None, execution.pool is not None, made][:places]),
            quote=quote,
            taken=np.zeros((places, 2, books, lanes)),
            made=np.zeros((2, lanes)),
            inventory=np.zeros((len(option) if made else 0, lanes)),
            terms=np.array([terms.target, terms.liquidation_fee, execution.limit, keep, fund], dtype=np.float64),
            sums=np.zeros((len(kinds), SUMS, lanes)),
            fund=np.zeros((5, lanes)),
            market=np.zeros((start.shape[1], lanes)),
            sold=np.zeros((assets, lanes)),
            closed=np.zeros((assets, lanes)),
        )
        self._sale = None
        if terms.auction is not None:
            self._sale = no_auctions(terms.auction, accounts, len(kinds), lanes)
            self._freed = 0.5 ** (hours / terms.auction.bidders.capital_half_life_hours)
        self._ratio = np.empty((accounts, lanes))
        self._found = np.empty((accounts, lanes), np.int64)
        self._paid = np.zeros((len(book.instruments), lanes))
        self._funded = np.isin(np.arange(len(book.instruments)), book.perpetuals)[:, None]
        self._scale: Floats | None = None

    def look(self, step: int, spot: Floats) -> None:
        """Read the market at `step` and prices `spot` (A, P)."""
        paths, asset = self._paths, self.book.asset_index
        mark = spot if paths.basis_lanes is None else spot * np.exp(paths.basis_lanes[step])
        index, price = spot[asset], mark[asset]
        if self.book.dated.size:
            price[self.book.dated] = self._snapshot(step, spot).forward[self.book.dated_expiry]
        inverse = self._inverse[:, None]
        value = np.where(inverse, -index * (1.0 / price + self._paid), price - self._paid)
        notional = np.where(inverse, index / price, price)
        need = np.stack([self._rate * notional] * 2)
        delta = notional / index
        depth = self._depth * np.ones((1, 1, spot.shape[1]))
        if paths.depth_lanes is not None:
            lanes = paths.depth_lanes[step]
            depth[BOOK] *= np.concatenate([lanes] * (depth.shape[1] // len(lanes)))
        vega, exposure = np.zeros((2, *(notional.shape if self._maker else (0, len(spot[0])))))
        if self.book.options.size:
            now = self._snapshot(step, spot)
            self._look_at_options(step, spot, now, value, notional, need, delta)
            if self._maker is not None:
                units = sensitivities(self.book, now)
                vega[self.book.options], exposure[self.book.options] = units.vega / now.volatility, units.delta
        if paths.funding_lanes is not None:
            flow = paths.funding_lanes[step][asset] * paths.grid.dt
            self._paid = self._paid + self._funded * flow * np.where(inverse, 1.0 / price, price)
        worth = np.concatenate([np.ones((1, spot.shape[1])), spot, value])
        self.now = Now(worth, notional, need, delta, price, depth, vega, exposure)

    def _snapshot(self, step: int, spot: Floats) -> MarketSnapshot:
        variance, basis = self._paths.variance_lanes, self._paths.basis_lanes
        hours = step * self._paths.grid.step_seconds / 3600.0
        state = np.zeros_like(spot) if variance is None else variance[step]
        if self._heated is not None:
            state = state * np.exp(self._heated)
        own = None if basis is None else basis[step]
        return snapshot(self.book, self._surface, spot, state, hours, basis=own)

    def _look_at_options(
        self, step: int, spot: Floats, now: MarketSnapshot, value: Floats, notional: Floats, need: Floats, delta: Floats
    ) -> None:
        """Fill in the rows of options."""
        book, own = self.book, self.book.options
        worth = value[own] = need[0, own] = option_values(book, now)
        need[1, own] = self._options.option_units(book, now, worth)[2]
        notional[own] = spot[book.asset_index[own]]
        if self._sells:
            moved = option_values(book, self._snapshot(step, spot * (1.0 + BUMP)))
            delta[own] = (moved - worth) / (BUMP * notional[own])

    def step(self, step: int, spot: Floats) -> Floats:
        """Participant of the step loop: call and liquidate; coins sold to the market, net, shape (A, P)."""
        life = self.life
        if step > 0:
            np.multiply(life.taken, self._refill, out=life.taken)
        life.sold[:] = 0.0
        life.closed[:] = 0.0
        self.look(step, np.ascontiguousarray(spot))
        if self._scale is None:
            self._scale = np.abs(life.start).sum(axis=0) @ np.abs(self.now.price)
        if self._maker is not None:
            self._maker.carry(life, self.now)
        if self._sale is None:
            live_one_step(life, self.now, self._ratio, self._found)
        else:
            self._sale.tied[:] *= self._freed
            grid, seconds = self._paths.grid, float(self._paths.grid.step_seconds)
            at = (step * seconds, seconds, step == grid.steps)
            auction_one_step(life, self.now, self._sale, self._ratio, self._found, *at)
        if self._heated is not None:
            self._heated = self._heat(step)
        return life.sold.copy()

    def _heat(self, step: int) -> Floats:
        """Log-variance that the next step sees, (A, P): a dollar adds in proportion to the room that is left."""
        self._hottest = np.maximum(self._hottest, self._heated.max(axis=0))
        depth = self._paths.depth_lanes
        added = self._per_usd * self.life.closed / (1.0 if depth is None else depth[step])
        room = self._largest - self._heated
        return (self._heated - room * np.expm1(-added / self._largest)) * self._cooled

    def conservation_error(self) -> Floats:
        """Largest entry that no other explains, of USD, coins and instruments, as a share of all there is; (P,)."""
        life = self.life
        moved = life.market.copy()
        touched = life.touched > 0
        moved += (life.state[touched] - life.start[touched][:, :, None]).sum(axis=0)
        moved[0] += life.fund[FUND_IN] - life.fund[FUND_OUT] - life.fund[UNCOVERED]
        return (np.abs(moved) * np.abs(self.now.price)).max(axis=0) / self._scale

    def figures(self) -> Floats:
        """(equity, requirement, gross notional) of every account at the last step, in the book's order; (3, K, P)."""
        life, now = self.life, self.now
        held = np.where(life.touched[:, None, None] > 0, life.state, life.start[:, :, None])
        units = held[:, -len(self.book.instruments) :]
        need = np.where(units > 0.0, now.need[0], now.need[1])
        out = np.empty((3, *life.status.shape))
        parts = (held * now.price, np.abs(units) * need, np.abs(units) * now.notional)
        out[:, self._order] = [part.sum(axis=1) for part in parts]
        return out

    def columns(self) -> dict[tuple[str, str], Floats]:
        """(kind of account or ``all``, measure) -> column (P,)."""
        life = self.life
        out: dict[tuple[str, str], Floats] = {}
        named = [(BY_KIND, life.sums)] + ([] if self._sale is None else [(OF_AUCTION, self._sale.sums)])
        for measure, row, sums in ((m, row, sums) for rows, sums in named for m, row in rows.items()):
            out["all", measure] = sums[:, row].sum(axis=0)
            for j, kind in enumerate(self.kinds):
                out[kind, measure] = sums[j, row].copy()
        for measure, row in OF_FUND.items():
            out["all", measure] = life.fund[row].copy()
        for measure, column in {} if self._maker is None else self._maker.columns(life).items():
            out["all", measure] = column
        left = np.zeros((len(self.kinds), self._paths.count))
        # below its requirement, in an auction, or taken over and not sold: it would be called at once again
        head, _ = called_accounts(life, self.now, self._ratio, self._found)
        add_called_notional(life, self.now, head, self._found, left)
        for kind, column in (("all", left.sum(axis=0)), *zip(self.kinds, left, strict=True)):
            out[kind, "open_notional"] = column
        if self._heated is not None:
            out["all", "volatility_rise"] = np.expm1(0.5 * self._hottest)
        out["all", "fund_net"] = life.fund[FUND_IN] - life.fund[FUND_OUT]
        error = self.conservation_error()
        # NaN marks the path: a book that does not balance is numerical trouble
        out["all", "conservation_error"] = np.where(error <= CONSERVED, error, np.nan)
        return out
