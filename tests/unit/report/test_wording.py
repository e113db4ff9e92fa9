"""Numbers as text."""

import pytest

from riskengine.report.wording import amount, methods, parts, percent, phrase, plain


def _estimate(value, lower, upper, **more):
    return {"value": value, "lower": lower, "upper": upper, "confidence": 0.95, "method": "test"} | more


@pytest.mark.parametrize(
    ("estimate", "unit", "shown"),
    [
        (_estimate(0.0123, 0.0110, 0.0137), "probability", ("1.23 %", "[1.10, 1.37]")),
        (_estimate(0.0, 0.0, 0.000185), "probability", ("0 %", "[0, 0.0185]")),
        (_estimate(0.0123, 0.0110, None), "share", ("1.23 %", "[1.10, no upper bound]")),
        (_estimate(1.0, None, None), "count", ("1", "no interval")),
        (_estimate(812.0, 0.0, 82_137.0), "USD", ("812 USD", "[0, 82,137]")),
        (_estimate(1.7e8, 1.7e8, 1.7e8), "USD", ("170.0M USD", "[170.0, 170.0]")),
        (_estimate(-0.0051, -0.0054, -0.0048), "pp", ("-0.510 pp", "[-0.540, -0.480]")),
        (_estimate(0.0051, 0.0048, 0.0054), "pp", ("+0.510 pp", "[0.480, 0.540]")),
        (_estimate(1_234_567.0, 1_200_000.0, 1_270_000.0), "USD", ("1.235M USD", "[1.200, 1.270]")),
        (_estimate(0.0, 0.0, 0.0), "USD", ("0 USD", "[0, 0]")),
        # nothing has no scale: its bracket has one of its own
        (_estimate(0.0, 0.0, 28_596.0), "USD", ("0 USD", "[0, 29k]")),
        (_estimate(0.0, 0.0, 596.4), "USD", ("0 USD", "[0, 596]")),
        (_estimate(12_345.0, 12_000.0, 12_700.0), "count", ("12,345", "[12,000, 12,700]")),
        (_estimate(None, None, None, method="no hits"), "USD", ("undetermined", "no hits")),
        (_estimate(0.04, 0.04, 0.04, confidence=1.0), "share", ("4 %", "exact")),
    ],
)
def test_digits_follow_the_interval(estimate, unit, shown):
    assert parts(estimate, unit) == shown


def test_phrase_puts_a_reason_in_brackets():
    assert phrase(_estimate(None, None, None, method="no hits"), "USD") == "undetermined (no hits)"
    assert phrase(_estimate(0.01, 0.005, 0.02), "share") == "1.00 % [0.50, 2.00]"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "USD", "–"),
        (0.0, "probability", "0 %"),
        (0.001, "probability", "0.1 %"),
        (1e-9, "probability", "1.0e-07 %"),
        (999.0, "USD", "999 USD"),
        (1_500.0, "USD", "1.5k USD"),
        (-2.5e9, "USD", "-2.5B USD"),
        (12_000, "count", "12,000"),
        (0.0004, "p-value", "0.0004"),
        (3.0, "hours", "3 hours"),
    ],
)
def test_single_amounts(value, unit, shown):
    assert amount(value, unit) == shown


def test_methods_are_named_once_and_refusals_counted():
    estimates = [
        {"method": "order statistics, exact coverage 0.9548"},
        {"method": "order statistics, exact coverage 0.9675"},
        {"method": "mean, interval refused: 7 effective hits, 100 needed"},
        {"method": "clopper-pearson"},
        {"method": "mean, interval refused: 8 effective hits, 100 needed"},
    ]
    assert methods(estimates) == "order statistics; clopper-pearson; refused for 2 with too few effective hits"


def test_levels_and_settings():
    assert percent(0.995) == "99.5 %"
    assert [plain(v) for v in (True, None, 20_000, 24.0, 0.25, {"a": 1}, [1, 2])] == [
        *("yes", "–", "20,000", "24", "0.25", "a 1", "1, 2"),
    ]
