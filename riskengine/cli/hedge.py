"""``riskengine hedge``: the trades that leave an account the least margin."""

from pathlib import Path
from typing import Any

import click

from riskengine.errors import UsageError

_BOUND = "what it may be after the trades, USD in each asset: free, 10% (of what it is, either way) or LOW:HIGH."


@click.command()
@click.option("--portfolio", required=True, metavar="FILE", help="Margin book: YAML or CSV, or a shipped name.")
@click.option("--model", "kind", required=True, metavar="NAME", help="Margin model, or a YAML file of one.")
@click.option("--account", "accounts", multiple=True, metavar="NAME", help="Account; every one by default.")
@click.option("--trade", "offered", metavar="FILE", help="Book whose instruments may be traded too.")
@click.option("--delta", default="10%", show_default=True, metavar="BOUND", help=f"Delta, {_BOUND}")
@click.option("--gamma", default="10%", show_default=True, metavar="BOUND", help="Gamma, the same.")
@click.option("--vega", default="10%", show_default=True, metavar="BOUND", help="Vega, the same.")
@click.option("--most", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True,
              help="Largest trade, in units of the account's largest position in the asset.")  # fmt: skip
@click.option("--spend", type=click.FloatRange(0), help="USD that the trades may cost; no bound by default.")
@click.option("--worth", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True,
              help="USD of margin that a dollar of cost must free.")  # fmt: skip
@click.option("--tail", default="99%", show_default=True, metavar="LEVEL",
              help="The mean loss beyond LEVEL over the margin period may not rise; free: it may.")  # fmt: skip
@click.option("--world", "world_name", default="btc_eth", show_default=True, help="World: prices, surface, history.")
@click.option("--level", type=float, help="Level of quantile models; their first by default.")
@click.option("--period", type=float, default=24.0, show_default=True, help="Margin period in hours.")
@click.option("--windows", type=click.IntRange(2, 100_000), default=500, show_default=True, help="History windows.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=1, show_default=True, help="Seed of all paths.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the book after the trades (YAML).")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def hedge(portfolio, kind, accounts, offered, delta, gamma, vega, most, spend, worth, tail, world_name, level, period,
          windows, seed, out, json_):  # fmt: skip
    """Trades that leave each account of a portfolio the least initial margin for the exposure that it keeps.

    Where the model's margin is convex no trades within the limits leave margin plus worth times cost below the bound
    shown; where it was seen not to be convex there is no bound, and the trades are the best found.
    Beside the margin stands what it is for, before and after, on paths of the world that the search has not seen: the
    probability of a loss beyond it, and the mean of the worst losses.
    """
    from riskengine.cli.inputs import check_writable
    from riskengine.cli.output import as_json
    from riskengine.cli.progress import compile_notice
    from riskengine.config.book import load_book
    from riskengine.config.locate import find
    from riskengine.config.models import named_model
    from riskengine.config.study import load_world
    from riskengine.engine.today import Today

    world = load_world(world_name)
    book = load_book(find("books", portfolio), world)
    world = world.at({} if book.marks is None else book.marks.spot)
    extra = () if offered is None else load_book(find("books", offered), world).instruments
    unknown = [a for a in accounts if a not in book.names]
    if unknown:
        raise UsageError(f"--account must be one of {', '.join(book.names)}, got {', '.join(unknown)}")
    exposures = {n: _bound(n, text) for n, text in (("delta", delta), ("gamma", gamma), ("vega", vega))}
    settings = {"exposures": exposures, "most": most, "spend": float("inf") if spend is None else spend, "worth": worth}
    settings["tail"] = _tail(tail)
    if out is not None:
        check_writable(out)
    model = named_model(kind, level, margin_period_hours=period, world=world_name)
    if level is not None and not model.levels:
        raise UsageError(f"--level must be left out for {kind}, which has no level, got {level:g}")
    today = Today(model, world, getattr(model, "margin_period_hours", period), windows, seed)
    found, refused = [], []
    with compile_notice():
        for name in accounts or book.names:
            try:
                found.append(_one(today, book, book.names.index(name), extra, settings))
            except UsageError as error:
                refused.append(str(error))
    if out is not None and found:
        _write(out, found, world)
    if json_:
        plain = {"world": world.name, "model": kind, "portfolio": portfolio, "accounts": [_plain(f) for f in found]}
        as_json(plain | {"refused": refused})
    elif found:
        _show(found, settings["tail"].level)
    for message in refused:
        click.echo(f"error: {message}", err=True)
    return 2 if refused else 0


def _one(today, book, account: int, extra, settings: dict[str, Any]):
    from riskengine.tune.hedge import hedge_account

    try:
        return hedge_account(today, book, account, extra, **settings)
    except ValueError as error:
        raise UsageError(f"{book.names[account]} under {today.model.kind}: {error}") from None


