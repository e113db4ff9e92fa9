"""One instance of every registered model: from shipped studies and worlds, from the examples here, or by defaults."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from riskengine import registry
from riskengine.book.portfolio import Portfolio
from riskengine.config.build import Builder
from riskengine.config.locate import shipped
from riskengine.config.models import margin_model
from riskengine.config.reader import Tree
from riskengine.config.study import load_study, load_world
from riskengine.exposure.health_factor import HealthFactorExposure
from riskengine.exposure.option_book import OptionBookExposure
from riskengine.instrument.terms import EuropeanOption
from riskengine.lending.aave_v2.market import AaveV2, AaveV2Rules
from riskengine.margin.buffered import Buffered
from riskengine.margin.capped import Capped
from riskengine.margin.collateral_haircut import CollateralHaircut
from riskengine.margin.ewma_var import EwmaVar
from riskengine.margin.filtered_historical_var import FilteredHistoricalVar
from riskengine.margin.governed import Governed, Policy
from riskengine.margin.greatest_of import GreatestOf
from riskengine.margin.greeks_grid import GreeksGrid
from riskengine.margin.historical_var import HistoricalVar
from riskengine.margin.liquidity_addon import LiquidityAddon, LiquidityParameters
from riskengine.margin.mixture import Mixture
from riskengine.margin.speed_limited import SpeedLimited
from riskengine.market.recorded import PathSet
from riskengine.market.series import PriceSeries
from riskengine.oracle.chained import ChainedOracle, FeedLeg, RateLeg
from riskengine.oracle.push import PushOracle
from riskengine.oracle.stale import StaleOracle
from riskengine.scenario.block_bootstrap import BlockBootstrap
from riskengine.scenario.cojumps import CommonCoJumps
from riskengine.scenario.filtered_bootstrap import FilteredBootstrap
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.heston import Heston
from riskengine.scenario.history import HistoryWindows
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.kou import Kou, KouCommonJumps, KouOwnJumps
from riskengine.scenario.merton import Merton
from riskengine.scenario.paths_file import RecordedPaths
from riskengine.scenario.regime_switching import RegimeSwitching
from riskengine.scenario.state.borrow_rate import BorrowRate
from riskengine.scenario.state.depth import Depth
from riskengine.scenario.state.perpetual import PerpetualMarket
from riskengine.scenario.svcj import Svcj
from riskengine.scenario.variance_filter import GarchFilter

_ASSETS, _SPOT = ("BTC", "ETH"), (34_500.0, 1_810.0)


def _prices(hours: int = 2_000) -> PriceSeries:
    """Hourly prices of two assets with a gap."""
    kept = np.delete(np.arange(hours), [700, 701])
    moves = 0.006 * np.random.default_rng(7).standard_t(5, (kept.size, 2))
    return PriceSeries(_ASSETS, 3_600 * kept, np.array(_SPOT) * np.exp(np.cumsum(moves, axis=0)), 3_600)


def _paths() -> PathSet:
    """Eight paths of a day with 64 days before them."""
    moves = np.random.default_rng(8).normal(0.0, 0.01, (24, 8, 2))
    before = np.random.default_rng(9).normal(0.0, 0.03, (64, 8, 2))
    zero = np.zeros((1, 8, 2))
    spot = np.array(_SPOT) * np.exp(np.concatenate([zero, np.cumsum(moves, axis=0)]))
    history = np.array(_SPOT) * np.exp(-np.concatenate([np.cumsum(before, axis=0)[::-1], zero]))
    return PathSet(_ASSETS, spot, 3_600, history_spot=history, history_step_seconds=86_400)


def liquidity() -> LiquidityParameters:
    """The shipped liquidity of BTC and ETH."""
    builder = Builder(Tree("liquidity_btc_eth_20231031", "liquidity"))
    return builder.done(builder.build(LiquidityParameters))


_ACROSS = ((1.0, 0.8), (0.8, 1.0))
_VARIANCE = {
    "assets": ("BTC", "ETH"),
    "spot": (34_500.0, 1_810.0),
    "drift": (0.0, 0.0),
    "kappa": (5.0, 6.0),
    "theta": (0.3, 0.4),
    "xi": (1.5, 2.0),
    "rho": (-0.4, -0.4),
    "initial_variance": "stationary",
    "correlation": _ACROSS,
    "variance_correlation": _ACROSS,
}

# models that no shipped file uses and that have no defaults
_EXAMPLES = {
    "heston": Heston(**_VARIANCE),
    "svcj": Svcj(
        **_VARIANCE,
        jumps_common=CommonCoJumps(
            5.0, (-0.03, -0.04), (0.05, 0.06), 0.7, variance_mean=(0.4, 0.5), slope=(-0.1, -0.1)
        ),
    ),
    "block_bootstrap": BlockBootstrap(_ASSETS, _SPOT, _prices(), 24.0),
    "filtered_bootstrap": FilteredBootstrap(
        _ASSETS, _SPOT, _prices(), GarchFilter("garch", (2e-6, 2e-6), (0.06, 0.08), (0.9, 0.88)), "stationary"
    ),
    "history": HistoryWindows(_ASSETS, _SPOT, _prices()),
    "paths": RecordedPaths(_ASSETS, _paths()),
    "gbm": Gbm(("BTC", "ETH"), (34_500.0, 1_810.0), (0.0, 0.0), (0.6, 0.7), ((1.0, 0.8), (0.8, 1.0))),
    "merton": Merton(
        ("BTC", "ETH"),
        (34_500.0, 1_810.0),
        (0.0, 0.0),
        (0.5, 0.6),
        ((1.0, 0.8), (0.8, 1.0)),
        None,
        OwnJumps((30.0, 30.0), (-0.01, -0.01), (0.04, 0.05)),
    ),
    "kou": Kou(
        ("BTC", "ETH"),
        (34_500.0, 1_810.0),
        (0.0, 0.0),
        (0.5, 0.6),
        ((1.0, 0.8), (0.8, 1.0)),
        KouCommonJumps(15.0, (0.4, 0.4), (30.0, 25.0), (25.0, 20.0), 0.8),
        KouOwnJumps((30.0, 30.0), (0.5, 0.5), (40.0, 35.0), (35.0, 30.0)),
    ),
    "regime_switching": RegimeSwitching(
        ("BTC", "ETH"),
        (34_500.0, 1_810.0),
        ("calm", "stress"),
        ((-12.0, 12.0), (60.0, -60.0)),
        (0.0, 0.0),
        ((0.4, 0.5), (1.1, 1.4)),
        (((1.0, 0.8), (0.8, 1.0)), ((1.0, 0.9), (0.9, 1.0))),
        jumps_own=OwnJumps((20.0, 20.0), (-0.01, -0.01), (0.04, 0.05)),
        pace=(1.0, 4.0),
    ),
    "model_monte_carlo_var": margin_model("model_monte_carlo_var", world="btc_eth", draws=2000, levels=[0.95, 0.99]),
    "greatest_of": GreatestOf((HistoricalVar(window=60), EwmaVar())),
    "mixture": Mixture((HistoricalVar(window=60), HistoricalVar(shortfall=True)), (0.75, 0.25)),
    "buffered": Buffered(FilteredHistoricalVar(), HistoricalVar()),
    "capped": Capped(FilteredHistoricalVar(), HistoricalVar(), 1.5),
    "governed": Governed(GreeksGrid(), Policy("realised_volatility", (0.5, 0.9)), (0.8, 1.0, 1.4), parameter="scale"),
    "liquidity_addon": LiquidityAddon(HistoricalVar(), liquidity()),
    "collateral_haircut": CollateralHaircut(FilteredHistoricalVar(), {"BTC": 0.05, "ETH": 0.1}, {"ETH": 0.08}),
    "speed_limited": SpeedLimited(FilteredHistoricalVar(), 1.1, 1.05),
    "deribit_portfolio": margin_model("deribit_portfolio"),
    "depth": Depth((0.36, 0.5), (1.2, 1.0), (0.2, 0.2), (4.0, 4.0), (10.0, 10.0), (0.01, 0.01)),
    "perpetual": PerpetualMarket(
        (0.0, 0.0), (5e-4, 5e-4), (48.0, 48.0), (0.002, 0.0), (1e-4, 1e-4), (1.0, 1.0), (0.5, 0.5), (0.36, 0.5)
    ),
    "health_factor": HealthFactorExposure("BTC", 200.0, 100.0),
    "option_book": OptionBookExposure(
        Portfolio(
            _ASSETS,
            (EuropeanOption("BTC", 34_500.0, 720.0, "call"), EuropeanOption("BTC", 34_500.0, 720.0, "put")),
            np.array([[-1.0, -1.0]]),
            np.zeros((1, 2)),
            np.array([[20_000.0, 0.1, 0.0]]),
            ("short_straddle",),
            ("straddle",),
        )
    ),
    "chained": ChainedOracle(
        {
            "ETH": (
                RateLeg("rate", 1.1),
                FeedLeg("feed", "ETH", "BTC", 0.01, 2.0),
                FeedLeg("feed", "BTC", None, 0.005, 1.0),
            )
        }
    ),
    "stale": StaleOracle(PushOracle(0.01, 2.0), 4.0, 9.0, 0.5, 2.0),
    "borrow_rate": BorrowRate((0.03, 0.02), (0.4, 0.4), (72.0, 72.0), (0.5, 0.5), (0.36, 0.5)),
}


@cache
def quickstart() -> Any:
    """The shipped quickstart, read once."""
    return load_study("quickstart").study


def aave_v2() -> Any:
    """The market of the quickstart under the rules of Aave v2, which know no treasury's share."""
    market = quickstart().lending.market
    own = {name: getattr(market.rules, name) for name in ("name", "as_of", "source", "oracle")}
    reserves = tuple(replace(r, liquidation_protocol_fee=0.0, emode=0) for r in market.rules.reserves)
    return AaveV2(AaveV2Rules(reserves=reserves, **own), market.keeper, market.liquidity)


