"""Worlds drawn from the law of a fit: what a study runs on to carry the uncertainty of the fit into its answer."""

from dataclasses import replace

from riskengine.calibrate.bands import check_fit
from riskengine.calibrate.parameters import scenario_model
from riskengine.calibrate.returns import FitResult
from riskengine.calibrate.uncertainty import draw_numbers


def fit_variants(fit: FitResult, count: int, seed: int = 1) -> tuple[FitResult, ...]:
    """`count` results with parameters drawn from the law of `fit`, each held against the same bands.

    A variant keeps the errors and intervals of the fit it was drawn from, and has its own losses and verdict: an
    UNFIT variant is one that the data's bands would have ruled out.

    Parameters
    ----------
    fit : FitResult
    count : int
        0 gives none.
    seed : int
    """
    out = []
    if count:
        for numbers in draw_numbers(fit.kind, fit.model.assets, fit.known, count, seed):
            model = scenario_model(fit.kind, fit.model.assets, numbers, fit.model.spot)
            out.append(replace(fit, model=model, numbers=numbers, report=check_fit(model, fit.bands)))
    return tuple(out)
