"""Derive PM2 portfolio margin (``PMRM_2``): worst of 33 shocks of spot, volatility level and skew, plus contingencies.

Idea.  Inside one underlying everything nets.  Every position is revalued under 23 regular shocks of spot and
volatility, eight dampened tail moves, and two shocks of the skew; the worst loss, or the basis contingency where that
is worse, is required in full (initial) or in part (maintenance), plus charges on notional:

    requirement = -factor min(B, min_s PnL_s) + C_MM + [initial only] C_IM

per underlying, summed over the underlyings of an account (a venue account holds one).  The venue quotes the excess
margin, MtM + cash - requirement.  Coins held count as risk-cancelling collateral: they move with spot in every
scenario and bear a haircut.  The venue lists linear perpetuals only; an inverse one of N USD is charged as N / M coins,
M the mark, and moves as coins do.

Not every invariant of a margin model holds, by the venue's design: a static discount makes call - put - forward
margins differ from zero by more than basis; skew shocks and the basis contingency of distant expiries can ask more
for a long option than it is worth.

Reference: margin section of the documentation of Derive (docs.derive.xyz, PM2) and the worked portfolios of its test
folder, which this model reproduces.  Written from the formulas; no code of that project is used.  `parameters` holds
the dated figures, `kernel` the arithmetic.
"""

from dataclasses import dataclass, replace

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.book.portfolio import Portfolio
from riskengine.margin.derive_pmrm_v2 import kernel
from riskengine.margin.derive_pmrm_v2.parameters import ParameterSet, Scenario, Underlying
from riskengine.market.paths import MarketPaths
from riskengine.market.snapshot import MarketSnapshot
from riskengine.market.surface import FactorSurface
from riskengine.pricing.valuation import contract_coins
from riskengine.roles import PROPORTIONAL, Requirement

__all__ = ["Confidence", "DerivePmrmV2", "ParameterSet", "Scenario", "State", "Underlying", "expiry_table"]

_MONTH = 30 * 86_400.0
_SETTLEMENT_WINDOW = 1_800.0


@dataclass(frozen=True)
class Confidence:
    """Confidence of each feed, 1 in simulation.

    Attributes
    ----------
    spot, perpetual, coin : ndarray, shape (A,)
        Feeds of each asset: spot, perpetual mark, coin held as collateral.
    expiry : ndarray, shape (E,)
        Least of the forward, rate and volatility feeds of each expiry.
    """

    spot: Floats
    perpetual: Floats
    coin: Floats
    expiry: Floats

    @classmethod
    def full(cls, assets: int, expiries: int) -> "Confidence":
        """Every feed certain."""
        return cls(np.ones(assets), np.ones(assets), np.ones(assets), np.ones(expiries))


@dataclass(frozen=True)
class _Cells:
    """The part of the book in one underlying, as the kernel reads it."""

    asset: int
    options: Ints
    strike: Floats
    sign: Floats
    option_expiry: Ints
    accounts: Ints
    perpetuals: Ints  # columns of the book
    perpetual: Floats
    inverse: Floats  # of them, in inverse contracts
    coin: Floats
    segment_offsets: Ints
    segment_expiry: Ints
    position_offsets: Ints
    position_option: Ints
    position_quantity: Floats
    naked_shorts: Floats
    expiry_size: Floats  # (cells, E): sum of |n|


@dataclass(frozen=True)
class State:
    """What depends on the book only."""

    portfolio: Portfolio
    cells: tuple[_Cells, ...]


