"""Worlds with valid parameters by construction: bits, invariances, scaling."""

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from riskengine.market.grid import TimeGrid
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.cojumps import CommonCoJumps, OwnCoJumps
from riskengine.scenario.correlation import check_correlation, factor
from riskengine.scenario.jumps import CommonJumps, OwnJumps
from riskengine.scenario.merton import Merton
from riskengine.scenario.shared_draws import sample_grid
from riskengine.scenario.svcj import Svcj

SETTINGS = settings(max_examples=25, deadline=None, derandomize=True)


@st.composite
def correlations(draw, count):
    """Correlation matrices: normalised Gram matrices of loadings with some variance left for each."""
    loading = np.array(draw(st.lists(st.floats(-0.9, 0.9), min_size=count, max_size=count)))
    out = np.outer(loading, loading)
    np.fill_diagonal(out, 1.0)
    return tuple(tuple(float(v) for v in row) for row in out)


@st.composite
def worlds(draw):
    count = draw(st.integers(1, 4))

    def vector(low, high):
        return tuple(draw(st.lists(st.floats(low, high), min_size=count, max_size=count)))

    fields = {
        "assets": tuple(f"A{i}" for i in range(count)),
        "spot": vector(1e-3, 1e5),
        "drift": vector(-1.0, 1.0),
        "correlation": draw(correlations(count)),
        "jumps_common": draw(
            st.none()
            | st.builds(CommonJumps, st.floats(0.0, 300.0), st.just(vector(-0.1, 0.1)), st.just(vector(0.0, 0.1)))
        ),
        "jumps_own": draw(
            st.none()
            | st.builds(OwnJumps, st.just(vector(0.0, 300.0)), st.just(vector(-0.1, 0.1)), st.just(vector(0.0, 0.1)))
        ),
    }
    kind = draw(st.sampled_from([Merton, Bates, Svcj]))
    if kind is Merton:
        return Merton(volatility=vector(0.01, 2.0), **fields)
    if kind is Svcj:
        for name, with_variance in (("jumps_common", CommonCoJumps), ("jumps_own", OwnCoJumps)):
            if fields[name] is not None:
                plain = {f.name: getattr(fields[name], f.name) for f in dataclasses.fields(fields[name])}
                fields[name] = with_variance(
                    **plain,
                    variance_mean=draw(st.just(vector(1e-6, 0.5)) | st.just((0.0,) * count)),
                    slope=vector(-1.0, 1.0),
                )
    return kind(
        kappa=vector(0.5, 20.0), theta=vector(0.02, 1.0), xi=vector(0.1, 4.0), rho=(0.0,) * count,
        initial_variance=draw(st.just("stationary") | st.just(vector(0.0, 1.0))),
        variance_correlation=draw(correlations(count)), **fields,
    )  # fmt: skip


@SETTINGS
@given(worlds(), st.integers(1, 299), st.integers(0, 2**40), st.integers(1, 20), st.integers(0, 9))
def test_any_split_of_a_block_has_the_same_bits(world, cut, first, steps, history):
    grid = TimeGrid(3_600, steps, 7_200 if history else 0, history)
    keys = DrawKeys(17, 2)
    whole = world.sample(grid, first, 300, keys)
    left, right = world.sample(grid, first, cut, keys), world.sample(grid, first + cut, 300 - cut, keys)
    for name in ("spot_lanes", "variance_lanes", "history_spot_lanes", "history_variance_lanes"):
        if getattr(whole, name) is not None:
            joined = np.concatenate((getattr(left, name), getattr(right, name)), axis=2)
            assert np.array_equal(joined, getattr(whole, name))
    assert not whole.failed.any() and (whole.spot_lanes > 0.0).all()


@SETTINGS
@given(worlds(), st.floats(1e-3, 1e3))
def test_prices_scale_with_the_price_at_the_start(world, factor_of):
    grid = TimeGrid(3_600, 5, 3_600, 5)
    scaled = dataclasses.replace(world, spot=tuple(s * factor_of for s in world.spot))
    a, b = world.sample(grid, 0, 20, DrawKeys(1)), scaled.sample(grid, 0, 20, DrawKeys(1))
    np.testing.assert_allclose(b.spot_lanes, a.spot_lanes * factor_of, rtol=1e-14)
    np.testing.assert_allclose(b.history_spot_lanes, a.history_spot_lanes * factor_of, rtol=1e-14)


@SETTINGS
@given(worlds(), st.integers(0, 2**64 - 1), st.integers(0, 2**32 - 1))
def test_a_path_is_a_function_of_its_number_and_the_keys(world, seed, group):
    grid = TimeGrid(86_400, 3)
    a, b = (world.sample(grid, 1_000, 7, DrawKeys(seed, group)) for _ in range(2))
    assert np.array_equal(a.spot_lanes, b.spot_lanes)


@SETTINGS
@given(st.integers(1, 6).flatmap(correlations))
def test_factor_reproduces_the_matrix(rows):
    matrix = check_correlation("correlation", rows, len(rows))
    lower = factor(matrix)
    assert np.array_equal(lower, np.tril(lower))
    np.testing.assert_allclose(lower @ lower.T, matrix, atol=1e-13)


@SETTINGS
@given(st.lists(worlds(), min_size=2, max_size=4), st.integers(0, 2**40), st.integers(1, 40), st.integers(0, 9))
def test_sampled_together_or_alone_the_bits_are_the_same(models, first, steps, history):
    grid = TimeGrid(86_400, steps, 43_200 if history else 0, history)
    for world, paths in zip(models, sample_grid(models, grid, first, 30, DrawKeys(3)), strict=True):
        alone = world.sample(grid, first, 30, DrawKeys(3))
        for name in ("spot_lanes", "variance_lanes", "history_spot_lanes", "history_variance_lanes", "failed"):
            if getattr(alone, name) is not None:
                assert np.array_equal(getattr(paths, name), getattr(alone, name)), name
