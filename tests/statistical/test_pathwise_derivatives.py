"""Derivatives of quantiles and shortfalls from paths: against the exact ones, over seeds, and where refused."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import binom

from riskengine.book.portfolio import Portfolio
from riskengine.config.study import load_world
from riskengine.engine.questions import Exposure
from riskengine.exposure.option_book import OptionBookExposure
from riskengine.instrument.terms import EuropeanOption
from riskengine.law.position import PositionTail
from riskengine.law.quantile_derivative import quantile_derivative, shortfall_derivative
from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.report.rows import rows_of
from riskengine.report.sensitivity_chapters import derivatives
from riskengine.report.summary import sentences
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.jumps import OwnJumps
from riskengine.scenario.kou import Kou, KouOwnJumps
from riskengine.scenario.merton import Merton
from riskengine.stats.quantile_slope import tail_slopes
from riskengine.tune.pathwise import Middle
from riskengine.tune.quantile_report import Parameter, derivative_rows, loss_of, simulated_slopes
from riskengine.tune.sensitivity_spec import Derivatives

ONE = ((1.0,),)
HOURS, DAY = TimeGrid(3600, 24), TimeGrid(86_400, 1)
SIZES = ("jumps_own.mean[BTC]", "jumps_own.sd[BTC]")
RATE = "jumps_own.intensity[BTC]"


def fitted(model, *names):
    """The shipped BTC world with another model, and standard errors of a tenth of each parameter."""
    world = replace(load_world("btc"), model=model, fit={"standard_errors": dict.fromkeys(names, 0.1)})
    return world


GBM = fitted(Gbm(("BTC",), (6e4,), (0.0,), (0.7,), ONE), "volatility[BTC]", "drift[BTC]")
MERTON = fitted(
    Merton(("BTC",), (6e4,), (0.0,), (0.45,), ONE, None, OwnJumps((40.0,), (-0.01,), (0.05,))),
    "volatility[BTC]", "drift[BTC]", RATE, *SIZES,
)  # fmt: skip
KOU = fitted(
    Kou(("BTC",), (6e4,), (0.0,), (0.45,), ONE, None, KouOwnJumps((60.0,), (0.4,), (30.0,), (25.0,))),
    "volatility[BTC]", RATE, "jumps_own.up_share[BTC]", "jumps_own.eta_up[BTC]", "jumps_own.eta_down[BTC]",
)  # fmt: skip
WORLDS = {"gbm": (GBM, DAY), "merton": (MERTON, DAY), "kou": (KOU, DAY), "bates": (load_world("btc"), HOURS)}
LEVELS = (0.95, 0.99)
# two sides, two levels, VaR and ES of 2 + 5 + 5 + 7 parameters
FAMILY = 2 * 2 * 2 * 19
LIMIT = float(ndtri(1.0 - 0.5e-4 / FAMILY))


def exact(world, name, unit, levels):
    """(dVaR, dES) of the law, each (L,)."""
    own = Parameter(world, name)

    def law_at(value):
        return own.at(value).model.law("BTC", float(DAY.times[-1]))

    return [
        of(law_at, own.value, own.step, unit, np.array(levels)) for of in (quantile_derivative, shortfall_derivative)
    ]


@pytest.mark.parametrize("kind", WORLDS)
def test_every_parameter_moves_paths_as_it_moves_the_law(kind):
    """VaR and ES of every parameter within family-wise 1e-4; the share of a quantile too; few are refused."""
    world, grid = WORLDS[kind]
    exposures = (Exposure("BTC"), Exposure("BTC", "short"))
    found = simulated_slopes(world, Derivatives(exposures, LEVELS, paths=65_536), grid, 5, 0.95)
    names, refused = tuple(world.fit["standard_errors"]), 0
    assert len(found) == 2 * 2 * len(names)
    for exposure in exposures:
        law = world.model.law("BTC", float(DAY.times[-1]))
        tails = (exposure.unit.var(law, LEVELS), exposure.unit.expected_shortfall(law, LEVELS))
        for name in names:
            truth = exact(world, name, exposure.unit, LEVELS)
            for j, level in enumerate(LEVELS):
                method, slopes = found[exposure.name, name, level]
                assert method.startswith("score of the number of jumps" if name == RATE else "pathwise")
                for own, share, value, tail in zip(
                    (slopes.var_slope, slopes.es_slope),
                    (slopes.var_growth, slopes.es_growth),
                    truth,
                    tails,
                    strict=True,
                ):
                    for estimate, wanted in ((own, value[j]), (share, value[j] / tail[j])):
                        if np.isnan(estimate.value):
                            refused += 1
                            assert "needed" in estimate.method
                            continue
                        # a drift moves every path alike: what is left then is the step's, far below the figure itself
                        room = max(LIMIT * estimate.std_error, 1e-4 * abs(wanted) if name.startswith("drift") else 0.0)
                        assert abs(estimate.value - wanted) < room, (exposure.name, name, level, estimate, wanted)
    assert refused <= 0.2 * 8 * 2 * len(names)


@pytest.mark.parametrize(
    ("world", "names", "level"),
    [
        (GBM, ("volatility[BTC]",), 0.98),
        (MERTON, (RATE, "jumps_own.sd[BTC]"), 0.98),
        (KOU, (RATE, "jumps_own.up_share[BTC]"), 0.95),
    ],
)
def test_the_interval_covers_over_seeds(world, names, level):
    """95 % intervals of 100 seeds: a true coverage of 93 to 97 % passes, family-wise 1e-4 over ten intervals."""
    seeds, exposure = 100, Exposure("BTC")
    covered = dict.fromkeys([(name, what) for name in names for what in ("var_slope", "es_slope")], 0)
    told = covered.copy()
    truth = {
        (name, what): float(value[0])
        for name in names
        for what, value in zip(("var_slope", "es_slope"), exact(world, name, exposure.unit, (level,)), strict=True)
    }
    for seed in range(seeds):
        asked = Derivatives((exposure,), (level,), names, 8192)
        for (_, name, _), (_, slopes) in simulated_slopes(world, asked, DAY, 1000 + seed, 0.95).items():
            for what in ("var_slope", "es_slope"):
                estimate, key = getattr(slopes, what), (name, what)
                if np.isfinite(estimate.value):
                    told[key] += 1
                    covered[key] += estimate.lower <= truth[key] <= estimate.upper
    for key, n in told.items():
        assert n >= (0.9 * seeds if key[1] == "var_slope" else 0.0)
        assert binom.ppf(5e-6, n, 0.93) <= covered[key] <= binom.ppf(1.0 - 5e-6, n, 0.97), key


def test_a_pure_pathwise_derivative_in_an_intensity_is_wrong_or_refused_and_the_score_is_right():
    """Small steps see the compensator alone: many standard errors off.  At larger ones few paths decide."""
    exposure, own = Exposure("BTC"), Parameter(MERTON, RATE)
    wanted = exact(MERTON, RATE, exposure.unit, (0.99,))[0][0]
    middle = Middle.of(MERTON, DAY, 65_536, 3, [loss_of(exposure)])

    def plain(step):
        ends = [Middle.of(own.at(own.value + s), DAY, 65_536, 3, [loss_of(exposure)]).losses[0] for s in (step, -step)]
        return tail_slopes(middle.losses[0], *ends, step, None, 0.99, 0.95).var_slope

    small = plain(1e-6 * own.value)
    assert abs(small.value - wanted) > 20.0 * small.std_error and small.value * wanted < 0.0
    assert "paths in effect" in plain(own.step).method
    beside = middle.beside(own.at(own.value + own.step), own.at(own.value - own.step), own.step)
    right = tail_slopes(
        middle.losses[0, beside.kept], beside.up[0, beside.kept], beside.down[0, beside.kept], own.step,
        beside.score[beside.kept], 0.99, 0.95,
    ).var_slope  # fmt: skip
    assert abs(right.value - wanted) < 4.0 * right.std_error < 0.4 * abs(wanted)
    # the score of a Poisson number has mean zero and variance T / intensity
    score = beside.score[beside.kept]
    error = score.std() / np.sqrt(score.size)
    assert abs(score.mean()) < 4.0 * error
    assert score.var() == pytest.approx(DAY.times[-1] / own.value, rel=0.1)


def straddle(*assets):
    """Short a call and a put of 30 days on the first asset, at the money."""
    terms = tuple(EuropeanOption(assets[0], 34_500.0, 720.0, right) for right in ("call", "put"))
    held, cash = np.array([[-1.0, -1.0]]), np.zeros((1, 1 + len(assets)))
    return OptionBookExposure(Portfolio(assets, terms, held, np.zeros((1, 2)), cash, ("straddle",), ("any",)))


def test_a_book_whose_quantile_is_known():
    """A straddle on a surface that stands still: its loss is a function of the return alone, and of two branches."""
    world, exposure, level = load_world("merton_day"), straddle("BTC"), 0.99
    names = ("volatility[BTC]", RATE, "jumps_own.sd[BTC]")
    world = replace(world, fit={"standard_errors": dict.fromkeys(names, 0.1)})
    found = simulated_slopes(world, Derivatives((exposure,), (level,)), DAY, 2, 0.95)
    for name in names:
        own = Parameter(world, name)

        def quantile(value, own=own):
            model = own.at(value).model
            position = exposure.position(model, world.surface, 24.0)
            return float(PositionTail(position, model.law("BTC", float(DAY.times[-1]))).var(np.array([level]))[0])

        h = 0.01 * own.value
        wanted = (quantile(own.value + h) - quantile(own.value - h)) / (2.0 * h)
        slopes = found[exposure.name, name, level][1]
        assert abs(slopes.var.value - quantile(own.value)) < 4.0 * slopes.var.std_error
        assert abs(slopes.var_slope.value - wanted) < 4.0 * slopes.var_slope.std_error < 0.5 * wanted


def test_a_book_on_a_moving_surface_against_plain_differences_of_quantiles():
    """No exact law: the derivative in the variance level against differences of quantiles at wide steps, in batches."""
    world, exposure = load_world("btc_eth"), straddle("BTC", "ETH")
    own, level, n, batches = Parameter(world, "theta[BTC]"), 0.95, 65_536, 16
    ((_, slopes),) = simulated_slopes(
        world, Derivatives((exposure,), (level,), (own.name,), n), HOURS, 4, 0.95
    ).values()
    h = 0.05 * own.value
    ends = [Middle.of(own.at(own.value + s), HOURS, n, 9, [loss_of(exposure)]).losses[0] for s in (h, -h)]
    up, down = (np.quantile(e.reshape(batches, -1), level, axis=1) for e in ends)
    secant = (up - down) / (2.0 * h)
    error = np.hypot(slopes.var_slope.std_error, secant.std(ddof=1) / np.sqrt(batches))
    assert slopes.var_slope.value > 4.0 * slopes.var_slope.std_error
    assert abs(slopes.var_slope.value - secant.mean()) < 4.0 * error
    rows = list(derivative_rows(world, Derivatives((exposure,), (level,), (own.name, "theta[ETH]"), n), HOURS, 4, 0.95))
    assert {r.parameters.get("parameter") for r in rows} == {own.name, None}  # ETH moves no path of this account
    assert {r.measure for r in rows} == {
        "quantile_change_simulated", "shortfall_change_simulated", "quantile_simulated", "shortfall_simulated",
        "kernel_width",
    }  # fmt: skip


def test_the_rows_of_a_unit_hold_both_routes_and_their_difference():
    rows = list(derivative_rows(MERTON, Derivatives((Exposure("BTC"),), (0.99,), (RATE,)), DAY, 1, 0.95))
    of = {r.measure: r.estimate for r in rows}
    for what in ("quantile_change", "shortfall_change"):
        gap = of[f"{what}_simulated"].value - of[what].value
        assert of[f"{what}_z"].value == pytest.approx(gap / of[f"{what}_simulated"].std_error)
        assert abs(of[f"{what}_z"].value) < 4.0 and of[what].std_error == 0.0
        assert of[f"{what}_simulated"].method.startswith("score of the number of jumps")
    chapter = derivatives({}, shown := rows_of({"rows": [r.as_dict() for r in rows]}), False)
    assert f"{RATE}: by the score of the number of jumps" in chapter.lead[1]
    (said,) = [
        text for text in sentences({"rows": [r.as_dict() for r in rows]}) if "by simulation against exact" in text
    ]
    assert "the largest of 2 differences is" in said and len(shown) == len(rows)
    log = list(derivative_rows(MERTON, Derivatives((Exposure("BTC", contract="log"),), (0.99,), (RATE,)), DAY, 1, 0.95))
    measures = {r.measure for r in log}
    assert "shortfall_change" not in measures and {"shortfall_change_simulated", "quantile_change_z"} <= measures


def test_what_cannot_be_told_is_refused():
    rng = np.random.default_rng(7)
    x = rng.normal(size=4000)
    few = tail_slopes(x, 1.01 * x, 0.99 * x, 0.01, None, 0.99, 0.95)
    assert np.isnan(few.var_slope.value) and few.var_slope.method == "40 paths beyond the quantile, at least 100 needed"
    flat = np.maximum(x, 3.0)
    assert "atom" in tail_slopes(flat, flat, flat, 0.01, None, 0.9, 0.95).es_slope.method
    gain = tail_slopes(x - 10.0, x - 9.999, x - 10.001, 0.001, None, 0.9, 0.95)
    assert gain.var_slope.value == pytest.approx(1.0, abs=1e-4) and "no loss" in gain.var_growth.method
    with pytest.raises(ValueError, match="never rings"):
        still = replace(MERTON, model=replace(MERTON.model, jumps_own=OwnJumps((0.0,), (-0.01,), (0.05,))))
        Middle.of(still, DAY, 64, 1, [loss_of(Exposure("BTC"))]).beside(MERTON, still, 1.0)


def test_paths_that_fail_are_not_dropped_unsaid():
    """A volatility that leaves the range of prices: the derivative says how many failed."""
    wild = replace(GBM, model=replace(GBM.model, volatility=(7000.0,)))
    asked = Derivatives((Exposure("BTC"),), (0.95,), ("volatility[BTC]",), 4096)
    ((_, slopes),) = simulated_slopes(wild, asked, DAY, 1, 0.95).values()
    assert "at most 0.1% of the paths may fail numerically, got" in slopes.var_slope.method


def test_the_draws_of_both_ends_are_those_of_the_middle():
    """Clocks slowed back to the middle rate give the paths of the middle, but for the compensator."""
    own = Parameter(MERTON, RATE)
    middle = Middle.of(MERTON, DAY, 4096, 6, [loss_of(Exposure("BTC", contract="log"))])
    beside = middle.beside(own.at(44.0), own.at(36.0), 4.0)
    shift = 4.0 * np.expm1(-0.01 + 0.5 * 0.05**2) * DAY.times[-1]
    np.testing.assert_allclose(beside.up[0, beside.kept] - middle.losses[0, beside.kept], shift, atol=1e-12)
    np.testing.assert_allclose(beside.down[0, beside.kept] - middle.losses[0, beside.kept], -shift, atol=1e-12)
    plain = MERTON.model.sample(DAY, 0, 4096, DrawKeys(6)).spot_lanes
    np.testing.assert_allclose(-np.log(plain[-1, 0] / plain[0, 0]), middle.losses[0], atol=1e-14)
