"""Option chains made from a known pricing law."""

import numpy as np

from riskengine.calibrate.pricing_law.law import PricingLaw
from riskengine.calibrate.pricing_law.quotes import OptionQuotes, QuoteRules, select
from riskengine.pricing.chain_prices import ChainPricer

START = 1_767_225_600  # 2026-01-01
DAYS = (2, 5, 12, 26, 54, 117, 236)
WIDE = QuoteRules(max_relative_spread=10.0, moneyness=(0.2, 5.0))

HESTON = PricingLaw("heston", "BTC", START, (0.16, 4.0, 0.25, 1.6, -0.3), (), ())
BATES = PricingLaw("bates", "BTC", START, (0.12, 5.0, 0.2, 1.8, -0.35, 4.0, -0.04, 0.09), (), ())


def quotes(law, *, seconds=START, days=DAYS, per_expiry=24, spread=4e-4, noise=None, forward=90_000.0):
    """Calls and puts in turn on strikes within 2.5 standard deviations, bid and ask around the law's price.

    `noise` has one number per quote, in half spreads: how far the middle of the market is from the law.
    """
    count = len(days) * per_expiry
    tau = np.repeat(np.array(days) / 365.0, per_expiry)
    z = np.tile(np.linspace(-2.5, 2.5, per_expiry), len(days))
    strike = forward * np.exp(0.45 * np.sqrt(tau) * z)
    sign = np.where(np.arange(count) % 2 == 0, 1.0, -1.0)
    expiry = seconds + np.repeat(np.array(days) * 86400, per_expiry)
    half = np.full(count, 0.5 * spread)
    pricer = ChainPricer(
        np.array(days) / 365.0,
        np.repeat(np.arange(len(days)), per_expiry),
        np.log(strike / forward),
        sign,
        np.full(len(days), 0.45),
    )
    shift = law.shift(seconds, seconds + np.array(days) * 86400)
    price = pricer.prices(law.family, np.array(law.parameters), shift)
    middle = price + (0.0 if noise is None else noise * half)
    # what is worth less than half a spread has no bid
    bid, ask = middle - half, middle + half
    columns = (strike, np.full(count, forward), sign, bid, ask, np.full(count, 10.0), price)
    return OptionQuotes(law.asset, seconds, expiry, *columns)


def chain(law, **more):
    """The quotes of `quotes` that have a bid, whatever their spread."""
    return select(quotes(law, **more), WIDE)
