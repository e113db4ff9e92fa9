"""``riskengine reverse``."""

import click


@click.command()
@click.argument("study")
@click.option("--set", "overrides", multiple=True, metavar="A.B=VALUE", help="Override one value of the study.")
@click.option("--account", "accounts", multiple=True, metavar="NAME", help="Account; may be given several times.")
@click.option("--all-accounts", is_flag=True, help="Every account, not only the reference accounts of the study.")
@click.option(
    "--bad-debt", type=click.FloatRange(0, min_open=True), help="Bad debt in USD that a lending market may not reach."
)
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def reverse(study, overrides, accounts, all_accounts, bad_debt, json_) -> int:
    """The most likely move that breaks a limit of STUDY: the initial margin of its accounts, or its bad debt.

    Of the reference accounts of the study unless accounts are named; with --bad-debt of the lending market only, unless
    accounts are named.  The distance says how unlikely the move is: a
    normal law's density falls as far at that many standard deviations.
    """
    from riskengine.cli.output import as_json
    from riskengine.cli.progress import compile_notice
    from riskengine.config.study import load_study
    from riskengine.errors import UsageError
    from riskengine.study.spec import CalibrationStudy
    from riskengine.tune.limits import StudyLimits

    loaded = load_study(study, overrides).study
    if not isinstance(loaded, CalibrationStudy):
        raise UsageError(f"reverse stress needs a study on simulated paths, got {loaded.named}")
    if bad_debt is not None and loaded.lending is None:
        raise UsageError("--bad-debt needs a study with a lending market, got none")
    if accounts and loaded.margin is None or bad_debt is None and loaded.margin is None:
        raise UsageError("limits of accounts need a study with a margin book, got none")
    limits = StudyLimits(loaded)
    named = accounts or (() if all_accounts or loaded.margin is None else loaded.margin.reference_accounts)
    with compile_notice():
        broken = [] if bad_debt is None else [limits.bad_debt(bad_debt)]
        if accounts or all_accounts or bad_debt is None:
            broken += list(limits.accounts(named))
    assets = loaded.world.model.assets
    if json_:
        as_json({"world": loaded.world.name, "limits": [_plain(b, assets) for b in broken]})
        return 0
    _show(broken, assets)
    return 0


def _plain(broken, assets: tuple[str, ...]) -> dict:
    found = broken.found
    out = {
        "subject": broken.subject,
        "model": broken.model,
        "level": broken.level,
        "limit_usd": broken.limit,
        "hours": broken.hours,
        "reach": broken.reach,
    }
    if found is None:
        return out | {"move": None, "variance_ratio": None, "distance": None, "loss_usd": None}
    move = dict(zip(assets, (float(m) for m in found.move), strict=True))
    return out | {
        "move": move,
        "variance_ratio": found.variance_ratio,
        "distance": found.distance,
        "loss_usd": found.loss,
    }


def _show(broken, assets: tuple[str, ...]) -> None:
    from riskengine.cli.output import table

    rows = []
    for each in broken:
        level = "" if each.level is None else f"{each.level:g}"
        head = [each.subject, each.model, level, f"{each.limit:,.0f}", f"{each.hours:g}"]
        found = each.found
        if found is None:
            none = f"none within {each.reach:.1f}"
            rows.append([*head, *(none if i == 0 else "" for i in range(len(assets))), "", ""])
        else:
            moves = [f"{100 * m:+.1f} %" for m in found.move]
            rows.append([*head, *moves, f"{found.variance_ratio:.2f}", f"{found.distance:.2f}"])
    table(rows, ("subject", "model", "level", "limit USD", "hours", *assets, "variance", "distance"))


COMMANDS = {"reverse": reverse}
