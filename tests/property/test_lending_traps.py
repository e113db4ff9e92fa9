"""Errors that open simulators of lending markets make, each a test that fails where it is made again."""

import json
from dataclasses import replace

import numpy as np
import pytest
from mechanisms import KINDS, START, book_of, market_of, play, total

from riskengine.book.borrowers import read_borrowers
from riskengine.calibrate.jumps import realised_variance
from riskengine.config.csv_book import read_csv_book
from riskengine.config.study import load_study
from riskengine.data.aave_subgraph import AaveSubgraph
from riskengine.data.path_file import load_paths
from riskengine.data.prices import load_prices
from riskengine.data.statement.reader import load_json
from riskengine.errors import InputError
from riskengine.lending.keeper import DelayShares
from riskengine.lending.parameter_set import ParameterAxis, at_an_end, grid
from riskengine.market.grid import TimeGrid
from riskengine.oracle.chained import ChainedOracle, FeedLeg
from riskengine.oracle.osm import OsmOracle
from riskengine.oracle.push import PushOracle
from riskengine.oracle.stale import StaleOracle
from riskengine.random import DrawKeys
from riskengine.report.choice_words import found
from riskengine.scenario.gbm import Gbm
from riskengine.stats.figures import PlainFigures
from riskengine.study.measures import amount_rows
from riskengine.study.run import run_study
from riskengine.verify.cases import read_cases

PATHS = 20_000


def returns(sigma, correlation, years=1.0):
    """Log-returns (A, P) of two correlated assets over one step of `years`."""
    rho = ((1.0, correlation), (correlation, 1.0))
    model = Gbm(("BTC", "ETH"), START, (0.0, 0.0), sigma, rho)
    lanes = model.sample(TimeGrid(round(years * 8760 * 3600), 1), 0, PATHS, DrawKeys(11)).spot_lanes
    return np.log(lanes[1] / lanes[0])


@pytest.mark.parametrize("multiple", [1.0, 4.0])
def test_trap_cholesky_of_the_covariance_times_sigma_again(multiple):
    """Realised volatility and correlation are the stated ones, and a shock multiplies the volatility it names."""
    sigma = tuple(multiple * s for s in (0.461, 0.426))
    x = returns(sigma, 0.8, 1 / 365)
    # five standard errors of a deviation and of a correlation
    np.testing.assert_allclose(x.std(axis=1) * np.sqrt(365), sigma, rtol=5 / np.sqrt(2 * PATHS))
    assert abs(np.corrcoef(x)[0, 1] - 0.8) < 5 * (1 - 0.64) / np.sqrt(PATHS)


def test_trap_square_of_the_logarithm():
    """ln(x^2) is not (ln x)^2: one per cent a step over 25 steps is a variance of 25e-4."""
    assert realised_variance(np.log(np.full(25, 1.01))) == pytest.approx(25 * np.log(1.01) ** 2, rel=1e-12)


def test_trap_drift_of_the_logarithm_corrected_twice():
    """A world without drift keeps its mean price, and the mean of its log-return is minus half a variance, once."""
    x = returns((0.6, 0.8), 0.5)
    sigma = np.array([0.6, 0.8])
    np.testing.assert_array_less(np.abs(np.exp(x).mean(axis=1) - 1), 5 * np.sqrt(np.expm1(sigma**2) / PATHS))
    np.testing.assert_array_less(np.abs(x.mean(axis=1) + sigma**2 / 2), 5 * sigma / np.sqrt(PATHS))


@pytest.mark.parametrize("kind", KINDS)
def test_trap_population_redrawn_for_each_parameter(kind):
    """A shifted market starts with the same balances, its oracle with the same prices."""
    book, model = book_of([10.0, 3.0], [0.0, 0.5], [12_000.0, 11_000.0]), market_of(kind)
    if kind == "morpho_blue":
        # positions of one borrower are weighted by the LLTVs, which move together
        book = book_of([10.0, 3.0], [0.0, 0.0], [12_000.0, 3_000.0])
    one, other = (play(m, book, [START, START])[0] for m in (model, model.with_threshold_shift(-0.05)))
    np.testing.assert_array_equal(one.start_collateral, other.start_collateral)
    np.testing.assert_array_equal(one.start_debt, other.start_debt)
    np.testing.assert_array_equal(one.oracle.price, other.oracle.price)


@pytest.mark.parametrize("kind", ["aave_v3", "morpho_blue", "euler_evk"])
def test_trap_partly_liquidated_account_dropped(kind):
    """What a thin pool left of a loan is liquidated when the pool has refilled; it is one borrower, liquidated once."""
    spot = [START, *[(30_000.0, 1_750.0)] * 12]
    _, events, closing = play(market_of(kind, depth=1e5, half_life=0.5), book_of([50.0], [0.0], [75_000.0]), spot)
    assert sum(e.liquidations[0] > 0 for e in events) > 2
    assert closing["liquidated_loans"][0] == 1 == total(events, "liquidated_loans")[0]
    assert total(events, "volume_usd")[0] + total(events, "deficit_usd")[0] + closing["debt"][0] == pytest.approx(
        75_000, rel=1e-5
    )


