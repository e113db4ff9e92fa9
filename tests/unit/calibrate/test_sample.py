"""Returns inside unbroken stretches, and what a sample refuses."""

import numpy as np
import pytest

from riskengine.calibrate.sample import ReturnSample


def sample():
    hours = np.array([0, 1, 2, 5, 6, 7])
    return ReturnSample(("A",), hours, np.exp(np.arange(6.0))[:, None])


def test_returns_do_not_bridge_gaps():
    values, exists = sample().returns(2)
    assert exists.tolist() == [True, False, False, True, False, False]
    assert values[:, 0] == pytest.approx([2, 0, 0, 2, 0, 0])
    assert sample().gaps == 1 and sample().count == 6


def test_span_is_iso():
    assert sample().span == ("1970-01-01T00:00:00Z", "1970-01-01T07:00:00Z")


def test_from_timestamps():
    stamps = np.array(["2021-01-01T00", "2021-01-01T01"], dtype="datetime64[h]")
    assert ReturnSample.from_timestamps(("A",), stamps, [[1.0], [2.0]]).hours.tolist() == [447072, 447073]
    with pytest.raises(ValueError, match="full hours"):
        ReturnSample.from_timestamps(("A",), stamps.astype("datetime64[s]") + 5, [[1.0], [2.0]])


@pytest.mark.parametrize(
    ("hours", "prices", "message"),
    [
        ([0, 0], [[1.0], [1.0]], "strictly increasing"),
        ([0, 1], [[1.0], [0.0]], "positive"),
        ([0, 1], [[1.0], [np.nan]], "finite"),
        ([0, 1], [[1.0, 2.0], [1.0, 2.0]], "shape"),
    ],
)
def test_bad_samples_are_refused(hours, prices, message):
    with pytest.raises(ValueError, match=message):
        ReturnSample(("A",), np.array(hours), np.array(prices))


def test_horizon_must_fit():
    with pytest.raises(ValueError, match="horizon must lie"):
        sample().returns(6)
