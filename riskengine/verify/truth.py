"""Adapters of the statistical mechanisms: VaR and ES with known truth, and backtests of breach counts."""

from collections.abc import Callable
from typing import Any

import numpy as np

Inputs = dict[str, Any]
Results = dict[str, Any]

# multiplier add-ons of the Basel backtesting framework at 5 to 10 exceptions of 250 (BCBS 22, 1996, table 2)
_BASEL_ADDONS = [0.40, 0.50, 0.65, 0.75, 0.85, 1.0]


def _historical(x: Inputs) -> Results:
    from riskengine.margin.revaluation import tail_ranks

    pnl = np.sort(np.asarray(x["pnl"], dtype=np.float64))
    n = pnl.size
    # rank from the top of the gains, counted from the bottom: sorted[ceil(n p) - 1]
    position = n - tail_ranks(n, tuple(x["probabilities"]))
    worst = [int(n - r + 1) for r in tail_ranks(n, tuple(x.get("es_probabilities", ())))]
    return {"quantiles": pnl[position], "expected_shortfall": [float(pnl[:k].mean()) for k in worst]}


def _known_truth(x: Inputs) -> Results:
    from scipy.special import ndtri, stdtrit

    var, es = [], []
    for row in x["rows"]:
        p, sd, mean = row["p"], row["sd"], row.get("mean", 0.0)
        if row["dist"] == "normal":
            z = float(ndtri(p))
            tail = float(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)) / (1.0 - p)
        elif row["dist"] in ("student_t_standardised", "student_t"):
            from scipy.special import gammaln

            nu = row["nu"]
            unit = np.sqrt((nu - 2.0) / nu) if row["dist"] == "student_t_standardised" else 1.0
            q = float(stdtrit(nu, p))
            density = np.exp(gammaln((nu + 1) / 2) - gammaln(nu / 2)) / np.sqrt(nu * np.pi)
            density *= (1.0 + q * q / nu) ** (-(nu + 1) / 2)
            z, tail = q * unit, unit * density * (nu + q * q) / ((nu - 1.0) * (1.0 - p))
        else:
            raise ValueError(f"dist must be normal, student_t or student_t_standardised, got {row['dist']!r}")
        var.append(mean + sd * z)
        es.append(mean + sd * float(tail))
    return {"var": var, "es": es}


def _known_truth_merton(x: Inputs) -> Results:
    from scipy.integrate import quad

    from riskengine.law.exposure import UnitExposure
    from riskengine.law.jump import NormalJump
    from riskengine.law.merton import MertonLaw

    rows = []
    for row in x["rows"]:
        jumps = (NormalJump(row["lam"], row["jump_mean"], row["jump_sd"]),) if row["lam"] else ()
        law = MertonLaw(row["mu"], row["sigma"], jumps, row["horizon_years"])
        level = row["p"]
        q = float(np.asarray(law.quantile(1.0 - level)))
        # E[X 1{X <= q}] = q F(q) - integral of F up to q
        below = quad(lambda y, law=law: float(np.asarray(law.cdf(y))), q - 3.0, q, epsabs=1e-14, limit=400)[0]
        long = UnitExposure("long", "linear")
        rows.append(
            {
                "log_quantile": q,
                "var_simple": float(np.asarray(long.var(law, level))),
                "es_simple": float(np.asarray(long.expected_shortfall(law, level))),
                "es_log": below / (1.0 - level) - q,
            }
        )
    return {"rows": rows}


def _kupiec(x: Inputs) -> Results:
    from riskengine.backtest.kupiec import kupiec

    tests = [kupiec(row["exceptions"], row["n"], row["p"]) for row in x["rows"]]
    return {
        "lr": [t.likelihood_ratio for t in tests],
        "p_value": [t.p_value for t in tests],
        "exact_p_value": [t.exact_p_value for t in tests],
    }


def _christoffersen(x: Inputs) -> Results:
    from riskengine.backtest.christoffersen import christoffersen

    breaches = np.zeros(x["n"], dtype=bool)
    breaches[np.asarray(x["exception_indices"], dtype=np.int64)] = True
    t = christoffersen(breaches, x["p"])
    return {
        "n00": t.n00,
        "n01": t.n01,
        "n10": t.n10,
        "n11": t.n11,
        "lr_ind": t.likelihood_ratio_independence,
        "lr_cc": t.likelihood_ratio_coverage,
        "p_ind": t.p_value_independence,
        "p_cc": t.p_value_coverage,
    }


def _traffic_light(x: Inputs) -> Results:
    from riskengine.backtest.traffic_light import traffic_light

    n, tail = x["observations"], 1.0 - x["confidence"]
    zones = [traffic_light(k, n, tail) for k in range(11)]
    return {
        "cumulative_probability_0_to_10": [z.cumulative_probability for z in zones],
        "green_max": zones[0].yellow_from - 1,
        "amber_max": zones[0].red_from - 1,
        "basel_multiplier_addon_5_to_10": _BASEL_ADDONS,
    }


ADAPTERS: dict[str, Callable[[Inputs], Results]] = {
    "historical_var_es": _historical,
    "known_truth_var_es": _known_truth,
    "known_truth_var_es_merton": _known_truth_merton,
    "kupiec_pof": _kupiec,
    "christoffersen": _christoffersen,
    "traffic_light": _traffic_light,
}