def test_trap_close_factor_at_its_boundary():
    """A health factor of 0.95 itself is closed in full, a hair above it by half."""
    book = book_of([5.0], [0.0], [8_000.0])
    at, above = (play(market_of("aave_v3", calls=1), book, [START, (30_000.0, p)])[1][0] for p in (1_900.0, 1_900.01))
    assert at.volume_usd[0] == pytest.approx(8_000)
    assert above.volume_usd[0] == pytest.approx(4_000)


@pytest.mark.parametrize("kind", ["aave_v3", "comet", "euler_evk"])
def test_trap_health_of_exactly_one(kind):
    """An account exactly at its threshold is left alone by every mechanism, one cent below it by none that pays."""
    book = book_of([5.0], [0.0], [8_000.0])
    at, below = (play(market_of(kind), book, [(30_000.0, 2_500.0), (30_000.0, p)])[1][0] for p in (2_000.0, 1_999.99))
    assert at.liquidations[0] == 0 and at.skipped_unprofitable[0] == 0
    assert below.liquidations[0] > 0


def test_trap_insolvent_accounts_in_the_baseline():
    """Nobody in the shipped comparison is liquidatable at its start, and everybody is within every market's LTV; a
    market that is told of such accounts counts them."""
    study = load_study("lending_mechanisms").study
    spot = np.array(study.world.model.spot)[:, None]
    for market in study.lending.markets:
        state = market.init(study.lending.book, study.world.model.assets, spot, study.grid)
        assert state.initially_liquidatable[0] == 0
        ltv = (state.ltv * state.prices(spot)[:, 0] * state.start_collateral).sum(axis=1)
        assert (ltv >= (state.prices(spot)[:, 0] * state.start_debt).sum(axis=1)).all()
    for kind in KINDS:
        closing = play(market_of(kind), book_of([1.0, 10.0], [0.0, 0.0], [1_700.0, 5_000.0]), [START, START])[2]
        assert closing["initially_liquidatable"][0] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_trap_a_step_without_a_unit_of_time(kind):
    """The same prices on a grid twice as fine, monitored at the same hours, give the same liquidations; a delay that
    the grid cannot hold is refused."""
    rng = np.random.default_rng(5)
    hourly = np.array(START)[:, None] * np.exp(np.cumsum(0.05 * rng.standard_normal((9, 2, 8)), axis=0))
    hourly[0] = np.array(START)[:, None]
    book, model = book_of([10.0, 3.0], [0.0, 0.5], [15_000.0, 15_000.0]), market_of(kind, delay=1.0)
    coarse = play(model, book, hourly)
    fine = np.repeat(hourly, 2, axis=0)[1:]  # the price of an hour ago stands until the hour
    fine = np.concatenate([hourly[:1], hourly[:1], fine[1:]])[: 2 * 8 + 1]
    state = model.init(book, ("BTC", "ETH"), hourly[0], TimeGrid(1800, 16))
    finer = [model.step(state, t, fine[t]) for t in range(1, 17)]
    assert total(coarse[1], "volume_usd").sum() > 0
    for name in ("volume_usd", "deficit_usd", "seized_usd"):
        np.testing.assert_allclose(total(finer, name), total(coarse[1], name), rtol=1e-7, atol=1e-6)
    with pytest.raises(ValueError, match="keeper delay must fall on the time grid"):
        play(market_of(kind, delay=0.25), book, hourly)


