"""``riskengine fit jumps``: jump diagnostics of price histories, without fitting a model."""

from pathlib import Path

import click

from riskengine.cli.inputs import asset_names
from riskengine.errors import UsageError


@click.command("jumps")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--asset", "assets", required=True, help="Assets, such as BTC or BTC,ETH.")
@click.option("--start", help="First date, such as 2024-08-01.")
@click.option("--end", help="Before this date.")
@click.option("--source", help="Which source to read, in a file that holds several.")
@click.option("--level", type=click.FloatRange(1e-6, 0.2), default=0.01, show_default=True, help="Family-wise level.")
@click.option("--window", type=click.IntRange(3), help="Bars of local volatility; sqrt(bars of a year) by default.")
@click.option("--max-missing", type=click.FloatRange(0, 0.5), default=0.02, show_default=True, help="Accepted gaps.")
@click.option("--json", "json_", is_flag=True, help="All figures and every jump as JSON.")
def jumps(data, assets, start, end, source, level, window, max_missing, json_) -> int:
    """Test the prices in DATA for jumps: realised measures, daily ratio tests, a test of every bar.

    Bars of five minutes or more; no return bridges a gap.
    """
    from dataclasses import asdict

    from riskengine.calibrate.jumps import jump_report
    from riskengine.cli.output import as_json, table
    from riskengine.data.prices import load_prices, stamp_text

    names = asset_names(assets, "--asset")
    reports = {}
    for name in names:
        prices = load_prices(data, (name,), start=start, end=end, source=source, max_missing_share=max_missing)
        try:
            reports[name] = jump_report(prices.seconds, prices.prices[:, 0], prices.step_seconds, level, window)
        except ValueError as error:
            raise UsageError(f"{prices.name}: {name}: {error}") from None
    if json_:
        as_json({"file": data.name, "assets": {name: asdict(r) for name, r in reports.items()}})
        return 0
    head = (
        "asset",
        "bars",
        "vol",
        "vol BV",
        "vol MedRV",
        "jump share",
        "jump days",
        "one by one",
        "jump bars",
        "a year",
    )
    table(
        [
            (
                name, str(r.bars), f"{r.volatility:.3f}", f"{r.volatility_bipower:.3f}", f"{r.volatility_median:.3f}",
                f"{r.jump_share:.3f}", f"{r.jump_days} of {r.days}", str(r.jump_days_unadjusted), str(len(r.jumps)),
                f"{r.jumps_per_year:.3g}",
            )
            for name, r in reports.items()
        ],
        head,
    )  # fmt: skip
    for name, r in reports.items():
        if r.bars_left_out:
            click.echo(
                f"{name}: {r.bars_left_out} bars in stretches no longer than the window of {r.window} bars are not "
                "tested one by one; the volatilities hold those with two neighbours"
            )
    click.echo(f"\nlargest jump bars (all tests at level {level:g}, family-wise):")
    rows = [
        (name, stamp_text(j.seconds), f"{j.log_return:+.4f}", f"{j.statistic:+.2f}", f"{r.threshold:.2f}")
        for name, r in reports.items()
        for j in sorted(r.jumps, key=lambda j: -abs(j.statistic))[:5]
    ]
    table(rows, ("asset", "bar from", "log-return", "statistic", "threshold"))
    return 0
