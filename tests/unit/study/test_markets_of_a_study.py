"""The lending markets of a study: what is refused before anything runs."""

import pytest

from riskengine.config.dump import dump
from riskengine.config.study import load_study, study_of
from riskengine.errors import InputError
from riskengine.report.labels import model_of

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


def test_a_market_may_have_a_name_of_its_own():
    by_kind = load_study("lending_rates").study.lending
    own = load_study("lending_rates", ("lending.market.name=Steep curve",))
    assert by_kind.labels == ("aave_v3", "comet", "morpho_blue", "euler_evk")
    assert own.study.lending.labels == ("Steep curve", *by_kind.labels[1:])
    assert model_of("Steep curve") == "Steep curve"
    # written where it is given, and only there: what was run before has the same question
    assert own.resolved["lending"]["market"]["name"] == "Steep curve"
    assert "name" not in own.resolved["lending"]["compared_with"][0]
    assert dump(study_of(own.resolved)) == own.resolved
    for bad in ("comet", "''", "A_b", "X" * 61):
        with pytest.raises(InputError, match="name must be 1 to 60 characters without underscore"):
            load_study("lending_rates", (f"lending.market.name={bad}",))
    with pytest.raises(InputError, match="compared_with must hold markets"):
        load_study("lending_liquidity", ("lending.market.name=Order book",))


def test_a_name_moves_no_figure(tmp_path):
    small = ("paths=64", "horizon_hours=4", "lending.compared_with=[]")
    runs = [load_study("lending_liquidity", (*small, *more)) for more in ((), ("lending.market.name=Another",))]
    rows = [
        [row.as_dict() for row in loaded.study.run(loaded.resolved, "s", out=tmp_path / str(i))[1].rows]
        for i, loaded in enumerate(runs)
    ]
    assert [{**r, "model": ""} for r in rows[0]] == [{**r, "model": ""} for r in rows[1]]
    assert {r["model"] for r in rows[1]} == {"Another"}


@pytest.mark.parametrize(
    ("place", "legal", "other"),
    [
        ("lending.market.liquidity", "liquidity_pool_20231120", ("aave", "deribit", "liquidity_btc_eth")),
        ("lending.compared_with.2.liquidity", "liquidity_impact_20231120", ("morpho", "derive")),
        ("lending.market.rules", "aave_v3_ethereum_20231031", ("liquidity", "comet", "euler")),
    ],
)
def test_an_unknown_name_is_answered_with_what_the_place_takes(place, legal, other):
    with pytest.raises(InputError, match="parameter set must be a file or one of") as found:
        load_study("lending_liquidity", (f"{place}=foo",))
    assert legal in str(found.value) and not any(name in str(found.value) for name in other)


def test_a_missing_space_after_a_colon_is_named():
    with pytest.raises(InputError) as found:
        load_study("lending_liquidity", ("lending.market.liquidity={kind:square_root, fee: 0}",))
    (fault,) = found.value.faults
    assert fault.message == "a space must follow the colon in kind:square_root"
    assert fault.file == "--set lending.market.liquidity={kind:square_root, fee: 0}"


def test_what_nobody_chooses_is_an_assumption():
    assert load_study("lending_liquidity").study.lending.assumed == ("keeper", "liquidity")
    assert load_study("lending_oracles").study.lending.assumed == ("keeper", "oracle")
    # rules and protocols are chosen
    for name in ("lending_wrapped_collateral", "lending_rates", "lending_mechanisms"):
        assert load_study(name).study.lending.assumed == (), name