STETH = (FeedLeg("feed", "ETH", "BTC", 0.5, 1.0), FeedLeg("feed", "BTC", None, 0.5, 1.0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "oracle",
    [
        PushOracle(0.99, 2.0),
        PushOracle(0.05, 2.0),
        ChainedOracle({"ETH": STETH}, PushOracle(0.03, 1.0)),
        OsmOracle(1.0),
        StaleOracle(PushOracle(0.05, 1.0), 2.0, 4.0, 0.3, 1.0),
    ],
    ids=["heartbeat", "push", "chained", "osm", "stale"],
)
def test_an_oracle_that_publishes_at_its_own_times_does_not_see_the_step(kind, oracle):
    """A grid twice as fine on which prices stand still between the hours: the same liquidations, whatever oracle
    publishes on them and however late keepers are drawn to be."""
    rng = np.random.default_rng(6)
    hourly = np.array(START)[:, None] * np.exp(np.cumsum(0.06 * rng.standard_normal((13, 2, 8)), axis=0))
    hourly[0] = np.array(START)[:, None]
    book, base = book_of([10.0, 3.0], [0.0, 0.5], [15_000.0, 15_000.0]), market_of(kind)
    late = replace(base.keeper, extra_delay=DelayShares("shares", (0.0, 1.0, 3.0), (0.5, 0.3, 0.2)))
    model = replace(base, oracle=oracle, keeper=late)
    coarse = play(model, book, hourly)[1]
    fine = np.repeat(hourly, 2, axis=0)[:-1]
    state = model.init(book, ("BTC", "ETH"), hourly[0], TimeGrid(1800, 24))
    finer = [model.step(state, t, fine[t]) for t in range(1, 25)]
    assert total(coarse, "volume_usd").sum() > 0
    for name in ("volume_usd", "deficit_usd", "seized_usd"):
        np.testing.assert_allclose(total(finer, name), total(coarse, name), rtol=1e-7, atol=1e-6)


def test_trap_percentile_of_a_mostly_zero_variable():
    """Where 0.5 % of paths leave bad debt the 99th percentile is zero, so it never stands alone: how often, how much
    given that, and the mean of the worst are reported with it."""
    column = np.zeros(40_000)
    column[:200] = 1e6
    figures = {name: e for name, _, e in amount_rows(column, "bad_debt", PlainFigures(0.95))}
    assert figures["bad_debt_p99"].value == 0.0 and figures["bad_debt_p999"].value == 1e6
    assert figures["bad_debt_probability"].lower > 0.004
    assert figures["bad_debt_given_positive"].value == pytest.approx(1e6)
    assert figures["bad_debt_es_99"].value == pytest.approx(5e5)


def test_trap_optimum_at_the_edge_reported_as_interior():
    """A setting at either end of its candidates says that it is one: beyond it nobody looked."""
    entry = {"axis": "threshold_shift", "candidates": [-0.03, 0.0, 0.03]}
    assert [found(entry, v) for v in (-0.03, 0.0, 0.03, None)] == [
        "-3 pp, an end of the candidates",
        "as it is",
        "+3 pp, an end of the candidates",
        "none",
    ]


def test_trap_optimum_at_the_edge_of_a_grid_of_parameters():
    """A set inside the order of a grid may stand at the end of one axis; an axis of two values has no inside."""
    axes = (
        ParameterAxis("collateral_factor", (0.81, 0.83, 0.85), "WETH"),
        ParameterAxis("liquidation_bonus", (0.05, 0.07), "WETH"),
        ParameterAxis("caps", (0.5, 1.0, 2.0)),
    )
    names = [s.name for s in grid(axes, {"WETH": 0.03})]
    entry = {
        "axis": "parameter_set",
        "candidates": [float(k) for k in range(len(names))],
        "names": names,
        "ends": [list(at_an_end(axes, n)) for n in names],
    }
    inside, edge, corner = (
        names.index(n) for n in ("WETH LT 0.83, WETH LB 0.05, caps 1", "WETH LT 0.85, WETH LB 0.05, caps 1", names[-1])
    )
    assert found(entry, inside) == names[inside]
    assert found(entry, edge) == f"{names[edge]}, at the end of its axis: WETH LT 0.85"
    assert found(entry, corner) == f"{names[corner]}, at the end of its axis: WETH LT 0.85 and caps 2"
    # the study tells the report so
    study = load_study("choose_collateral_factor").study
    alone = replace(study, collateral=replace(study.collateral, parameter_sets=(), steward=None))
    ends = alone.ends(alone.choices[0])
    assert len(ends) == len(alone.walk) > 100 and [] in ends and ends[-1]
    assert study.ends(study.choices[0]) == []


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
READERS = {
    "book.csv": read_borrowers,
    "prices.csv": lambda file: load_prices(file, ("BTC",)),
    "prices.parquet": lambda file: load_prices(file, ("BTC",)),
    "paths.npz": lambda file: load_paths(file, ("BTC",)),
    "study.yaml": load_study,
    "cases.json": read_cases,
    "statement.json": load_json,
    "book.json": lambda file: AaveSubgraph("aave_v3_subgraph", "2026-01-01", "test").read(file),
    "margin.csv": read_csv_book,
}


@pytest.mark.parametrize("name", READERS)
def test_trap_pointer_instead_of_data(tmp_path, name):
    """A pointer of Git LFS is not data: every reader says that it is one, and nothing is made of it."""
    file = tmp_path / name
    file.write_text(POINTER, encoding="utf-8")
    with pytest.raises(InputError, match=r"is a pointer of Git LFS, not the data: fetch it with `git lfs pull`"):
        READERS[name](file)


def test_trap_result_depends_on_the_number_of_workers(tmp_path):
    """The whole result of a study is the same text with one worker and with two, whatever block ends first."""
    study = replace(load_study("lending_mechanisms").study, paths=2100, horizon_hours=3)
    found = [
        run_study(study, {"small": "study"}, "mechanisms", tmp_path / str(n), workers=n)[1].as_dict() for n in (1, 2)
    ]
    one, two = (json.dumps({k: v for k, v in f.items() if k != "command"}, sort_keys=True) for f in found)
    assert one == two
    assert sum(r["section"] == "lending" for r in found[0]["rows"]) > 50
