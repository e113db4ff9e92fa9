"""Laws of inputs, their scales, their dependence; numbers of a study by path."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtri

from riskengine.config.study import load_study, load_world
from riskengine.study.vary import number_at, with_numbers
from riskengine.tune.inputs import Dependence, Input, Inputs, fit_paths


@pytest.fixture(scope="module")
def study():
    return load_study("quickstart").study


def one(study, **fields):
    return Inputs((Input("a", "g", **fields),), study)


def test_each_law_maps_a_uniform_to_its_quantile(study):
    gas = ("lending.market.keeper.gas_usd",)
    assert one(study, set=gas, law="uniform", low=10.0, high=30.0).number(0, 0.25) == 15.0
    assert one(study, set=gas, law="log_uniform", low=1.0, high=100.0).number(0, 0.5) == pytest.approx(10.0)
    assert one(study, set=gas, law="choice", values=(7.0, 8.0, 9.0)).number(0, 0.99) == 9.0
    assert one(study, set=gas, law="normal", sd=2.0).number(0, 0.9) == pytest.approx(30.0 + 2.0 * ndtri(0.9))
    assert one(study, set=gas, law="normal", sd=2.0, scale="shift").numbers([0.9])[gas[0]] == pytest.approx(
        30.0 + 2.0 * ndtri(0.9)
    )
    middle = one(study, set=gas, law="log_normal", sd=0.2, scale="factor")
    assert middle.numbers([0.5])[gas[0]] == pytest.approx(30.0)
    assert middle.numbers([0.9])[gas[0]] == pytest.approx(30.0 * np.exp(0.2 * ndtri(0.9)))


def test_a_cut_normal_law_stays_within_its_ends_and_keeps_its_shape(study):
    cut = one(study, set=("lending.market.keeper.gas_usd",), law="normal", sd=10.0, low=25.0, high=45.0)
    u = np.linspace(1e-6, 1 - 1e-6, 1001)
    x = np.array([cut.number(0, p) for p in u])
    assert (x >= 25.0 - 1e-9).all() and (x <= 45.0 + 1e-9).all() and (np.diff(x) > 0).all()
    # the law between two points is that of the uncut one, divided by its mass between the ends
    from scipy.special import ndtr

    mass = ndtr(1.5) - ndtr(-0.5)
    at = [(ndtr((v - 30.0) / 10.0) - ndtr(-0.5)) / mass for v in x[[100, 500, 900]]]
    np.testing.assert_allclose(at, u[[100, 500, 900]], atol=1e-9)


def test_whole_numbers_stay_whole_and_nan_leaves_an_input_alone(study):
    space = Inputs(
        (
            Input("calls", "keeper", ("lending.market.keeper.calls_per_step",), "uniform", 1.0, 8.0),
            Input("decay", "estimation", ("margin.models.2.decay",), "uniform", 0.9, 0.99),
        ),
        study,
    )
    made = space.at([0.5, np.nan])
    assert made.lending.market.keeper.calls_per_step == 4 and isinstance(made.lending.market.keeper.calls_per_step, int)
    assert made.margin.models[2] == study.margin.models[2]
    assert study.lending.market.keeper.calls_per_step == 4


def test_a_law_of_the_fit_takes_its_standard_error_and_its_places(study):
    assert fit_paths(study.world, "kappa") == ("world.model.kappa.0", "world.model.kappa.1")
    assert fit_paths(study.world, "jumps_common.mean[ETH]") == ("world.model.jumps_common.mean.1",)
    assert fit_paths(study.world, "correlation[BTC,ETH]") == (
        "world.model.correlation.0.1",
        "world.model.correlation.1.0",
    )
    space = one(study, law="fit", fit="kappa")
    kappa = study.world.model.kappa[0]
    assert space.numbers([0.8])["world.model.kappa.1"] == pytest.approx(kappa * np.exp(4.94 / kappa * ndtri(0.8)))
    mean = one(study, law="fit", fit="jumps_common.mean[ETH]")
    assert mean.numbers([0.8])["world.model.jumps_common.mean.1"] == pytest.approx(-0.0128242 + 0.00283 * ndtri(0.8))
    with pytest.raises(ValueError, match="did you mean 'kappa'"):
        fit_paths(study.world, "kapa")


def test_dependence_comes_from_the_fit_and_from_what_is_declared(study):
    stated = {"names": ["kappa", "jumps_common.intensity"], "matrix": [[1.0, -0.6], [-0.6, 1.0]]}
    world = replace(study.world, fit=study.world.fit | {"error_correlation": stated})
    inputs = (
        Input("rate", "price law", law="fit", fit="jumps_common.intensity"),
        Input("gas", "keeper", ("lending.market.keeper.gas_usd",), "uniform", 1.0, 2.0),
        Input("kappa", "price law", law="fit", fit="kappa"),
    )
    space = Inputs(inputs, replace(study, world=world))
    assert space.correlation[0, 2] == space.correlation[2, 0] == -0.6
    assert space.dependent() and space.dependent((0,)) and not space.dependent((0, 2))
    tied = Inputs(inputs, replace(study, world=world), (Dependence(("gas", "kappa"), 0.3),))
    assert tied.correlation[1, 2] == 0.3 and tied.dependent((0, 2))
    broken = replace(world, fit=world.fit | {"error_correlation": {"names": ["kappa"], "matrix": [[0.5]]}})
    with pytest.raises(ValueError, match="symmetric matrix with ones"):
        _ = Inputs(inputs, replace(study, world=broken)).correlation


def test_numbers_are_replaced_all_at_once_and_the_study_stays(study):
    pair = {"world.model.correlation.0.1": 0.5, "world.model.correlation.1.0": 0.5}
    made = with_numbers(study, pair)
    assert number_at(made, "world.model.correlation.1.0") == 0.5
    assert number_at(study, "world.model.correlation.1.0") == 0.849339
    with pytest.raises(ValueError, match="correlation"):
        with_numbers(study, {"world.model.correlation.0.1": 0.5})
    with pytest.raises(ValueError, match="must be a number"):
        number_at(study, "world.model")
    assert with_numbers(study, {"lending.market.liquidity.depth_usd.BTC": 1.0}).lending.market.liquidity.depth_usd[
        "BTC"
    ] == 1.0  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"set": (), "law": "uniform", "low": 0.0, "high": 1.0}, "at least one path"),
        ({"set": ("a",), "law": "uniform"}, "low must be given.*high must be given"),
        ({"set": ("a",), "law": "choice", "values": (1.0,)}, "at least two numbers"),
        ({"set": ("a",), "law": "log_uniform", "low": 0.0, "high": 1.0}, "low must be positive"),
        ({"set": ("a",), "law": "normal", "sd": -1.0}, "sd must be positive"),
        ({"set": ("a",), "law": "normal", "sd": 1.0, "scale": "factor"}, "scale must be value or shift"),
        ({"set": ("a",), "law": "uniform", "low": 0.0, "high": 1.0, "fit": "kappa"}, "with law fit and with no other"),
    ],
)
def test_bad_inputs_are_named(fields, says):
    with pytest.raises(ValueError, match=says):
        Input("a", "g", **fields)


def test_a_world_without_a_fit_says_so():
    with pytest.raises(ValueError, match="it gives none"):
        fit_paths(load_world("merton_day"), "kappa")
