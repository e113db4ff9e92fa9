"""What every registered model promises: shapes, finite figures, untouched inputs, the same answer twice."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
from models import every, instance, quickstart

from riskengine import registry
from riskengine.book.portfolio import Portfolio
from riskengine.config.study import load_world
from riskengine.liquidity.sale_curve import range_at_once
from riskengine.market.grid import TimeGrid
from riskengine.pricing.valuation import snapshot
from riskengine.random import DrawKeys, PathDraws
from riskengine.roles import (
    Estimator,
    ExposureModel,
    LendingProtocol,
    Liquidity,
    MadeOfData,
    MarginModel,
    Position,
    PriceOracle,
    ScenarioModel,
    StateComponent,
)

ROLES = {
    "scenarios": ScenarioModel,
    "states": StateComponent,
    "margin": MarginModel,
    "lending": LendingProtocol,
    "oracles": PriceOracle,
    "liquidity": Liquidity,
    "estimators": Estimator,
    "exposures": ExposureModel,
}
GRID = TimeGrid(3_600, 24, 86_400, 64)
KEYS = DrawKeys(20231031)


def _all() -> list[tuple[str, str]]:
    return [(family, kind) for family in registry.MODELS for kind in every(family)]


def _bits(value) -> bytes:
    """Content of a record down to the last bit, lazily filled properties left out."""
    if dataclasses.is_dataclass(value):
        return pickle.dumps([_bits(getattr(value, f.name)) for f in dataclasses.fields(value)])
    return pickle.dumps(value)


@pytest.mark.parametrize(("family", "kind"), _all())
def test_model_is_a_frozen_record_with_its_registered_name(family, kind):
    model = instance(family, kind)
    assert dataclasses.is_dataclass(model)
    assert type(model).__dataclass_params__.frozen
    assert registry.kind_of(family, model) == kind
    assert copy.deepcopy(model) == model
    if family in ROLES:
        assert isinstance(model, ROLES[family])


@pytest.mark.parametrize("kind", every("scenarios"))
def test_scenario_paths(kind):
    model = instance("scenarios", kind)
    before = _bits(model)
    paths = model.sample(GRID, 0, 8, KEYS)
    assets = len(model.assets)
    assert paths.spot_lanes.shape == (GRID.steps + 1, assets, 8)
    assert paths.history_spot_lanes.shape == (GRID.history_steps + 1, assets, 8)
    for lanes in (paths.spot_lanes, paths.history_spot_lanes):
        assert np.isfinite(lanes).all()
        assert (lanes > 0).all()
    # prices start at `spot`, those of assets that a model declares floating only on average
    fixed = [i for i, asset in enumerate(model.assets) if asset not in getattr(model, "floating", ())]
    start = np.repeat(np.array(model.spot)[:, None], 8, axis=1)
    np.testing.assert_allclose(paths.spot_lanes[0, fixed], start[fixed], rtol=1e-12)
    np.testing.assert_allclose(paths.spot_lanes[0], start, rtol=0.2)
    np.testing.assert_array_equal(paths.history_spot_lanes[-1], paths.spot_lanes[0])
    if paths.variance_lanes is not None:
        assert (paths.variance_lanes >= 0).all()
    assert not paths.failed.any()
    assert _bits(model) == before


@pytest.mark.parametrize("kind", every("scenarios"))
def test_a_path_is_a_function_of_its_number(kind):
    """Any split into blocks gives the same bits, and another seed gives others where paths are drawn."""
    model = instance("scenarios", kind)
    whole = model.sample(GRID, 0, 8, KEYS).spot_lanes
    parts = [model.sample(GRID, first, 4, KEYS).spot_lanes for first in (0, 4)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=2), whole)
    limit = model.path_limit(GRID) if isinstance(model, MadeOfData) else None
    other = model.sample(GRID, 0, 8, DrawKeys(1)).spot_lanes
    # a world of so many paths draws none of them
    assert (other[1:] != whole[1:]).any() if limit is None else (other == whole).all()
    if limit is not None:
        with pytest.raises(ValueError, match=f"must lie among the {limit}"):
            model.sample(GRID, limit, 1, KEYS)


@pytest.mark.parametrize("kind", every("states"))
def test_state_component(kind):
    """Its lanes and no others, finite, the same for any split; prices and variance are left alone."""
    part, model = instance("states", kind), quickstart().world.model
    before = _bits(part)
    part.check(model)
    paths = model.sample(GRID, 0, 8, KEYS)
    bits = _bits(paths)
    whole = part.fill(paths, KEYS)
    assert set(whole) == set(part.fills)
    split = [part.fill(model.sample(GRID, first, 4, KEYS), KEYS) for first in (0, 4)]
    for name, lanes in whole.items():
        assert lanes.shape == paths.spot_lanes.shape
        assert np.isfinite(lanes).all()
        np.testing.assert_array_equal(np.concatenate([s[name] for s in split], axis=2), lanes)
    assert [_bits(part), _bits(paths)] == [before, bits]


@pytest.mark.parametrize("kind", every("oracles"))
def test_oracle(kind):
    """Finite answers of the shape of prices, from states of its own: two blocks live apart, the same bits for any
    split, prices are left alone, and a fall that it does not tell is a share."""
    oracle, model = instance("oracles", kind), quickstart().world.model
    before = _bits(oracle)

    def lived(first, count):
        spot = model.sample(GRID, first, count, KEYS).spot_lanes
        bits = _bits(spot)
        state = oracle.init(spot[0], GRID, model.assets, PathDraws(KEYS, first))
        seen = [oracle.step(state, prices, GRID.step_seconds).copy() for prices in spot[1:]]
        assert _bits(spot) == bits
        return np.stack(seen)

    whole = lived(0, 8)
    assert whole.shape == (GRID.steps, len(model.assets), 8)
    assert np.isfinite(whole).all() and (whole > 0).all()
    np.testing.assert_array_equal(np.concatenate([lived(0, 4), lived(4, 4)], axis=2), whole)
    assert all(fall is None or 0 <= fall < 1 for fall in map(oracle.unseen_fall, model.assets))
    assert _bits(oracle) == before


def _with_a_law() -> list[str]:
    return [kind for kind in every("scenarios") if hasattr(registry.load("scenarios", kind), "law")]


@pytest.mark.parametrize("kind", _with_a_law())
def test_law_of_a_horizon(kind):
    model = instance("scenarios", kind)
    for asset in model.assets:
        _check_law(model.law(asset, 24 / 8760))


def _check_law(law):
    p = np.array([0.001, 0.01, 0.5, 0.99, 0.999])
    x = law.quantile(p)
    assert (np.diff(x) > 0).all()
    np.testing.assert_allclose(law.cdf(x), p, atol=1e-8)
    part = law.lower_expectation(x)
    assert (np.diff(part) > 0).all()
    assert (part > 0).all()


def _market():
    """Book, market at the start of 4 lanes of the quickstart's world, and the paths they are on."""
    study = quickstart()
    paths = study.world.model.sample(GRID, 0, 4, KEYS)
    variance = paths.variance_lanes
    return (
        study.margin.book,
        paths,
        snapshot(
            study.margin.book, study.world.surface, paths.spot_lanes[0], None if variance is None else variance[0], 0.0
        ),
    )


