"""Value of every account at one instant, on every lane.

Forwards equal spot times the carry to expiry, which the surface's curves say (none by default: perpetual-funded crypto
books, zero rate); options are Black-76 at the surface's volatility; coins are worth spot, pool tokens their coins.  A
perpetual or dated future of q coins entered at e is worth, with its mark M (of a future its forward) and the index S,

    linear  q (M - e),     inverse  q e (1/e - 1/M) S = q (M - e) S / M     USD:

an inverse one is q e contracts of one USD each, q e / M coins at the mark (`contract_coins`), and pays in coin.  Sums
over an account's positions run in a fixed order, so the same book gives the same bits on any machine and thread count.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, Ints, check_range
from riskengine.book.portfolio import Portfolio
from riskengine.instrument.terms import Perpetual
from riskengine.jit import kernel, wide_vectors
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.pricing.black import black_lanes
from riskengine.pricing.pool import holdings, pool_legs, pool_values, prices, ranges

# a relative price move small enough for a delta and large enough for its rounding
BUMP = 1e-4


@dataclass(frozen=True)
class CostRates:
    """What closing a position costs: half spread, impact and fees together.

    Attributes
    ----------
    perpetual : float
        Fraction of notional of a perpetual or a dated future.
    option : float
        Fraction of the underlying's notional, per option.
    option_premium : float
        Fraction of the option's own value, on top.
    coin : float
        Fraction of the value of coins and principal tokens sold, and of the coins that pool tokens turn into.
    """

    perpetual: float = 0.001
    option: float = 0.0005
    option_premium: float = 0.05
    coin: float = 0.001

    def __post_init__(self) -> None:
        for name in ("perpetual", "option", "option_premium", "coin"):
            check_range(name, getattr(self, name), 0.0, 1.0, open_high=True)


def snapshot(
    portfolio: Portfolio,
    surface: FactorSurface,
    spot: Floats,
    variance: Floats | None,
    elapsed_hours: float,
    rate: Floats | None = None,
    perpetual: Floats | None = None,
    basis: Floats | None = None,
) -> MarketSnapshot:
    """The market as the book's valuation and margin read it.

    Parameters
    ----------
    portfolio : Portfolio
    surface : FactorSurface
    spot : ndarray, shape (A, P)
        USD.
    variance : ndarray, shape (A, P), or None
        Instantaneous variance per year; None is allowed where the surface does not move with it.
    elapsed_hours : float
        Hours since time 0 of the grid, from which expiries count.
    rate : ndarray, shape (E,), optional
        Continuously compounded rate to each expiry; forwards carry it.  By default the surface's curves, else 0.
    perpetual : ndarray, shape (A, P), optional
        Mark of each perpetual; spot by default.
    basis : ndarray, shape (A, P), optional
        log(mark / spot) of the world: forwards carry the share of it that their curve says, none without curves.

    Returns
    -------
    MarketSnapshot
        An option at or past its expiry has 0 seconds left and is valued at intrinsic.
    """
    spot = np.ascontiguousarray(spot, dtype=np.float64)
    if variance is None:
        if not surface.static:
            raise ValueError("variance must be given where the surface moves with it, got None")
        variance = np.zeros_like(spot)
    hours = np.array([h for _, h in portfolio.expiries], dtype=np.float64)
    seconds = np.maximum(hours - elapsed_hours, 0.0) * 3600.0
    expiry_asset = np.array([portfolio.assets.index(a) for a, _ in portfolio.expiries], dtype=np.int64)
    tau = seconds / 31_536_000.0
    if rate is not None:
        carry = np.asarray(rate, dtype=np.float64)
    else:
        carry = np.array([surface.carry[a].rate_to(t) if surface.carry else 0.0 for a, t in zip(expiry_asset, tau,
                         strict=True)], dtype=np.float64)  # fmt: skip
    forward = spot[expiry_asset] * np.exp(carry * tau)[:, None]
    if basis is not None and surface.carry:
        share = np.array([surface.carry[a].basis_share(t) for a, t in zip(expiry_asset, tau, strict=True)])
        forward = forward * np.exp(share.reshape(-1, 1) * basis[expiry_asset])
    of_option = portfolio.option_expiry
    volatility = (
        surface.volatility(
            expiry_asset[of_option],
            np.log(portfolio.strikes),
            tau[of_option],
            np.log(forward)[of_option],
            np.ascontiguousarray(variance, dtype=np.float64),
        )
        if of_option.size
        else np.zeros((0, spot.shape[1]))
    )
    return MarketSnapshot(
        spot=spot,
        forward=forward,
        seconds=seconds,
        rate=carry,
        expiry_asset=expiry_asset,
        volatility=volatility,
        perpetual=spot if perpetual is None else np.ascontiguousarray(perpetual, dtype=np.float64),
        elapsed_hours=elapsed_hours,
    )


def option_values(portfolio: Portfolio, market: MarketSnapshot) -> Floats:
    """Discounted Black-76 value of one unit of each option, USD, shape (O, P)."""
    of_option = portfolio.option_expiry
    out = np.empty((of_option.size, market.count))
    if of_option.size:
        total = market.volatility * np.sqrt(market.tau[of_option])[:, None]
        black_lanes(market.forward[of_option], portfolio.strikes, total, portfolio.call_sign, out)
        out *= np.exp(-market.rate * market.tau)[of_option][:, None]
    return out


def mark_of(portfolio: Portfolio, market: MarketSnapshot, column: int) -> Floats:
    """Mark of the perpetual or future at `column` of the instruments, USD, shape (P,)."""
    terms = portfolio.instruments[column]
    if isinstance(terms, Perpetual):
        return market.perpetual[portfolio.asset_index[column]]
    return market.forward[portfolio.expiries.index((terms.asset, terms.expiry_hours))]


def contract_coins(portfolio: Portfolio, columns: Ints, mark: Floats) -> tuple[Floats, Floats]:
    """Net size in coins at their `mark` (P,) of perpetuals or futures that share it.

    A linear contract of q counts q coins at any mark.  An inverse one is q entry contracts of one USD, which is
    q entry / mark coins: what a venue margins, charges funding on and closes.

    Returns
    -------
    linear : ndarray, shape (K, 1)
    inverse : ndarray, shape (K, P)
        (K, 1) of zeros where none of `columns` is inverse.
    """
    own = portfolio.inverse[columns]
    linear = portfolio.quantity[:, columns[~own]].sum(axis=1)[:, None]
    inverse = np.zeros_like(linear)
    for m in columns[own]:
        # in this order an entry at the mark leaves q as it is, to the bit
        inverse = inverse + portfolio.quantity[:, m, None] * (portfolio.entry[:, m, None] / mark)
    return linear, inverse


def dated_values(portfolio: Portfolio, market: MarketSnapshot) -> tuple[Floats, Floats]:
    """What a dated instrument is worth to an account: q times the first less q entry times the second, USD, (F, P).

    Linear future: F and 1.  Inverse: profit in coin at spot, S and S / F.  Principal token: S D and 0.
    """
    forward = market.forward[portfolio.dated_expiry]
    spot = market.spot[portfolio.asset_index[portfolio.dated]]
    inverse = portfolio.inverse[portfolio.dated][:, None]
    unit, paid = np.where(inverse, spot, forward), np.where(inverse, spot / forward, 1.0)
    if portfolio.principals.size:
        claim = np.isin(portfolio.dated, portfolio.principals)
        discount = np.exp(-np.asarray(market.rate) * market.tau)[portfolio.dated_expiry[claim]]
        unit[claim], paid[claim] = spot[claim] * discount[:, None], 0.0
    return unit, paid


def account_values(portfolio: Portfolio, market: MarketSnapshot) -> Floats:
    """USD value of every account: cash, coins, tokens, profit of perpetuals and futures, options; shape (K, P)."""
    values = np.empty((len(portfolio.instruments) + len(portfolio.assets), market.count))
    values[portfolio.options] = option_values(portfolio, market)
    values[portfolio.perpetuals] = market.perpetual[portfolio.asset_index[portfolio.perpetuals]]
    if portfolio.pools.size:
        values[portfolio.pools] = pool_values(portfolio, market)
    values[len(portfolio.instruments) :] = market.spot
    bought = portfolio.quantity * portfolio.entry
    in_usd = portfolio.quote_index < 0
    linear = portfolio.perpetuals[in_usd[portfolio.perpetuals]]
    entered, paid = [], []
    if market.perpetual is not market.spot:
        # away from the index an inverse one is worth q (1 - entry / mark) coins
        in_coin = portfolio.inverse[linear]
        inverse, linear = linear[in_coin], linear[~in_coin]
        values[inverse] = market.spot[portfolio.asset_index[inverse]]
        entered.append(-bought[:, inverse])
        paid.append(values[inverse] / market.perpetual[portfolio.asset_index[inverse]])
    if portfolio.dated.size:
        values[portfolio.dated], unit = dated_values(portfolio, market)
        entered.append(-bought[:, portfolio.dated] * in_usd[portfolio.dated])
        paid.append(unit)
    constant = portfolio.cash[:, 0] - bought[:, linear].sum(axis=1)
    held = np.concatenate([portfolio.quantity, portfolio.coins, *entered], axis=1)
    return _book_sums(held, np.concatenate([values, *paid]) if paid else values, constant)


def close_costs(portfolio: Portfolio, market: MarketSnapshot, rates: CostRates, depth: Floats | None = None) -> Floats:
    """Cost in USD of closing every position and selling every coin of each account, shape (K, P).

    Linear in the size of the account: closing a fraction f of everything costs f times as much.  `depth` (A, P),
    relative to usual, divides the cost of what follows each asset: half the depth, twice the spread and impact.
    """
    unit = np.empty((len(portfolio.instruments) + len(portfolio.assets), market.count))
    spot = market.spot[portfolio.asset_index]
    unit[portfolio.options] = rates.option * spot[portfolio.options] + rates.option_premium * option_values(
        portfolio, market
    )
    unit[portfolio.perpetuals] = rates.perpetual * market.perpetual[portfolio.asset_index[portfolio.perpetuals]]
    unit[portfolio.dated] = rates.perpetual * market.forward[portfolio.dated_expiry]
    inverse = np.flatnonzero(portfolio.inverse)
    unit[inverse] = rates.perpetual * spot[inverse]
    if portfolio.principals.size:
        claim = np.isin(portfolio.dated, portfolio.principals)
        unit[portfolio.principals] = rates.coin * dated_values(portfolio, market)[0][claim]
    unit[len(portfolio.instruments) :] = rates.coin * market.spot
    if depth is not None:
        unit /= np.concatenate([depth[portfolio.asset_index], depth])
    if portfolio.pools.size:
        unit[portfolio.pools] = _pool_costs(portfolio, market, rates.coin, depth)
    sizes = np.abs(np.concatenate([portfolio.quantity, portfolio.cash[:, 1:]], axis=1))
    sizes[:, inverse] = 0.0
    costs = _book_sums(sizes, unit, np.zeros(portfolio.accounts))
    for m in inverse:
        _, coins = contract_coins(portfolio, inverse[inverse == m], mark_of(portfolio, market, m))
        costs += np.abs(coins) * unit[m]
    return costs


def _pool_costs(portfolio: Portfolio, market: MarketSnapshot, rate: float, depth: Floats | None) -> Floats:
    """Cost of selling the coins that one unit of each pool token turns into, each in its own market; (L, P)."""
    first, second = pool_legs(portfolio, market)
    dollar = portfolio.against_index < 0
    if depth is not None:
        first, second = first / depth[portfolio.asset_index[portfolio.pools]], second / depth[portfolio.against_index]
    return rate * (first + np.where(dollar[:, None], 0.0, second))


# share of an account's gross value below which a difference of two of its values is rounding, with room: sums of a few
# dozen products are good to 1e-14 of their largest term
ROUNDING = 1e-12


def rounding(portfolio: Portfolio, market: MarketSnapshot) -> Floats:
    """USD of each account below which a difference of two of its values says nothing, shape (K, P).

    `ROUNDING` times the gross value of its positions, coins, cash and entry prices.  A hedged account's loss and its
    requirement are both zero but for rounding, and which of the two is larger is no breach.
    """
    unit = np.concatenate([market.spot[portfolio.asset_index], market.spot])
    entry = portfolio.entry
    if portfolio.pools.size:
        unit[portfolio.pools], entry = pool_values(portfolio, market), entry.copy()
        entry[:, portfolio.pools] = 0.0
    sizes = np.abs(np.concatenate([portfolio.quantity, portfolio.cash[:, 1:]], axis=1))
    paid = np.abs(portfolio.cash[:, 0]) + np.abs(portfolio.quantity * entry).sum(axis=1)
    return ROUNDING * _book_sums(sizes, unit, paid)


def gross_notional(portfolio: Portfolio, spot: Floats) -> Floats:
    """USD of the coins that each account's positions and coins count, either way, at `spot` (A,); shape (K,).

    A pool token counts as what its coins are worth, an inverse contract as its dollars.
    """
    unit = spot[portfolio.asset_index]
    if portfolio.pools.size:
        first, second = prices(portfolio, spot[:, None])
        x, y = holdings(first / second, *ranges(portfolio))
        unit[portfolio.pools] = (x * first + y * second)[:, 0]
    return portfolio.sizes(spot) @ unit + np.abs(portfolio.cash[:, 1:]) @ spot


def rows(quantity: Floats) -> tuple[Ints, Ints, Floats]:
    """Compressed rows of a matrix: (offsets (K + 1,), column, value) of its non-zero entries."""
    row, column = np.nonzero(quantity)
    offsets = np.searchsorted(row, np.arange(quantity.shape[0] + 1)).astype(np.int64)
    return offsets, column.astype(np.int64), np.ascontiguousarray(quantity[row, column])


def _book_sums(quantity: Floats, values: Floats, constant: Floats) -> Floats:
    out = np.empty((quantity.shape[0], values.shape[1]))
    _sum_rows(*rows(quantity), np.ascontiguousarray(constant), values, out)
    return out


@kernel
def _sum_rows(offsets, column, quantity, constant, values, out):
    wide_vectors()
    for k in range(out.shape[0]):
        for p in range(out.shape[1]):
            out[k, p] = constant[k]
        for j in range(offsets[k], offsets[k + 1]):
            q = quantity[j]
            m = column[j]
            for p in range(out.shape[1]):
                out[k, p] += q * values[m, p]
