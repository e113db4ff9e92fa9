"""Chapters on margin: overview, coverage, losses, account kinds, replay of real prices."""

from riskengine.report.chapter import COVERAGE, Chapter, Result, curve_labels
from riskengine.report.dots import Dot, dots
from riskengine.report.figures import against_nominal, curve
from riskengine.report.labels import model_of, setup_of, title_of, value_of, words
from riskengine.report.rows import Row, at_level, headline, headline_level, select, unique, whole_book
from riskengine.report.tables import cross, pivot
from riskengine.report.wording import percent, plain

_VERDICT = (
    "breach_rate",
    "capital",
    "accounts_rejected",
    "accounts_rejected_holm",
    "accounts_yellow",
    "accounts_red",
    "e_process_alarms",
    "detectable_rate",
    "power_at_twice",
)
_ACCOUNT = (
    "breaches",
    "expected_breaches",
    "traffic_light",
    "binomial_p",
    "holm_p",
    "christoffersen_independence_p",
    "e_process_p",
)
_BY_KIND = ("capital_of_notional", "peak_to_trough")
POOLS = ("impermanent_loss", "impermanent_loss_es_99")
RISES = ("peak_to_trough", "largest_rise_1", "largest_rise_5", "largest_rise_30")
CURVES = {"margin_shortfall_exceedance": "Loss beyond initial margin in the book: how often more than"}