@dataclass(frozen=True)
class DerivePmrmV2:
    """Derive PM2 portfolio margin; see the module for the rule.

    Attributes
    ----------
    parameters : ParameterSet
        The venue's dated figures, by asset.
    """

    parameters: ParameterSet
    kind = "derive_pmrm_v2"
    promises = frozenset({PROPORTIONAL})
    levels = ()

    def scaled(self, factor: float) -> "DerivePmrmV2":
        """The same rule with its price range and volatility moves times `factor`; tails and skew stay.

        ValueError where a parameter set lists its scenarios one by one.
        """
        made = {asset: own.scaled(factor) for asset, own in self.parameters.underlyings.items()}
        return replace(self, parameters=replace(self.parameters, underlyings=made))

    def init(self, portfolio: Portfolio, surface: FactorSurface | None = None) -> State:
        """Index maps of the book.

        Raises
        ------
        ValueError
            Where the book has an asset for which there are no parameters, or what the venue lists none of.
        """
        missing = [a for a in portfolio.assets if a not in self.parameters.underlyings]
        if missing:
            raise ValueError(f"parameters must cover {portfolio.assets}, got none for {missing}")
        portfolio.refuse(np.sort(np.concatenate([portfolio.dated, portfolio.pools])), "options and perpetuals")
        return State(portfolio, tuple(_cells(portfolio, a) for a in range(len(portfolio.assets))))

    def step(self, state: State, paths: MarketPaths | None = None, step: int = 0) -> State:
        """A grid has no memory: returns `state`."""
        return state

    def labels(self, asset: str) -> tuple[str, ...]:
        """Scenarios in words, by number; the last stands for the basis contingency."""
        return (*(s.label for s in self.parameters.underlyings[asset].scenarios), "basis contingency")

    def requirement(
        self,
        state: State,
        snapshot: MarketSnapshot,
        stable_price: float = 1.0,
        confidence: Confidence | None = None,
        explain: bool = False,
    ) -> tuple[Requirement]:
        """Requirement of every account on every lane, one entry.

        Parameters
        ----------
        state : State
        snapshot : MarketSnapshot
        stable_price : float
            USD price of the settlement coin; below the threshold the initial margin grows.
        confidence : Confidence, optional
            Oracle confidences; 1 by default.
        explain : bool
            Fill `components` (USD, shape (K, P); ``scenario_pnl:ASSET`` has shape (S, K, P)).
        """
        book, lanes = state.portfolio, snapshot.count
        confidence = confidence or Confidence.full(len(book.assets), len(snapshot.seconds))
        shape = (book.accounts, lanes)
        initial, maintenance = np.zeros(shape), np.zeros(shape)
        heaviest, binding = np.zeros(shape), np.zeros(shape, np.int64)
        parts: dict[str, Floats] = {}
        for cells in state.cells:
            if not cells.accounts.size:
                continue
            parameters = self.parameters.underlyings[book.assets[cells.asset]]
            factors = parameters.factors
            worst, which, basis, detail = self._losses(cells, parameters, snapshot, explain)
            spot = snapshot.spot[cells.asset]
            linear, inverse = contract_coins(book, cells.perpetuals, snapshot.perpetual[cells.asset])
            perpetual = np.abs(linear + inverse)[cells.accounts]
            mm, im, oracle = (x * spot for x in _charges(cells, perpetual, parameters, confidence))
            peg = max(factors.peg_threshold - stable_price, 0.0) * factors.peg_factor
            rows = cells.accounts
            initial[rows] += -(factors.im + peg) * worst + mm + im + oracle
            maintenance[rows] += -factors.mm * worst + mm
            replace = -worst >= heaviest[rows]
            binding[rows] = np.where(replace, which, binding[rows])
            heaviest[rows] = np.where(replace, -worst, heaviest[rows])
            if explain:
                extras = {
                    "scenario_loss": -worst,
                    "basis_contingency": -basis,
                    "maintenance_contingency": mm,
                    "initial_contingency": im,
                    "oracle_contingency": oracle,
                }
                for name, x in extras.items():
                    parts.setdefault(name, np.zeros(shape))[rows] += x
                full = np.zeros((len(parameters.scenarios), *shape))
                full[:, rows] = detail.transpose(1, 0, 2)
                parts[f"scenario_pnl:{book.assets[cells.asset]}"] = full
        return (Requirement(initial, maintenance, parts, binding),)

    def _losses(self, cells: _Cells, parameters: Underlying, snapshot: MarketSnapshot, explain: bool):
        scenarios = parameters.packed_scenarios()
        shape = (cells.accounts.size, snapshot.count)
        worst, basis = np.empty(shape), np.empty(shape)
        which = np.empty(shape, np.int64)
        detail = np.empty((shape[0], len(scenarios) if explain else 0, shape[1]))
        perpetual, coin = cells.perpetual, cells.coin
        if snapshot.perpetual is not snapshot.spot:
            # an inverse one gains in coin: it moves as its coins do, at the index
            perpetual, coin = perpetual - cells.inverse, coin + cells.inverse
        kernel.underlying_losses(
            cells.options, cells.strike, cells.sign, cells.option_expiry, expiry_table(parameters, snapshot),
            snapshot.forward, snapshot.volatility, scenarios, parameters.basis.spot_up, parameters.basis.spot_down,
            perpetual, coin, snapshot.perpetual[cells.asset], snapshot.spot[cells.asset],
            cells.segment_offsets, cells.segment_expiry, cells.position_offsets, cells.position_option,
            cells.position_quantity, worst, which, basis, detail,
        )  # fmt: skip
        return worst, which, basis, detail


