"""Fit a pricing law to one chain: Levenberg-Marquardt with the analytic gradient, from several starting points.

Every start takes a few steps; the best two go on to the end.  The default objective is a Huber loss on price errors in
units of half spreads: quadratic inside the market, linear outside, so that a few wild quotes do not decide.  Methods
and evidence: docs/methods/fitting_chains.md.
"""

from dataclasses import dataclass

import numpy as np

from riskengine.arrays import Floats, Ints
from riskengine.calibrate.pricing_law.identify import Valley, covariance, unidentified, valleys
from riskengine.calibrate.pricing_law.law import PricingLaw
from riskengine.calibrate.pricing_law.levenberg import Minimum, minimise
from riskengine.calibrate.pricing_law.objective import FitRules, Objective
from riskengine.calibrate.pricing_law.parameters import Coordinates, starts
from riskengine.calibrate.pricing_law.quotes import Chain
from riskengine.errors import RunError

_SPARE = 3  # quotes beyond the number of parameters
_SCREEN, _POLISHED = 12, 2


@dataclass(frozen=True)
class Quality:
    """How far a law is from the quotes of a chain.

    Attributes
    ----------
    quotes : int
    rmse, mae : float
        Of the price against the mid, in units of the forward (coin).
    inside : float
        Share of quotes with the price inside bid and ask.
    spreads : float
        Mean absolute error in units of half the quote's own spread.
    """

    quotes: int
    rmse: float
    mae: float
    inside: float
    spreads: float

    @classmethod
    def of(cls, chain: Chain, price: Floats, rows: Ints | None = None) -> "Quality":
        """Of `price`, shape (Q,), on the quotes of `chain`, or on those at `rows` alone."""
        rows = np.arange(chain.count) if rows is None else rows
        error = (price - chain.mid)[rows]
        return cls(
            error.size,
            float(np.sqrt((error**2).mean())),
            float(np.abs(error).mean()),
            float(chain.inside(price)[rows].mean()),
            float((np.abs(error) / chain.half_spread[rows]).mean()),
        )


@dataclass(frozen=True)
class LawFit:
    """A pricing law fitted to a chain, and how much to believe it.

    Attributes
    ----------
    law : PricingLaw
    standard_errors : dict of str to float
        Per parameter, in its own units; 0 where it lies on a bound.
    shift_errors : ndarray, shape (E,)
        Of the rates of the shift.
    unidentified : dict of str to str
        Parameters that the chain does not decide, with the reason (`riskengine.calibrate.identified`).
    valleys : tuple of Valley
    on_bound : tuple of str
    quality : Quality
        On the quotes of the fit.
    refused : dict of str to int
        Quotes not used, by reason.
    violations : tuple of str
        Arbitrage between the quotes used.
    iterations : int
        Evaluations of the chain, all starts together.
    settled : bool
    rules : FitRules
    x : ndarray
        The vector of the optimiser: a warm start.
    """

    law: PricingLaw
    standard_errors: dict[str, float]
    shift_errors: Floats
    unidentified: dict[str, str]
    valleys: tuple[Valley, ...]
    on_bound: tuple[str, ...]
    quality: Quality
    refused: dict[str, int]
    violations: tuple[str, ...]
    iterations: int
    settled: bool
    rules: FitRules
    x: Floats


