"""Chain files: what is read, and every fault with its row."""

from dataclasses import replace

import numpy as np
import pytest
from chain_files import HESTON, START, frame, quotes

from riskengine.data.chains import load_chains
from riskengine.errors import InputError, UsageError

LAWS = [replace(HESTON, seconds=START + n * 3600) for n in (0, 30, 60)]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_snapshots_come_back(tmp_path, form):
    file = tmp_path / f"chains.{form}"
    rows = frame(LAWS, per_expiry=6)
    rows = rows.sample(frac=1.0, random_state=1)
    rows.to_csv(file, index=False) if form == "csv" else rows.to_parquet(file)
    found = load_chains(file, "BTC")
    assert [q.seconds for q in found] == [law.seconds for law in LAWS]
    wanted = quotes(LAWS[0], per_expiry=6)
    got = found.snapshots[0]
    order = np.lexsort((got.strike, got.expiry_seconds))
    assert got.strike[order] == pytest.approx(wanted.strike, rel=1e-12)
    assert got.ask[order] == pytest.approx(wanted.ask, rel=1e-12)
    assert got.sign[order].tolist() == wanted.sign.tolist()
    assert np.isnan(got.bid[order]).tolist() == (wanted.bid <= 0).tolist()
    assert len(found.sha256) == 64
    assert len(load_chains(file, "BTC", start="2026-01-02", end="2026-01-03").snapshots) == 1


def test_a_snapshot_is_chosen_by_time(tmp_path):
    file = tmp_path / "chains.csv"
    frame(LAWS, per_expiry=4).to_csv(file, index=False)
    found = load_chains(file, "BTC")
    assert found.at(None).seconds == LAWS[2].seconds
    assert found.at("2026-01-02T06:00:00Z").seconds == LAWS[1].seconds
    assert found.at("2026-01-02T05:59").seconds == LAWS[0].seconds
    with pytest.raises(UsageError, match="at or after the first, 2026-01-01T00:00:00Z"):
        found.at("2025-01-01")
    with pytest.raises(UsageError, match="ISO stamp"):
        found.at("yesterday")


def test_marks_and_open_interest_may_be_missing(tmp_path):
    file = tmp_path / "chains.csv"
    frame(LAWS[:1], per_expiry=4).drop(columns=["mark", "open_interest"]).to_csv(file, index=False)
    q = load_chains(file, "BTC").at(None)
    assert np.isnan(q.mark).all() and np.isnan(q.open_interest).all()


def test_faults(tmp_path):
    file = tmp_path / "chains.csv"
    rows = frame(LAWS[:1], per_expiry=4)
    rows.drop(columns=["strike", "bid"]).to_csv(file, index=False)
    with pytest.raises(InputError, match="columns strike, bid must be given"):
        load_chains(file, "BTC")
    rows.to_csv(file, index=False)
    with pytest.raises(InputError, match="asset must be one of BTC, got 'ETH'"):
        load_chains(file, "ETH")
    with pytest.raises(InputError, match="from 2027-01-01 on, got none"):
        load_chains(file, "BTC", start="2027-01-01")
    rows.loc[2, "strike"] = -5.0
    rows.loc[4, "type"] = "X"
    rows["underlying_price"] = rows["underlying_price"].astype(object)
    rows.loc[7, "underlying_price"] = "none"
    rows.to_csv(file, index=False)
    with pytest.raises(InputError) as told:
        load_chains(file, "BTC")
    text = str(told.value)
    assert f"{file}:4: strike must be a positive number" in text
    assert f"{file}:6: type must be C or P" in text
    assert f"{file}:9: underlying_price must be a positive number" in text
    rows.loc[0, "expiry"] = "soon"
    rows.to_csv(file, index=False)
    with pytest.raises(InputError, match="got 'soon'"):
        load_chains(file, "BTC")


def test_real_chains(shared):
    found = load_chains(shared / "data" / "options_deribit_2026.parquet", "BTC", end="2025-12-31")
    assert len(found.snapshots) == 1
    assert found.at(None).strike.size == 630