def expiry_table(parameters: Underlying, snapshot: MarketSnapshot) -> Floats:
    """What the kernel needs to know of each expiry, shape (E, EXPIRY_COLUMNS)."""
    seconds, tau = np.asarray(snapshot.seconds, dtype=np.float64), snapshot.tau
    rate = np.asarray(snapshot.rate, dtype=np.float64)
    floored = np.maximum(rate, 0.0)
    vol, skew, static, basis = parameters.vol_shock, parameters.skew_shock, parameters.static_discount, parameters.basis
    power = np.where(seconds <= _MONTH, vol.short_term_power, vol.long_term_power)
    term = (_MONTH / np.maximum(seconds, vol.dte_floor_days * 86_400.0)) ** power
    root_tau = np.sqrt(tau)
    out = np.empty((seconds.size, kernel.EXPIRY_COLUMNS))
    out[:, kernel.ROOT_TAU] = root_tau
    out[:, kernel.DISCOUNT] = np.exp(-rate * tau)
    out[:, kernel.LONG] = static.long_base * np.exp(-tau * (floored * static.long_rate_mult + static.long_rate_add))
    out[:, kernel.SHORT] = np.minimum(
        static.short_base * np.exp(tau * (floored * static.short_rate_mult + static.short_rate_add)),
        np.exp(floored * tau),
    )
    out[:, kernel.BASIS] = basis.add + basis.mult * tau
    out[:, kernel.FORWARD_SHARE] = np.minimum(seconds / _SETTLEMENT_WINDOW, 1.0)
    out[:, kernel.UP_FACTOR] = 1.0 + vol.up * term
    out[:, kernel.DOWN_FACTOR] = np.maximum(1.0 - vol.down * term, 0.0)
    out[:, kernel.UP_FLOOR] = vol.minimum_up
    out[:, kernel.LINEAR_CAP] = skew.linear_cbase * root_tau + skew.linear_base_cap
    out[:, kernel.ABS_CAP] = skew.abs_cbase * root_tau + skew.abs_base_cap
    width = root_tau * skew.width_scale * (skew.vol_static + root_tau * skew.vol_scale)
    out[:, kernel.SKEW_WIDTH] = 1.0 / np.maximum(skew.min_k_star, width)
    return out


def _charges(
    cells: _Cells, perpetual: Floats, parameters: Underlying, confidence: Confidence
) -> tuple[Floats, Floats, Floats]:
    """Maintenance, initial and oracle charges of each cell, as coins of the underlying (multiplied by spot later).

    `perpetual` is the size in coins at the mark, not negative, shape (C, P) or (C, 1), which is that of the figures.
    """
    c, f = parameters.contingency, parameters.factors
    # a coin that is owed bears the haircut as a coin that is held does
    coin, naked = np.abs(cells.coin)[:, None], cells.naked_shorts[:, None]
    mm = perpetual * c.mm_perp + naked * c.mm_option + coin * c.mm_collateral
    im = perpetual * c.im_perp + naked * c.im_option + coin * c.im_collateral

    def doubt(level: float) -> float:
        return (1.0 - level) * f.confidence_margin if level < f.confidence_threshold else 0.0

    spot = float(confidence.spot[cells.asset])
    oracle = perpetual * doubt(min(spot, float(confidence.perpetual[cells.asset])))
    oracle = oracle + coin * doubt(float(confidence.coin[cells.asset]))
    for e in np.flatnonzero(cells.expiry_size.any(axis=0)):
        oracle = oracle + cells.expiry_size[:, e, None] * doubt(min(spot, float(confidence.expiry[e])))
    return mm, im, oracle


def _cells(book: Portfolio, asset: int) -> _Cells:
    """Compressed rows of the book's positions in one underlying."""
    mine = np.flatnonzero(book.asset_index[book.options] == asset)
    mine = mine[np.argsort(book.option_expiry[mine], kind="stable")]
    expiry = book.option_expiry[mine]
    sizes = book.quantity[:, book.options[mine]] if mine.size else np.zeros((book.accounts, 0))
    perps = book.perpetuals[book.asset_index[book.perpetuals] == asset]
    perpetual = book.quantity[:, perps].sum(axis=1)
    inverse = book.quantity[:, perps[book.inverse[perps]]].sum(axis=1)
    coin = book.cash[:, 1 + asset]
    accounts = np.flatnonzero((sizes != 0).any(axis=1) | (book.quantity[:, perps] != 0).any(axis=1) | (coin != 0))
    sizes, strikes = sizes[accounts], book.strikes[mine]
    # positions in order of account, then expiry; a segment is what one account holds in one expiry
    row, option = np.nonzero(sizes)
    quantity = sizes[row, option]
    first = np.flatnonzero(np.diff(row * len(book.expiries) + expiry[option], prepend=-1))
    expiry_size = np.zeros((accounts.size, len(book.expiries)))
    np.add.at(expiry_size, (row, expiry[option]), np.abs(quantity))
    # calls and puts of one strike offset each other; what stays short is naked
    lines, line = np.unique(np.stack([expiry, strikes]), axis=1, return_inverse=True)
    net = np.zeros((accounts.size, lines.shape[1]))
    np.add.at(net, (row, line[option]), quantity)
    short = np.nonzero(net < 0.0)
    naked = np.zeros(accounts.size)
    np.add.at(naked, short[0], -net[short])
    offsets = np.searchsorted(row[first], np.arange(accounts.size + 1))
    ints = [np.asarray(x, dtype=np.int64) for x in (offsets, expiry[option[first]], np.append(first, row.size), option)]
    return _Cells(
        asset, mine.astype(np.int64), strikes, book.call_sign[mine], expiry, accounts, perps,
        np.ascontiguousarray(perpetual[accounts]), inverse[accounts], np.ascontiguousarray(coin[accounts]), *ints,
        quantity, naked, expiry_size,
    )  # fmt: skip
