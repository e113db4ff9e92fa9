"""Chapters of a study of Black-Scholes: margins, prices and deltas as maps; hedges as curves."""

from collections.abc import Callable, Sequence
from math import log10
from typing import Any

from riskengine.report.chapter import Chapter, Result
from riskengine.report.chart import MUTED, Point, handle, legend, log_axis, log_range, marks, sheet, svg
from riskengine.report.figures import Figure, interval_note
from riskengine.report.heat import Tile, heat
from riskengine.report.labels import model_of
from riskengine.report.rows import Row, select, unique
from riskengine.report.tables import Table, pivot
from riskengine.report.wording import percent, plain

Panel = tuple[str, Sequence[Row]]
_AXES = ("strike, standard deviations from the spot", "days to expiry")


def _sd(z: Any) -> str:
    return f"{z:+g}".replace("-", "−") if z else "0"


def _multiple(value: float) -> str:
    return f"×{value:.0f}" if value >= 9.5 else f"×{value:.1f}" if value >= 0.095 else f"×{value:.2f}"


def _rule(rows: Sequence[Row]) -> str:
    return rows[0].model if rows else ""


def _map(
    name: str,
    title: str,
    panels: Sequence[Panel],
    tile: Callable[[Row], tuple[float, str]],
    note: str,
) -> Figure | None:
    """A map of one figure over strike and maturity, a panel for each of `panels`."""
    drawn = []
    for head, rows in panels:
        tiles = []
        for r in rows:
            tone, text = (None, "–") if r.value is None else tile(r)
            tiles.append(Tile(r.parameters["moneyness"], r.parameters["days"], tone, text))
        drawn.append((head, tiles))
    return heat(name, title, drawn, (_sd, plain), _AXES, note)


