"""Black-76 sensitivities of every option of a book, per coin: what margin rules read in place of a revaluation."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from riskengine.arrays import Floats
from riskengine.book.portfolio import Portfolio
from riskengine.market.snapshot import MarketSnapshot
from riskengine.pricing.valuation import dated_values


@dataclass(frozen=True)
class Sensitivities:
    """Per option and lane, shape (O, P) each.

    Attributes
    ----------
    delta : ndarray
        F dV/dF, USD: profit per unit relative move of the forward.
    curvature : ndarray
        F^2 d2V/dF2, USD.
    vega : ndarray
        sigma dV/dsigma, USD: profit per unit relative move of the volatility.
    moneyness : ndarray
        N(d1): the delta of a call without discount.
    """

    delta: Floats
    curvature: Floats
    vega: Floats
    moneyness: Floats


def sensitivities(book: Portfolio, now: MarketSnapshot) -> Sensitivities:
    """Sensitivities of the options of `book`; an option at its expiry has delta only."""
    expiry, strike, sign = book.option_expiry, book.strikes[:, None], book.call_sign[:, None]
    forward, tau = now.forward[expiry], now.tau[expiry][:, None]
    discount = np.exp(-np.asarray(now.rate)[expiry][:, None] * tau)
    total = now.volatility * np.sqrt(tau)
    alive = np.maximum(total, 1e-12)
    d1 = np.log(forward / strike) / alive + 0.5 * alive
    density = np.where(total > 0.0, discount * forward * np.exp(-0.5 * d1 * d1) / np.sqrt(2.0 * np.pi), 0.0)
    # F^2 Gamma = D F n(d1) / v and sigma vega = D F n(d1) v
    return Sensitivities(discount * forward * sign * ndtr(sign * d1), density / alive, density * total, ndtr(d1))


def linear_delta(book: Portfolio, now: MarketSnapshot, asset: int) -> Floats:
    """Profit of perpetuals, futures and coins of one asset per unit relative move of its price, USD, shape (K, P)."""
    mine = book.perpetuals[book.asset_index[book.perpetuals] == asset]
    perpetual = book.quantity[:, mine].sum(axis=1)[:, None] * now.perpetual[asset]
    linear = perpetual + book.coins[:, asset][:, None] * now.spot[asset]
    beside = delta_beside_marks(book, now)
    return linear + beside[:, asset] if beside.size else linear


def delta_beside_marks(book: Portfolio, now: MarketSnapshot) -> Floats:
    """The part of it that q coins at the mark of the perpetual and coins held are not, shape (K, A, P).

    Dated futures and principal tokens, q times their unit of `dated_values`; and of inverse perpetuals away from the
    index q (S - M): they gain in coin, so with M / S as it is they move as q coins do, at S.  Empty where the book has
    neither.
    """
    inverse = book.perpetuals[book.inverse[book.perpetuals]]
    inverse = inverse if now.perpetual is not now.spot else inverse[:0]
    if not book.dated.size + inverse.size:
        return np.empty((0, 0, 0))
    columns = np.concatenate([book.dated, inverse])
    basis = (now.spot - now.perpetual)[book.asset_index[inverse]]
    out = np.zeros((book.accounts, len(book.assets), now.count))
    for m, each in zip(columns, np.concatenate([dated_values(book, now)[0], basis]), strict=True):
        out[:, book.asset_index[m]] += book.quantity[:, m, None] * each
    return out
