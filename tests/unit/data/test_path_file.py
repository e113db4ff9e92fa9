"""Files of the user's own paths: every layout gives the same paths, every fault one clear message."""

import numpy as np
import pytest

from riskengine.data.path_file import load_paths
from riskengine.errors import InputError

ASSETS = ("BTC", "ETH")


def arrays(paths=3, steps=4, back=2):
    rng = np.random.default_rng(5)
    spot = np.array([60_000.0, 3_000.0]) * np.exp(rng.normal(0, 0.01, (steps + 1, paths, 2)))
    spot[0] = (60_000.0, 3_000.0)
    history = np.array([60_000.0, 3_000.0]) * np.exp(rng.normal(0, 0.01, (back + 1, paths, 2)))
    history[-1] = spot[0]
    return spot, history


def long_table(spot, history=None, variance=None):
    lines = ["path,step,asset,spot" + (",variance" if variance is not None else "")]
    for block, first in ((history, 1 - len(history) if history is not None else 0), (spot, 0)):
        for (t, p, a), price in np.ndenumerate(block) if block is not None else ():
            if block is history and t == len(history) - 1:
                continue
            more = f",{variance}" if variance is not None else ""
            lines.append(f"{p + 10},{t + first},{ASSETS[a]},{float(price)!r}{more}")
    return "\n".join(lines) + "\n"


def test_layouts_give_the_same_paths(tmp_path):
    spot, history = arrays()
    hours = {"step_hours": 1.0, "history_step_hours": 24.0}
    np.savez(tmp_path / "p.npz", spot=spot, history_spot=history, **hours)
    # another order of assets, named
    np.savez(tmp_path / "q.npz", spot=spot[..., ::-1], history_spot=history[..., ::-1], assets=["ETH", "BTC"], **hours)
    (tmp_path / "p.csv").write_text(long_table(spot, history))
    found = [load_paths(tmp_path / name, ASSETS, **hours) for name in ("p.npz", "q.npz", "p.csv")]
    for one in found:
        np.testing.assert_array_equal(one.spot, spot)
        np.testing.assert_array_equal(one.history_spot, history)
        assert (one.step_seconds, one.history_step_seconds, one.count) == (3_600, 86_400, 3)
    assert len({one.sha256 for one in found}) == 3
    np.save(tmp_path / "p.npy", spot)
    bare = load_paths(tmp_path / "p.npy", ASSETS, step_hours=0.5)
    np.testing.assert_array_equal(bare.spot, spot)
    assert (bare.step_seconds, bare.history_spot, bare.history_step_seconds) == (1_800, None, 0)


def test_parquet_and_variance(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    spot, _ = arrays()
    (tmp_path / "p.csv").write_text(long_table(spot, variance=0.36))
    pandas.read_csv(tmp_path / "p.csv").sample(frac=1.0, random_state=1).to_parquet(tmp_path / "p.parquet")
    for name in ("p.csv", "p.parquet"):
        found = load_paths(tmp_path / name, ASSETS, step_hours=2.0)
        np.testing.assert_array_equal(found.spot, spot)
        np.testing.assert_array_equal(found.variance, np.full(spot.shape, 0.36))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({}, "spot must be given, got arrays none"),
        ({"spots": 1}, "arrays must be among spot, variance, .*got 'spots'; did you mean 'spot'"),
        ({"spot": np.array(["a"])}, "spot must hold numbers, got values of type <U1"),
        ({"spot": "good", "step_hours": [1.0, 2.0]}, r"step_hours must be one number, got shape \(2,\)"),
        ({"spot": "good", "step_hours": 2.0}, "step_hours must be the file's 2, got 1"),
        ({"spot": "good", "assets": ["BTC", "SOL"]}, "assets must be BTC, ETH, got BTC, SOL"),
        ({"spot": "good", "history_spot": "good"}, "history_step_hours must be given"),
        ({"spot": np.ones((3, 2))}, r"spot must have shape \(times, paths, 2\) with two times or more, got \(3, 2\)"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, made, message):
    spot, history = arrays()
    given = {name: {"spot": spot, "history_spot": history}[name] if str(v) == "good" else v for name, v in made.items()}
    np.savez(tmp_path / "p.npz", **given)
    with pytest.raises(InputError, match=message) as told:
        load_paths(tmp_path / "p.npz", ASSETS, step_hours=1.0)
    assert all(f.file == str(tmp_path / "p.npz") for f in told.value.faults)


def test_wrong_tables_and_files_are_refused(tmp_path):
    spot, history = arrays()
    text = long_table(spot, history)

    def refused(content, message, name="p.csv"):
        target = tmp_path / name
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(InputError, match=message):
            load_paths(target, ASSETS, step_hours=1.0, history_step_hours=24.0)

    refused(
        text.replace("spot", "price"), "columns path, step, asset, spot must be given, got path, step, asset, price"
    )
    refused(text.rsplit("\n", 2)[0] + "\n", "rows must be one for each of 7 steps .* 42 in all, got 41")
    refused(text.replace("ETH", "DOGE"), "asset ETH must be in the file, got BTC, DOGE")
    refused(text.replace("10,1,BTC", "10,1.5,BTC"), "step must hold whole numbers, got 1.5")
    doubled = text.replace("10,1,BTC", "10,2,BTC")
    refused(doubled, "spot must be finite and positive, got nan at step 1, path 0, asset BTC")
    refused(b"no archive", "must be a readable npz file of numbers", "p.npz")
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    refused((tmp_path / "o.npy").read_bytes(), "must be a readable npy file of numbers", "p.npy")
    with pytest.raises(InputError, match="no such file"):
        load_paths(tmp_path / "absent.npz", ASSETS)
    with pytest.raises(InputError, match="step_hours must be a whole number of seconds"):
        (tmp_path / "p.csv").write_text(text)
        load_paths(tmp_path / "p.csv", ASSETS, step_hours=1e-5, history_step_hours=24.0)