def black_scholes_margins(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """How often a margin that assumes Black-Scholes is breached."""
    own = select(rows, "black_scholes_margin")
    rule = _rule(own)
    items: list[Figure | Table | None] = []
    if pictures:
        breach = [r for r in select(own, measure="margin_breach") if r.model == rule]
        items += [
            _breaches(level, select(breach, level=level)) for level in unique(r.parameters["level"] for r in breach)
        ]
    measures = ("margin_needed", "margin_black", "margin_error", "margin_breach")
    for world in unique(r.parameters["world"] for r in own):
        items.append(pivot(f"Margin of a short option on {world}", select(own, world=world), measures, folded=True))
    said = (
        "The margin of a short option by Black–Scholes is its loss at the lognormal quantile; the world jumps. At one "
        "level it may look adequate: the tail beyond it is what it lacks.",
    )
    return Chapter("black-margin", "Is a margin that assumes Black–Scholes enough?", said, items)


def _breaches(level: float, rows: Sequence[Row]) -> Figure | None:
    """Breach probability of the Black-Scholes margin at `level` as a multiple of the promised one."""

    def tile(r: Row) -> tuple[float, str]:
        times = (r.value or 0.0) / (1.0 - level)
        return (log10(times) if times > 0 else -1.0), _multiple(times)

    return _map(
        f"black-margin-{level}",
        f"How many times too often a {percent(level)} Black–Scholes margin is breached ({_words(_rule(rows))})",
        [(world, select(rows, world=world)) for world in unique(r.parameters["world"] for r in rows)],
        tile,
        "Breach probability over the promised one; ×1 is kept. Orange: breached too often; colours end at ten times. "
        "Exact figures, no sampling error.",
    )


def black_scholes_errors(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Price, volatility and delta errors by strike and maturity."""
    own = select(rows, "black_scholes")
    rule = _rule(own)
    items: list[Figure | Table | None] = []
    worlds = unique(r.parameters["world"] for r in own)
    if pictures and own:

        def panels(measure: str) -> list[tuple[str, list[Row]]]:
            return [(w, [r for r in select(own, measure=measure, world=w) if r.model == rule]) for w in worlds]

        said = f"volatility {_words(rule)}"
        items.append(
            _map(
                "black-volatility",
                f"Points of volatility that Black–Scholes is off by ({said})",
                panels("volatility_error"),
                lambda r: (-(r.value or 0.0) / 0.15, f"{100 * (r.value or 0.0):+.1f}".replace("-", "−")),
                "Black–Scholes volatility less the implied volatility of the true price. Orange: sold too cheap; "
                "colours "
                "end at 15 points. Exact figures, no sampling error.",
            )
        )
        items.append(
            _map(
                "black-hedge",
                f"Coins per 100 options that the Black–Scholes delta is off by ({said})",
                panels("hedge_error"),
                lambda r: (abs(r.value or 0.0) / 0.05, f"{100 * (r.value or 0.0):+.1f}".replace("-", "−")),
                "Black–Scholes delta less the hedge of least variance. The darker, the farther off; colours end at 5 "
                "coins. Exact figures, no sampling error.",
            )
        )
    measures = ("one_volatility", "true_price", "price_error", "volatility_error", "delta_error", "hedge_error")
    options = [r for r in own if "moneyness" in r.parameters]
    items.append(pivot("The one volatility", own, measures[:1]))
    for world in worlds:
        items.append(pivot(f"Options on {world}", select(options, world=world), measures[1:], folded=True))
    said = (
        "Black–Scholes gets one volatility for each maturity, and is right at the money. Jumps make the wings dear, "
        "most "
        "near expiry; over months their sum nears a normal law, and the errors fade, unless variance itself moves.",
    )
    return Chapter("black-errors", "How wrong are price and delta?", said, items)


def black_scholes_hedges(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Tracking error by rebalancing interval."""
    own = select(rows, "hedge_tracking")
    sold = [r for r in own if "moneyness" in r.parameters]
    items: list[Figure | Table | None] = []
    if pictures:
        items += [_tracking(z, select(sold, moneyness=z)) for z in unique(r.parameters["moneyness"] for r in sold)]
    measures = (
        "hedge_mean",
        "hedge_sd",
        "hedge_variance_ratio",
        "hedge_sd_lognormal",
        "hedge_loss_p01",
        "hedge_loss_p99",
        "hedge_loss_es_99",
    )
    items.append(pivot("What reading the hedges from tables costs", own, ("hedge_table_error",)))
    for world in unique(r.parameters["world"] for r in sold):
        items.append(pivot(f"Hedged sellers on {world}", select(sold, world=world), measures, folded=True))
    said = (
        "Where Black–Scholes is true the tracking error falls with the root of the interval, as the closed form says. "
        "Where prices jump it comes to a floor: no delta hedges a jump. How much of the variance a better hedge "
        "takes off, on the same paths, is in the tables.",
    )
    return Chapter("black-hedges", "What does delta hedging leave?", said, items)


def _tracking(z: float, rows: Sequence[Row]) -> Figure | None:
    """Standard deviation of the hedged loss against the interval, log-log, a panel for each world."""
    shown = select(rows, measure="hedge_sd")
    panels = unique(r.parameters["world"] for r in shown)
    if not panels:
        return None
    hours = sorted(unique(r.parameters["interval_hours"] for r in shown))
    leading = select(rows, measure="hedge_sd_lognormal")
    names = unique(r.model for r in shown)
    title = f"Tracking error of a hedged option, strike at {_sd(z)} sd"
    limits = log_range([r.estimate for r in shown], *(r.value for r in leading if r.value))
    with sheet(1, len(panels), 3.4, share_y=True) as (figure, axes):
        for ax, world in zip(axes, panels, strict=True):
            log_axis(ax, "x", (hours[0] / 1.6, hours[-1] * 1.6), "number")
            log_axis(ax, "y", limits, "return")
            for k, name in enumerate(names):
                own = [r for r in select(shown, world=world, hedged_in="world") if r.model == name]
                spread = 1.0 + 0.06 * (k - 1)
                marks(ax, [Point(r.parameters["interval_hours"] * spread, r.estimate) for r in own], k, line=True)
            control = select(shown, world=world, hedged_in="lognormal")
            marks(ax, [Point(r.parameters["interval_hours"], r.estimate) for r in control], len(names))
            line = sorted(
                (r.parameters["interval_hours"], r.value) for r in select(leading, world=world, hedged_in="world")
            )
            ax.plot(*zip(*line, strict=True), color=MUTED, lw=1.2, ls=(0, (4, 3)), zorder=1)
            ax.set_xticks(hours, [plain(h) for h in hours])
            ax.set_title(world)
            ax.set_xlabel("hours between trades")
        axes[0].set_ylabel("sd of the loss, % of spot")
        handles = [handle(k, line=True) for k in range(len(names))] + [handle(len(names))]
        legend(figure, handles, [*map(model_of, names), "Black–Scholes delta, lognormal control"])
        drawing = svg(figure, f"tracking-{z}", title)
    note = "Dashed: closed form of a lognormal world, leading order. " + interval_note([r.estimate for r in shown])
    return Figure(f"tracking-{z}", title, drawing, note)


def black_scholes_integers(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Black-76 in 18-decimal integers: errors, where it reverts, what it costs."""
    own, cost = select(rows, "fixed_point", "fixed_error"), select(rows, "fixed_cost")
    items: list[Figure | Table | None] = []
    if pictures and own:
        tiles = [
            Tile(
                r.parameters["log_moneyness"],
                r.parameters["total_volatility"],
                1.0 if r.value is None else max(0.0, log10(max(r.value, 1.0)) / 6.0),
                "revert" if r.value is None else f"{r.value:.2g}" if r.value < 1000 else f"{r.value:.0e}",
            )
            for r in own
        ]
        axes = ("log(strike / forward)", "total volatility")
        note = (
            "Larger error of call and put, in units of 1e-18 of the larger of forward and strike, against 50 digits. "
            "Dark: the call aborts, and whoever needs the price is stuck. Exact figures, no sampling error."
        )
        items.append(
            heat(
                "fixed",
                "Error of Black-76 in 18-decimal integers",
                [("", tiles)],
                (_sd, lambda v: f"{v:g}"),
                axes,
                note,
            )
        )
    items.append(pivot("Operations of one call", cost, ("fixed_mul", "fixed_div", "fixed_add", "fixed_shift")))
    items.append(pivot("Where it overflows", select(cost, measure="fixed_largest_forward"), ("fixed_largest_forward",)))
    items.append(pivot("Errors and reverts", own, ("fixed_error",), folded=True))
    said = (
        "A contract prices in integers. The error is a few units of the last place of the forward wherever a price is "
        "given; deep in a corner nobody trades the logarithm of a ratio that rounds to zero does not exist.",
    )
    return Chapter("fixed-point", "Is the on-chain arithmetic good enough?", said, items)


def black_scholes_vault(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """What a buyer who knows the law takes from a vault that quotes Black-Scholes."""
    own, total = select(rows, "vault"), select(rows, "vault_total")
    worlds = unique(r.parameters["world"] for r in own)
    asked = ((result.get("settings") or {}).get("vault") or {}).get("spread", 0.0)
    items: list[Figure | Table | None] = []
    if pictures:
        items.append(
            _map(
                "vault",
                "Points of spread that would end the buyer's edge",
                [(w, select(own, measure="vault_break_even", world=w)) for w in worlds],
                lambda r: (((r.value or 0.0) - asked) / 0.15, f"{100 * (r.value or 0.0):+.1f}".replace("-", "−")),
                f"The vault asks {100 * asked:g}. Orange: the option is worth more than it asks, and is bought; "
                "colours end 15 points away. Exact figures, no sampling error.",
            )
        )
    measures = ("vault_profit", "vault_profit_simulated", "vault_loss_probability", "vault_loss_p99")
    items.append(
        pivot("The vault, bought empty", total, (*measures, "vault_loss_es_99", "vault_worst"), lead=("days",))
    )
    parts = ("vault_edge", "vault_size", "vault_profit", "vault_break_even", "vault_break_even_simulated")
    sizes = ("vault_break_even_size", "vault_break_even_size_simulated")
    for world in worlds:
        items.append(pivot(f"Options bought on {world}", select(own, world=world), (*parts, *sizes), folded=True))
    said = (
        "A buyer who knows the law takes the wings and leaves the rest. The vault earns its premiums on most days and "
        "pays for all of them on few: its losses are not seen until they come.",
        "What ends it: a spread above the figure on the map, a quote with a smile, or a limit on size, which does not "
        "end the edge but bounds what is lost to it.",
    )
    return Chapter("vault", "What does a vault that quotes Black–Scholes lose?", said, items)


def black_scholes_attacks(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """What an attacker gains by moving the mark, and what stops it."""
    own, stop = select(rows, "mark_attack"), select(rows, "mark_attack_stop")
    items: list[Figure | Table | None] = []
    if pictures and own:
        profits = select(own, measure="attack_profit")
        most = max((r.value or 0.0) for r in profits) or 1.0
        panels = [
            (
                name,
                [
                    Tile(
                        r.parameters["observations"],
                        r.parameters["cap"],
                        _tone(r.value or 0.0, most),
                        _usd(r.value or 0.0),
                    )
                    for r in profits
                    if r.model == name
                ],
            )
            for name in unique(r.model for r in profits)
        ]
        note = (
            "Profit at the best push, net of its cost; white: no push pays. Down: how far one observation may count as "
            "off. Exact figures, no sampling error."
        )
        axes = ("observations in the average", "cap on one observation")
        title = "Profit of moving the mark, USD"
        items.append(heat("attack", title, panels, (plain, lambda v: percent(v)), axes, note))
    measures = ("attack_push", "attack_cost", "attack_profit", "attack_break_even")
    items.append(pivot("What stops it: a longer average", stop, ("attack_observations",), folded=True))
    items.append(pivot("Attacks", own, measures, folded=True))
    said = (
        "Who holds a position pushes the price that its oracle reads. A longer average divides the gain and leaves the "
        "cost; a cap bounds the gain; a cap on open interest below the safe one stops it.",
    )
    return Chapter("attacks", "What does it pay to move the mark?", said, items)


def _tone(value: float, most: float) -> float:
    """From white at nothing to full at the largest profit, by orders of magnitude from a USD."""
    return log10(1.0 + value) / log10(1.0 + most)


def _usd(value: float) -> str:
    for scale, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= scale:
            return f"{value / scale:.3g}{letter}"
    return f"{value:.0f}"


def _words(rule: str) -> str:
    return rule.replace("_", " ")
