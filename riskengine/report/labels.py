"""Names that people read: models, tests, parameters and their values."""

import re
from typing import Any

from riskengine.registry import MODELS
from riskengine.report.measures import MEASURES
from riskengine.report.rows import Row
from riskengine.report.wording import percent, plain

# Spelled as the field spells them, so that a new model needs no entry here.
ACRONYMS = {
    w.lower(): w
    for w in ("VaR", "ES", "EWMA", "PMRM", "POT", "GPD", "GARCH", "CAViaR", "SPAN", "IM", "MM", "BTC", "ETH", "USD")
} | {"fisher": "Fisher", "davis": "Davis", "carlo": "Carlo", "monte": "Monte", "blue": "Blue"}

# Protocols whose field knows them by another name than that of their contracts.
PROTOCOLS = {"comet": "Compound v3", "euler_evk": "Euler v2"}

# Names of tests, where spelling out their own would not do.
TESTS = {
    "binomial": "Binomial",
    "kupiec": "Kupiec",
    "kupiec_exact": "Kupiec, exact",
    "traffic_light": "Traffic light",
    "time_until_failure": "Time until first breach",
    "christoffersen_independence": "Christoffersen independence",
    "christoffersen": "Christoffersen coverage",
    "weibull_duration": "Weibull durations",
    "gmm_duration": "GMM durations",
    "dynamic_quantile": "Dynamic quantile",
    "e_var": "E-process VaR",
    "e_var_overstated": "E-process VaR too high",
    "e_es": "E-process ES",
    "berkowitz": "Berkowitz",
    "berkowitz_tail": "Berkowitz tail",
    "z1": "Acerbi–Szekely Z1",
    "z2": "Acerbi–Szekely Z2",
    "z3": "Acerbi–Szekely Z3",
    "mcneil_frey": "McNeil–Frey",
    "du_escanciano": "Du–Escanciano",
    "du_escanciano_conditional": "Du–Escanciano conditional",
    "conditional_calibration": "Nolde–Ziegel two-sided",
    "conditional_calibration_one_sided": "Nolde–Ziegel one-sided",
    "es_regression_strict": "ES regression, strict",
    "es_regression_auxiliary": "ES regression, auxiliary",
    "es_regression_intercept": "ES regression, intercept",
}

VALUES = {
    "best": "exact or simulated",
    "printed": "asymptotic where there is one",
    "none": "not adjusted",
    "holm": "Holm",
    "hommel": "Hommel",
    "benjamini_hochberg": "Benjamini–Hochberg",
    "clusters": "breaches together",
    "counts": "breach counts",
    "breaches": "days of breaches",
    "breaches_and_tail": "breaches and tail",
    "battery": "all tests",
    "own": "its own",
}

PARAMETERS = {
    "ltv": "LTV",
    "p_value": "p-value",
    "account_kind": "account kind",
    "threshold_shift": "threshold shift",
    "sample_size": "sample size",
    "sha256": "SHA-256",
    "interval_hours": "hours between trades",
}


def title_of(measure: str) -> str:
    """Title of a measure; its own name, spelled out, where the glossary has none."""
    if measure in MEASURES:
        return MEASURES[measure].title
    return words(measure)[:1].upper() + words(measure)[1:]


def words(name: str) -> str:
    """A name with underscores as words."""
    return PARAMETERS.get(name) or name.replace("_", " ").strip() or name


def model_of(name: str) -> str:
    """Display name of a model: ``derive_pmrm_v2`` becomes ``Derive PMRM v2``; brackets have words for underscores."""
    if name in TESTS:
        return TESTS[name]
    kind, bracket, rest = name.partition(" (")
    if kind in MODELS["lending"]:
        rest = re.sub(r"\.0(?=[,)])", "", rest.replace("_", " "))
    if kind in PROTOCOLS:
        return PROTOCOLS[kind] + bracket + rest
    parts = [ACRONYMS.get(part, part) for part in kind.split("_") if part]
    shown = " ".join([parts[0][:1].upper() + parts[0][1:], *parts[1:]]) if parts else kind
    return shown + bracket + rest


def value_of(name: str, value: Any) -> str:
    """A parameter's value as people write it."""
    if value is None:
        return "–"
    if name in ("level", "target", "cap") and isinstance(value, (int, float)):
        return percent(value)
    if name == "threshold_shift" and isinstance(value, (int, float)):
        return f"{value * 100:+g} pp" if value else "as it is"
    if name in ("multiplier", "multiple") and isinstance(value, (int, float)):
        return f"×{value:g}"
    if name == "measure":
        return title_of(str(value))
    if name in ("estimator", "case", "market"):
        return model_of(str(value))
    if name == "test":
        return TESTS.get(str(value), words(str(value)))
    if name in ("series", "parameter_set"):
        return str(value)
    if name in ("p_value", "procedure", "alternative", "family", "capacity"):
        return VALUES.get(str(value), words(str(value)))
    return words(str(value)) if isinstance(value, str) else plain(value)


def setup_of(row: Row) -> str:
    """Model and level of a row: ``Historical VaR 99 %``."""
    level = row.parameters.get("level")
    return model_of(row.model) if level is None else f"{model_of(row.model)} {percent(level)}"
