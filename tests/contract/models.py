"""One instance of every registered model: from shipped studies and worlds, from the examples here, or by defaults."""

from functools import cache
from typing import Any

from riskengine import registry
from riskengine.config.locate import shipped
from riskengine.config.study import load_study, load_world
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.merton import Merton
from riskengine.scenario.state.borrow_rate import BorrowRate
from riskengine.scenario.state.depth import Depth
from riskengine.scenario.state.perpetual import PerpetualMarket

# models that no shipped file uses and that have no defaults
_EXAMPLES = {
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
    "depth": Depth((0.36, 0.5), (1.2, 1.0), (0.2, 0.2), (4.0, 4.0), (10.0, 10.0), (0.01, 0.01)),
    "perpetual": PerpetualMarket(
        (0.0, 0.0), (5e-4, 5e-4), (48.0, 48.0), (0.002, 0.0), (1e-4, 1e-4), (1.0, 1.0), (0.5, 0.5), (0.36, 0.5)
    ),
    "borrow_rate": BorrowRate((0.03, 0.02), (0.4, 0.4), (72.0, 72.0), (0.5, 0.5), (0.36, 0.5)),
}


@cache
def quickstart() -> Any:
    """The shipped quickstart, read once."""
    return load_study("quickstart").study


@cache
def _found() -> dict[str, dict[str, Any]]:
    study = quickstart()
    worlds = [load_world(name) for name in shipped("scenarios")]
    families = {
        "scenarios": [w.model for w in worlds],
        "surfaces": [w.surface for w in worlds],
        "margin": study.margin.models,
        "lending": [study.lending.market],
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
