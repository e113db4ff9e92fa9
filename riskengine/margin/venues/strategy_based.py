"""Strategy-based margin (Regulation T, FINRA rule 4210(f)): a requirement per recognised strategy.

A short option alone requires its premium and more, per unit:

    premium + max(base L S - OTM, floor L (S for calls, K for puts)),
base 20 % (equity and narrow index) or 15 % (broad index), floor 10 %, L the leverage factor of a leveraged fund.

A portfolio of one expiry pays for what it buys, keeps what it sells, and adds the least total over all ways of pairing
its short options:
    with stock (calls with long, puts with short stock)   0;
    with a long option of the same kind                   the most the pair can lose at expiry;
    with each other (straddle, strangle)                  the requirement of the larger side and the other's premium;
    with nothing                                          the requirement above.
Stock requires a share of its value.  The figure is the cash call: premiums received reduce it.  Long options are paid
in full (up to nine months); boxes and condors count as their two spreads.

No item pairs with one of its own side {short calls, long puts, short stock} or {short puts, long calls, long stock}, so
the pairing is a transportation problem, and its linear programme has a whole-number solution.

Reference: Cboe margin manual; Cboe, "Margin requirement examples for sample options-based positions" (2007).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from riskengine.arrays import check_range


@dataclass(frozen=True)
class Leg:
    """An option position; contracts + long, price in USD per unit."""

    kind: Literal["call", "put"]
    strike: float
    contracts: float
    price: float

    def __post_init__(self) -> None:
        if self.kind not in ("call", "put"):
            raise ValueError(f"kind must be call or put, got {self.kind!r}")
        check_range("strike", self.strike, 0.0, np.inf, open_low=True, open_high=True)
        check_range("price", self.price, 0.0, np.inf, open_high=True)


@dataclass(frozen=True)
class Rates:
    """Shares of the underlying's value that the rule asks for."""

    stock: float = 0.5
    base: float = 0.2
    floor: float = 0.1
    leverage: float = 1.0

    def __post_init__(self) -> None:
        for name in ("stock", "base", "floor"):
            check_range(name, getattr(self, name), 0.0, 10.0)
        check_range("leverage", self.leverage, 0.0, 10.0, open_low=True)


def short_option_rule(kind: str, spot: float, strike: float, rates: Rates) -> float:
    """Requirement of one unit of a short option on top of its premium, USD."""
    if kind not in ("call", "put"):
        raise ValueError(f"kind must be call or put, got {kind!r}")
    check_range("spot", spot, 0.0, np.inf, open_low=True, open_high=True)
    check_range("strike", strike, 0.0, np.inf, open_low=True, open_high=True)
    otm = max(strike - spot, 0.0) if kind == "call" else max(spot - strike, 0.0)
    least = spot if kind == "call" else strike
    return max(rates.base * rates.leverage * spot - otm, rates.floor * rates.leverage * least)


def option_requirement(
    kind: str, spot: float, strike: float, premium: float, contracts: float, rates: Rates, multiplier: float = 100.0
) -> float:
    """Gross requirement of one option position, whole USD: premium included; a long option is paid in full."""
    check_range("premium", premium, 0.0, np.inf, open_high=True)
    rule = short_option_rule(kind, spot, strike, rates) if contracts < 0 else 0.0
    total = (premium + rule) * multiplier * abs(contracts)
    # rounding noise of the product must not decide between two dollars
    return float(math.floor(round(total, 6) + 0.5))


def portfolio_requirement(
    legs: Sequence[Leg], shares: float, spot: float, rates: Rates, multiplier: float = 100.0
) -> float:
    """Cash call of options of one expiry and stock, USD: requirement net of premiums received.

    Parameters
    ----------
    legs : sequence of Leg
    shares : float
        Signed units of stock.
    spot : float
        USD.
    rates : Rates
    multiplier : float
        Units per contract.
    """
    check_range("spot", spot, 0.0, np.inf, open_low=True, open_high=True)
    check_range("multiplier", multiplier, 0.0, np.inf, open_low=True, open_high=True)
    premium = sum(leg.price * leg.contracts for leg in legs) * multiplier
    return rates.stock * abs(shares) * spot + premium + _least_pairing(legs, shares, spot, rates, multiplier)


def _least_pairing(legs: Sequence[Leg], shares: float, spot: float, rates: Rates, multiplier: float) -> float:
    """Least requirement of the short options over all pairings, USD."""
    shorts = [leg for leg in legs if leg.contracts < 0]
    if not shorts:
        return 0.0
    # every item: (kind, strike, units); a short option must be used up, a cover need not
    covers: list[tuple[str, float, float]] = [
        (leg.kind, leg.strike, leg.contracts * multiplier) for leg in legs if leg.contracts > 0
    ]
    if shares:
        # stock pays off like a call struck at zero, stock owed like a put without limit
        covers.append(("call", 0.0, shares) if shares > 0 else ("put", math.inf, -shares))
    costs, uses = [], []
    gross = [short_option_rule(leg.kind, spot, leg.strike, rates) + leg.price for leg in shorts]
    for i, leg in enumerate(shorts):
        costs.append(gross[i])
        uses.append((i, None))
        for j, (kind, strike, _) in enumerate(covers):
            if kind == leg.kind:
                gap = strike - leg.strike if kind == "call" else leg.strike - strike
                costs.append(max(gap, 0.0))
                uses.append((i, len(shorts) + j))
        for j, other in enumerate(shorts):
            if leg.kind == "call" and other.kind == "put":
                # the side is chosen by its requirement, premium included
                costs.append(sum(max((gross[i], other.price), (gross[j], leg.price))))
                uses.append((i, j))
    rows = np.zeros((len(shorts) + len(covers), len(costs)))
    for column, pair in enumerate(uses):
        for row in pair:
            if row is not None:
                rows[row, column] = 1.0
    size = [-leg.contracts * multiplier for leg in shorts]
    return _programme(np.array(costs), rows, np.array(size), np.array([c[2] for c in covers]))


def _programme(cost, rows, must, may) -> float:
    from scipy.optimize import linprog

    n = len(must)
    found = linprog(
        cost, A_eq=rows[:n], b_eq=must, A_ub=rows[n:] if len(may) else None, b_ub=may if len(may) else None,
        method="highs",
    )  # fmt: skip
    if found.status != 0:
        raise ArithmeticError(f"the pairing of short options was not solved: {found.message}")
    return float(found.fun)
