"""The world file, and the shipped worlds against their own parameters and the data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.special import ndtri

from riskengine.calibrate.bands import Band, Bands, FitReport, FitRow, check_fit, loss_bands
from riskengine.calibrate.linked_surface import linked_surface
from riskengine.calibrate.parameters import free_parameters
from riskengine.calibrate.returns import FitResult
from riskengine.calibrate.sample import ReturnSample
from riskengine.calibrate.uncertainty import Uncertainty, error_correlation
from riskengine.calibrate.world_file import plain_record, to_yaml, world_record, write_world
from riskengine.config.study import load_world
from riskengine.law.joint import joint_law
from riskengine.market.curve import Curve
from riskengine.market.grid import TimeGrid
from riskengine.market.surface import FactorSurface
from riskengine.random import DrawKeys
from riskengine.scenario.bates import Bates
from riskengine.scenario.gbm import Gbm
from riskengine.scenario.jumps import CommonJumps, OwnJumps
from riskengine.scenario.merton import Merton

SHIPPED = Path(__file__).resolve().parents[3] / "scenarios" / "baseline"
SIX_DECIMALS = 5.01e-7  # half a unit of the last, and rounding
WORLDS = {"btc_eth": Bates, "btc_eth_merton": Merton, "btc_eth_gbm": Gbm}
SINGLE = ("btc", "eth", "sol", "link", "aave", "uni")  # Bates, with errors by refits
WORLDS |= dict.fromkeys((*SINGLE, "majors"), Bates)


def load(name):
    record = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text(encoding="utf-8"))
    fields = dict(record["model"])
    assert fields.pop("kind") == WORLDS[name].kind
    for key, kind in (("jumps_common", CommonJumps), ("jumps_own", OwnJumps)):
        if key in fields:
            fields[key] = kind(**fields[key])
    return record, WORLDS[name](**fields)


def stored_bands(fit):
    cells = [
        Band(b["asset"], side, b["horizon_hours"], b["level"], b["data"], b["lower"], b["upper"])
        for side, key in (("long", "bands"), ("short", "bands_short"))
        for b in fit[key]
    ]
    return Bands(tuple(cells), fit["band_confidence"], fit["block_hours"], fit["replicates"], fit["bootstrap_seed"])


@pytest.mark.parametrize("name", WORLDS)
def test_stored_table_is_that_of_the_stored_parameters(name):
    record, model = load(name)
    fit = record["fit"]
    report = check_fit(model, stored_bands(fit))
    assert [r.model for r in report.rows] == pytest.approx(
        [b["model"] for key in ("bands", "bands_short") for b in fit[key]], abs=SIX_DECIMALS
    )
    assert report.verdict == fit["verdict"]
    assert [r.inside for r in report.rows if r.band.side == "long"] == [b["inside"] for b in fit["bands"]]
    assert fit["outside"] == [f"{r.band.asset} {r.band.horizon_hours} h {r.band.level:g}" for r in report.outside]
    assert len(fit["bands"]) == 10 * len(model.assets)


def test_main_world_fits_and_the_simpler_ones_are_stamped():
    assert {n: load(n)[0]["fit"]["verdict"] for n in WORLDS} == {
        "btc_eth": "FIT",
        "btc_eth_merton": "UNFIT",
        "btc_eth_gbm": "UNFIT",
    } | dict.fromkeys(SINGLE, "FIT") | {"sol": "UNFIT", "majors": "UNFIT"}


@pytest.mark.parametrize("name", SINGLE)
def test_worlds_of_one_asset_say_what_is_known_of_them(name):
    record, model = load(name)
    fit, (asset,) = record["fit"], model.assets
    assert asset == name.upper() and fit["refits"] + fit["refits_failed"] == 24
    assert set(fit["not_identified"]) <= set(fit["intervals_95"]) == set(fit["standard_errors"])
    low, high = fit["intervals_95"]["kappa"]
    assert low < model.kappa[0] < high
    assert all(b["error"] > 0 for b in fit["bands"]) and len(fit["valley"]) >= 3
    assert f"--assets {asset} " in fit["command"] and record["source"][0].startswith("prices: hourly closes")


def test_joint_world_of_six_is_stamped_per_asset_and_says_how_assets_fall_together():
    record, model = load("majors")
    fit, law = record["fit"], joint_law(model)
    assert model.assets == ("BTC", "ETH", "SOL", "LINK", "AAVE", "UNI") and load_world("majors").stamp == fit["verdict"]
    outside = {cell.split()[0] for cell in fit["outside"]}
    assert fit["verdicts"] == {a: "UNFIT" if a in outside else "FIT" for a in model.assets}
    assert set(fit["not_identified"]) >= {n for n in fit["on_bound"] if "loading" not in n} | {"rho"}
    assert fit["refits"] == 12 and all(b["error"] > 0 for b in fit["bands"]) and len(fit["valley"]) >= 3
    pairs = {tuple(row["assets"]) for row in fit["joint"]}
    assert len(pairs) == 15 and len(fit["joint"]) == 4 * 15
    for row in fit["joint"]:
        assert row["inside"] == (row["lower"] <= row["model"] <= row["upper"])
        assert row["lower"] < row["data"] < row["upper"]
        if row["measure"] == "correlation":
            weights = np.eye(6)[[model.assets.index(a) for a in row["assets"]]]
            years = row["horizon_hours"] / 8760
            both, first, second = (law.cumulants(w, years)[1] for w in (weights.sum(axis=0), *weights))
            assert row["model"] == pytest.approx((both - first - second) / 2 / np.sqrt(first * second), abs=6e-5)
            assert row["error"] == 0.0


def test_joint_world_of_six_falls_together_as_its_file_says():
    """Simulated anew with another seed: each pair's share of common worst 1 % within the errors of both simulations."""
    record, model = load("majors")
    x, years = [], 24 / 8760
    for first in range(0, 40_000, 8192):
        paths = model.sample(TimeGrid(3600, 24), first, min(8192, 40_000 - first), DrawKeys(9))
        assert not paths.failed.any()
        x.append(np.log(paths.spot_lanes[-1] / paths.spot_lanes[0]))
    x = np.concatenate(x, axis=1)
    laws = [model.law(a, years) for a in model.assets]
    low, high = (np.array([[float(law.quantile(p))] for law in laws]) for p in (0.01, 0.99))
    beyond = {"joint_fall": x <= low, "joint_rise": x >= high}
    z = float(ndtri(1 - 1e-4 / 30 / 2))
    for row in record["fit"]["joint"]:
        if row["measure"] in beyond:
            i, j = (model.assets.index(a) for a in row["assets"])
            share = (beyond[row["measure"]][i] & beyond[row["measure"]][j]).mean() / 0.01
            error = np.hypot(row["error"], np.sqrt(row["model"] / (0.01 * x.shape[1])))
            assert abs(share - row["model"]) < z * error, row


