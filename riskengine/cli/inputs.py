"""What the commands that fit are given: names, prices, places to write, each checked before the work starts."""

import os
from pathlib import Path

from riskengine.errors import UsageError


def asset_names(text: str, option: str = "--assets") -> tuple[str, ...]:
    """Distinct names of `option`, separated by commas."""
    names = tuple(a.strip() for a in text.split(",") if a.strip())
    if not names or len(set(names)) != len(names):
        raise UsageError(f"{option} must be distinct names such as BTC,ETH, got {text!r}")
    return names


def spot_prices(text: str | None, names: tuple[str, ...]) -> tuple[float, ...] | None:
    """Prices of ``--spot``, one for each name; None where it is not given."""
    from riskengine.config.reader import parse_number

    if text is None:
        return None
    values = [parse_number(part.strip()) for part in text.split(",")]
    if len(values) != len(names) or any(v is None or v <= 0 for v in values):
        raise UsageError(f"--spot must be one positive price for each of {', '.join(names)}, got {text!r}")
    return tuple(values)


def check_writable(out: Path) -> None:
    """A fit takes minutes: refuse a place that cannot be written before it starts."""
    if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        raise UsageError(f"{out}: must be a file in a folder that can be written")


def check_hourly(prices, data: Path) -> None:
    """Refuse prices whose step is not an hour, or whose stamps are not full hours."""
    if prices.step_seconds != 3600:
        raise UsageError(f"{data}: prices must be hourly, got a step of {prices.step_seconds} s")
    if (prices.seconds % 3600).any():
        raise UsageError(f"{data}: stamps must lie on full hours")
