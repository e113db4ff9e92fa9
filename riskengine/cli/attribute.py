"""``riskengine attribute``: what moved a requirement from yesterday to today."""

from typing import Any

import click

from riskengine.errors import UsageError


@click.command()
@click.option("--from", "old", required=True, metavar="FILE", help="Yesterday's margin book: YAML or CSV, or shipped.")
@click.option("--to", "new", metavar="FILE", help="Today's; yesterday's by default, its expiries that much nearer.")
@click.option("--model", required=True, metavar="NAME|FILE", help="Margin model, or a YAML file of one.")
@click.option("--to-model", metavar="NAME|FILE", help="Today's, where its parameters have changed.")
@click.option("--hours", type=click.FloatRange(0), default=24.0, show_default=True, help="Between the two.")
@click.option("--spot", "moves", metavar="A=MOVE,...", help="Moves of prices since, such as BTC=-5%,ETH=-8%.")
@click.option("--volatility", "vols", metavar="A=MOVE,...", help="Moves of implied volatility, such as BTC=+10%.")
@click.option("--world", "world_name", default="btc_eth", show_default=True, help="World: prices, surface, history.")
@click.option("--level", type=float, help="Level of quantile models; their first by default.")
@click.option("--windows", type=click.IntRange(2, 100_000), default=500, show_default=True, help="History windows.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=1, show_default=True, help="Seed of the histories.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def attribute(old, new, model, to_model, hours, moves, vols, world_name, level, windows, seed, json_) -> int:
    """Change of the initial margin of every account by cause: time, market, implied volatility, positions, parameters.

    Contributions are Shapley values, the mean over all orders in which the five could have changed: they add up to the
    change exactly.
    """
    import numpy as np

    from riskengine.cli.output import as_json
    from riskengine.cli.progress import compile_notice
    from riskengine.config.book import load_book
    from riskengine.config.locate import find
    from riskengine.config.models import named_model
    from riskengine.config.study import load_world
    from riskengine.tune.margin_change import CAUSES, Day, margin_change

    world = load_world(world_name)
    books = [load_book(find("books", name), world) for name in (old, new or old)]
    models = [named_model(name, level, world=world_name) for name in (model, to_model or model)]
    if level is not None and not any(m.levels for m in models):
        raise UsageError(f"--level must be left out for {model}, which has no level, got {level:g}")
    if new is None:
        books[1] = _nearer(books[1], hours)
    ones = np.ones(len(world.model.assets))
    spot, volatility = (
        _factors(text, option, world.model.assets) for text, option in ((moves, "--spot"), (vols, "--volatility"))
    )
    before, after = Day(books[0], models[0], ones, ones), Day(books[1], models[1], spot, volatility)
    try:
        with compile_notice():
            found = margin_change(world, before, after, hours, windows, seed)
    except ValueError as error:
        raise UsageError(f"{model}: {error}") from None
    rows = [
        {"account": name, "before": float(b), "after": float(a)}
        | {cause: float(x) for cause, x in zip(CAUSES, parts, strict=True)}
        for name, b, a, parts in zip(found.accounts, found.before, found.after, found.contributions, strict=True)
    ]
    if json_:
        as_json({"world": world.name, "model": model, "to_model": to_model or model, "hours": hours, "accounts": rows})
    else:
        _show(rows, CAUSES)
    return 0


def _nearer(book, hours: float):
    """The same positions, their expiries `hours` nearer; UsageError where one has come."""
    from riskengine.tune.margin_change import shifted

    gone = [x.name for x in book.instruments if getattr(x, "expiry_hours", hours + 1.0) <= hours]
    if gone:
        raise UsageError(f"instruments must outlive {hours:g} h, got {', '.join(gone)}; give today's book by --to")
    return shifted(book, -hours)


def _factors(text: str | None, option: str, assets: tuple[str, ...]):
    """Factor of each asset from ``BTC=-5%,ETH=+3%``; 1 where nothing is said."""
    import numpy as np

    from riskengine.config.reader import parse_number

    out = np.ones(len(assets))
    for part in (text or "").split(",") if text else ():
        name, found, move = (x.strip() for x in part.partition("="))
        value = parse_number(move[:-1].lstrip("+")) if move.endswith("%") else None
        if not found or name not in assets or value is None or value <= -100.0:
            known = ",".join(f"{a}=-5%" for a in assets)
            raise UsageError(f"{option} must be moves in per cent such as {known}, got {part!r}")
        out[assets.index(name)] = 1.0 + value / 100.0
    return out


def _show(rows: list[dict[str, Any]], causes) -> None:
    from riskengine.cli.output import table

    names = ("before", *causes, "after")
    table([[r["account"], *(f"{r[n]:,.0f}" for n in names)] for r in rows], ("account, USD", *names))


COMMANDS = {"attribute": attribute}