def test_joint_figures_of_the_data_are_those_of_the_data(shared):
    pd = pytest.importorskip("pandas")
    record, model = load("majors")
    fit = record["fit"]
    start, end = pd.Timestamp(fit["sample_start"]), pd.Timestamp(fit["sample_end"])
    table = pd.read_parquet(
        shared / "data" / "prices_spot_1h.parquet",
        columns=["timestamp", "symbol", "close"],
        filters=[("symbol", "in", list(model.assets)), ("timestamp", ">=", start), ("timestamp", "<=", end)],
    )
    close = table.pivot(index="timestamp", columns="symbol", values="close")[list(model.assets)].dropna()
    day = np.log(close).reindex(pd.date_range(close.index[0], close.index[-1], freq="h"))
    ok = day.notna().all(axis=1).astype(int).rolling(25).sum() == 25
    x = (day - day.shift(24))[ok].to_numpy()
    low = np.quantile(x, 0.01, axis=0)
    assert (len(close), close.index[0], close.index[-1]) == (fit["observations"], start, end)
    for row in fit["joint"]:
        if row["measure"] == "joint_fall":
            i, j = (model.assets.index(a) for a in row["assets"])
            a, b = x[:, i] <= low[i], x[:, j] <= low[j]
            assert row["data"] == pytest.approx((a & b).sum() / np.sqrt(a.sum() * b.sum()), abs=6e-5)


@pytest.mark.parametrize("name", WORLDS)
def test_shipped_surface_is_the_linked_one(name):
    record, model = load(name)
    fields = dict(record["surface"])
    assert fields.pop("kind") == "factor_surface"
    assert FactorSurface(**fields) == linked_surface(model)
    assert FactorSurface(**fields).static == (WORLDS[name] is not Bates)


def test_stored_bands_are_those_of_the_data(shared):
    pd = pytest.importorskip("pandas")
    fit = load("btc_eth")[0]["fit"]
    start = pd.Timestamp(fit["sample_start"])
    table = pd.read_parquet(
        shared / "data" / "prices_spot_1h.parquet",
        columns=["timestamp", "symbol", "close"],
        filters=[("symbol", "in", ["BTC", "ETH"]), ("timestamp", ">=", start)],
    )
    close = table.pivot(index="timestamp", columns="symbol", values="close")[["BTC", "ETH"]].dropna()
    stamps = close.index.tz_localize(None).to_numpy()
    sample = ReturnSample.from_timestamps(("BTC", "ETH"), stamps, close.to_numpy())
    assert (sample.count, sample.gaps) == (fit["observations"], fit["gaps"])
    assert sample.span == (fit["sample_start"], fit["sample_end"])
    stored = stored_bands(fit)
    again = loss_bands(sample, block_hours=stored.block_hours, replicates=stored.replicates, seed=stored.seed)
    for old, new in zip(stored.cells, again.cells, strict=True):
        assert (old.asset, old.side, old.horizon_hours, old.level) == (
            new.asset, new.side, new.horizon_hours, new.level,
        )  # fmt: skip
        assert [new.data, new.lower, new.upper] == pytest.approx([old.data, old.lower, old.upper], abs=SIX_DECIMALS)


