"""`AccountKinds`: a margin book of recognisable accounts, struck on a world's forwards at stated expiries.

Each leg takes the expiry nearest to its tenor (in log time), as on a recorded chain.  A leg by moneyness m is struck at
K = m F, a leg by delta at the strike with N(d1) = delta (calls) or N(-d1) = delta (puts),

    ln(F / K) = d v - v^2 / 2,   d = +-N^{-1}(delta),   v = sigma(K) sqrt(tau),

by iteration, sigma the world's surface where its variance is what it reverts to.  Strikes are listed at every
`strike_step` of log-moneyness, so that accounts trade the same options; the nearest one is taken, and legs of one
account that fall on one option are one position.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from riskengine.arrays import Floats
from riskengine.book.account_kinds import KINDS, drawn_templates, pareto_size
from riskengine.book.assembly import assembled
from riskengine.book.portfolio import Portfolio
from riskengine.book.templates import AccountTemplate, Leg
from riskengine.errors import suggest
from riskengine.instrument.terms import EuropeanOption, Future, Instrument, Perpetual
from riskengine.market.grid import HOURS_PER_YEAR
from riskengine.market.surface import FactorSurface


@dataclass(frozen=True)
class AccountKinds:
    """What accounts to draw; the mapping under ``generate`` of a book.

    Attributes
    ----------
    kinds : dict of str to int
        Accounts of each kind on each asset; every kind four times by default.
    templates : tuple of AccountTemplate
        Accounts of one's own, on each asset, in coins as they say: as a backtest on recorded chains has them.
    assets : tuple of str
        Those traded; all of the world's by default.
    least_usd, tail_index, largest_usd : float
        Size of an account, the USD notionals of its legs together: Pareto from `least_usd`, cut.
    whale_multiple : float
        Size of a whale, as a multiple of what it is drawn at; not cut.
    expiry_days : tuple of float
        Listed expiries, increasing.
    strike_step : float
        Distance of listed strikes in log-moneyness; 0 lists every strike.
    settlement : {"linear", "inverse"}
        Of options, perpetuals and futures.
    carry : {"future", "perpetual"}
        What a cash-and-carry is short of.
    cash_share : float
        USD cash of an account, as a share of its size.
    seed : int
    """

    kinds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 4))
    templates: tuple[AccountTemplate, ...] = ()
    assets: tuple[str, ...] = ()
    least_usd: float = 50_000.0
    tail_index: float = 1.2
    largest_usd: float = 10_000_000.0
    whale_multiple: float = 20.0
    expiry_days: tuple[float, ...] = (8.0, 30.0, 90.0)
    strike_step: float = 0.05
    settlement: Literal["linear", "inverse"] = "linear"
    carry: Literal["future", "perpetual"] = "future"
    cash_share: float = 0.25
    seed: int = 20231031

    def __post_init__(self) -> None:
        faults = [
            f"kinds must name {', '.join(KINDS)}, got {kind!r}{suggest(kind, KINDS)}"
            for kind in self.kinds
            if kind not in KINDS
        ]
        if not self.templates and not any(self.kinds.values()):
            faults.append("kinds must hold at least one account, got none")
        names = [t.name for t in self.templates]
        if len(set(names)) < len(names):
            faults.append(f"templates must have names that differ, got {', '.join(names)}")
        days = self.expiry_days
        if not days or min(days) <= 0.0 or any(b <= a for a, b in zip(days, days[1:], strict=False)):
            faults.append(f"expiry_days must be positive and increase, got {days}")
        bounds = {
            "largest_usd": (self.largest_usd, 1.0, 1e12),
            "least_usd": (self.least_usd, 1.0, self.largest_usd),
            "tail_index": (self.tail_index, 0.2, 100.0),
            "whale_multiple": (self.whale_multiple, 1.0, 1e6),
            "strike_step": (self.strike_step, 0.0, 1.0),
            "cash_share": (self.cash_share, 0.0, 100.0),
            "seed": (self.seed, 0, 2**64 - 1),
        } | {f"kinds of {kind}": (count, 0, 10_000) for kind, count in self.kinds.items()}
        faults += [
            f"{name} must lie in [{low:g}, {high:g}], got {value!r}"
            for name, (value, low, high) in bounds.items()
            if not low <= value <= high
        ]
        if faults:
            raise ValueError("; ".join(faults))

    def accounts(self, asset: int, spot: float) -> list[tuple[AccountTemplate, float]]:
        """(template, coins that one coin of it stands for) of every account on the asset of number `asset`."""
        found = []
        for kind in KINDS:  # not in the order of the file: no figure depends on it
            for template, u in drawn_templates(
                kind, asset, self.kinds.get(kind, 0), self.seed, self.expiry_days, self.carry
            ):
                size = float(pareto_size(u, self.least_usd, self.tail_index, self.largest_usd))
                found.append((template, size * (self.whale_multiple if kind == "whale" else 1.0) / spot))
        return found + [(template, 1.0) for template in self.templates]

    def book(self, assets: tuple[str, ...], spot: Mapping[str, float], surface: FactorSurface) -> Portfolio:
        """The accounts on a world of `assets`, its `spot` and `surface` at time 0; ValueError for another asset."""
        unknown = [a for a in self.assets if a not in assets]
        if unknown:
            raise ValueError(f"assets must be of the world, {', '.join(assets)}, got {', '.join(unknown)}")
        rows, cash, names, kinds = [], [], [], []
        for a, name in enumerate(assets):
            if self.assets and name not in self.assets:
                continue
            listed = _Listing(self, name, a, float(spot[name]), surface)
            for template, scale in self.accounts(a, listed.spot):
                row, coins = listed.struck(template, scale)
                size = scale * listed.spot * sum(abs(leg.quantity) for leg in template.legs)
                rows.append(row)
                cash.append({"USD": self.cash_share * size} | ({name: coins} if coins else {}))
                names.append(f"{name} {template.name}")
                kinds.append(template.kind)
        return assembled(assets, rows, cash, names, kinds)

    def named(self) -> dict[str, Any]:
        """The words that make the same book again on the same world."""
        plain = asdict(self)
        for template in plain["templates"]:
            template["legs"] = [{k: v for k, v in leg.items() if v is not None} for leg in template["legs"]]
        return {"generate": {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}}


class _Listing:
    """Options and futures of one asset, as listed at time 0."""

    def __init__(self, rules: AccountKinds, asset: str, number: int, spot: float, surface: FactorSurface):
        self.spot, self._rules, self._asset, self._number, self._surface = spot, rules, asset, number, surface
        own = [getattr(surface, name)[number] for name in ("long_variance", "add", "premium")]
        # the state in which at-the-money volatility is the same at every tenor
        flat = max(own[0] - own[1], 0.0) / own[2] if own[2] > 0.0 else 0.0
        self._state = np.full((surface.count, 1), flat)

    def struck(self, template: AccountTemplate, scale: float) -> tuple[dict[Instrument, tuple[float, float]], float]:
        """Positions (quantity, entry) of a template `scale` times over, and coins held."""
        row: dict[Instrument, tuple[float, float]] = {}
        coins, held = 0.0, 0.0
        perpetual = Perpetual(self._asset, self._rules.settlement)

        def add(terms: Instrument, quantity: float, entry: float = 0.0) -> None:
            row[terms] = (row.get(terms, (0.0, 0.0))[0] + quantity, entry)

        for leg in template.legs:
            quantity = scale * leg.quantity
            delta = 1.0
            if leg.instrument == "coin":
                coins += quantity
            elif leg.instrument == "perpetual":
                add(perpetual, quantity, self.spot)
            else:
                days = min(self._rules.expiry_days, key=lambda d: abs(np.log(d / leg.days)))
                forward = self.spot * np.exp(self._rate(days) * days * 24.0 / HOURS_PER_YEAR)
                if leg.instrument == "future":
                    add(Future(self._asset, 24.0 * days, self._rules.settlement), quantity, float(f"{forward:.12g}"))
                else:
                    strike = self._strike(leg, days, forward)
                    kind = leg.instrument
                    add(EuropeanOption(self._asset, strike, 24.0 * days, kind, self._rules.settlement), quantity)
                    delta = self._delta(leg.sign, strike, days, forward)
            held += quantity * delta
        if template.delta_hedged:
            add(perpetual, -held, self.spot)
        return {terms: x for terms, x in row.items() if x[0] != 0.0}, coins

    def _rate(self, days: float) -> float:
        carry = self._surface.carry
        return float(carry[self._number].rate_to(days * 24.0 / HOURS_PER_YEAR)) if carry else 0.0

    def _total(self, log_moneyness: float, days: float) -> float:
        """Volatility to expiry at ln(K / F)."""
        years = np.array([days * 24.0 / HOURS_PER_YEAR])
        at, k = np.array([self._number]), np.array([log_moneyness])
        sigma: Floats = self._surface.volatility(at, k, years, np.zeros((1, 1)), self._state)
        return float(sigma[0, 0] * np.sqrt(years[0]))

    def _strike(self, leg: Leg, days: float, forward: float) -> float:
        from scipy.special import ndtri

        k = 0.0
        if leg.moneyness is not None:
            k = float(np.log(leg.moneyness))
        else:
            d = leg.sign * float(ndtri(leg.delta))
            for _ in range(100):
                v = self._total(k, days)
                before, k = k, 0.5 * v * v - d * v
                if abs(k - before) < 1e-12:
                    break
        step = self._rules.strike_step
        # twelve digits: a strike that is read back is the same strike
        return float(f"{forward * np.exp(step * round(k / step) if step else k):.12g}")

    def _delta(self, sign: float, strike: float, days: float, forward: float) -> float:
        from scipy.special import ndtr

        k = float(np.log(strike / forward))
        v = self._total(k, days)
        return sign * float(ndtr(sign * (0.5 * v - k / v)))
