"""The lending markets of a study: what is refused before anything runs."""

import pytest

from riskengine.config.study import load_study
from riskengine.errors import InputError

UNDER = "{{borrower_elasticity: 0, shocks: [{{hours: {}, withdrawn: 0.25}}]}}"


@pytest.mark.parametrize("place", ["market", "compared_with.1"])
def test_a_shock_after_the_horizon_is_refused_where_it_stands(place):
    def loaded(hours):
        return load_study("lending_rates", (f"lending.{place}.utilisation={UNDER.format(hours)}",))

    assert loaded(96).study.horizon_hours == 96.0
    with pytest.raises(InputError) as found:
        loaded(200)
    (fault,) = found.value.faults
    assert fault.path == f"lending.{place}.utilisation.shocks.0.hours".replace(".1.", "[1].").replace(".0.", "[0].")
    assert "hours must lie within the horizon of 96 h, got 200 h" in fault.message