def _requirements(model, book, paths, market):
    state = model.step(model.init(book, quickstart().world.surface), paths, 0)
    return model.requirement(state, market)


@pytest.mark.parametrize("kind", every("margin"))
def test_margin_requirement(kind):
    model = instance("margin", kind)
    book, paths, market = _market()
    before = [_bits(x) for x in (model, book, paths, market)]
    found = _requirements(model, book, paths, market)
    assert len(found) == max(1, len(model.levels))
    for requirement in found:
        assert requirement.initial.shape == requirement.maintenance.shape == (book.accounts, 4)
        assert np.isfinite(requirement.initial).all()
        assert (requirement.maintenance >= 0).all()
        assert (requirement.initial >= requirement.maintenance).all()
    for low, high in zip(found, found[1:], strict=False):
        assert (high.initial >= low.initial).all()
    assert [_bits(x) for x in (model, book, paths, market)] == before
    again = _requirements(model, book, paths, market)
    for one, two in zip(found, again, strict=True):
        np.testing.assert_array_equal(one.initial, two.initial)


@pytest.mark.parametrize("kind", every("margin"))
def test_margin_of_an_account_does_not_depend_on_its_neighbours(kind):
    model = instance("margin", kind)
    book, paths, market = _market()
    order = np.arange(book.accounts)[::-1]
    turned = Portfolio(
        book.assets,
        book.instruments,
        np.ascontiguousarray(book.quantity[order]),
        np.ascontiguousarray(book.entry[order]),
        np.ascontiguousarray(book.cash[order]),
        tuple(book.names[i] for i in order),
        tuple(book.kinds[i] for i in order),
    )
    straight = _requirements(model, book, paths, market)
    for one, two in zip(straight, _requirements(model, turned, paths, market), strict=True):
        np.testing.assert_allclose(two.initial, one.initial[order], rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("kind", every("liquidity"))
def test_liquidity(kind):
    """Tables hold every asset asked for, infinite where it has none; what was sold is forgotten bit by bit."""
    liquidity = instance("liquidity", kind)
    own = liquidity.assets
    table = liquidity.table(("XYZ", *own))
    assert table.dtype == np.float64 and len(table) == 1 + len(own)
    assert np.isinf(table[0]).all() and np.isfinite(table[1:]).all()
    np.testing.assert_array_equal(table[1:], liquidity.table(own))
    assert 0.0 < liquidity.keep <= 1.0 and 0.0 <= liquidity.permanent_share < 1.0
    left = np.array([np.broadcast_to(liquidity.decay(h), liquidity.sources) for h in (0.0, 1.0, 2.0, 50.0)])
    assert (left[0] == 1.0).all() and (np.diff(left, axis=0) < 0.0).all()
    np.testing.assert_allclose(left[2], left[1] ** 2, rtol=1e-12)
    low, high = range_at_once(liquidity, own[0], 1900.0, 2000.0)
    assert 0.0 == low < high


@pytest.mark.parametrize("kind", every("lending"))
def test_lending_market(kind):
    study = quickstart()
    market, loans = instance("lending", kind), study.lending.book
    paths = study.world.model.sample(GRID, 0, 4, KEYS)
    before = [_bits(x) for x in (market, loans, paths)]
    state = market.init(loans, paths.assets, paths.spot_lanes[0], GRID)
    for step in range(1, GRID.steps + 1):
        events = market.step(state, step, paths.spot_lanes[step])
        for name in ("liquidations", "volume_usd", "deficit_usd", "protocol_fee_usd", "skipped_unprofitable"):
            figure = getattr(events, name)
            assert figure.shape == (4,), name
            assert (np.isfinite(figure) & (figure >= 0)).all(), name
        assert events.sold.shape == (len(paths.assets), 4)
    for name, figure in market.close(state, paths.spot_lanes[-1]).items():
        assert figure.shape == (4,), name
        assert np.isfinite(figure).all(), name
    assert [_bits(x) for x in (market, loans, paths)] == before


@pytest.mark.parametrize("kind", every("lending"))
def test_lending_threshold_shift(kind):
    market = instance("lending", kind)
    assert market.with_threshold_shift(0.0) == market
    assert market.with_threshold_shift(-0.01) != market
    with pytest.raises(ValueError, match="threshold"):
        market.with_threshold_shift(0.9)


@pytest.mark.parametrize("kind", every("estimators"))
def test_estimator(kind):
    model = instance("estimators", kind)
    losses = np.random.default_rng(7).standard_t(4, 500) * 0.02
    before = losses.copy()
    last = -np.inf
    for level in (0.95, 0.99):
        var, shortfall = model.fit(losses, level, 0.95)
        for figure in (var, shortfall):
            assert np.isfinite(figure.value)
            assert figure.lower <= figure.value <= figure.upper
        assert last < var.value <= shortfall.value
        last = var.value
        doubled, _ = model.fit(2.0 * losses, level, 0.95)
        assert doubled.value == pytest.approx(2.0 * var.value, rel=1e-9)
    np.testing.assert_array_equal(losses, before)


@pytest.mark.parametrize("kind", every("estimators"))
def test_lanes_of_an_estimator_are_its_single_fits(kind):
    """VaR and ES with their bounds, and the same samples refused, where a sample has what every level needs."""
    model, levels = instance("estimators", kind), (0.95, 0.99)
    losses = np.random.default_rng(8).standard_t(4, (500, 3)) * 0.02
    many = model.fit_lanes(losses, levels, 0.9)
    for i, level in enumerate(levels):
        for p in range(losses.shape[1]):
            for single, lanes in zip(model.fit(losses[:, p], level, 0.9), many, strict=True):
                value, lower, upper = (side[i, p] for side in lanes)
                assert np.isfinite(single.value) != ("refused: " in single.method and np.isnan(value))
                np.testing.assert_allclose([single.value, single.lower, single.upper], [value, lower, upper], rtol=1e-9)


@pytest.mark.parametrize("kind", every("exposures"))
def test_exposure(kind):
    """The intervals on which the loss is greater than c are those on which it is."""
    exposure, world = instance("exposures", kind), load_world("btc_eth")
    assert exposure.asset in exposure.name
    position = exposure.position(world.model, world.surface, 24.0)
    assert isinstance(position, Position)
    x = np.linspace(-0.5, 0.5, 401)
    loss = position.loss(x)
    assert loss.shape == x.shape
    assert np.isfinite(loss).all()
    if position.side is not None:
        assert (np.diff(loss) * (-1.0 if position.side == "long" else 1.0) >= 0).all()
    c = np.quantile(loss, [0.05, 0.5, 0.95]) + 1e-7 * np.ptp(loss)
    lower, upper = position.worse(c)
    assert lower.shape == upper.shape == (len(lower), 3)
    inside = ((lower[..., None] < x) & (x < upper[..., None])).any(axis=0)
    np.testing.assert_array_equal(inside, loss > c[:, None])
    assert position.loss(x[:1].reshape(1, 1)).shape == (1, 1)


@pytest.mark.parametrize("kind", every("surfaces"))
def test_surface(kind):
    surface = instance("surfaces", kind)
    spot, variance = np.array([[3e4, 4e4], [2e3, 1e3]]), np.array([[0.1, 2.0], [0.2, 3.0]])
    strike = np.log([3e4, 5e4, 1e3])
    tau = np.array([1 / 365, 0.25, 1.0])
    asset = np.array([0, 0, 1])
    before = _bits(surface)
    volatility = surface.volatility(asset, strike, tau, np.log(spot[asset]), variance)
    assert volatility.shape == (3, 2)
    assert (np.isfinite(volatility) & (volatility > 0)).all()
    assert _bits(surface) == before
