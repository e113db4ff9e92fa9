"""Small markets with round numbers under every simulated mechanism, and a player that walks them along a path."""

import numpy as np

from riskengine.book.loans import Loans
from riskengine.lending.aave_v3.market import AaveV3
from riskengine.lending.aave_v3.rules import AaveV3Rules, Reserve
from riskengine.lending.comet.market import Comet
from riskengine.lending.comet.rules import BorrowCurve, CometAsset, CometRules
from riskengine.lending.euler_evk.market import EulerEvk
from riskengine.lending.euler_evk.rules import EulerCollateral, EulerRules
from riskengine.lending.keeper import Keeper
from riskengine.lending.listing import Token
from riskengine.lending.morpho_blue.market import MorphoBlue
from riskengine.lending.morpho_blue.rules import IsolatedMarket, MorphoRules
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.grid import TimeGrid
from riskengine.oracle.push import PushOracle
from riskengine.rates.linear_kink import LinearKink
from riskengine.rates.two_slope import TwoSlope

ASSETS = ("BTC", "ETH")
TOKENS = ("WETH", "WBTC", "USDC")
START = (30_000.0, 2_000.0)
USDC = Token("USDC", None, 6)
WETH, WBTC = ("WETH", "ETH", 18), ("WBTC", "BTC", 8)
AT_ONCE = PushOracle(0.0, 1.0)
HEAD = ("test", "2026-01-01", "test")
KINDS = ("aave_v3", "comet", "morpho_blue", "euler_evk")


def rules_of(kind, threshold=0.8, interest=False, **changes):
    """Rules of a mechanism at one threshold for both collaterals; a tenth lower for borrowing where that is apart."""
    ltv = max(0.0, round(threshold - 0.1, 10))
    if kind == "aave_v3":
        rates = TwoSlope(0.8, 0.0, 0.04 if interest else 0.0, 0.0)
        bonus = changes.get("bonus", 0.05)

        def token(symbol, asset, decimals, *parameters):
            return Reserve(symbol, asset, decimals, *parameters, rates, 0.8)

        reserves = (
            token(*WETH, ltv, threshold, bonus, 0.1),
            token(*WBTC, ltv, threshold, bonus, 0.1),
            token("USDC", None, 6, 0.0, 0.0, 0.0, 0.0),
        )
        return AaveV3Rules(*HEAD, reserves, AT_ONCE)
    if kind == "comet":
        rates = BorrowCurve(0.8, 0.0, 0.05 if interest else 0.0, 0.3)
        factors = (ltv, threshold, changes.get("liquidation_factor", 0.95))
        assets = tuple(CometAsset(*t, 1.0, *factors) for t in (WETH, WBTC))
        target = changes.get("target_reserves", 1e12)
        return CometRules(*HEAD, USDC, assets, 0.5, target, rates, AT_ONCE, changes.get("reserves", 0.0), 0.8)
    if kind == "morpho_blue":
        # the curve cannot be free of charge: an interest of a thousandth of a per cent a day at least
        rate, u = (0.04, 0.9) if interest else (0.001, 0.9)
        return MorphoRules(
            *HEAD, USDC, tuple(IsolatedMarket(*t, 1.0, threshold, u, rate) for t in (WETH, WBTC)), AT_ONCE
        )
    curve = LinearKink(0, 1406417851 if interest else 0, 19050045013, 2147483648)
    collaterals = tuple(EulerCollateral(*t, 1.0, ltv, threshold) for t in (WETH, WBTC))
    discount = changes.get("max_liquidation_discount", 0.15)
    return EulerRules(*HEAD, USDC, collaterals, discount, curve, AT_ONCE, 0.5)


def market_of(kind, gas=0.0, calls=8, depth=1e15, fee=0.0, delay=0.0, half_life=1.0, **changes):
    """A market of `kind`; depth 1e15 USD is as good as none."""
    cls = {"aave_v3": AaveV3, "comet": Comet, "morpho_blue": MorphoBlue, "euler_evk": EulerEvk}[kind]
    pool = ConstantProduct({"ETH": depth, "BTC": depth}, fee, half_life)
    return cls(rules_of(kind, **changes), Keeper(delay, gas, calls), pool)


def book_of(weth, wbtc, usdc):
    """Borrowers with these balances, each of shape (L,)."""
    weth, wbtc, usdc = (np.asarray(x, dtype=float) for x in (weth, wbtc, usdc))
    zero = np.zeros_like(weth)
    names = tuple(f"b{i}" for i in range(len(weth)))
    return Loans(TOKENS, np.column_stack([weth, wbtc, zero]), np.column_stack([zero, zero, usdc]), names)


def play(model, book, spot):
    """Walk prices (T + 1, A, P) or (T + 1, A): (state, events of each step, closing figures)."""
    spot = np.asarray(spot, dtype=float)
    spot = spot[:, :, None] if spot.ndim == 2 else spot
    state = model.init(book, ASSETS, spot[0], TimeGrid(3600, max(1, len(spot) - 1)))
    events = [model.step(state, t, spot[t]) for t in range(1, len(spot))]
    return state, events, model.close(state, spot[-1])


def total(events, name):
    """Sum of a figure over steps, shape (P,)."""
    return sum(getattr(e, name) for e in events)
