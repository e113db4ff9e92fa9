"""``riskengine manipulate``."""

import click


@click.command()
@click.option(
    "--oracle", "oracle_", default="twap", show_default=True, help="A kind, or YAML: {kind: ema, time_hours: 1}."
)
@click.option("--ltv", type=float, required=True, help="Loan-to-value of a loan taken at the wrong price.")
@click.option("--available", type=float, required=True, help="USD that can be borrowed.")
@click.option("--supply-cap", type=float, help="USD of collateral that is taken; none by default.")
@click.option("--depth", type=float, required=True, help="USD on one side of the pool whose price is read.")
@click.option("--fee", type=float, default=0.003, show_default=True, help="Of the pool.")
@click.option("--fixed", type=float, default=0.0, show_default=True, help="USD that every push costs besides.")
@click.option("--block-seconds", type=float, default=12.0, show_default=True)
@click.option("--blocks", type=int, default=5, show_default=True, help="Most blocks for which the price can be held.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def manipulate(oracle_, ltv, available, supply_cap, depth, fee, fixed, block_seconds, blocks, json_) -> int:
    """Whether holding a pool's price off pays for a loan at the wrong price, and what depth would stop it.

    Where arbitrage brings the pool back after every block, and where the pool is the only market there is.  Pushes up
    to ten-thousandfold are looked at.
    """
    from riskengine.cli.output import as_json, table
    from riskengine.config.build import Builder
    from riskengine.config.reader import parse_yaml
    from riskengine.errors import UsageError
    from riskengine.oracle.manipulation import ManipulatedPool, WrongPriceLoan, best_manipulation, safe_depth
    from riskengine.roles import PriceOracle

    builder = Builder(parse_yaml(oracle_, "--oracle"))
    oracle = builder.done(builder.build(PriceOracle))
    if not hasattr(oracle, "moved"):
        raise UsageError(f"--oracle must read a pool (push, twap, ema), got {oracle.kind}")
    found = {}
    try:
        loan = WrongPriceLoan(ltv, available, *([] if supply_cap is None else [supply_cap]))
        for name, arbitrage in (("arbitrage after every block", True), ("no other market", False)):
            pool = ManipulatedPool(depth, fee, fixed, block_seconds, arbitrage)
            best = best_manipulation(pool, oracle, loan, blocks)
            found[name] = vars(best) | {"safe_depth": safe_depth(pool, oracle, loan, blocks)}
    except ValueError as error:
        raise UsageError(str(error)) from None
    if json_:
        as_json({"oracle": oracle.kind, "attacks": found})
        return 0
    head = ("", "push", "blocks", "oracle moves", "costs USD", "profit USD", "least safe depth USD")
    rows = []
    for name, each in found.items():
        sizes = [f"{each['push']:.4g}", str(each["blocks"]), f"{each['move']:.4g}"]
        paid = [f"{each[key]:,.0f}" for key in ("cost", "profit")]
        attack = sizes + paid if each["blocks"] else ["none pays", "", "", "", ""]
        rows.append([name, *attack, f"{each['safe_depth']:,.0f}"])
    table(rows, head)
    return 0


COMMANDS = {"manipulate": manipulate}
