"""A made-up result with every section filled, in the shape and size of a real one.  Its figures mean nothing."""

import json
import math
from pathlib import Path

KINDS = ("naked short", "covered", "spread", "straddle", "calendar", "basis", "delta hedged", "leveraged long")
LEVELS = (0.95, 0.99, 0.995, 0.999)
PATHS = 20_000
VAR_MODELS = (("historical_var", 1.25), ("ewma_var", 1.05))


def estimate(value, width=None, n=PATHS, method="clustered-t", **changes):
    """Fields of an Estimate around `value`; `width` is the half-width of its interval."""
    width = abs(value) * 0.06 if width is None else width
    fields = {
        "value": value,
        "std_error": width / 1.96,
        "lower": value - width,
        "upper": value + width,
        "confidence": 0.95,
        "n": n,
        "n_effective": 0.01 * n,
        "method": method,
    }
    return fields | changes


def proportion(p, n=PATHS):
    """A proportion with a plausible interval that stays inside [0, 1]."""
    width = 1.96 * math.sqrt(max(p * (1 - p), 1e-9) / n) * 3
    hits = p * n
    lower, upper = max(p - width, 0.0), min(p + width, 1.0)
    return estimate(p, width, n, "clopper-pearson", lower=lower, upper=max(upper, 3.7 / n), n_effective=hits)


def row(section, model, measure, unit, est, /, verdict=None, limit=None, **parameters):
    """One row of result.json."""
    return {
        "section": section,
        "model": model,
        "parameters": parameters,
        "measure": measure,
        "unit": unit,
        "estimate": est,
        "verdict": verdict,
        "limit": limit,
    }


def margin_rows():
    """Coverage, capital and losses for two quantile models and a grid, by level, multiplier and account kind."""
    rows = []
    setups = [(m, level, (1 - level) * f) for m, f in VAR_MODELS for level in LEVELS] + [("derive_pmrm_v2", None, 4e-4)]
    for model, level, rate in setups:
        need = 2.3e6 * (-math.log10(rate)) ** 0.7
        for multiplier in (0.8, 1.0, 1.25):
            for i, kind in enumerate(("all", *KINDS)):
                at = {"level": level, "multiplier": multiplier, "account_kind": kind}
                p = rate * multiplier**-6 * (1 + 0.25 * math.sin(2 * i) if i else 1)
                p = 0.0 if kind == "covered" else p
                rows.append(row("margin", model, "initial_margin_breach", "probability", proportion(p), **at))
                rows.append(row("margin", model, "maintenance_margin_breach", "probability", proportion(p * 1.6), **at))
                rows.append(row("margin", model, "insolvency", "probability", proportion(p * 0.08), **at))
                if kind == "all":
                    usd = {
                        "capital": need * multiplier,
                        "shortfall_given_breach": 41_300.0,
                        "liquidation_cost": 5_230.0 * rate * 100,
                        "fund_draw": 812.0,
                        "socialised_loss_mean": 95.2,
                    }
                    rows += [row("margin", model, k, "USD", estimate(v), **at) for k, v in usd.items()]
                    rows.append(row("margin", model, "liquidations", "count", estimate(160 * rate / multiplier), **at))
                    rows.append(row("margin", model, "liquidated_share", "share", proportion(3.2 * rate), **at))
                    rows.append(row("margin", model, "fund_exhausted", "probability", proportion(rate / 30), **at))
                    rows.append(row("margin", model, "socialised_loss_probability", "probability", proportion(0), **at))
    return rows


def lending_rows():
    """An Aave market at five liquidation thresholds; p99 of bad debt is zero at the lowest."""
    rows = []
    for shift in (-0.04, -0.02, 0.0, 0.02, 0.04):
        at = {"threshold_shift": shift}
        p = 0.021 + 0.4 * (shift + 0.02)
        rows.append(row("lending", "aave_v3", "liquidation_probability", "probability", proportion(0.43 - shift), **at))
        rows.append(row("lending", "aave_v3", "liquidations", "count", estimate(7.4 - 30 * shift), **at))
        rows.append(row("lending", "aave_v3", "liquidated_loans", "count", estimate(5.1 - 20 * shift), **at))
        rows.append(row("lending", "aave_v3", "bad_debt_probability", "probability", proportion(p), **at))
        money = {
            "liquidated_volume": 3.1e6,
            "liquidated_volume_p95": 1.4e7,
            "liquidated_volume_p99": 2.9e7,
            "bad_debt_mean": 2_140.0 * p / 0.021,
            "bad_debt_es_99": 188_000.0 * p / 0.021,
            "bad_debt_p95": 0.0,
            "bad_debt_p99": 41_000.0 if p > 0.01 else 0.0,
            "bad_debt_p999": 402_000.0,
            "bad_debt_given_positive": 101_900.0,
            "protocol_fee": 14_800.0,
            "borrow_capacity": 8.15e7 * (1 + shift),
        }
        rows += [row("lending", "aave_v3", k, "USD", estimate(v, max(v * 0.08, 1e-9)), **at) for k, v in money.items()]
        rows.append(row("lending", "aave_v3", "skipped_unprofitable", "count", estimate(0.31), **at))
    for r in rows:
        if r["measure"] == "bad_debt_p999":
            r["estimate"]["upper"] = None
    return rows


