"""Read the file that `riskengine fit chain` writes: a `PricingLaw`, and its surface where it has one."""

from pathlib import Path
from typing import Any

import numpy as np

from riskengine.calibrate.pricing_law.law import PricingLaw
from riskengine.calibrate.pricing_law.parameters import Coordinates
from riskengine.config.reader import read_yaml
from riskengine.errors import Fault, InputError
from riskengine.market.surface import FactorSurface


def read_pricing_law(file: Path) -> PricingLaw:
    """The law in `file`; InputError where it holds none.

    Examples
    --------
    ``read_pricing_law(Path("pricing_law.yaml")).prices(chain)`` are its prices of the options of another chain, in
    coin; ``.values`` are its parameters by name.
    """
    tree = read_yaml(file)
    law = _mapping(tree.value, "law", file)
    try:
        names = Coordinates.of(str(law.get("kind"))).names
        parameters = _mapping(law, "parameters", file)
        if set(parameters) != set(names):
            raise ValueError(f"parameters must be {', '.join(names)}, got {', '.join(map(str, parameters))}")
        knots = [_seconds(k) for k in law.get("knots") or ()]
        rates = np.array(law.get("rates") or (), dtype=np.float64)
        values = tuple(parameters[n] for n in names)
        return PricingLaw(law["kind"], str(law["asset"]), _seconds(law["time"]), values, knots, rates)
    except KeyError as missing:
        raise InputError(Fault(f"law.{missing.args[0]} must be given", str(file))) from None
    except (ValueError, TypeError) as error:
        raise InputError(Fault(str(error), str(file))) from None


def read_law_surface(file: Path) -> FactorSurface:
    """The surface in `file`, of one asset; InputError where it holds none (a law without a variance state)."""
    surface = dict(_mapping(read_yaml(file).value, "surface", file))
    surface.pop("kind", None)
    try:
        return FactorSurface(**{name: tuple(value) for name, value in surface.items()})
    except (ValueError, TypeError) as error:
        raise InputError(Fault(f"surface: {error}", str(file))) from None


def _mapping(value: Any, key: str, file: Path) -> dict:
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, dict):
        raise InputError(Fault(f"{key} must be a mapping", str(file)))
    return found


def _seconds(stamp: Any) -> int:
    return int(np.datetime64(str(stamp).removesuffix("Z"), "s").astype(np.int64))
