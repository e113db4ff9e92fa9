"""The list of models: every line imports, unknown names are answered with the nearest, packages add their own."""

import sys
import types

import pytest

from riskengine import registry
from riskengine.errors import UsageError


@pytest.mark.parametrize("family", list(registry.MODELS))
def test_every_registered_model_imports_and_knows_its_name(family):
    for kind in registry.MODELS[family]:
        cls = registry.load(family, kind)
        assert isinstance(cls, type)
        assert registry.summary(family, kind)
        declared = getattr(cls, "kind", kind)
        assert declared == kind


def test_an_unknown_kind_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="kind must be one of .*got 'gmb'; did you mean 'gbm'"):
        registry.load("scenarios", "gmb")


def test_an_unknown_family_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="got 'marginn'; did you mean 'margin'"):
        registry.kinds("marginn")


def test_kind_of_finds_the_name_of_a_model_and_of_nothing_else():
    model = registry.load("margin", "ewma_var")()
    assert registry.kind_of("margin", model) == "ewma_var"
    assert registry.kind_of("estimators", model) is None
    assert registry.kind_of("margin", object()) is None


class _Point:
    def __init__(self, name, value):
        self.name, self.value = name, value


@pytest.fixture
def added(monkeypatch):
    """Entry points of an installed package."""

    def install(**points):
        found = [_Point(name.replace("__", "."), value) for name, value in points.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: found if group == registry.GROUP else [])
        registry._added.cache_clear()

    yield install
    monkeypatch.undo()
    registry._added.cache_clear()


def test_a_package_adds_a_model_without_a_fork(added, monkeypatch):
    module = types.ModuleType("their_models")
    module.Flat = type("Flat", (), {"__module__": "their_models", "__qualname__": "Flat"})
    monkeypatch.setitem(sys.modules, "their_models", module)
    added(margin__flat="their_models:Flat")
    assert registry.load("margin", "flat") is module.Flat
    assert registry.kind_of("margin", module.Flat()) == "flat"
    assert "derive_pmrm_v2" in registry.kinds("margin")


def test_an_added_model_cannot_replace_ours_and_a_broken_one_says_so(added):
    added(margin__ewma_var="elsewhere:Other", margin__broken="no_such_module:Model")
    assert registry.kinds("margin")["ewma_var"].startswith("riskengine.")
    with pytest.raises(UsageError, match="margin.broken must name an importable class"):
        registry.load("margin", "broken")
    assert registry.summary("margin", "broken") == ""
