"""``riskengine fit variance``: the variance of today, filtered from returns, and what it does to a margin."""

from pathlib import Path

import click

from riskengine.cli.inputs import check_hourly
from riskengine.errors import UsageError

_HOUR = 1.0 / 8760.0


@click.command("variance")
@click.argument("world", metavar="WORLD")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--asset", required=True, help="Asset of the world.")
@click.option("--start", help="First date, such as 2025-01-01; the filter forgets its start within weeks.")
@click.option("--end", help="Before this date.")
@click.option("--source", help="Which source to read, in a file that holds several.")
@click.option("--max-missing", type=click.FloatRange(0, 0.5), default=0.02, show_default=True, help="Accepted gaps.")
@click.option("--particles", type=click.IntRange(10), default=1000, show_default=True)
@click.option("--runs", type=click.IntRange(2, 100), default=4, show_default=True, help="For the Monte Carlo error.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True)
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def variance(world, data, asset, start, end, source, max_missing, particles, runs, seed, json_) -> int:
    """Filter the latent variance of WORLD (a bates world, by name or file) through the hourly prices in DATA.

    Prints the likelihood of the returns with its Monte Carlo error, whether the one-step forecasts were calibrated,
    the variance after the last hour, and the 24-hour loss given that variance beside the unconditional one.
    """
    from riskengine.calibrate.particle import filter_variance
    from riskengine.cli.output import as_json, table
    from riskengine.cli.progress import compile_notice
    from riskengine.config.study import load_world
    from riskengine.data.prices import load_prices
    from riskengine.law.bates import BatesLaw

    model = load_world(world).model
    if asset not in model.assets:
        raise UsageError(f"--asset must be one of {', '.join(model.assets)}, got {asset!r}")
    law = model.law(asset, _HOUR) if hasattr(model, "law") else None
    if not isinstance(law, BatesLaw):
        raise UsageError(f"WORLD must be a bates world, whose variance can be filtered, got {model.kind!r}")
    prices = load_prices(data, (asset,), start=start, end=end, source=source, max_missing_share=max_missing)
    check_hourly(prices, data)
    returns, observed = _hours(prices.seconds, prices.prices[:, 0])
    with compile_notice():
        found = filter_variance(law, returns, observed, particles, runs, seed)
    low, high = (float(q) for q in found.quantiles([0.05, 0.95]))
    distance, p_value = found.pit_distance()
    today = float(found.mean[-1])
    rows = [_losses(model, asset, level, today, low, high) for level in (0.99, 0.999)]
    record = {
        "asset": asset, "hours": found.observations, "log_likelihood": found.log_likelihood,
        "monte_carlo_error": found.monte_carlo_error, "pit_distance": distance, "pit_p_value": p_value,
        "variance": today, "variance_90": [low, high], "variance_mean_of_world": law.theta, "losses_24h": rows,
    }  # fmt: skip
    if json_:
        as_json(record)
        return 0
    click.echo(
        f"{asset}: {found.observations} hours, log-likelihood {found.log_likelihood:.1f} "
        f"(Monte Carlo error {found.monte_carlo_error:.2g})\n"
        f"one-step forecasts: PIT is {distance:.3f} from uniform at most (p {p_value:.2g} for a law known beforehand)\n"
        f"variance after the last hour: {today:.3f} a year, 90 % in [{low:.3f}, {high:.3f}]; the world's mean is "
        f"{law.theta:.3f}\n\nloss of a long position in 24 hours, percent:"
    )
    keys = ("level", "given_variance", "at_low", "at_high", "unconditional")
    head = ("level", "given the variance", "at its 5 %", "at its 95 %", "unconditional")
    table([tuple(f"{r[k] if k == 'level' else 100 * r[k]:.4g}" for k in keys) for r in rows], head)
    return 0


def _hours(seconds, prices):
    """Returns of every hour from the first stamp to the last, and which are observed."""
    import numpy as np

    hour = (seconds - seconds[0]) // 3600
    returns, observed = np.zeros(int(hour[-1])), np.zeros(int(hour[-1]), dtype=bool)
    single = np.diff(hour) == 1
    at = hour[:-1][single]
    returns[at], observed[at] = np.diff(np.log(prices))[single], True
    return returns, observed


def _losses(model, asset: str, level: float, today: float, low: float, high: float) -> dict[str, float]:
    """Exact 24-hour losses of a long unit given the variance, at the ends of its interval, and unconditional."""
    from riskengine.law.exposure import UnitExposure

    def loss(variance: float | None) -> float:
        return float(UnitExposure("long").var(model.law(asset, 24 * _HOUR, variance), level))

    return {
        "level": level, "given_variance": loss(today), "at_low": loss(low), "at_high": loss(high),
        "unconditional": loss(None),
    }  # fmt: skip