def glance(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """The main figures of every part."""
    lending = ("liquidation_probability", "bad_debt_probability", "bad_debt_mean", "bad_debt_es_99", "borrow_capacity")
    return Chapter(
        "glance",
        "At a glance",
        (),
        [
            pivot("Margin", headline(rows), (*COVERAGE, "capital"), lead=("level",)),
            pivot("Lending", select(rows, "lending"), lending, lead=("threshold_shift",)),
        ],
    )


def coverage(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Three coverage measures against the nominal rate."""
    own = headline(rows)
    figure = pictures and against_nominal(
        "coverage", "Breach rate against nominal, by level", own, COVERAGE, lambda r: model_of(r.model), COVERAGE[:1]
    )
    lead = (
        "A level is a promise about initial margin at the end of the margin period. Beside it stand what happens "
        "faster (maintenance margin, within the liquidation latency) and what is worse (insolvency).",
    )
    more = pivot("More on margin", own, ("shortfall_given_breach", "requirement_error"), lead=("level",), folded=True)
    return Chapter("coverage", "Does the margin cover what it says?", lead, [figure or None, more])


def procyclicality(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """How requirements rise along a path."""
    own = select(rows, "margin", multiplier=1.0)
    whole = [r for r in own if whole_book(r)]
    panels = [(title_of(m), [Dot(setup_of(r), "", r) for r in select(whole, measure=m)]) for m in RISES]
    figure = pictures and dots("rises", "How far the requirement of a book left alone rises", panels)
    lead = (
        "A requirement that follows the market calls for cash when there is least of it. Positions are left alone, so "
        "what rises is the price of the same risk; 1.5 means that half as much again was called for.",
    )
    parts = [r for r in own if not whole_book(r)]
    tables = [
        pivot("The whole book", whole, RISES, lead=("level",)),
        pivot("By kind of account", parts, RISES, lead=("level", "account_kind"), folded=True),
    ]
    return Chapter("procyclicality", "How procyclical is the margin?", lead, [figure or None, *tables])


def losses(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Exceedance curves, other than bad debt, and who pays."""
    others = (
        "bad_debt_exceedance",
        "true_risk",
        "reliability",
        "quantile_reliability",
        "murphy",
        "transforms",
        "chain_margin",
        "fund_need",
    )
    curves = [c for c in result.get("curves") or () if c.get("name") not in others]
    figures = [
        curve(f"curve-{i}", CURVES.get(str(name)) or words(str(name)).capitalize(), own, curve_labels(own))
        for i, name in enumerate(unique(c.get("name") for c in curves))
        for own in [[c for c in curves if c.get("name") == name]]
        if pictures
    ]
    paid = ("liquidation_cost", "fund_draw", "fund_exhausted", "socialised_loss_probability", "socialised_loss")
    table = pivot("Who pays", headline(rows), paid, lead=("level",), folded=pictures)
    return Chapter("losses", "How large are the losses?", (), [*figures, table])


def pool_tokens(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """What pool tokens lose against their coins."""
    lead = ("A pool sells what rises and buys what falls, so its token is worth less than its coins would be.",)
    table = pivot("From the start to the end of a path", select(rows, "pools"), POOLS)
    return Chapter("pool-tokens", "What do pool tokens lose against holding?", lead, [table])


def kinds(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Breach by account kind."""
    own = [r for r in select(rows, "margin", multiplier=1.0) if r.parameters.get("account_kind") not in (None, "all")]
    level = headline_level(own)
    breach = select(own, measure="initial_margin_breach")
    shown = [
        Dot(value_of("account_kind", r.parameters["account_kind"]), setup_of(r), r) for r in at_level(breach, level)
    ]
    title = "Initial-margin breach by account kind"
    figure = pictures and dots("kinds", title, [("Initial-margin breach", shown)], log=True)
    lead = ("A requirement that is right on average can be wrong for each kind of account.",)
    table = pivot(title, own, COVERAGE, lead=("account_kind", "level"), folded=True)
    if not select(own, measure="capital_of_notional"):
        return Chapter("kinds", "Which accounts break?", lead, [figure or None, table])
    lead += ("What a kind costs is capital over notional; what it has to find when markets turn, peak to trough.",)
    shown = at_level(own, level)
    tables = [cross(title_of(m), shown, m, "account_kind") for m in ("initial_margin_breach", *_BY_KIND)]
    more = pivot("By kind of account, more", own, ("capital", "shortfall_given_breach", *COVERAGE[1:]),
                 lead=("account_kind", "level"), folded=True)  # fmt: skip
    return Chapter("kinds", "Which accounts break, and what do they pay?", lead, [figure or None, *tables, more])


def scheme(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """The simulated tails beside the exact ones."""
    own = select(rows, "scheme")
    lead = (
        "The share of paths that end beyond an exact quantile of the world's own law must be one less the level; what "
        "differs beyond the interval is the bias of the simulation scheme at this step.",
    )
    table = pivot("Simulated against exact tails", own, unique(r.measure for r in own), lead=("asset", "level"))
    return Chapter("scheme", "Does the simulation draw from its own law?", lead, [table])


def _farthest(rows: list[Row]) -> list[Row]:
    """Rows of the ten accounts with the smallest p-values, the smallest first."""
    p = {(r.model, r.parameters["account"]): r.value for r in select(rows, measure="binomial_p")}
    worst = sorted(p, key=lambda key: p[key])[:10]
    return [r for key in worst for r in rows if (r.model, r.parameters["account"]) == key]


def backtest(result: Result, rows: list[Row], pictures: bool) -> Chapter:
    """Replay over real prices."""
    own = select(rows, "backtest")
    book = [r for r in own if whole_book(r)]
    figure = pictures and against_nominal(
        "backtest",
        "Breach rate on real prices against nominal",
        book,
        ("breach_rate",),
        lambda r: model_of(r.model),
        ("breach_rate",),
    )
    single = [r for r in own if not whole_book(r)]
    level = headline_level(single)
    tested = [r for r in at_level(single, level) if r.parameters.get("level") is not None]
    number = (result.get("settings") or {}).get("accounts")
    accounts = f"{plain(number)} accounts" if number else "the accounts"
    return Chapter(
        "backtest",
        "What happened on real prices",
        (
            "Windows do not overlap; the counts are exact, and so are the binomial p-values.",
            "A pass is worth what the test could have found: the detectable rate is the smallest that it rejects with "
            f"80 % power in these windows. Rejections, of too many breaches or too few, are counted over {accounts}, "
            "alone and adjusted for their number.",
        ),
        [
            figure or None,
            pivot("Verdict", book, _VERDICT, lead=("level",)),
            pivot(
                f"The accounts farthest off at {percent(level or 0.99)}", _farthest(tested), _ACCOUNT, lead=("account",)
            ),
            pivot(
                "Account by account, every test and level",
                single,
                unique(r.measure for r in single),
                lead=("level",),
                folded=True,
            ),
        ],
    )
