"""Chapter of forecast probabilities: reliability diagrams, where the Brier score comes from, PIT histograms."""

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import Any

from riskengine.report.chapter import Chapter, Result
from riskengine.report.chart import MUTED, SERIES, Point, log_axis, marks, sheet, svg, unit_axis
from riskengine.report.figures import Figure, interval_note
from riskengine.report.rows import Row, select, unique
from riskengine.report.tables import Table, pivot
from riskengine.report.wording import percent, plain

CURVES = "reliability"
_MAIN = ("event_rate", "mean_forecast", "brier_score", "brier_excess")
_PARTS = ("miscalibration", "miscalibration_perfect", "miscalibration_p", "discrimination", "uncertainty")
_ERROR = ("calibration_error", "calibration_error_perfect", "calibration_error_p")
_CRPS = ("crps", "crps_excess", "tail_crps", "tail_crps_excess")


def reliability(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Is what is called probable as frequent as that, and does the forecast tell one day from another?"""
    own = select(rows, "probability_calibration")
    curves = [c for c in result.get("curves") or () if c.get("name") == CURVES]
    levels = unique(c["parameters"]["level"] for c in curves)
    items: list[Figure | Table | None] = []
    if pictures:
        items += [_diagram(level, [c for c in curves if c["parameters"]["level"] == level]) for level in levels]
        items.append(_histogram(select(own, measure="pit_share")))
    lead = ("level",)
    items += [
        pivot("Brier score", own, _MAIN, lead=lead),
        pivot("Where the score comes from", own, _PARTS, lead=lead),
        pivot("Expected calibration error, and what a perfect forecast would show", own, _ERROR, lead=lead),
        pivot("The whole law: CRPS", own, _CRPS),
    ]
    said = (
        "A forecast is reliable where events called p per cent happen p per cent of the time, and useful where it "
        "tells one day from another. Brier score = miscalibration − discrimination + uncertainty.",
        "Miscalibration and calibration error are positive even for a perfect forecast; beside each stands what "
        "outcomes drawn from the forecasts themselves show, and how often they show as much (p).",
    )
    return Chapter("reliability", "Are forecast probabilities kept?", said, items)


def _diagram(level: float, curves: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Observed against forecast probability, recalibrated by isotonic regression, a panel for each forecast."""
    if not curves:
        return None
    # below a fiftieth of the base rate there is nothing to be seen in any number of histories that is run here
    limits = (10.0 ** floor(log10((1.0 - level) / 50.0)), 0.9)
    title = f"Reliability: probability of a loss beyond the {percent(level)} quantile"
    with sheet(1, len(curves), 3.6, share_y=True) as (figure, axes):
        for k, (ax, c) in enumerate(zip(axes, curves, strict=True)):
            log_axis(ax, "x", limits, "probability")
            log_axis(ax, "y", limits, "probability")
            ax.plot(limits, limits, color=MUTED, lw=1.1, ls=(0, (4, 3)), zorder=1)
            line = [max(v, limits[0]) for v in c["y"]]
            band = [[max(v, limits[0]) for v in c[end]] for end in ("lower", "upper")]
            colour = SERIES[k % len(SERIES)]
            if max(c["x"]) > min(c["x"]) * (1.0 + 1e-9):
                ax.fill_between(c["x"], *band, color=colour, alpha=0.18, lw=0, zorder=1)
                ax.plot(c["x"], line, color=colour, zorder=3)
            else:
                e = {"value": c["y"][0], "lower": c["lower"][0], "upper": c["upper"][0]}
                marks(ax, [Point(c["x"][0], e)], k)
            ax.set_title(c["title"])
            ax.set_xlabel("forecast")
        axes[0].set_ylabel("observed, recalibrated")
        drawing = svg(figure, f"reliability-{level}", title)
    note = (
        "Dashed: forecast kept. Shaded, or the bar: where 90 % of perfect forecasts lie at a point; on the lower edge: "
        f"none seen. n = {plain(curves[0]['n'])} histories."
    )
    return Figure(f"reliability-{level}", title, drawing, note)


def _histogram(rows: Sequence[Row]) -> Figure | None:
    """Share of outcomes in each tenth of the forecast law: flat where the whole law is right."""
    names = unique(r.model for r in rows)
    if not names:
        return None
    title = "Where outcomes fall in the forecast law (PIT)"
    with sheet(1, len(names), 2.6, share_y=True) as (figure, axes):
        for k, (ax, name) in enumerate(zip(axes, names, strict=True)):
            own = [r for r in rows if r.model == name]
            bins = len(own)
            ax.bar(
                [(b + 0.5) / bins for b in range(bins)], [r.value for r in own], 0.94 / bins, color=SERIES[k], alpha=0.5
            )
            marks(ax, [Point((b + 0.5) / bins, r.estimate) for b, r in enumerate(own)], k)
            ax.axhline(1.0 / bins, color=MUTED, lw=1.1, ls=(0, (4, 3)))
            ax.set_xlim(0.0, 1.0)
            ax.set_xticks([0.25, 0.5, 0.75])
            ax.set_ylim(0.0, 1.15 * max(r.estimate["upper"] for r in rows))
            ax.set_title(name)
            ax.set_xlabel("probability of a smaller loss")
            unit_axis(ax.yaxis, "probability")
        axes[0].set_ylabel("share of outcomes")
        drawing = svg(figure, "pit", title)
    return Figure(
        "pit", title, drawing, "Dashed: a forecast law that is right. " + interval_note([r.estimate for r in rows])
    )