def calibration_rows():
    """Three estimators on three exposures, and a margin model on one account of the book."""
    rows = []
    unknown = {"value": None, "std_error": None, "lower": None, "upper": None}
    for exposure in ("BTC long linear", "BTC short linear", "ETH long inverse"):
        for estimator, bias in (("historical", -0.02), ("ewma", 0.06), ("normal", 0.01)):
            for level in LEVELS:
                at = {"estimator": estimator, "exposure": exposure, "level": level, "sample_size": 500}
                tail = 1 - level
                truth = 0.03 * (-math.log10(tail)) ** 1.2
                exact = {"std_error": 0.0, "confidence": 1.0, "n": 0, "method": "exact law"}
                covered = estimate(0.93, 0.006)
                if level == 0.999:
                    covered |= unknown | {"method": "refused: 0.5 expected exceedances, 100 needed"}
                figures = {
                    "true_quantile": ("return", estimate(truth, 0.0) | exact),
                    "bias": ("return", estimate(truth * bias, truth * 0.004)),
                    "relative_bias": ("share", estimate(bias - 10 * bias * tail, 0.004)),
                    "rmse": ("return", estimate(truth * 0.12)),
                    "mean_breach_probability": ("probability", proportion(tail * (1.3 - 4 * bias))),
                    "interval_coverage": ("probability", covered),
                    "probability_below_truth": ("probability", proportion(0.55 - bias)),
                }
                rows += [
                    row("calibration", estimator, measure, unit, est, **at) for measure, (unit, est) in figures.items()
                ]
    for level in LEVELS:
        at = {"estimator": "historical_var", "exposure": "a-1", "level": level}
        rows.append(row("calibration", "historical_var", "reference_quantile", "USD", estimate(8.1e4), **at))
        rows.append(row("calibration", "historical_var", "bias", "USD", estimate(-2.3e3, 900), **at))
    return rows


def sweep_rows():
    """Paired differences along level, multiplier and threshold."""
    rows = []
    for model, _ in VAR_MODELS:
        for to, gain in ((0.995, 1.0), (0.999, 1.8)):
            at = {"axis": "level", "from": 0.99, "to": to}
            rows += [
                row(
                    "sweep",
                    model,
                    "paired_difference",
                    unit,
                    estimate(v * gain, method="paired clustered-t"),
                    measure=m,
                    **at,
                )
                for m, unit, v in (
                    ("initial_margin_breach", "probability", -0.0051),
                    ("liquidations", "count", -0.62),
                    ("capital", "USD", 3.4e5),
                )
            ]
    for to in (-0.02, 0.02):
        at = {"axis": "threshold_shift", "from": 0.0, "to": to}
        rows.append(
            row(
                "sweep", "aave_v3", "paired_difference", "USD", estimate(6e4 * to, 1_500), measure="bad_debt_mean", **at
            )
        )
        rows.append(
            row("sweep", "aave_v3", "paired_difference", "count", estimate(-30 * to, 0.1), measure="liquidations", **at)
        )
    return rows


def joint_rows():
    """One shock on margin and lending."""
    rows = []
    for model, _ in VAR_MODELS:
        for level in LEVELS:
            at = {"level": level, "market": "aave_v3"}
            p = proportion((1 - level) * 2)
            rows.append(row("joint", model, "insolvency_on_path", "probability", p, **at))
            for name, value in (("insolvency", 0.84), ("no_insolvency", 0.41)):
                both = estimate(value, 0.021)
                rows.append(row("joint", model, f"lending_liquidation_given_{name}", "probability", both, **at))
                debt = estimate(value * 2e4)
                rows.append(row("joint", model, f"bad_debt_given_{name}", "USD", debt, **at))
    return rows


def backtest_rows():
    """A replay of 1,460 windows: the book, and two accounts."""
    rows = []
    n = 1_460
    exact = {"confidence": 1.0, "std_error": 0.0, "n": 0, "method": "count"}
    for model, hits in (("historical_var", (81, 19, 11, 3)), ("ewma_var", (75, 22, 14, 6)), ("derive_pmrm_v2", (1,))):
        for level, k in zip(LEVELS if len(hits) > 1 else (None,), hits, strict=True):
            whole = {"level": level, "account": "all"}
            rows.append(row("backtest", model, "breach_rate", "probability", proportion(k / n, n), **whole))
            rows.append(row("backtest", model, "capital", "USD", estimate(4e6, n=n), **whole))
            for account, kind in (("a-1", "naked short"), ("a-2", "covered")):
                at = {"level": level, "account": account, "account_kind": kind}
                rows.append(row("backtest", model, "breaches", "count", estimate(k, 0.0) | exact, **at))
                rows.append(row("backtest", model, "breach_rate", "probability", proportion(k / n, n), **at))
                if level is None:
                    continue
                expected = estimate(n * (1 - level), 0.0) | exact
                rows.append(row("backtest", model, "expected_breaches", "count", expected, **at))
                for name, p in (("binomial_p", 0.21), ("kupiec_p", 0.19), ("christoffersen_p", 0.0004)):
                    rows.append(row("backtest", model, name, "probability", estimate(p, 0.0) | exact, **at))
    return rows


