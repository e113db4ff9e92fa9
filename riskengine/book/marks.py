"""`Marks`: when, where and at what prices a book was marked, beside the prices that a world would give it."""

from dataclasses import dataclass, field, replace

import numpy as np

from riskengine.instrument.terms import EuropeanOption, Instrument, Perpetual, PoolToken, PrincipalToken
from riskengine.market.snapshot import MarketSnapshot


@dataclass(frozen=True)
class Marks:
    """Prices of a venue at one instant.

    Attributes
    ----------
    as_of : str
        ISO 8601, UTC: time 0 of the book, from which its expiries count.
    source : str
        Whose marks they are.
    spot : dict of str to float
        Index of each asset, USD.
    perpetual : dict of str to float
        Mark of the perpetual of each asset, USD; the index where there is none.
    forward : dict of (str, float) to float
        Forward by asset and expiry in hours, USD.
    volatility : dict of EuropeanOption to float
        Implied volatility at which the venue marks each option.
    notes : tuple of str
        What had to be assumed when the book was read.
    """

    as_of: str
    source: str
    spot: dict[str, float]
    perpetual: dict[str, float] = field(default_factory=dict)
    forward: dict[tuple[str, float], float] = field(default_factory=dict)
    volatility: dict[EuropeanOption, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def of(self, terms: Instrument) -> dict[str, float]:
        """Marks of one instrument, by the words of a book's file."""
        if isinstance(terms, (PrincipalToken, PoolToken)):
            return {}
        if isinstance(terms, Perpetual):
            found = {"mark": self.perpetual.get(terms.asset)}
        else:
            found = {"mark_volatility": self.volatility.get(terms)}
            found["forward"] = self.forward.get((terms.asset, terms.expiry_hours))
        return {name: value for name, value in found.items() if value is not None}

    def on(self, options: tuple[EuropeanOption, ...], expiries: tuple[tuple[str, float], ...], assets: tuple[str, ...],
           market: MarketSnapshot) -> MarketSnapshot:  # fmt: skip
        """The market of time 0 with these marks where they are known, its own figures elsewhere.

        An inverse option is marked in coin at Black(F) / F, which the index turns into USD: its discount factor is
        S / F, so the rate of an expiry with such options is ln(F / S) / tau.  Elsewhere the rate stays what it was.
        """
        forward, rate = market.forward.copy(), np.array(market.rate, dtype=np.float64)
        perpetual, volatility = market.perpetual.copy(), market.volatility.copy()
        in_coin = {(x.asset, x.expiry_hours) for x in options if x.settlement == "inverse"}
        for e, (key, years) in enumerate(zip(expiries, market.tau, strict=True)):
            if key in self.forward:
                forward[e] = self.forward[key]
                if key in in_coin and years > 0.0:
                    rate[e] = np.log(self.forward[key] / self.spot[key[0]]) / years
        for a, asset in enumerate(assets):
            perpetual[a] = self.perpetual.get(asset, perpetual[a])
        for o, option in enumerate(options):
            volatility[o] = self.volatility.get(option, volatility[o])
        return replace(market, forward=forward, rate=rate, perpetual=perpetual, volatility=volatility)
