"""A venue as a participant of the step loop: the life of its accounts of perpetuals on a block of paths.

A linear perpetual of q coins entered at e is worth q (M - F) - q e USD at the mark M, F what one coin has paid in
funding.  An inverse one is N = q e contracts of one USD each and pays in coin: with the index S and what one contract
has paid G, it is worth N (1/e - 1/M - G) coins, so it is held as N / e coins and -N contracts of S (1/M + G) USD.
Funding flows at the start of each step at the rate of the path, as in `riskengine.engine.desks`.
"""

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio
from riskengine.liquidation.account_life import live_one_step
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
    NEED,
    SHORTFALL,
    SLIPPAGE,
    SOCIALISED,
    SUMS,
    UNCOVERED,
    VOLUME,
    Life,
    Now,
    account_figures,
)  # fmt: skip
from riskengine.liquidation.venue_terms import VenueTerms
from riskengine.liquidity.execution import BOOK, POOL
from riskengine.market.paths import MarketPaths

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
OF_FUND = {"fund_draw": FUND_OUT, "fund_need": NEED, "fund_exhausted": EXHAUSTED, "uncovered_loss": UNCOVERED}


def starting_holdings(book: Portfolio) -> Floats:
    """USD, coins and positions of every account at the start, shape (K, 1 + A + M); inverse ones in contracts."""
    inverse = np.array([x.settlement == "inverse" for x in book.instruments])
    units = np.where(inverse, book.quantity * book.entry, book.quantity)
    usd = book.cash[:, 0] - np.where(inverse, 0.0, book.quantity * book.entry).sum(axis=1)
    member = (book.asset_index[:, None] == np.arange(len(book.assets))) & inverse[:, None]
    coins = book.cash[:, 1:] + book.quantity @ member
    return np.ascontiguousarray(np.concatenate([usd[:, None], coins, units], axis=1))


def book_faults(book: Portfolio, terms: VenueTerms, spot: Floats) -> list[str]:
    """What keeps a venue from taking a book at the prices `spot` (A,): every fault, a sentence each."""
    faults = [
        f"instruments must be perpetuals, got {book.instruments[m].name}"
        for m in range(len(book.instruments))
        if m not in book.perpetuals
    ]
    faults += [f"maintenance must be given for {a}, got none" for a in book.assets if a not in terms.maintenance]
    parts = {"book": terms.execution.book, "pool": terms.execution.pool}
    faults += [
        f"depth_usd of the {name} must be given for {a}, got none"
        for name, part in parts.items()
        if part is not None
        for a in book.assets
        if a not in part.depth_usd
    ]
    if not ((book.entry > 0) | (book.quantity == 0)).all():
        faults.append("entry must be positive for every position, got one that is not")
    if faults:
        return faults
    price = np.asarray(spot, dtype=np.float64)[book.asset_index]
    rate = np.array([terms.maintenance[a] for a in book.assets])[book.asset_index]
    inverse = np.array([x.settlement == "inverse" for x in book.instruments])
    size = np.abs(np.where(inverse, book.quantity * book.entry / price, book.quantity))
    equity = book.cash[:, 0] + book.cash[:, 1:] @ spot + (book.quantity * (price - book.entry)).sum(axis=1)
    need = size @ (rate * price)
    return [
        f"account {name} must start with its maintenance requirement of {r:,.0f} USD, got {e:,.0f}"
        for name, e, r in zip(book.names, equity, need, strict=True)
        if e < r
    ]


