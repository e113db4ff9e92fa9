import pytest

from riskengine.errors import UsageError
from riskengine.estimate import Estimate
from riskengine.study.result import Row, StudyResult
from riskengine.study.spec import Criterion
from riskengine.study.verdict import judge, verdict


def estimate(low, high):
    return Estimate((low + high) / 2, 0.1, low, high, 0.95, 100, 100.0, "test")


@pytest.mark.parametrize(
    ("low", "high", "sense", "expected"),
    [
        (0.1, 0.2, "at_most", "PASS"),
        (0.1, 0.3, "at_most", "PASS"),
        (0.25, 0.4, "at_most", "INCONCLUSIVE"),
        (0.31, 0.4, "at_most", "FAIL"),
        (0.3, 0.4, "at_least", "PASS"),
        (0.2, 0.4, "at_least", "INCONCLUSIVE"),
        (0.1, 0.2, "at_least", "FAIL"),
    ],
)
def test_the_whole_interval_decides(low, high, sense, expected):
    assert verdict(estimate(low, high), Criterion("m", 0.3, sense)) == expected


def rows():
    return [Row("margin", m, {"level": 0.99}, "breach", "probability", estimate(0.1, 0.2)) for m in ("a", "b")]


def test_only_rows_that_match_are_judged():
    judged = judge(rows(), (Criterion("breach", 0.05, "at_most", {"model": "a", "level": 0.99}),))
    assert [r.verdict for r in judged] == ["FAIL", None]
    assert StudyResult({}, tuple(judged)).exit_code() == 3


def test_inconclusive_has_its_own_exit_code():
    judged = judge(rows(), (Criterion("breach", 0.15),))
    assert StudyResult({}, tuple(judged)).exit_code() == 4
    assert StudyResult({}, tuple(rows())).exit_code() == 0


def test_a_criterion_that_names_nothing_is_an_error():
    with pytest.raises(UsageError, match="no figure matches brech.*breach"):
        judge(rows(), (Criterion("brech", 0.15),))
