"""Recovery of known laws from chains, errors that cover, and fits that say what they do not know."""

import numpy as np
import pytest
from scipy.stats import binom
from synthetic_chains import BATES, HESTON, START, chain

from riskengine.calibrate.pricing_law.fit import Quality, fit_law
from riskengine.calibrate.pricing_law.identify import covariance
from riskengine.calibrate.pricing_law.law import PricingLaw
from riskengine.calibrate.pricing_law.levenberg import LOSSES, loss, minimise
from riskengine.calibrate.pricing_law.objective import FitRules, Objective, scales
from riskengine.calibrate.pricing_law.parameters import Coordinates
from riskengine.calibrate.pricing_law.quotes import part

LAWS = {
    "black": (0.5,),
    "merton": (0.35, 12.0, -0.03, 0.09),
    "kou": (0.35, 8.0, 0.4, 12.0, 9.0),
    "heston": HESTON.parameters,
    "bates": BATES.parameters,
}


@pytest.mark.parametrize("family", sorted(LAWS))
def test_exact_quotes_give_the_law_back(family):
    law = PricingLaw(family, "BTC", START, LAWS[family], (), ())
    fit = fit_law(chain(law), family, FitRules(pull=0.0))
    assert fit.law.parameters == pytest.approx(law.parameters, rel=1e-6)
    assert fit.quality.rmse < 1e-9
    assert fit.quality.inside == 1.0
    assert fit.settled


def test_svcj_prices_are_recovered_where_its_parameters_are_not():
    law = PricingLaw("svcj", "BTC", START, (*BATES.parameters, 0.15, -0.2), (), ())
    c = chain(law, per_expiry=30)
    fit = fit_law(c, "svcj", FitRules(pull=0.0))
    assert fit.quality.spreads < 0.05
    assert fit.law.values["v0"] == pytest.approx(law.values["v0"], rel=0.02)


def test_a_shift_is_recovered():
    """Variance that is 0.1 higher for two weeks, on a law that is known."""
    days = np.array([2, 5, 12, 26, 54, 117, 236])
    law = PricingLaw("heston", "BTC", START, (0.16, 4.0, 0.05, 1.6, -0.3), START + days * 86400, [0.1] * 3 + [0.0] * 4)
    c = chain(law)
    plain, extended = fit_law(c, "heston"), fit_law(c, "heston", FitRules(shift=True, pull=0.0, shift_pull=0.0))
    assert extended.quality.spreads < 0.02 < plain.quality.spreads
    assert extended.law.shift(START, c.expiries) == pytest.approx(law.shift(START, c.expiries), abs=2e-4)
    assert extended.law.name == "heston++"


@pytest.mark.parametrize("family", ["merton", "heston", "bates"])
def test_the_jacobian_is_the_derivative(family):
    c = chain(BATES)
    coordinates = Coordinates.of(family)
    rates = np.linspace(0.02, 0.08, c.expiries.size)
    x = np.concatenate([coordinates.vector(np.array(LAWS[family])), rates])
    objective = Objective(c, coordinates, FitRules(shift=True), x + 0.1, np.full(x.size, 0.3))
    r, jacobian = objective(x)
    assert r.size == c.count + x.size
    for i in range(x.size):
        step = 1e-4 * (np.arange(x.size) == i)
        numeric = (objective(x + step)[0] - objective(x - step)[0]) / 2e-4
        assert np.abs(numeric - jacobian[:, i]).max() < 1e-5 * max(1.0, np.abs(jacobian[:, i]).max())


def test_intervals_cover():
    """95 % intervals of 40 noisy Heston chains: the number of misses of each parameter is binomial."""
    rng = np.random.default_rng(11)
    misses = np.zeros(5, dtype=int)
    for _ in range(40):
        fit = fit_law(chain(HESTON, noise=rng.uniform(-1.0, 1.0, 7 * 24)), "heston")
        error = np.array(list(fit.standard_errors.values()))
        misses += np.abs(np.array(fit.law.parameters) - HESTON.parameters) > 1.96 * error
        assert fit.unidentified == {}
    # five parameters, family-wise 1e-4
    assert misses.max() <= binom.ppf(1 - 1e-4 / 5, 40, 0.05)


def test_a_wild_quote_does_not_decide():
    noise = np.zeros(7 * 24)
    noise[60:64] = 60.0
    c = chain(HESTON, noise=noise)
    robust, square = fit_law(c, "heston"), fit_law(c, "heston", FitRules(loss="square"))
    assert robust.quality.inside > 0.97 > square.quality.inside


def test_a_valley_is_shown():
    """Without jumps in the data, nothing says how large jumps are that hardly come."""
    rng = np.random.default_rng(3)
    fit = fit_law(chain(HESTON, noise=rng.uniform(-1.0, 1.0, 7 * 24)), "bates")
    assert {"mean", "sd", "intensity"} & set(fit.unidentified)
    assert fit.valleys
    assert {"intensity", "mean", "sd"} & set(fit.valleys[0].direction)
    assert "standard error" in str(fit.valleys[0])
    assert not {"v0", "theta"} & set(fit.unidentified)


def test_feller_is_said_and_allowed():
    law = PricingLaw("heston", "BTC", START, (0.16, 2.0, 0.2, 2.5, -0.3), (), ())
    fit = fit_law(chain(law), "heston", FitRules(pull=0.0))
    assert fit.law.feller == pytest.approx(2 * 2.0 * 0.2 / 2.5**2)
    assert fit.law.feller < 1.0
    assert np.isnan(PricingLaw("black", "BTC", START, (0.5,), (), ()).feller)


def test_too_few_quotes_or_expiries():
    c = chain(BATES)
    three = part(c, np.array([0, 60, 120]))
    with pytest.raises(ValueError, match=r"bates must have at least 11 quotes \(8 free numbers and 3 more\), got 3"):
        fit_law(three, "bates")
    with pytest.raises(ValueError, match="one shift per expiry"):
        fit_law(three, "bates", FitRules(shift=True))
    single = part(c, np.flatnonzero(c.expiry == 3))
    with pytest.raises(ValueError, match="at least two expiries to tell v0 from theta, got one"):
        fit_law(single, "heston")
    assert fit_law(single, "merton").quality.inside > 0.9
    with pytest.raises(ValueError, match="model must be one of heston"):
        fit_law(c, "variance_gamma")


def test_scales():
    c = chain(BATES)
    assert scales(c, "spread") == pytest.approx(np.full(c.count, 2e-4))
    black = [PricingLaw("black", "BTC", START, (v,), (), ()) for v in (0.445, 0.45, 0.455)]
    flat = chain(black[1])
    middle = np.abs(flat.log_moneyness) < 0.3 * np.sqrt(flat.tau[flat.expiry])
    one_point = black[2].prices(flat) - black[0].prices(flat)
    assert scales(flat, "vega")[middle] == pytest.approx(one_point[middle], rel=1e-3)
    with pytest.raises(ValueError, match="weights must be one of"):
        FitRules(weights="volume")
    with pytest.raises(ValueError, match="loss must be one of"):
        FitRules(loss="absolute")


def test_quality_counts():
    c = chain(BATES)
    q = Quality.of(c, c.mid + 1.5 * c.half_spread)
    assert (q.inside, q.quotes) == (0.0, c.count)
    assert q.spreads == pytest.approx(1.5)
    assert q.mae == pytest.approx(3e-4)
    assert Quality.of(c, c.mid, np.arange(5)).quotes == 5


@pytest.mark.parametrize("kind", LOSSES)
def test_losses_have_their_slopes(kind):
    square = np.array([0.0, 0.3, 0.9, 1.1, 4.0, 50.0])
    numeric = (loss(square + 1e-6, kind)[0] - loss(np.maximum(square - 1e-6, 0.0), kind)[0]) / 2e-6
    assert loss(square, kind)[1][1:] == pytest.approx(numeric[1:], rel=1e-4)


def test_the_search_holds_bounds_and_ends():
    """Rosenbrock's valley, inside and against a wall."""

    def model(x):
        r = np.array([10.0 * (x[1] - x[0] ** 2), 1.0 - x[0]])
        return r, np.array([[-20.0 * x[0], 10.0], [-1.0, 0.0]])

    start, far = np.array([-1.2, 1.0]), np.full(2, 5.0)
    found = minimise(model, start, -far, far, kind="square", tolerance=1e-12)
    assert found.x == pytest.approx([1.0, 1.0], abs=1e-6)
    assert found.settled
    wall = minimise(model, start, -far, np.array([0.5, 5.0]), kind="square", tolerance=1e-12)
    assert wall.x == pytest.approx([0.5, 0.25], abs=1e-6)
    short = minimise(model, start, -far, far, kind="square", steps=2)
    assert not short.settled


def test_covariance_of_least_squares():
    rng = np.random.default_rng(2)
    jacobian, z = rng.standard_normal((200, 3)), 0.5 * rng.standard_normal(200)
    held = np.array([False, True, False])
    moving = jacobian[:, [0, 2]]
    wanted = (z @ z) / (200 - 2) * np.linalg.inv(moving.T @ moving)
    got = covariance(z, jacobian, "square", held)
    assert got[np.ix_([0, 2], [0, 2])] == pytest.approx(wanted, rel=1e-6)
    assert not got[1].any()


def test_laws_refuse():
    with pytest.raises(ValueError, match="parameters must be 5 numbers"):
        PricingLaw("heston", "BTC", START, (0.1, 0.2), (), ())
    with pytest.raises(ValueError, match=r"kappa must be positive, got -4.0; rho must lie in \[-1, 1\], got -1.5"):
        PricingLaw("heston", "BTC", START, (0.1, -4.0, 0.2, 1.0, -1.5), (), ())
    with pytest.raises(ValueError, match="variance_mean \\* slope must be below 1"):
        PricingLaw("svcj", "BTC", START, (*BATES.parameters, 2.0, 0.6), (), ())
    with pytest.raises(ValueError, match="eta_up must be above 1"):
        PricingLaw("kou", "BTC", START, (0.3, 1.0, 0.5, 0.9, 5.0), (), ())
    with pytest.raises(ValueError, match="knots must increase and rates must not be negative"):
        PricingLaw("heston", "BTC", START, HESTON.parameters, (START + 9, START + 99), (0.1, -0.1))


def test_the_shift_lives_in_calendar_time():
    """A day later the same dates carry the same variance, less the day that has passed."""
    day = 86400
    law = PricingLaw("black", "BTC", START, (0.5,), (START + 10 * day, START + 20 * day), (0.2, 0.1))
    ends = np.array([START + 10 * day, START + 20 * day, START + 30 * day])
    assert law.shift(START, ends) == pytest.approx(np.array([2.0, 3.0, 4.0]) / 365)
    assert law.shift(START + 4 * day, ends) == pytest.approx(np.array([1.2, 2.2, 3.2]) / 365)
    assert law.shift(START - day, ends[:1]) == pytest.approx([2.2 / 365])
