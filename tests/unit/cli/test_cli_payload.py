"""The next step of a chosen parameter set as a payload: found, checked, executed, and what is refused."""

import json
import shutil
from pathlib import Path

import pytest
from cli_files import call

from riskengine.config.study import load_rules, load_study
from riskengine.lending.aave_v3.payload import executed, one_step, steps_done
from riskengine.lending.aave_v3.steward_calls import KEEP_CURRENT, moved, steward_calls

EXAMPLE = Path(__file__).resolve().parents[3] / "reports" / "examples" / "choose_collateral_factor"
ADDRESSES = {"WETH": "0x" + "a" * 40, "WBTC": "0x" + "B" * 40}


@pytest.fixture(scope="module")
def plan():
    return json.loads((EXAMPLE / "payload" / "000.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def start():
    return load_study(EXAMPLE / "study.yaml").study.lending.market.rules


@pytest.fixture
def run(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "run")
    return tmp_path / "run"


def rewritten(run, change):
    """The first payload of a run changed, in the result and in its file."""
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    change(result["schedules"][0]["payload"])
    (run / "result.json").write_text(json.dumps(result), encoding="utf-8")
    (run / "payload" / "000.json").write_text(json.dumps(result["schedules"][0]["payload"]), encoding="utf-8")


def test_one_step_after_another_leads_to_the_certified_market(plan, start):
    rules = start
    for k, step in enumerate(plan["steps"]):
        assert steps_done(rules, plan) == k
        own = one_step(rules, plan, k)
        assert own["steps"][0]["set"] == step["set"] and own["steps"][0]["after_hours"] == (72.0 if k else 0.0)
        rules = executed(rules, own)
    assert steps_done(rules, plan) == len(plan["steps"]) == 28
    assert rules == executed(start, plan)
    assert rules.reserve("WBTC").liquidation_threshold == 0.85


def test_the_command_takes_up_where_the_parameters_stand(capsys, run, tmp_path, start):
    code, out, err = call(capsys, "payload", run, "--choice", 0, "--after", tmp_path / "one.yaml")
    assert code == 0, err
    assert "step 1 of 28, by steward\n" in out and "8050  8075" in out and "makes the market of the schedule" in out
    after = load_rules(tmp_path / "one.yaml")
    assert after.reserve("WETH").ltv == 0.8075 and after.reserve("USDC") == start.reserve("USDC")
    file = tmp_path / "two.json"
    code, out, err = call(capsys, "payload", run, "--choice", 0, "--on", tmp_path / "one.yaml", "--out", file, "--json")
    assert code == 0, err
    plain = json.loads(out)
    assert plain == json.loads(file.read_text(encoding="utf-8"))
    assert executed(after, plain).reserve("WBTC").ltv == 0.735
    # with the last step made nothing is left
    from riskengine.config.dump import dump, to_yaml

    whole = executed(start, json.loads((run / "payload" / "000.json").read_text(encoding="utf-8")))
    (tmp_path / "all.yaml").write_text(to_yaml(dump(whole)), encoding="utf-8")
    code, out, _ = call(capsys, "payload", run, "--choice", 0, "--on", tmp_path / "all.yaml")
    assert code == 0 and "all 28 steps are behind it, nothing is left to set" in out
    code, out, _ = call(capsys, "payload", run, "--choice", 0, "--on", tmp_path / "all.yaml", "--json")
    assert code == 0 and json.loads(out) == {"steps": []}


def test_calls_of_the_steward(capsys, run):
    assets = [word for token, address in ADDRESSES.items() for word in ("--asset", f"{token}={address}")]
    code, out, err = call(capsys, "payload", run, "--choice", 1, "--for", "steward", *assets, "--json")
    assert code == 0, err
    (made,) = json.loads(out)["calls"]
    assert made["function"] == "updateCollateralSide"
    assert [u["asset"] for u in made["updates"]] == list(ADDRESSES.values())
    assert made["updates"][1] | {"asset": ""} == {
        "asset": "",
        "ltv": "7325",
        "liqThreshold": "7825",
        "liqBonus": str(KEEP_CURRENT),
        "debtCeiling": str(KEEP_CURRENT),
        "liqProtocolFee": str(KEEP_CURRENT),
    }
    assert KEEP_CURRENT == int("f" * 62 + "d5", 16)


def test_the_bonus_is_given_without_the_hundred_and_caps_in_a_call_of_their_own():
    moves = [
        ("WBTC", "liquidation_bonus", 10500, 10550),
        ("WBTC", "supply_cap", 43000, 50000),
        ("WETH", "ltv", 8000, 8025),
    ]
    step = {"by": "steward", "set": [dict(zip(("token", "parameter", "from", "to"), m, strict=True)) for m in moves]}
    calls = steward_calls(step, ADDRESSES)
    assert [c["function"] for c in calls["calls"]] == ["updateCollateralSide", "updateCaps"]
    assert calls["calls"][0]["updates"][0]["liqBonus"] == "550"
    assert calls["calls"][1]["updates"][0]["supplyCap"] == "50000"
    assert moved(calls, ADDRESSES) == {(t, p): to for t, p, _, to in moves}
    bad = {"by": "vote", "set": [*step["set"], {"token": "DAI", "parameter": "close_factor", "from": 5000, "to": 6000}]}
    with pytest.raises(ValueError) as error:
        steward_calls(bad, {**ADDRESSES, "WETH": "0x12"})
    said = str(error.value)
    for part in (
        "a step by vote has no calls",
        "DAI needs the address",
        "0x and 40 digits, got '0x12'",
        "move close_factor",
    ):
        assert part in said


def test_what_is_refused(capsys, run, tmp_path):
    def refused(*arguments):
        code, out, err = call(capsys, "payload", *arguments)
        assert code == 2 and not out
        return err

    assert "--choice must be given where several choices lead to steps (0: parameter_set" in refused(run)
    assert "--choice must be one of 0: parameter_set" in refused(run, "--choice", 4)
    assert "got one of kind lending_replay without" in refused(EXAMPLE.parent / "lending_crises")
    assert "must hold result.json" in refused(tmp_path)
    assert "WETH needs the address of its contract" in refused(run, "--choice", 0, "--for", "steward")
    assert "--asset must be TOKEN=ADDRESS" in refused(run, "--choice", 0, "--for", "steward", "--asset", "WETH")
    # parameters of no place on the way, and of another market
    text = (run / "study.yaml").read_text(encoding="utf-8")
    assert text.count("ltv: 0.73\n") == 1
    call(capsys, "payload", run, "--choice", 0, "--after", tmp_path / "one.yaml")
    odd = (tmp_path / "one.yaml").read_text(encoding="utf-8").replace("ltv: 0.7325", "ltv: 0.735")
    (tmp_path / "odd.yaml").write_text(odd, encoding="utf-8")
    err = refused(run, "--choice", 0, "--on", tmp_path / "odd.yaml")
    assert "before or after a step of the payload, got" in err and "WBTC ltv 7350 (before 7300, after 8000)" in err
    # a payload that was edited after the run, alone and with the result
    file = run / "payload" / "000.json"
    held = file.read_text(encoding="utf-8")
    file.write_text(held.replace("8075", "8080", 1), encoding="utf-8")
    assert "must be the payload that result.json holds, got another" in refused(run, "--choice", 0)
    file.write_text("{", encoding="utf-8")
    assert "must be the payload of the run" in refused(run, "--choice", 0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: p["steps"][0]["set"][0].update({"from": 8000}), "step 1: WETH ltv must be 8000 before it, got 8050"),
        (lambda p: p.update(steps=p["steps"][1:]), "step 1: WETH ltv must be 8075 before it, got 8050"),
        (lambda p: p.update(market="Aave v3 Base"), "payload market must be 'Aave v3 Ethereum', got 'Aave v3 Base'"),
        (lambda p: p["steps"][2]["set"][0].pop("to"), "step 3 must set token, parameter, from and to"),
        (lambda p: p["steps"][2].update(set=[]), "step 3 must set at least one parameter"),
        (lambda p: p["steps"][0]["set"][0].update(parameter="price"), "step 1: parameter must be one of ltv"),
        (
            lambda p: p.update(
                steps=[{**p["steps"][0], "set": [{"token": "WBTC", "parameter": "ltv", "from": 7300, "to": 7400}]}]
            ),
            "WBTC ltv may move by 0.0025 a step, got 0.73 to 0.74",
        ),
        (
            lambda p: p.update(
                steps=[
                    {
                        **p["steps"][0],
                        "set": [{"token": "WBTC", "parameter": "liquidation_protocol_fee", "from": 1000, "to": 900}],
                    }
                ]
            ),
            "WBTC liquidation_protocol_fee is not the steward's to move",
        ),
    ],
)
def test_a_payload_that_is_not_what_it_should_be(capsys, run, change, said):
    rewritten(run, change)
    code, _, err = call(capsys, "payload", run, "--choice", 0)
    assert code == 2 and said in err, err
