"""The only list of model names.  Adding a model is one file and one line here.

A third party adds models without a fork: an entry point of group ``riskengine.models`` named ``family.kind``, for
example ``margin.my_model = "my_package.my_file:MyModel"``.  Modules are imported when a model is asked for, not before.
"""

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from riskengine.errors import UsageError, suggest

GROUP = "riskengine.models"

# family -> kind -> "module:Class"
MODELS: dict[str, dict[str, str]] = {
    "scenarios": {
        "gbm": "riskengine.scenario.gbm:Gbm",
        "merton": "riskengine.scenario.merton:Merton",
        "heston": "riskengine.scenario.heston:Heston",
        "bates": "riskengine.scenario.bates:Bates",
        "svcj": "riskengine.scenario.svcj:Svcj",
        "kou": "riskengine.scenario.kou:Kou",
        "regime_switching": "riskengine.scenario.regime_switching:RegimeSwitching",
        "pegged": "riskengine.scenario.pegged:Pegged",
        "block_bootstrap": "riskengine.scenario.block_bootstrap:BlockBootstrap",
        "filtered_bootstrap": "riskengine.scenario.filtered_bootstrap:FilteredBootstrap",
        "history": "riskengine.scenario.history:HistoryWindows",
        "paths": "riskengine.scenario.paths_file:RecordedPaths",
    },
    "states": {
        "depth": "riskengine.scenario.state.depth:Depth",
        "perpetual": "riskengine.scenario.state.perpetual:PerpetualMarket",
        "borrow_rate": "riskengine.scenario.state.borrow_rate:BorrowRate",
        "oracle": "riskengine.scenario.state.oracle:OracleFeed",
    },
    "surfaces": {
        "factor_surface": "riskengine.market.surface:FactorSurface",
    },
    "margin": {
        "derive_pmrm_v2": "riskengine.margin.derive_pmrm_v2:DerivePmrmV2",
        "deribit_portfolio": "riskengine.margin.deribit_portfolio:DeribitPortfolio",
        "deribit_standard": "riskengine.margin.deribit_standard:DeribitStandard",
        "greeks_grid": "riskengine.margin.greeks_grid:GreeksGrid",
        "historical_var": "riskengine.margin.historical_var:HistoricalVar",
        "filtered_historical_var": "riskengine.margin.filtered_historical_var:FilteredHistoricalVar",
        "ewma_var": "riskengine.margin.ewma_var:EwmaVar",
        "model_monte_carlo_var": "riskengine.margin.model_monte_carlo_var:ModelMonteCarloVar",
        "greatest_of": "riskengine.margin.greatest_of:GreatestOf",
        "mixture": "riskengine.margin.mixture:Mixture",
        "buffered": "riskengine.margin.buffered:Buffered",
        "capped": "riskengine.margin.capped:Capped",
        "governed": "riskengine.margin.governed:Governed",
        "liquidity_addon": "riskengine.margin.liquidity_addon:LiquidityAddon",
        "collateral_haircut": "riskengine.margin.collateral_haircut:CollateralHaircut",
        "speed_limited": "riskengine.margin.speed_limited:SpeedLimited",
    },
    "lending": {
        "aave_v3": "riskengine.lending.aave_v3:AaveV3",
        "aave_v2": "riskengine.lending.aave_v2:AaveV2",
        "comet": "riskengine.lending.comet:Comet",
        "morpho_blue": "riskengine.lending.morpho_blue:MorphoBlue",
        "euler_evk": "riskengine.lending.euler_evk:EulerEvk",
    },
    "oracles": {
        "push": "riskengine.oracle.push:PushOracle",
        "chained": "riskengine.oracle.chained:ChainedOracle",
        "twap": "riskengine.oracle.twap:TwapOracle",
        "ema": "riskengine.oracle.ema:EmaOracle",
        "osm": "riskengine.oracle.osm:OsmOracle",
        "stale": "riskengine.oracle.stale:StaleOracle",
    },
    "liquidity": {
        "constant_product": "riskengine.liquidity.constant_product:ConstantProduct",
        "concentrated": "riskengine.liquidity.concentrated:Concentrated",
        "order_book": "riskengine.liquidity.order_book:BookLadder",
        "hybrid": "riskengine.liquidity.hybrid:Hybrid",
        "square_root": "riskengine.liquidity.square_root:SquareRoot",
    },
    "exposures": {
        "option_book": "riskengine.exposure.option_book:OptionBookExposure",
        "health_factor": "riskengine.exposure.health_factor:HealthFactorExposure",
    },
    "estimators": {
        "historical": "riskengine.estimator.historical:HistoricalEstimator",
        "ewma": "riskengine.estimator.ewma:EwmaEstimator",
        "normal": "riskengine.estimator.normal:NormalEstimator",
        "student_t": "riskengine.estimator.student_t:StudentTEstimator",
        "cornish_fisher": "riskengine.estimator.cornish_fisher:CornishFisherEstimator",
        "harrell_davis": "riskengine.estimator.harrell_davis:HarrellDavisEstimator",
        "pot_gpd": "riskengine.estimator.pot_gpd:PotGpdEstimator",
        "age_weighted": "riskengine.estimator.age_weighted:AgeWeightedEstimator",
        "filtered_historical": "riskengine.estimator.filtered_historical:FilteredHistoricalEstimator",
        "garch_filtered": "riskengine.estimator.garch_filtered:GarchFilteredEstimator",
        "quantile_regression": "riskengine.estimator.quantile_regression:QuantileRegressionEstimator",
        "caviar": "riskengine.estimator.caviar:CaviarEstimator",
        "model_monte_carlo": "riskengine.estimator.model_monte_carlo:ModelMonteCarloEstimator",
        "split_conformal": "riskengine.estimator.split_conformal:SplitConformalEstimator",
        "isotonic_recalibration": "riskengine.estimator.isotonic_recalibration:IsotonicRecalibrationEstimator",
        "adaptive_conformal": "riskengine.estimator.adaptive_conformal:AdaptiveConformalEstimator",
    },
}