def fit_law(chain: Chain, family: str, rules: FitRules | None = None) -> LawFit:
    """Fit a family to a chain.

    Parameters
    ----------
    chain : Chain
    family : {"black", "merton", "kou", "heston", "bates", "svcj"}
    rules : FitRules, optional

    Raises
    ------
    ValueError
        Where the family is not known, or the chain has fewer quotes or expiries than the parameters need; the message
        says how many would do.
    RunError
        Where no start gives finite prices.
    """
    rules = FitRules() if rules is None else rules
    coordinates = Coordinates.of(family)
    check_enough(chain, coordinates, rules)
    points = starts(family, chain.at_the_money)
    rates = np.zeros(chain.expiries.size if rules.shift else 0)
    first = np.concatenate([coordinates.vector(points[0]), rates])
    objective = objective_at(chain, coordinates, rules, first, rules.pull)
    low, high = objective.bounds
    # the concave losses are reached from the minimum of the convex one
    early = "square" if rules.loss == "square" else "huber"
    count, screened = 0, []
    for point in points:
        x = np.concatenate([coordinates.vector(point), rates])
        found = minimise(objective, x, low, high, kind=early, penalties=objective.size, steps=_SCREEN)
        count += found.iterations
        screened.append(found)
    best: Minimum | None = None
    for found in sorted(screened, key=lambda m: m.cost)[:_POLISHED]:
        for kind in dict.fromkeys((early, rules.loss)):
            found = minimise(objective, found.x, low, high, kind=kind, penalties=objective.size)
            count += found.iterations
        if best is None or found.cost < best.cost:
            best = found
    if best is None or not np.isfinite(best.cost):
        raise RunError(f"{family} must have finite prices at one of its {len(points)} starting points, got none")
    return describe(objective, best, count)


def check_enough(chain: Chain, coordinates: Coordinates, rules: FitRules) -> None:
    """ValueError where `chain` has too few quotes or expiries for the parameters."""
    free = len(coordinates.names) + (chain.expiries.size if rules.shift else 0)
    needed = free + _SPARE
    told = f"{free} free numbers and {_SPARE} more" + (", one shift per expiry" if rules.shift else "")
    if chain.count < needed:
        raise ValueError(
            f"a fit of {coordinates.family} must have at least {needed} quotes ({told}), got {chain.count}: a model "
            "with fewer parameters or wider rules would do"
        )
    if "kappa" in coordinates.names and chain.expiries.size < 2:
        raise ValueError(
            f"a fit of {coordinates.family} must have at least two expiries to tell v0 from theta, got one: merton, "
            "kou or a single smile (svi) would do"
        )


def objective_at(
    chain: Chain, coordinates: Coordinates, rules: FitRules, centre: Floats, pull: float, shift_centre: bool = False
) -> Objective:
    """Objective with a pull of weight `pull` of the parameters to `centre`, and of the shift to 0 or to `centre`."""
    count = len(coordinates.names)
    weight = np.full(centre.size, pull)
    weight[count:] = rules.shift_pull
    target = centre.copy()
    if not shift_centre:
        target[count:] = 0.0
    return Objective(chain, coordinates, rules, target, weight)


def describe(objective: Objective, found: Minimum, iterations: int) -> LawFit:
    """The record of a minimum."""
    chain, coordinates, rules = objective.chain, objective.coordinates, objective.rules
    count = objective.parameters
    z, jacobian = found.residuals[: chain.count], found.jacobian[: chain.count]
    low, high = objective.bounds
    held = (found.x <= low + 1e-9) | (found.x >= high - 1e-9)
    cov = covariance(z, jacobian, rules.loss, held)
    error = np.sqrt(np.diag(cov))
    values = coordinates.values(found.x[:count])
    law = PricingLaw(
        coordinates.family,
        chain.quotes.asset,
        chain.quotes.seconds,
        tuple(values),
        chain.expiries if rules.shift else np.empty(0, np.int64),
        found.x[count:],
    )
    names = coordinates.names
    return LawFit(
        law,
        dict(zip(names, (error[:count] * coordinates.scale(values)).tolist(), strict=True)),
        error[count:],
        unidentified(coordinates, found.x[:count], error[:count], held[:count]),
        valleys(names, cov[:count, :count]),
        coordinates.on_bound(found.x[:count]),
        Quality.of(chain, z * objective.scale + chain.mid),
        chain.refused,
        tuple(v.text for v in chain.violations),
        iterations,
        found.settled,
        rules,
        found.x,
    )