@cache
def _found() -> dict[str, dict[str, Any]]:
    study = quickstart()
    # the last of a kind counts: let it be one with several assets
    worlds = sorted(map(load_world, shipped("scenarios")), key=lambda world: len(world.model.assets))
    families = {
        "scenarios": [w.model for w in worlds],
        "surfaces": [w.surface for w in worlds],
        "margin": study.margin.models,
        "lending": [*load_study("lending_mechanisms").study.lending.markets, aave_v2()],
        "liquidity": [m.liquidity for m in load_study("lending_liquidity").study.lending.markets[:5]],
        "estimators": study.calibration.estimators,
    }
    return {family: {registry.kind_of(family, m) or "": m for m in models} for family, models in families.items()}


def instance(family: str, kind: str) -> Any:
    """A model of `kind`; AssertionError that says what to do where none can be made."""
    model = _found().get(family, {}).get(kind) or _EXAMPLES.get(kind)
    if model is None:
        try:
            model = registry.load(family, kind)()
        except TypeError as error:
            needs = "defaults for every field, a shipped file that uses it, or an example in this file"
            raise AssertionError(f"{family}.{kind} needs {needs}: {error}") from None
    return model


def every(family: str) -> list[str]:
    """Registered kinds of a family."""
    return sorted(registry.kinds(family))
