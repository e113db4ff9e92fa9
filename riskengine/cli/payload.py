"""``riskengine payload``: the next step from the parameters in force to those that a run certified."""

import json
from pathlib import Path
from typing import Any

import click

from riskengine.errors import Fault, InputError, UsageError


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--on", "parameters", metavar="FILE", help="Parameters in force today; those of the run by default.")
@click.option("--choice", type=click.IntRange(0), help="Number of the choice, where the run made several with steps.")
@click.option(
    "--for",
    "target",
    type=click.Choice(["parameters", "steward"]),
    default="parameters",
    show_default=True,
    help="Plain parameters, or calls of Aave's risk steward.",
)
@click.option("--asset", "assets", multiple=True, metavar="TOKEN=0x...", help="Address of a token, for the steward.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the payload here too.")
@click.option("--after", type=click.Path(dir_okay=False, path_type=Path), help="Write the parameters after the step.")
@click.option("--json", "json_", is_flag=True, help="The payload itself on stdout.")
def payload(run, parameters, choice, target, assets, out, after, json_) -> int:
    """The next step that the run in the folder RUN leads to, as a payload that names every value it expects to find.

    RUN chose collateral parameters (riskengine tune). Which step is next follows from the parameters that are in force:
    give them with --on. Before it is shown the step is held against the steward's limits and executed on them; what it
    makes must be the market of the run's own schedule after it.
    """
    from riskengine.cli.inputs import check_writable
    from riskengine.cli.output import as_json, table
    from riskengine.config.dump import dump, to_yaml
    from riskengine.config.study import load_rules, load_study
    from riskengine.lending.aave_v3.payload import executed, one_step, steps_done
    from riskengine.study.result import load_result

    result = load_result(run)
    plan = _plan(result, run, choice)
    study = load_study(run / "study.yaml").study
    start = study.lending.market.rules
    for file in (out, after):
        if file is not None:
            check_writable(file)
    now = start if parameters is None else load_rules(parameters, type(start))
    place = parameters or str(run)
    try:
        executed(start, plan["payload"])
        done, left = steps_done(now, plan["payload"]), len(plan["payload"]["steps"])
        if done == left:
            return _nothing(place, left, json_)
        plain = one_step(now, plan["payload"], done)
        _admissible(plain, study.collateral.steward)
        then = executed(now, plain)
        if steps_done(then, plan["payload"]) != done + 1:
            raise ValueError(f"step {done + 1} must lead to the one after it, got another market")
        made = plain if target == "parameters" else _calls(plain["steps"][0], assets)
    except ValueError as error:
        raise InputError(Fault(str(error), place)) from None
    if out is not None:
        out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    if after is not None:
        after.write_text(to_yaml(dump(then)), encoding="utf-8")
    if json_:
        as_json(made)
        return 0
    step = plain["steps"][0]
    wait = f", at least {step['after_hours']:g} h after the step before" if step["after_hours"] else ""
    click.echo(f"{plan['choice']}: step {done + 1} of {left}, by {step['by']}{wait}\n")
    rows = [(e["token"] or "market", e["parameter"], *map(_shown, (e["from"], e["to"]))) for e in step["set"]]
    table(rows, ("token", "parameter", "from", "to"))
    click.echo(
        f"\nexecuted on {now.name} of {now.as_of}: it finds what it expects and makes the market of the schedule"
    )
    for file in (out, after):
        if file is not None:
            click.echo(str(file))
    return 0


def _plan(result: dict[str, Any], run: Path, choice: int | None) -> dict[str, Any]:
    """The schedule asked for, as the run's result holds it; its file must say the same."""
    plans = result.get("schedules") or []
    if not plans:
        kind = (result.get("study") or {}).get("kind")
        raise UsageError(
            f"{run}: a run must end in steps to parameters that it certified, got one of kind {kind} without; "
            "riskengine tune makes them for a study with a collateral part and a steward"
        )
    named = "; ".join(f"{k}: {p['choice']}" for k, p in enumerate(plans))
    if choice is None and len(plans) > 1:
        raise UsageError(f"{run}: --choice must be given where several choices lead to steps ({named})")
    number = choice or 0
    if number >= len(plans):
        raise UsageError(f"{run}: --choice must be one of {named}, got {number}")
    file = run / "payload" / f"{number:03d}.json"
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(Fault(f"must be the payload of the run, got {error}", str(file))) from None
    if held != plans[number]["payload"]:
        raise InputError(Fault("must be the payload that result.json holds, got another", str(file)))
    return plans[number]


def _admissible(plain: dict[str, Any], steward: Any) -> None:
    """ValueError where a step of the steward is not one that it may take."""
    from riskengine.lending.aave_v3.payload import stored
    from riskengine.tune.steward import refused

    step = plain["steps"][0]
    if step.get("by") == "vote":
        return
    moves = {
        (e["token"], e["parameter"]): tuple(stored(e["parameter"], e[way]) for way in ("from", "to"))
        for e in step["set"]
    }
    faults = refused(moves, steward)
    if faults:
        raise ValueError("a step must be one that the steward may take: " + "; ".join(faults))


def _calls(step: dict[str, Any], given: tuple[str, ...]) -> dict[str, Any]:
    """A step as calls of the steward, which read back say the same."""
    from riskengine.lending.aave_v3.steward_calls import moved, steward_calls

    pairs = [text.partition("=") for text in given]
    if any(not equals for _, equals, _ in pairs):
        raise UsageError(f"--asset must be TOKEN=ADDRESS, got {', '.join(given)}")
    assets = {token: address for token, _, address in pairs}
    calls = steward_calls(step, assets)
    if moved(calls, assets) != {(e["token"], e["parameter"]): e["to"] for e in step["set"]}:
        raise ValueError("calls must set what the step sets, got others")
    return calls


def _nothing(place: str, left: int, json_: bool) -> int:
    from riskengine.cli.output import as_json

    if json_:
        as_json({"steps": []})
    else:
        click.echo(f"{place}: all {left} steps are behind it, nothing is left to set")
    return 0


def _shown(value: int | None) -> str:
    return "none" if value is None else str(value)


COMMANDS = {"payload": payload}
