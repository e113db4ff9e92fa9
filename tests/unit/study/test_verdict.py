import pytest

from riskengine.errors import UsageError
from riskengine.estimate import Estimate
from riskengine.study.criterion import Criterion
from riskengine.study.result import Row, StudyResult
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
    assert verdict(estimate(low, high), Criterion("insolvency", 0.3, sense)) == expected


def rows():
    return [Row("margin", m, {"level": 0.99}, "insolvency", "probability", estimate(0.1, 0.2)) for m in ("a", "b")]


def test_only_rows_that_match_are_judged():
    judged = judge(rows(), (Criterion("insolvency", 0.05, "at_most", {"model": "a", "level": 0.99}),))
    assert [r.verdict for r in judged] == ["FAIL", None]
    assert StudyResult({}, tuple(judged)).exit_code() == 3


def test_inconclusive_has_its_own_exit_code():
    judged = judge(rows(), (Criterion("insolvency", 0.15),))
    assert StudyResult({}, tuple(judged)).exit_code() == 4
    assert StudyResult({}, tuple(rows())).exit_code() == 0


def test_a_criterion_that_matches_no_row_is_an_error():
    with pytest.raises(UsageError, match="no figure matches insolvency where"):
        judge(rows(), (Criterion("insolvency", 0.15, "at_most", {"model": "c"}),))


def test_a_misspelt_measure_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="such as insolvency.*got insolvensy"):
        Criterion("insolvensy", 0.15)


def test_a_place_that_no_figure_has_is_named_before_the_run():
    with pytest.raises(ValueError, match="got 'levle'; did you mean 'level'"):
        Criterion("initial_margin_breach", 0.01, where={"levle": 0.99})
