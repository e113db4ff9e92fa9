"""A small Aave v3 market with round numbers, free of fees, gas and slippage unless asked for."""

import numpy as np

from riskengine.book.loans import Loans
from riskengine.lending.aave_v3.market import AaveV3
from riskengine.lending.aave_v3.rules import AaveV3Rules, Reserve
from riskengine.lending.keeper import Keeper
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.market.grid import TimeGrid
from riskengine.oracle.push import PushOracle
from riskengine.rates.two_slope import TwoSlope

TOKENS = ("WETH", "WBTC", "USDC")
FREE = TwoSlope(0.8, 0.0, 0.0, 0.0)


def rules(threshold=0.8, bonus=0.05, protocol_fee=0.1, ltv=None, rates=FREE, utilisation=0.0):
    """WETH and WBTC follow ETH and BTC with these parameters; USDC is debt only."""
    ltv = min(0.7, threshold) if ltv is None else ltv

    def token(symbol, asset, decimals):
        return Reserve(symbol, asset, decimals, ltv, threshold, bonus, protocol_fee, rates, utilisation)

    usdc = Reserve("USDC", None, 6, 0.0, 0.0, 0.0, 0.0, rates, utilisation)
    reserves = (token("WETH", "ETH", 18), token("WBTC", "BTC", 8), usdc)
    return AaveV3Rules("test", "2023-10-31", "test", reserves, PushOracle(0.0, 1.0))


def market(delay=0.0, gas=0.0, calls=1, depth=1e15, fee=0.0, oracle=None, half_life=1.0, **parameters):
    """Market under `rules(**parameters)`; depth 1e15 USD is as good as none."""
    liquidity = ConstantProduct({"ETH": depth, "BTC": depth}, fee, half_life)
    return AaveV3(rules(**parameters), Keeper(delay, gas, calls), liquidity, oracle)


def loan(weth=0.0, wbtc=0.0, usdc=0.0, weth_debt=0.0):
    """A book of one borrower."""
    return Loans(TOKENS, np.array([[weth, wbtc, 0.0]]), np.array([[weth_debt, 0.0, usdc]]), ("a",))


def play(model, book, eth, btc=30_000.0):
    """Run `book` over ETH prices (T + 1,) or (T + 1, P); returns (state, events per step, closing figures)."""
    eth = np.asarray(eth, dtype=float)
    eth = eth[:, None] if eth.ndim == 1 else eth
    spot = np.stack([np.full_like(eth, btc), eth], axis=1)
    state = model.init(book, ("BTC", "ETH"), spot[0], TimeGrid(3600, max(1, len(eth) - 1)))
    events = [model.step(state, t, spot[t]) for t in range(1, len(eth))]
    return state, events, model.close(state, spot[-1])
