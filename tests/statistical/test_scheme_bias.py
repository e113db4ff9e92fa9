"""The simulation scheme against the exact law: unbiased schemes pass, a wrong law is seen, and a coarse step shows."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.special import ndtri

from riskengine.config.study import load_world
from riskengine.engine.scheme import LEVELS, Scheme, scheme_bias
from riskengine.errors import RunError
from riskengine.law.merton import MertonLaw
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.event import Event
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.merton import Merton
from riskengine.study.columns import Columns
from riskengine.study.measures import scheme_rows

BASE = load_world("btc_eth")
MERTON = replace(
    BASE,
    model=Merton(("BTC",), (1.0,), (0.1,), (0.6,), ((1.0,),), None, OwnJumps((30.0,), (-0.02,), (0.06,))),
)
DAY = TimeGrid(86_400, 1)
# 2 sides, 2 levels, 3 measures, family-wise 1e-4
Z = float(ndtri(1 - 1e-4 / 12 / 2))


def test_an_exact_scheme_has_no_bias_that_is_seen():
    found = list(scheme_bias(MERTON, DAY, DrawKeys(20261101), 60_000))
    assert len(found) == 12 and {f.measure for f in found} == {"breach_probability", "var", "expected_shortfall"}
    for f in found:
        assert f.difference.value == pytest.approx(f.simulated.value - f.exact, abs=1e-15)
        if f.measure == "breach_probability":
            error = np.sqrt(f.exact * (1 - f.exact) / f.simulated.n)
        elif f.measure == "var":  # a bound of the order statistics is about 1.96 errors away
            error = (f.simulated.upper - f.simulated.lower) / 3.9
        else:
            error = f.simulated.std_error
        assert abs(f.difference.value) < Z * error, f


@dataclass(frozen=True)
class Mislabelled(Merton):
    """Draws one volatility and claims another."""

    def law(self, asset, horizon, variance=None):
        return replace(super().law(asset, horizon), sigma=1.4 * self.volatility[0])


def test_a_scheme_that_draws_from_another_law_is_seen():
    wrong = replace(MERTON, model=Mislabelled(**vars(MERTON.model)))
    found = [f for f in scheme_bias(wrong, DAY, DrawKeys(1), 60_000) if f.level == 0.99]
    assert all(f.difference.upper < 0 for f in found if f.measure != "expected_shortfall")
    assert all(f.difference.value < -3 * f.simulated.std_error for f in found if f.measure == "expected_shortfall")


def test_columns_are_the_paths_beyond_the_exact_quantiles():
    scheme = Scheme(MERTON, DAY)
    paths = MERTON.sample(DAY, 0, 5000, DrawKeys(7))
    columns = scheme.columns(paths)
    x = np.log(paths.spot_lanes[-1, 0] / paths.spot_lanes[0, 0])
    law = MERTON.model.law("BTC", 1 / 365)
    for level in LEVELS:
        head = ("scheme", "merton", level, None, "BTC")
        np.testing.assert_array_equal(columns[*head, "scheme_lower_tail"], law.cdf(x) <= 1 - level)
        np.testing.assert_array_equal(columns[*head, "scheme_upper_tail"], law.cdf(x) > level)
    assert len(columns) == 4


def test_nothing_is_held_against_a_law_that_paths_do_not_follow():
    stressed = replace(MERTON, event=Event("BTC", -0.05, 24, "end"))
    paths = MERTON.sample(DAY, 0, 10, DrawKeys(7))
    assert not Scheme(stressed, DAY).columns(paths)
    assert not Scheme(MERTON, DAY).columns(replace(paths, log_weight=np.zeros(10)))
    assert Scheme(MERTON, DAY).columns(paths)
    with pytest.raises(ValueError, match="must follow its exact law .* a stress"):
        next(scheme_bias(stressed, DAY, DrawKeys(1), 10))


@dataclass(frozen=True)
class Stubborn(Merton):
    """A world whose law cannot be inverted."""

    def law(self, asset, horizon, variance=None):
        raise RunError("the characteristic function must fall")


class NoColumns(Columns):
    """Columns of a run in which the scheme had nothing to say."""

    def __init__(self):
        self.keys = ()


def test_a_law_that_cannot_be_inverted_is_said_not_dropped():
    world = replace(MERTON, model=Stubborn(**vars(MERTON.model)))
    scheme = Scheme(world, DAY)
    assert not scheme.columns(MERTON.sample(DAY, 0, 10, DrawKeys(7)))
    rows = list(scheme_rows(NoColumns(), scheme, "merton"))
    assert len(rows) == 4 and {r.parameters["level"] for r in rows} == set(LEVELS)
    assert all(np.isnan(r.estimate.value) and "must fall" in r.estimate.method for r in rows)
    assert isinstance(MERTON.model.law("BTC", 1.0), MertonLaw)


def test_a_history_that_moves_a_stated_variance_refuses_the_check_with_the_reason():
    """From three times its mean variance falls in a fortnight of history, and time 0 is not where the law starts."""
    model = replace(BASE.model, initial_variance=tuple(3.0 * v for v in BASE.model.theta))
    stated, aged = replace(BASE, model=model), TimeGrid(86_400, 1, 86_400, 14)
    assert Scheme(stated, DAY).assets == BASE.model.assets and Scheme(BASE, aged).assets == BASE.model.assets
    scheme = Scheme(stated, aged)
    assert not scheme.assets and set(scheme.refused) == set(BASE.model.assets)
    assert not scheme.columns(stated.sample(aged, 0, 10, DrawKeys(7)))
    (reason,) = set(scheme.refused.values())
    assert "stated start of the history" in reason
    rows = list(scheme_rows(NoColumns(), scheme, "bates"))
    assert len(rows) == 8 and all(np.isnan(r.estimate.value) and reason in r.estimate.method for r in rows)
    with pytest.raises(ValueError, match="stated start of the history"):
        next(scheme_bias(stated, aged, DrawKeys(1), 10))
