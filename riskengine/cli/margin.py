"""``riskengine margin``: the requirement of a portfolio today, explained."""

from pathlib import Path
from typing import Any

import click

from riskengine.errors import UsageError


@click.command()
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|FILE",
    help="Margin model or a YAML file of one; may be given several times.",
)
@click.option("--all", "every", is_flag=True, help="Every margin model.")
@click.option("--portfolio", required=True, metavar="FILE",
              help="Margin book: YAML or CSV, a shipped name, or a venue's answers in JSON.")  # fmt: skip
@click.option("--format", "format_", metavar="NAME",
              help="Whose answers: deribit, derive, okx, binance, ccxt; found by content by default.")  # fmt: skip
@click.option("--chain", metavar="FILE", help="Quotes of the venue's chain in JSON: forwards, implied volatilities.")
@click.option(
    "--as-of", "as_of", metavar="TIME", help="When the venue answered (ISO, UTC); its latest stamp otherwise."
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the book as YAML.")
@click.option("--world", "world_name", default="btc_eth", show_default=True, help="World: prices, surface, history.")
@click.option("--level", type=float, help="Level of quantile models; their own levels by default.")
@click.option("--period", type=float, default=24.0, show_default=True, help="Margin period in hours.")
@click.option("--windows", type=click.IntRange(2, 100_000), default=500, show_default=True, help="History windows.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=1, show_default=True, help="Seed of the histories.")
@click.option("--explain", "explained", is_flag=True, help="Parts of each figure.")
@click.option("--positions", is_flag=True, help="What each position adds: left out, and at the margin.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def margin(
    models,
    every,
    portfolio,
    format_,
    chain,
    as_of,
    out,
    world_name,
    level,
    period,
    windows,
    seed,
    explained,
    positions,
    json_,
) -> int:
    """Margin of every account of a portfolio under one model or all.

    A combination of models, or a model with settings of its own, is a YAML file with what a study would say of it.

    With --positions: what the requirement loses without a position, and its size times the derivative by it; a hedge
    has negative figures.

    The answers of a venue (positions, balances, quotes of the chain) are one JSON file, or two: prices are then the
    venue's own, and the world gives the law of moves and what the file does not say. --out keeps the book.

    A model that reads a window of returns is shown as its mean over simulated windows of the world, with the 5 % and
    95 % points over them: how much of the figure is the luck of its window.  A model that simulates is shown with its
    standard error.
    """
    from riskengine.cli.inputs import check_writable
    from riskengine.cli.output import as_json
    from riskengine.cli.progress import compile_notice
    from riskengine.config.book import dump_portfolio, load_book
    from riskengine.config.dump import to_yaml
    from riskengine.config.locate import find
    from riskengine.config.models import named_model, stands_alone
    from riskengine.config.study import load_world
    from riskengine.data.statement.reader import FORMATS
    from riskengine.margin.attribution import Variants, variants
    from riskengine.registry import kinds, suggest

    if every and models or not (every or models or out):
        raise UsageError("one of --model NAME and --all must be given")
    if format_ is not None and format_ not in (*FORMATS, "book"):
        raise UsageError(f"--format must be one of {', '.join((*FORMATS, 'book'))}, got {format_!r}"
                         f"{suggest(format_, FORMATS)}")  # fmt: skip
    world = load_world(world_name)
    quotes = None if chain is None else find("books", chain)
    book = load_book(find("books", portfolio), world, format_, quotes, as_of)
    world = world.at({} if book.marks is None else book.marks.spot)
    for note in book.notes:
        click.echo(f"note: {note}", err=True)
    claims = [book.instruments[m].name for m in book.principals if book.quantity[:, m].any()]
    if claims and not world.surface.carry:
        click.echo(
            f"note: world {world.name} has no curves, so a claim is worth its coin: {', '.join(claims)}", err=True
        )
    if out is not None:
        check_writable(out)
        out.write_text(to_yaml(dump_portfolio(book)), encoding="utf-8")
        click.echo(f"{out}: written", err=True)
        if not (every or models):
            return 0
    if world.stress:
        click.echo(f"note: margin is asked at time 0, before the stress of {world.name}", err=True)
    asked = [kind for kind in kinds("margin") if stands_alone(kind)] if every else models
    settings = {"margin_period_hours": period, "world": world_name}
    wanted = [named_model(x, level, **settings) for x in asked]
    if level is not None and not any(m.levels for m in wanted):
        raise UsageError(f"--level must be left out for {', '.join(asked)}: no level there, got {level:g}")
    with compile_notice():
        asked = variants(book) if positions else Variants(book, book.accounts, ())
        found: list[dict[str, Any]] = []
        for model in wanted:
            try:
                found += _requirements(model, asked, world, period, windows, seed, explained)
            except UsageError as error:
                if not every:
                    raise
                click.echo(f"note: {error}", err=True)
    if not found:
        raise UsageError(f"no margin model can take {portfolio} on world {world.name}")
    if json_:
        as_json({"world": world.name, "portfolio": portfolio, "requirements": found})
    else:
        _show(found)
    return 0


def _requirements(model, asked, world, period: float, windows: int, seed: int, explained: bool) -> list[dict[str, Any]]:
    """Rows of one model: each account and level."""
    import numpy as np

    from riskengine.engine.today import Today
    from riskengine.pricing.valuation import account_values

    book = asked.book
    today = Today(model, world, getattr(model, "margin_period_hours", period), windows, seed)
    now = today.market(book)
    try:
        required = today.requirements(book, now, explain=explained)
    except ValueError as error:
        raise UsageError(f"{model.kind} cannot take this book on world {world.name}: {error}") from None
    value = account_values(book, now)
    rows = []
    for level, found in zip(model.levels or (None,), required, strict=True):
        added = asked.contributions(found.initial) if asked.positions else ()
        for k, account in enumerate(book.names[: asked.accounts]):
            row = {"model": model.kind, "level": level, "account": account, "kind": book.kinds[k]}
            for name, figure in (("initial", found.initial[k]), ("maintenance", found.maintenance[k])):
                row[name] = float(figure.mean())
                if figure.size > 1:
                    row[f"{name}_p5"], row[f"{name}_p95"] = (float(q) for q in np.quantile(figure, (0.05, 0.95)))
            if found.std_error is not None:
                row["std_error"] = float(found.std_error[k].mean())
            row["equity"] = float(value[k].mean())
            row |= _pools(book, now, k)
            if explained:
                row |= _parts(model, book, found, k)
            if asked.positions:
                row["positions"] = [
                    {"position": p.name, "coins": p.quantity, "left_out": float(a.mean()), "marginal": _marginal(b)}
                    for p, a, b in zip(asked.positions, *added, strict=True)
                    if p.account == k
                ]
            rows.append(row)
    return rows


def _pools(book, now, k: int) -> dict[str, Any]:
    """What the pool tokens of account `k` hold, are worth, and have lost against the coins of their deposit."""
    from riskengine.pricing.pool import against_holding, pool_legs, prices

    found = []
    legs, (first, second) = pool_legs(book, now), prices(book, now.spot)
    for j, m in enumerate(book.pools):
        if not book.quantity[k, m]:
            continue
        coins, other = (float((book.quantity[k, m] * leg[j]).mean()) for leg in legs)
        terms, entry = book.instruments[m], float(book.entry[k, m])
        lost = float(against_holding(terms, entry, first[j], second[j]).mean()) if entry else None
        token = {"token": terms.name, "value": coins + other, "in": {terms.asset: coins, terms.against: other}}
        found.append(token | {"deposit_price": entry or None, "impermanent_loss": lost})
    return {"pools": found} if found else {}


def _marginal(figure) -> float:
    """Mean over windows; NaN where more than a hundredth of them sit at a kink."""
    import numpy as np

    return float(np.nanmean(figure)) if np.isnan(figure).mean() <= 0.01 else float("nan")


def _parts(model, book, found, k: int) -> dict[str, Any]:
    """Components of the figure of account `k` and the scenario that binds."""
    parts = {name: float(x[k].mean()) for name, x in found.components.items() if x.ndim == 2}
    out: dict[str, Any] = {"components": parts}
    if found.binding_scenario is not None:
        number = int(found.binding_scenario[k, 0])
        out["binding_scenario"] = number
        held = [book.instruments[m].asset for m in book.quantity[k].nonzero()[0]]
        if hasattr(model, "labels") and held:
            labels = model.labels(held[0])
            out["binding"] = labels[number] if 0 <= number < len(labels) else ""
    return out


def _show(rows: list[dict[str, Any]]) -> None:
    from riskengine.cli.output import table

    cells = []
    for row in rows:
        level = "" if row["level"] is None else f"{row['level']:g}"
        spread = f"{row['initial_p5']:,.0f} to {row['initial_p95']:,.0f}" if "initial_p5" in row else ""
        if "std_error" in row:
            spread = f"standard error {row['std_error']:,.0f}" if row["std_error"] else "exact"
        figures = [f"{row[name]:,.0f}" for name in ("initial", "maintenance", "equity")]
        cells.append([row["model"], level, row["account"], *figures, spread])
    table(cells, ("model", "level", "account", "initial USD", "maintenance USD", "equity USD", "initial, how sure"))
    told = {(row["account"], p["token"]): p for row in rows for p in row.get("pools", ())}
    if told:
        click.echo("")
        cells = [
            [account, token, f"{p['value']:,.0f}", ", ".join(f"{x:,.0f} in {name}" for name, x in p["in"].items()),
             "no entry" if p["impermanent_loss"] is None else f"{p['impermanent_loss']:.2%}"]
            for (account, token), p in told.items()
        ]  # fmt: skip
        table(cells, ("account", "pool token", "value USD", "of which USD", "against holding"))
    for row in rows:
        if "components" not in row:
            continue
        binding = (
            f"binding scenario {row['binding_scenario']} {row.get('binding', '')}" if "binding_scenario" in row else ""
        )
        if row["components"] or binding:
            level = "" if row["level"] is None else f" {row['level']:g}"
            click.echo(f"\n{row['account']} ({row['model']}{level}) {binding}".rstrip())
            table([(f"  {name}", f"{value:,.2f}") for name, value in row["components"].items()])
    for row in rows:
        if "positions" not in row:
            continue
        level = "" if row["level"] is None else f" {row['level']:g}"
        click.echo(f"\n{row['account']} ({row['model']}{level}): initial {row['initial']:,.0f} USD")
        cells = [
            (f"  {p['position']}", f"{p['coins']:g}", f"{p['left_out']:,.0f}", _plain(p["marginal"]))
            for p in row["positions"]
        ]
        table(cells, ("  position", "coins", "left out USD", "marginal USD"))


def _plain(marginal: float) -> str:
    return "kink" if marginal != marginal else f"{marginal:,.0f}"


COMMANDS = {"margin": margin}
