"""One model by name, outside a study."""

from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

from riskengine import registry
from riskengine.config.build import FAMILY, Builder
from riskengine.config.locate import shipped
from riskengine.config.reader import Tree, read_yaml
from riskengine.errors import UsageError
from riskengine.roles import MarginModel


def model_of_file(file: Path) -> MarginModel:
    """The margin model that a YAML file describes as a study would, ``kind`` and settings; InputError with faults."""
    builder = Builder(read_yaml(file))
    return builder.done(builder.build(MarginModel))


def named_model(word: str, level: float | None = None, **settings: Any) -> MarginModel:
    """The margin model that a user names: a kind with its defaults, or a YAML file.

    Parameters
    ----------
    word : str
    level : float, optional
        Put in place of the levels of the model, where it has any.
    **settings
        As in `margin_model`; a file says its own.
    """
    if not word.endswith((".yaml", ".yml")):
        return margin_model(word, levels=None if level is None else [level], **settings)
    model = model_of_file(Path(word))
    return replace(model, levels=(level,)) if level is not None and model.levels else model


def stands_alone(kind: str) -> bool:
    """Whether the margin model `kind` can be made by name: a combination needs its parts, which a study gives.

    A parameter set is the shipped one, and a world that of the market.
    """
    return all(
        f.default is not MISSING or f.default_factory is not MISSING or f.name in ("parameters", "world")
        for f in fields(registry.load("margin", kind))
        if f.init
    )


def margin_model(kind: str, **settings: Any) -> MarginModel:
    """The margin model `kind` with its defaults; a parameter set that it needs is the shipped one of the same name.

    Parameters
    ----------
    kind : str
    **settings
        Fields to set, as a file would give them; those that the model does not have are left out, so that one call
        serves models with a level and models without.

    Raises
    ------
    UsageError
        Where the model is unknown or needs what is not shipped.
    InputError
        Where a setting is out of range.
    """
    if kind not in registry.kinds("margin"):
        known = [k for k in registry.kinds("margin") if stands_alone(k)]
        raise UsageError(
            f"model must be a file or one of {', '.join(known)}, got {kind!r}{registry.suggest(kind, known)}"
        )
    cls = registry.load("margin", kind)
    if not stands_alone(kind):
        raise UsageError(f"{kind} needs the models or settings that a study or a file gives; got it alone")
    plain: dict[str, Any] = {"kind": kind}
    own = {f.name for f in fields(cls) if f.init}
    plain |= {name: value for name, value in settings.items() if name in own and value is not None}
    if "parameters" in own and "parameters" not in plain:
        known = shipped("protocols")
        if kind not in known:
            raise UsageError(f"{kind} must have a parameter set of the same name among {', '.join(known)}, got none")
        plain["parameters"] = kind
    builder = Builder(Tree(plain, f"model {kind}"))
    return builder.done(builder.build(next(role for role, family in FAMILY.items() if family == "margin")))
