"""The chain fit finds the surface that made the quotes, and measures the shipped shapes on real chains."""

import numpy as np
import pytest

from riskengine.calibrate.chain import ChainSample, fit_chain
from riskengine.calibrate.linked_surface import SHAPES
from riskengine.market.surface import FactorSurface

TRUE = FactorSurface(
    (18.0,), (0.3,), (1.0,), (0.0,), (-0.06,), (-0.09,), (0.07,), (0.05,), (-0.05,), (0.15,), (5.0,)
)  # fmt: skip


@pytest.fixture(scope="module")
def made():
    """Eight snapshots of five expiries, 25 strikes each, without noise."""
    state = np.array([0.1, 0.15, 0.2, 0.3, 0.45, 0.8, 1.2, 0.25])
    rows = []
    for s, y in enumerate(state):
        for days in (2, 9, 25, 75, 250):
            tau = days / 365
            k = np.linspace(-3, 3, 25) * float(TRUE.atm(0, tau, np.array([y]))[0]) * np.sqrt(tau)
            n = k.size
            vol = TRUE.volatility(np.zeros(n), k, np.full(n, tau), np.zeros((n, 1)), np.array([[y]]))[:, 0]
            rows.append(np.column_stack([np.full(n, s), np.full(n, tau), k, vol]))
    table = np.concatenate(rows)
    return state, ChainSample(table[:, 0], table[:, 1], table[:, 2], table[:, 3])


def test_parameters_are_recovered(made):
    state, chain = made
    fit = fit_chain(chain)
    # quotes without noise: what is left is the tolerance of the search, 1e-8
    assert (fit.reversion, fit.long_variance) == pytest.approx((18.0, 0.3), rel=1e-7)
    assert fit.states == pytest.approx(state, rel=1e-7)
    for name, value in fit.smile.items():
        assert value == pytest.approx(getattr(TRUE, name)[0], rel=1e-7), name
    assert np.nanmax(fit.atm_rmse) < 1e-6 and np.nanmax(fit.smile_rmse) < 1e-6


def test_order_of_quotes_does_not_matter(made):
    _, chain = made
    turn = np.random.default_rng(1).permutation(chain.tau.size)
    other = ChainSample(*(getattr(chain, f)[turn] for f in ("snapshot", "tau", "log_moneyness", "volatility")))
    assert fit_chain(other).reversion == pytest.approx(fit_chain(chain).reversion, rel=1e-9)


def test_too_little_is_refused():
    with pytest.raises(ValueError, match="three expiries"):
        fit_chain(ChainSample([0, 0], [0.1, 0.1], [-0.1, 0.1], [0.5, 0.5]))
    with pytest.raises(ValueError, match="must be positive"):
        ChainSample([0], [0.1], [0.0], [0.0])


@pytest.mark.parametrize(("asset", "worst_atm", "worst_smile"), [("BTC", 4.6, 3.3), ("ETH", 6.2, 4.6)])
def test_shipped_shapes_come_from_the_real_chains(shared, asset, worst_atm, worst_smile):
    pd = pytest.importorskip("pandas")
    table = pd.read_parquet(
        shared / "data" / "options_deribit_2026.parquet",
        columns=["timestamp", "underlying", "expiry", "strike", "type", "mark_iv", "underlying_price"],
        filters=[("underlying", "==", asset)],
    )
    tau = (table.expiry - table.timestamp).dt.total_seconds().to_numpy() / 31_536_000
    k = np.log(table.strike / table.underlying_price).to_numpy()
    keep = ((table.type == "C").to_numpy() == (k >= 0)) & (tau > 0) & (table.mark_iv > 0).to_numpy()
    snapshot = np.unique(table.timestamp.to_numpy(), return_inverse=True)[1]
    fit = fit_chain(ChainSample(snapshot[keep], tau[keep], k[keep], table.mark_iv.to_numpy(np.float64)[keep]))
    shape = SHAPES[asset]
    # shipped with four digits: half a unit of the last is 5e-4 at most
    assert shape.reversion == pytest.approx(fit.reversion, rel=5e-4)
    for name, value in fit.smile.items():
        assert getattr(shape, name) == pytest.approx(value, rel=5e-4), name
    assert fit.atm_rmse.max() < worst_atm and fit.smile_rmse.max() < worst_smile
    assert fit.states.size == 185
