"""Euler v2's linear-kink interest rate model, exact integers: utilisation and kink are 32-bit fractions."""

from dataclasses import dataclass

from riskengine.arrays import check_range

_FULL = 2**32 - 1


@dataclass(frozen=True)
class LinearKink:
    """Rate per second (RAY) at zero utilisation, slopes per 32-bit step below and above the kink, and the kink."""

    base: int
    slope1: int
    slope2: int
    kink: int

    def __post_init__(self) -> None:
        for name in ("base", "slope1", "slope2"):
            check_range(name, getattr(self, name), 0, 2**96)
        check_range("kink", self.kink, 0, _FULL)

    def per_second(self, borrows: int, cash: int) -> int:
        """Rate per second (RAY) for `borrows` and idle `cash` in the same units."""
        total = borrows + cash
        steps = borrows * _FULL // total if total else 0
        if steps <= self.kink:
            return self.base + steps * self.slope1
        return self.base + self.kink * self.slope1 + (steps - self.kink) * self.slope2