@pytest.fixture
def fit():
    band = Band("A", "long", 24, 0.99, 0.07, 0.06, 0.065)
    return FitResult(
        "gbm",
        Gbm(("A",), (100.0,), (0.0,), (0.6,), ((1.0,),)),
        {"volatility[A]": 0.6},
        Uncertainty(
            (),
            np.zeros(1),
            np.ones((1, 1)),
            0,
            0,
            {"volatility[A]": 1e-05},
            {"volatility[A]": (0.5, 0.7)},
            {},
            "theta[A] up",
            ((0.36, 0.5),),
            "theta[A]",
            np.empty((0, 1)),
        ),
        np.array([0.01]),
        (),
        FitReport((FitRow(band, 0.0706),)),
        Bands((band,), 0.9, 336, 10, 1),
        (),
        {"A/24h/variance": 0.1},
        0.5,
        ("2021-01-01T00:00:00Z", "2022-01-01T00:00:00Z"),
        8760,
        0,
        0,
    )


def test_an_unfit_world_says_where(fit, tmp_path):
    path = write_world(tmp_path / "w.yaml", fit, command="riskengine fit", data_sha256="ab", source=("prices: here",))
    record = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert record["fit"]["verdict"] == "UNFIT" and record["fit"]["outside"] == ["A 24 h 0.99"]
    assert "UNFIT" in record["title"] and record["measure"] == "P"
    assert record["fit"]["standard_errors"] == {"volatility[A]": 1e-05}
    assert record["fit"]["intervals_95"] == {"volatility[A]": [0.5, 0.7]} and record["fit"]["not_identified"] == {}
    assert record["fit"]["bands"][0]["error"] == 0.01 and record["fit"]["valley"] == [{"value": 0.36, "cost": 0.5}]
    assert record["source"][0] == "prices: here" and record["fit"]["data_sha256"] == "ab"
    assert [p.name for p in tmp_path.iterdir()] == ["w.yaml"]


def test_a_world_states_how_the_errors_of_its_fit_move_together(fit):
    """Free numbers: variances on a log scale and the residual correlation; volatilities share half of each error."""
    kind, assets = "gbm", ("A", "B")
    free = tuple(free_parameters(kind, assets, np.array([0.36, 0.64])))
    point = np.array([np.log(0.36), np.log(0.64), 0.5])
    root = np.array([[0.1, 0.0, 0.0], [0.08, 0.06, 0.0], [0.0, 0.02, 0.05]])
    known = replace(fit.known, free=free, point=point, covariance=root @ root.T)
    names, matrix = error_correlation(kind, assets, known)
    assert names == ("volatility[A]", "volatility[B]", "correlation[A,B]")
    scale = np.sqrt(np.diag(root @ root.T))
    # each published number is a function of one free number that grows with it
    np.testing.assert_allclose(matrix, root @ root.T / np.multiply.outer(scale, scale), atol=1e-6)
    model = Gbm(assets, (1.0, 1.0), (0.0, 0.0), (0.6, 0.8), ((1.0, 0.5), (0.5, 1.0)))
    record = world_record(replace(fit, model=model, known=known), surface=FactorSurface.flat((0.7, 0.7)))
    stated = yaml.safe_load(to_yaml(record))["fit"]["error_correlation"]
    assert stated["names"] == list(names)
    np.testing.assert_allclose(stated["matrix"], matrix, atol=1e-4)


def test_text_reads_back_as_the_same_record(fit):
    record = world_record(fit, surface=FactorSurface.flat((0.7,)))
    assert yaml.safe_load(to_yaml(record)) == record
    assert record["surface"]["long_variance"] == pytest.approx([0.49])
    assert np.isclose(record["model"]["volatility"][0], 0.6)


def test_what_is_written_unless_empty_is_not_written_empty():
    surface = load_world("btc_eth").surface
    assert "carry" not in plain_record(surface)
    assert [c["rate"] for c in plain_record(replace(surface, carry=(Curve((24.0,), (0.1,)),) * 2))["carry"]] == [
        [0.1],
        [0.1],
    ]