def _tail(text: str):
    """The rule for the tail of the loss."""
    from riskengine.config.reader import parse_number
    from riskengine.tune.hedge import TailRule

    if text == "free":
        return TailRule(bound=False)
    level = parse_number(text[:-1]) if text.endswith("%") else None
    if level is None or not 50.0 <= level <= 99.9:
        raise UsageError(f"--tail must be free or a level from 50% to 99.9%, got {text!r}")
    return TailRule(level / 100.0)


def _bound(name: str, text: str):
    """What an option says of a Greek."""
    from riskengine.config.reader import parse_number
    from riskengine.tune.hedge import Exposure

    if text == "free":
        return None
    if text.endswith("%"):
        share = parse_number(text[:-1])
        if share is not None and share >= 0:
            return Exposure(within=share / 100.0)
    low, found, high = text.partition(":")
    ends = parse_number(low), parse_number(high)
    if found and None not in ends and ends[0] <= ends[1]:
        return Exposure(*ends)
    raise UsageError(f"--{name} must be free, a share such as 10% or bounds such as -500:500, got {text!r}")


def _plain(found) -> dict[str, Any]:
    trades = found.trades
    assets = found.book.assets
    return {
        "account": found.book.names[0],
        "margin_before": trades.before,
        "margin_after": trades.after,
        "cost": trades.cost,
        "objective": trades.objective,
        "bound": trades.bound,
        "risk": {when: _risk(risk) for when, risk in (("before", found.risk_before), ("after", found.risk_after))},
        "trades": {x.name: float(t) for x, t in zip(found.book.instruments, trades.trades, strict=True) if t},
        "greeks": {
            when: {name: dict(zip(assets, map(float, values), strict=True)) for name, values in greeks.items()}
            for when, greeks in (("before", found.greeks_before), ("after", found.greeks_after))
        },
    }


def _risk(risk) -> dict[str, Any]:
    return {"breach_probability": risk.breach.as_dict(), "expected_shortfall": risk.shortfall.as_dict()}


def _show(found, level: float) -> None:
    from riskengine.cli.output import table

    rows = []
    for each in found:
        own = each.trades
        bound = "not convex" if own.bound is None else f"{own.bound:,.0f}"
        figures = [f"{x:,.0f}" for x in (own.before, own.after, own.cost, own.objective)]
        rows.append([each.book.names[0], *figures, bound])
    table(rows, ("account", "margin USD", "after USD", "cost USD", "margin + worth x cost", "no less than"))
    click.echo()
    rows = [
        [each.book.names[0], *(text for risk in (each.risk_before, each.risk_after) for text in _said(risk))]
        for each in found
    ]
    mean = f"mean loss beyond {100 * level:g} % USD"
    table(rows, ("account", "loss beyond margin %", mean, "after %", "after USD"))
    for each in found:
        traded = [
            (f"  {'buy' if t > 0 else 'sell'}", f"{abs(t):.4g}", x.name)
            for x, t in zip(each.book.instruments, each.trades.trades, strict=True)
            if t
        ]
        click.echo(f"\n{each.book.names[0]}" + ("" if traded else ": no trade frees more than it costs"))
        if traded:
            table(traded)
            greeks = [
                [f"  {name} {asset}", _plain_usd(each.greeks_before[name][a]), _plain_usd(each.greeks_after[name][a])]
                for name in each.greeks_before
                for a, asset in enumerate(each.book.assets)
                if each.greeks_before[name][a] or each.greeks_after[name][a]
            ]
            table(greeks, ("  USD", "before", "after"))


def _plain_usd(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10.0 else f"{value:.2f}"


def _said(risk) -> tuple[str, str]:
    """Both figures with their intervals."""
    texts = []
    for figure, factor, digits in ((risk.breach, 100.0, 2), (risk.shortfall, 1.0, 0)):
        value, low, high = (factor * x for x in (figure.value, figure.lower, figure.upper))
        texts.append(f"{value:,.{digits}f} [{low:,.{digits}f}, {high:,.{digits}f}]")
    return texts[0], texts[1]


def _write(out: Path, found, world) -> None:
    """The accounts after the trades as one book that `riskengine margin` reads."""
    from riskengine.config.book import dump_portfolio
    from riskengine.config.dump import to_yaml

    books = [dump_portfolio(each.after) for each in found]
    spot = dict(zip(world.model.assets, map(float, world.model.spot), strict=True))
    whole = {"assets": books[0]["assets"], "spot": {a: spot[a] for a in books[0]["assets"]}}
    out.write_text(to_yaml(whole | {"accounts": [a for b in books for a in b["accounts"]]}), encoding="utf-8")


COMMANDS = {"hedge": hedge}
