"""Dot plots: labels of any length leave the panels their room, and ticks of neighbours their own."""

import re

import pytest

from riskengine.report.chart import handle, legend, sheet, svg
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


def test_long_entries_of_a_legend_take_more_rows_and_stay_on_the_sheet():
    long = [f"a world with a long name {i}: estimate up to its bound" for i in range(4)]
    for names, columns in ((long, 2), (["short"] * 4, 4), (["of a middling length, all of them"] * 4, 3)):
        with sheet(1, 1, 2.0) as (figure, axes):
            axes[0].plot([0.0, 1.0], [0.0, 1.0])
            legend(figure, [handle(i) for i in range(4)], names)
            svg(figure, "legend", "a legend")
            box = figure.legends[0].get_window_extent()
            assert box.x1 <= figure.bbox.x1
            rows = {round(text.get_window_extent().y0) for text in figure.legends[0].get_texts()}
            assert len(rows) == -(-4 // columns)
