"""Value of every account at one instant, on every lane.

Forwards equal spot times the carry to expiry (none by default: perpetual-funded crypto books, zero rate); options are
Black-76 at the surface's volatility; a perpetual is worth quantity x (mark - entry); coins are worth spot.  Sums over
an account's positions run in a fixed order, so the same book gives the same bits on any machine and thread count.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, Ints, check_range
from riskengine.book.portfolio import Portfolio
from riskengine.jit import kernel, wide_vectors
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.pricing.black import black_lanes

# a relative price move small enough for a delta and large enough for its rounding
BUMP = 1e-4


@dataclass(frozen=True)
class CostRates:
    """What closing a position costs: half spread, impact and fees together.

    Attributes
    ----------
    perpetual : float
        Fraction of notional of a perpetual.
    option : float
        Fraction of the underlying's notional, per option.
    option_premium : float
        Fraction of the option's own value, on top.
    coin : float
        Fraction of the value of coin collateral sold.
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
        Continuously compounded rate to each expiry; forwards carry it.  0 by default.
    perpetual : ndarray, shape (A, P), optional
        Mark of each perpetual; spot by default.

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
    carry = np.zeros(len(hours)) if rate is None else np.asarray(rate, dtype=np.float64)
    tau = seconds / 31_536_000.0
    forward = spot[expiry_asset] * np.exp(carry * tau)[:, None]
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


def account_values(portfolio: Portfolio, market: MarketSnapshot) -> Floats:
    """USD value of every account: cash, coins, perpetual profit and loss, options; shape (K, P)."""
    values = np.empty((len(portfolio.instruments) + len(portfolio.assets), market.count))
    values[portfolio.options] = option_values(portfolio, market)
    values[portfolio.perpetuals] = market.perpetual[portfolio.asset_index[portfolio.perpetuals]]
    values[len(portfolio.instruments) :] = market.spot
    constant = portfolio.cash[:, 0] - (portfolio.quantity * portfolio.entry)[:, portfolio.perpetuals].sum(axis=1)
    return _book_sums(np.concatenate([portfolio.quantity, portfolio.cash[:, 1:]], axis=1), values, constant)


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
    unit[len(portfolio.instruments) :] = rates.coin * market.spot
    if depth is not None:
        unit /= np.concatenate([depth[portfolio.asset_index], depth])
    sizes = np.abs(np.concatenate([portfolio.quantity, portfolio.cash[:, 1:]], axis=1))
    return _book_sums(sizes, unit, np.zeros(portfolio.accounts))


# share of an account's gross value below which a difference of two of its values is rounding, with room: sums of a few
# dozen products are good to 1e-14 of their largest term
ROUNDING = 1e-12


def rounding(portfolio: Portfolio, market: MarketSnapshot) -> Floats:
    """USD of each account below which a difference of two of its values says nothing, shape (K, P).

    `ROUNDING` times the gross value of its positions, coins, cash and entry prices.  A hedged account's loss and its
    requirement are both zero but for rounding, and which of the two is larger is no breach.
    """
    unit = np.concatenate([market.spot[portfolio.asset_index], market.spot])
    sizes = np.abs(np.concatenate([portfolio.quantity, portfolio.cash[:, 1:]], axis=1))
    paid = np.abs(portfolio.cash[:, 0]) + np.abs(portfolio.quantity * portfolio.entry).sum(axis=1)
    return ROUNDING * _book_sums(sizes, unit, paid)


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