@cache
def _added() -> dict[str, dict[str, str]]:
    """Models that installed packages add, in the shape of `MODELS`."""
    found: dict[str, dict[str, str]] = {}
    for point in entry_points(group=GROUP):
        family, _, kind = point.name.partition(".")
        found.setdefault(family, {})[kind] = point.value
    return found


# kind -> "module:Record", see riskengine.study.kind
STUDIES: dict[str, str] = {
    "calibration": "riskengine.study.spec:CalibrationStudy",
    "account_life": "riskengine.study.life_spec:AccountLifeStudy",
    "backtest": "riskengine.study.backtest_spec:BacktestStudy",
    "estimator_lab": "riskengine.study.lab_spec:EstimatorLabStudy",
    "probability_calibration": "riskengine.study.reliability_spec:ReliabilityStudy",
    "sensitivity": "riskengine.tune.sensitivity_spec:SensitivityStudy",
    "backtest_power": "riskengine.study.power_spec:BacktestPowerStudy",
    "certified_choice": "riskengine.tune.choice_spec:CertifiedChoiceStudy",
    "worst_account": "riskengine.tune.worst_account_spec:WorstAccountStudy",
    "certificate_experiment": "riskengine.tune.experiment_spec:CertificateExperiment",
    "rolling_forecast": "riskengine.study.rolling_spec:RollingStudy",
    "black_scholes": "riskengine.study.black_scholes_spec:BlackScholesStudy",
    "chain_backtest": "riskengine.study.chain_spec:ChainBacktestStudy",
    "lending_replay": "riskengine.study.lending_replay_spec:LendingReplayStudy",
}


def study_kind(kind: str) -> type:
    """The record of a kind of study; UsageError where there is none of that name."""
    if kind not in STUDIES:
        raise UsageError(f"kind must be one of {', '.join(STUDIES)}, got {kind!r}{suggest(kind, STUDIES)}")
    module, _, name = STUDIES[kind].partition(":")
    return getattr(import_module(module), name)


def kinds(family: str) -> dict[str, str]:
    """Names of the models of a family, with their import paths; the project's own win over added ones.

    Raises
    ------
    UsageError
        Where there is no such family.
    """
    if family not in MODELS:
        raise UsageError(f"family must be one of {', '.join(MODELS)}, got {family!r}{suggest(family, MODELS)}")
    return _added().get(family, {}) | MODELS[family]


def load(family: str, kind: str) -> type:
    """The class of a model; imports its module.

    Parameters
    ----------
    family : str
        ``scenarios``, ``states``, ``surfaces``, ``margin``, ``lending``, ``oracles``, ``liquidity``, ``exposures`` or
        ``estimators``.
    kind : str
        Name of the model, for example ``derive_pmrm_v2``.

    Raises
    ------
    UsageError
        Where the family has no such model; the message names the nearest one.  Also where an added model cannot be
        imported.
    """
    known = kinds(family)
    if kind not in known:
        raise UsageError(f"kind must be one of {', '.join(known)}, got {kind!r}{suggest(kind, known)}")
    module, _, name = known[kind].partition(":")
    if kind in MODELS[family]:
        return getattr(import_module(module), name)
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{family}.{kind} must name an importable class, got {known[kind]!r}: {error}") from None


def kind_of(family: str, model: object) -> str | None:
    """Registered name of the class of `model`, or None where it is not registered."""
    cls = type(model)
    for kind, path in kinds(family).items():
        module, _, name = path.partition(":")
        # a class may live in a file of the package that the path names
        if name == cls.__qualname__ and (cls.__module__ == module or cls.__module__.startswith(module + ".")):
            return kind
    return None


def summary(family: str, kind: str) -> str:
    """First line of the docstring of the model's module, without importing numerical packages: one line for lists."""
    import ast
    from importlib.util import find_spec

    module = kinds(family)[kind].partition(":")[0]
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        return ""
    with open(spec.origin, encoding="utf-8") as source:
        doc = ast.get_docstring(ast.parse(source.read())) or ""
    return doc.strip().partition("\n")[0]
