"""``riskengine fit likelihood``: maximum likelihood on returns of one step, with profiles."""

from pathlib import Path

import click

from riskengine.errors import UsageError


@click.command("likelihood")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--asset", required=True, help="One asset, such as BTC.")
@click.option("--model", default="merton", show_default=True, help="merton or kou.")
@click.option("--start", help="First date, such as 2024-01-01.")
@click.option("--end", help="Before this date.")
@click.option("--source", help="Which source to read, in a file that holds several.")
@click.option("--max-missing", type=click.FloatRange(0, 0.5), default=0.02, show_default=True, help="Accepted gaps.")
@click.option("--json", "json_", is_flag=True, help="With the profile of every parameter, as JSON.")
def likelihood(data, asset, model, start, end, source, max_missing, json_) -> int:
    """Fit the returns of neighbouring prices in DATA by maximum likelihood; prints intervals by profile.

    The likelihood of a jump mixture has a spike without end; a fit that runs to it is refused.  What fits one step
    need not hold over a day: a world is made by ``fit returns``, which fits several horizons.
    """
    from dataclasses import asdict

    import numpy as np

    from riskengine.calibrate.likelihood import fit_likelihood
    from riskengine.cli.output import as_json, table
    from riskengine.data.prices import load_prices

    prices = load_prices(data, (asset,), start=start, end=end, source=source, max_missing_share=max_missing)
    whole = np.diff(prices.seconds) == prices.step_seconds
    returns = np.diff(np.log(prices.prices[:, 0]))[whole]
    try:
        fit = fit_likelihood(returns, prices.step_seconds / 31_536_000.0, model)
    except ValueError as error:
        raise UsageError(f"{prices.name}: {asset}: {error}") from None
    if json_:
        as_json({"file": data.name, "asset": asset} | asdict(fit))
        return 0
    rows = [
        (
            name, f"{value:.6g}", f"{fit.standard_errors[name]:.2g}", f"{fit.intervals[name][0]:.4g}",
            f"{fit.intervals[name][1]:.4g}", "no" if name in fit.unidentified else "yes",
        )
        for name, value in fit.numbers.items()
    ]  # fmt: skip
    table(rows, ("parameter", "value", "standard error", "95 % from", "to", "identified"))
    click.echo(f"\n{fit.observations} returns of {prices.step_seconds} s, log-likelihood {fit.log_likelihood:.2f}")
    if fit.spike is not None:
        click.echo(f"a higher value, {fit.spike:.2f}, lies on the spike and was not taken")
    if fit.unidentified:
        click.echo(f"not identified: {'; '.join(fit.unidentified.values())}\nflattest along: {fit.flat}")
    return 0