def curves():
    """Exceedance of margin losses at two levels and of bad debt."""
    out = []
    for level, size in ((0.99, 4e4), (0.995, 2.6e4)):
        x = [1e3 * 1.35**i for i in range(25)]
        y = [0.04 * math.exp(-((v / size) ** 0.7)) for v in x]
        out.append(
            {
                "name": "margin_shortfall_exceedance",
                "title": f"historical_var at {100 * level:g} %",
                "parameters": {"model": "historical_var", "level": level, "setting": 1.0},
                "n": PATHS,
                "x_label": "loss beyond margin (USD)",
                "y_label": "share of paths with a larger loss",
                "x": x,
                "y": [v if v > 1 / PATHS else 0.0 for v in y],
                "lower": [max(v - 2 * math.sqrt(v / PATHS), 0.0) for v in y],
                "upper": [v + 2 * math.sqrt(v / PATHS) + 3 / PATHS for v in y],
            }
        )
    x = [0.0] + [2e3 * 1.4**i for i in range(20)]
    y = [0.029 * math.exp(-((v / 1e5) ** 0.8)) for v in x]
    out.append(
        {
            "name": "bad_debt_exceedance",
            "title": "thresholds as live",
            "parameters": {"model": "aave_v3", "level": None, "setting": 0.0},
            "n": PATHS,
            "x_label": "bad debt (USD)",
            "y_label": "share of paths with more",
            "x": x,
            "y": y,
            "lower": [v * 0.85 for v in y],
            "upper": [v * 1.15 + 1e-4 for v in y],
        }
    )
    return out


def fit(verdict="UNFIT"):
    """Bands of losses by asset, horizon and level; one is outside."""
    rows = []
    for asset, size in (("BTC", 1.0), ("ETH", 1.3)):
        for horizon in (1, 4, 12, 24, 72):
            for level, z in ((0.99, 1.0), (0.999, 2.1)):
                data = size * z * 0.018 * math.sqrt(horizon) ** 0.9
                outside = verdict == "UNFIT" and (asset, horizon, level) == ("ETH", 24, 0.999)
                model = data * (0.7 if outside else 0.97)
                rows.append(
                    {
                        "asset": asset,
                        "side": "long",
                        "horizon_hours": horizon,
                        "level": level,
                        "model": model,
                        "data": data,
                        "lower": data * 0.84,
                        "upper": data * 1.18,
                        "inside": not outside,
                    }
                )
    return {
        "verdict": verdict,
        "sample": {"first": "2021-01-01T00:00Z", "last": "2025-12-31T23:00Z", "hours": 43_824},
        "bands": rows,
        "parameters": [
            {"name": "BTC volatility", "value": 0.412, "std_error": 0.011},
            {"name": "BTC jump intensity per year", "value": 61.2, "std_error": 8.9},
        ],
    }


def result(*sections, verdict="UNFIT"):
    """A whole result; `sections` keeps those named, all where none is."""
    rows = margin_rows() + lending_rows() + calibration_rows() + sweep_rows() + joint_rows() + backtest_rows()
    rows = [r for r in rows if not sections or r["section"] in sections]
    wanted = [c for c in curves() if not sections or c["name"].split("_")[0] in {s.split("_")[0] for s in sections}]
    return {
        "schema": "riskengine-result/1",
        "study": {"name": "quickstart", "title": "BTC and ETH: margin and lending on one world", "kind": "calibration"},
        "command": "riskengine run quickstart --seed 7",
        "world": {
            "name": "baseline/btc_eth",
            "title": "BTC and ETH, correlated jump diffusions with common and own jumps",
            "measure": "P",
            "model": "bates",
            "stamp": verdict,
            "fit": fit(verdict),
            "source": [
                "riskengine fit returns prices.parquet --model bates",
                "hourly prices, 2021-01-01 to 2025-12-31",
            ],
        },
        "settings": {
            "seed": 7,
            "paths": PATHS,
            "horizon_hours": 720.0,
            "step_hours": 4.0,
            "margin_period_hours": 24.0,
            "liquidation_latency_hours": 4.0,
            "funding_multiple": 1.25,
            "confidence": 0.95,
        },
        "rows": rows,
        "curves": wanted,
        "failures": {"paths": 0, "share": 0.0},
        "assumptions": [
            "Option volatilities follow the path's variance through the surface stated in the world.",
            "Liquidations close positions at the mark, less the stated cost.",
        ],
        "data": [{"name": "prices_spot_1h.parquet", "sha256": "0" * 64, "source": "public exchange candles"}],
    }


def write_run(folder: Path, content: dict) -> Path:
    """A run folder that holds `content`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(content, indent=1, allow_nan=False))
    (folder / "study.yaml").write_text("kind: calibration\ntitle: made up\n")
    manifest = {"question": "3f" * 32, "versions": {"riskengine": "0.1.0", "numpy": "2.4.6"}, "seed": 7}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder
