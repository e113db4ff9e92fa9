"""Exposures of the lab: a borrower, an account of options, and the exact scores of estimates on them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from riskengine.book.portfolio import Portfolio
from riskengine.config.dump import dump
from riskengine.config.study import load_study, load_world, study_of
from riskengine.engine.estimator_lab import Bench
from riskengine.errors import InputError
from riskengine.exposure.health_factor import HealthFactorExposure
from riskengine.exposure.option_book import OptionBookExposure
from riskengine.exposure.unit import Exposure
from riskengine.instrument.terms import EuropeanOption, Perpetual
from riskengine.law.position import PositionTail
from riskengine.pricing.black import black76
from riskengine.random import DrawKeys
from riskengine.score.fissler_ziegel import fz0_score
from riskengine.score.pinball import pinball_regret

SPOT = 34_500.0


def book(*quantity, cash=(0.0, 0.0), days=30.0):
    held = (
        EuropeanOption("BTC", SPOT, 24 * days, "call"),
        EuropeanOption("BTC", SPOT, 24 * days, "put", "inverse"),
        Perpetual("BTC", "inverse"),
    )
    entry = np.array([[0.0, 0.0, SPOT]])
    return Portfolio(("BTC",), held, np.array([quantity], float), entry, np.array([cash], float), ("one",), ("any",))


@pytest.fixture(scope="module")
def world():
    return load_world("merton_day")


def test_an_account_loses_what_black_scholes_says(world):
    """A short straddle with coins and a perpetual, at the flat volatility of this world's surface."""
    position = OptionBookExposure(book(-2.0, -1.0, 0.5, cash=(100.0, 0.25))).position(world.model, world.surface, 24.0)
    x = np.array([-0.2, -0.01, 0.0, 0.15])
    spot, volatility = SPOT * np.exp(x), np.sqrt(0.48)

    def options(s, tau):
        return -2 * black76(s, SPOT, tau, volatility, 1, 1.0) - black76(s, SPOT, tau, volatility, -1, 1.0)

    gain = options(spot, 29 / 365) - options(np.array([SPOT]), 30 / 365) + 0.75 * (spot - SPOT)
    np.testing.assert_allclose(position.loss(x), -gain, rtol=1e-9, atol=1e-8)
    assert position.side is None and position.kinks == ()
    lower, upper = position.worse(np.array([0.0, 3000.0]))
    assert lower.shape == upper.shape == (2, 2)


def test_options_that_expire_have_kinks_and_earlier_ones_are_refused(world):
    exposure = OptionBookExposure(book(-1.0, -1.0, 0.0, days=1.0))
    assert exposure.position(world.model, world.surface, 24.0).kinks == (0.0,)
    with pytest.raises(ValueError, match="must not expire before the horizon of 48 h"):
        exposure.position(world.model, world.surface, 48.0)


def test_a_surface_that_moves_stays_at_the_mean_of_its_state():
    """Samples given the state see the same loss: it is a function of the return alone."""
    world = load_world("btc_eth")
    terms = EuropeanOption("BTC", SPOT, 720.0, "call")
    held = Portfolio(
        ("BTC", "ETH"), (terms,), np.array([[-1.0]]), np.zeros((1, 1)), np.zeros((1, 3)), ("one",), ("any",)
    )
    exposure = OptionBookExposure(held)
    assert exposure.name == "BTC book one"
    position = exposure.position(world.model, world.surface, 24.0)
    law = world.model.law("BTC", 1 / 365)
    assert position.variance[0] == law.theta
    tail = PositionTail(position, law)
    var = tail.var(np.array([0.99]))
    x = -np.asarray(law.quantile(np.array([0.01]))) if position.loss(np.array([0.1])) < 0 else law.quantile([0.99])
    np.testing.assert_allclose(var, position.loss(np.asarray(x)), rtol=1e-6)


def test_a_borrower(world):
    fall = HealthFactorExposure("BTC", 200.0, 100.0, 0.8)
    assert fall.name == "BTC health factor 1.6, fall"
    position, law = fall.position(world.model, world.surface, 24.0), world.model.law("BTC", 1 / 365)
    unit = Exposure("BTC", "long", "linear").unit
    levels = np.array([0.95, 0.999])
    tail, linear = PositionTail(position, law), PositionTail(unit, law)
    np.testing.assert_allclose(tail.var(levels), 1.6 * linear.var(levels), rtol=1e-12)
    np.testing.assert_allclose(tail.expected_shortfall(levels), 1.6 * linear.expected_shortfall(levels), rtol=1e-10)
    np.testing.assert_allclose(tail.breach(1.6 * linear.var(levels)), 1 - levels, rtol=1e-9)


def test_a_shortfall_has_an_atom_at_zero(world):
    exposure = HealthFactorExposure("BTC", 108.0, 100.0, 0.95, "shortfall")
    position, law = exposure.position(world.model, world.surface, 24.0), world.model.law("BTC", 1 / 365)
    tail = PositionTail(position, law)
    some = float(law.cdf(np.log(100 / 108)))
    assert tail.breach(0.0) == pytest.approx(some, rel=1e-9)
    assert tail.breach(-0.1) == 1.0
    assert tail.var(np.array([0.5]))[0] == 0.0
    mean = quad(lambda x: (1 - 1.08 * np.exp(x)) * float(law.pdf(x)), -1.2, -np.log(1.08), epsabs=1e-14, limit=300)[0]
    assert tail.excess(0.0) == pytest.approx(mean, rel=1e-7)
    assert tail.expected_shortfall(0.5) == pytest.approx(mean / 0.5, rel=1e-7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: HealthFactorExposure("BTC", 100.0, 90.0, 0.8), "health factor must be at least 1 now"),
        (lambda: HealthFactorExposure("BTC", -1.0, 90.0), "collateral_usd must lie in"),
        (lambda: OptionBookExposure(book(1.0, 0.0, 0.0), "two"), "account must be one of one, got 'two'"),
        (lambda: OptionBookExposure(book(0.0, 0.0, 0.0)), "account must hold instruments and coins of one asset"),
    ],
)
def test_faults(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_regrets_are_expected_scores(world):
    exposure = Exposure("BTC", "long", "log")
    bench = Bench(world, 24.0, "independent", DrawKeys(1))
    levels = np.array([0.975, 0.99])
    truth = bench.truth(exposure, levels)
    var = truth.var.value[:, None] * np.array([0.7, 1.0, 1.2, -1.0, np.nan])
    es = truth.es.value[:, None] * np.array([0.8, 1.0, 1.3, 1.0, 1.0])
    pinball, joint = bench.regrets(exposure, levels, truth, var, es)
    law = bench.tail(exposure).law
    for i, level in enumerate(levels):
        wanted = pinball_regret(lambda y: 1 - law.cdf(-y), truth.var.value[i], var[i, :4], level)
        np.testing.assert_allclose(pinball[i, :4], wanted, rtol=1e-8, atol=1e-14)

        def expected(v, e, level=level):
            # loss y has density f(-y); the score has a kink at v
            f = lambda y: float(fz0_score(y, v, e, level)) * float(law.pdf(-y))  # noqa: E731
            return sum(quad(f, a, b, epsabs=1e-12, limit=300)[0] for a, b in ((-0.9, 0.0), (0.0, v), (v, 0.9)))

        least = expected(truth.var.value[i], truth.es.value[i])
        for k in (0, 2):
            assert joint[i, k] == pytest.approx(expected(var[i, k], es[i, k]) - least, rel=1e-6)
    assert (joint[:, 1] < 1e-12).all()
    assert np.isnan(joint[:, 3:]).all() and np.isnan(pinball[:, 4]).all()


TEXT = """
exposures:
  - {asset: BTC, side: short, contract: log}
  - {kind: health_factor, asset: BTC, collateral_usd: 200, debt_usd: 100}
  - kind: option_book
    book:
      assets: [BTC]
      accounts:
        - name: straddle
          positions:
            - {instrument: option, asset: BTC, type: call, moneyness: 1.0, expiry_days: 30, quantity: -1}
            - {instrument: option, asset: BTC, type: put, moneyness: 1.0, expiry_days: 30, quantity: -1}
"""


def written(folder, text):
    lines = (load_text("calibration_lab")).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("exposures:"))
    kept = lines[:start] + text.strip().splitlines() + lines[start + 2 :]
    (folder / "lab.yaml").write_text("\n".join(kept) + "\n")
    return folder / "lab.yaml"


def load_text(name):
    from riskengine.config.locate import find

    return find("studies", name).read_text()


def test_exposures_from_a_file_and_back(tmp_path):
    loaded = load_study(written(tmp_path, TEXT))
    names = [e.name for e in loaded.study.exposures]
    assert names == ["BTC short log", "BTC health factor 1.6, fall", "BTC book straddle"]
    assert "kind" not in loaded.resolved["exposures"][0]
    assert dump(study_of(loaded.resolved)) == loaded.resolved


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("kind: health_factor", "kind: health_fact", "did you mean 'health_factor'?"),
        ("expiry_days: 30", "expiry_hours: 12", "must not expire before the horizon of 24 h"),
        ("debt_usd: 100", "debt_usd: 190", "health factor must be at least 1 now"),
    ],
)
def test_faults_in_a_file_have_their_place(tmp_path, old, new, said):
    with pytest.raises(InputError) as caught:
        load_study(written(tmp_path, TEXT.replace(old, new)))
    assert said in str(caught.value)
    assert "exposures" in str(caught.value)


def test_a_lab_on_a_book_and_a_borrower(world):
    """Order statistics breach as often as their rank says, whatever the loss; ES has its truth."""
    from riskengine.estimator.historical import HistoricalEstimator
    from riskengine.study.estimator_lab import EstimatorLab

    study = load_study("calibration_lab").study
    study = replace(
        study,
        exposures=(OptionBookExposure(book(-1.0, -1.0, 0.1)), HealthFactorExposure("BTC", 130.0, 100.0)),
        estimators=(HistoricalEstimator(),),
        levels=(0.95, 0.99),
        sample_sizes=(250,),
        replications=1000,
        limit_size=4096,
        limit_replications=16,
        targets=(0.01,),
    )
    lab = EstimatorLab(study)
    lab.prepare()
    for block in lab.blocks:
        lab.block(block)
    found = {(r.parameters["exposure"], r.parameters.get("level"), r.measure): r.estimate for r in lab.rows()}
    for name in ("BTC book one", "BTC health factor 1.04, fall"):
        for level in (0.95, 0.99):
            rate = found[name, level, "mean_breach_probability"]
            rank = int(np.ceil(250 * level - 1e-9))
            assert abs(rate.value - (251 - rank) / 251) <= 4.5 * rate.std_error
            assert found[name, level, "true_shortfall"].value > found[name, level, "true_quantile"].value
            model = found[name, level, "es_model_error"]
            assert abs(model.value) <= 4.5 * model.std_error + 0.01
            assert found[name, level, "joint_score_regret"].value > 0.0
            assert found[name, level, "score_regret"].value > 0.0