class VenueDesk:
    """The accounts of one venue with one size of fund.

    Accounts are taken in the order of their names, so that no figure depends on the order of the book.

    Parameters
    ----------
    book : Portfolio
        Perpetuals only, every account at or above its requirement (`book_faults`).
    terms : VenueTerms
    fund : float
        Insurance fund at the start, USD; infinite: it never empties.
    paths : MarketPaths
    """

    def __init__(self, book: Portfolio, terms: VenueTerms, fund: float, paths: MarketPaths):
        order = np.argsort(np.array(book.names), kind="stable")
        kinds = tuple(dict.fromkeys(sorted(book.kinds)))
        accounts, assets, lanes = len(order), len(book.assets), paths.count
        self.book, self.kinds, self._paths, self._order = book, kinds, paths, order
        self._inverse = np.array([x.settlement == "inverse" for x in book.instruments])
        self._rate = np.array([terms.maintenance[a] for a in book.assets])[book.asset_index][:, None]
        execution, part = terms.execution, (terms.execution.book, terms.execution.pool)
        self._depth = np.ones((2, assets, 1))
        self._refill = np.ones((2, 1, 1, 1))
        hours = paths.grid.step_seconds / 3600.0
        for where, liquidity in zip((BOOK, POOL), part, strict=True):
            if liquidity is not None:
                self._depth[where, :, 0] = [liquidity.depth_usd[a] for a in book.assets]
                self._refill[where] = 0.5 ** (hours / liquidity.refill_half_life_hours)
        spread, reach = (0.0, 1.0) if part[BOOK] is None else (part[BOOK].half_spread, part[BOOK].reach)
        keep = 1.0 if part[POOL] is None else 1.0 - part[POOL].fee
        start = starting_holdings(book)[order]
        self.life = Life(
            start=start,
            state=np.empty((*start.shape, lanes)),
            touched=np.zeros(accounts, np.uint8),
            status=np.zeros((accounts, lanes), np.uint8),
            liquidated=np.zeros((accounts, lanes), np.uint8),
            kind=np.array([kinds.index(book.kinds[k]) for k in order]),
            entry=np.ascontiguousarray(book.entry[order]),
            asset=book.asset_index,
            settle=np.where(self._inverse, 1 + book.asset_index, 0),
            inverse=self._inverse,
            present=np.array([x is not None for x in part]),
            taken=np.zeros((2, 2, assets, lanes)),
            terms=np.array(
                [terms.target, terms.liquidation_fee, execution.limit, reach, spread, keep, fund], dtype=np.float64
            ),
            sums=np.zeros((len(kinds), SUMS, lanes)),
            fund=np.zeros((5, lanes)),
            market=np.zeros((start.shape[1], lanes)),
            sold=np.zeros((assets, lanes)),
        )
        self._ratio = np.empty((accounts, lanes))
        self._found = np.empty((accounts, lanes), np.int64)
        self._paid = np.zeros((len(book.instruments), lanes))
        self._scale: Floats | None = None

    def _now(self, step: int, spot: Floats) -> Now:
        paths, asset = self._paths, self.book.asset_index
        mark = spot if paths.basis_lanes is None else spot * np.exp(paths.basis_lanes[step])
        index, price = spot[asset], mark[asset]
        inverse = self._inverse[:, None]
        value = np.where(inverse, -index * (1.0 / price + self._paid), price - self._paid)
        notional = np.where(inverse, index / price, price)
        depth = self._depth * np.ones_like(spot)
        if paths.depth_lanes is not None:
            depth[BOOK] *= paths.depth_lanes[step]
        if paths.funding_lanes is not None:
            flow = paths.funding_lanes[step][asset] * paths.grid.dt
            self._paid = self._paid + flow * np.where(inverse, 1.0 / price, price)
        return Now(np.concatenate([np.ones((1, spot.shape[1])), spot, value]), notional, self._rate * notional, mark,
                   np.ascontiguousarray(spot), depth)  # fmt: skip

    def step(self, step: int, spot: Floats) -> Floats:
        """Participant of the step loop: call and liquidate; coins sold to the market, net, shape (A, P)."""
        life = self.life
        if step > 0:
            np.multiply(life.taken, self._refill, out=life.taken)
        life.sold[:] = 0.0
        self.now = self._now(step, spot)
        if self._scale is None:
            self._scale = np.abs(life.start).sum(axis=0) @ np.abs(self.now.price)
        live_one_step(life, self.now, self._ratio, self._found)
        return life.sold.copy()

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
        out = np.empty((3, *self.life.status.shape))
        for k, place in enumerate(self._order):
            for p in range(out.shape[2]):
                out[:, place, p] = account_figures(self.life, self.now, k, p)
        return out

    def columns(self) -> dict[tuple[str, str], Floats]:
        """(kind of account or ``all``, measure) -> column (P,)."""
        life = self.life
        out: dict[tuple[str, str], Floats] = {}
        for measure, row in BY_KIND.items():
            out["all", measure] = life.sums[:, row].sum(axis=0)
            for j, kind in enumerate(self.kinds):
                out[kind, measure] = life.sums[j, row].copy()
        for measure, row in OF_FUND.items():
            out["all", measure] = life.fund[row].copy()
        out["all", "fund_net"] = life.fund[FUND_IN] - life.fund[FUND_OUT]
        error = self.conservation_error()
        # NaN marks the path: a book that does not balance is numerical trouble
        out["all", "conservation_error"] = np.where(error <= CONSERVED, error, np.nan)
        return out
