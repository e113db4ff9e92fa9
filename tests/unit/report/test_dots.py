"""Dot plots: labels of any length leave the panels their room, and ticks of neighbours their own."""

import re

import pytest

from riskengine.report.dots import Dot, dots
from riskengine.report.rows import Row

ESTIMATE = {"value": 0.02, "std_error": 0.01, "lower": 0.001, "upper": 0.1, "confidence": 0.95, "n": 9,
            "n_effective": 9.0, "method": "made"}  # fmt: skip


def _texts(label):
    row = Row("s", label, "m", "probability", ESTIMATE)
    found = dots("d", "Title", [(head, [Dot(label, "", row)]) for head in ("one", "two")])
    return "".join(re.findall(r"<text[^>]*>([^<]*)</text>", found.svg))


@pytest.mark.parametrize("label", ["short", "very " * 40 + "long", "x" * 300])
def test_a_label_of_any_length_is_shown_whole(label):
    shown = _texts(label)
    assert label.replace(" ", "") in shown.replace(" ", "") and "one" in shown and "two" in shown
