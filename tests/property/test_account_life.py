"""Account life: the lanes engine is the rules, money is conserved, the healthy are left alone, order is nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from venue_reference import Account, Reference

from riskengine.book.portfolio import Portfolio
from riskengine.engine.loop import Impact, run_loop
from riskengine.engine.venue import BY_KIND, VenueDesk, book_faults, starting_holdings
from riskengine.instrument.terms import EuropeanOption, Future, Perpetual
from riskengine.liquidation.venue_terms import VenueTerms
from riskengine.liquidity.constant_product import ConstantProduct
from riskengine.liquidity.execution import Execution, OrderBook
from riskengine.market.curve import Curve
from riskengine.market.grid import TimeGrid
from riskengine.market.paths import MarketPaths
from riskengine.market.surface import FactorSurface
from riskengine.pricing.greeks import black_scholes
from riskengine.pricing.valuation import account_values, option_values, snapshot

ASSETS = ("BTC", "ETH")
INSTRUMENTS = tuple(Perpetual(a, s) for a in ASSETS for s in ("linear", "inverse"))
OPTIONS = (
    EuropeanOption("BTC", 31_000.0, 240.0, "call"),
    EuropeanOption("BTC", 28_000.0, 720.0, "put", "inverse"),
    EuropeanOption("ETH", 2_100.0, 240.0, "put"),
    EuropeanOption("ETH", 2_200.0, 720.0, "call", "inverse"),
)
SPOT = np.array([30_000.0, 2_000.0])
SURFACE = FactorSurface.flat((0.6, 0.7))
FUNDS = (np.inf, 0.0, 2e5, 3e6)


def random_terms(rng, options=False):
    book = OrderBook(dict(zip(ASSETS, rng.lognormal(14.5, 0.7, 2), strict=True)), 2e-4, rng.uniform(0.004, 0.03), 0.7)
    pool = ConstantProduct(dict(zip(ASSETS, rng.lognormal(16.5, 0.7, 2), strict=True)), 0.003, 2.0)
    which = rng.choice([0, 2]) if options else rng.integers(3)
    quotes = OrderBook({"BTC": 4e6, "ETH": 1e6}, 1e-3, 0.02, 1.5) if options else None
    execution = Execution(None if which == 1 else book, None if which == 0 else pool, rng.uniform(0.01, 0.1), quotes)
    return VenueTerms(
        {"BTC": rng.uniform(0.015, 0.05), "ETH": rng.uniform(0.015, 0.06)},
        execution,
        rng.uniform(1.0, 1.5),
        rng.uniform(0.0, 0.008),
    )


def random_book(rng, terms, count=12, options=False):
    """Accounts that all start healthy, of one to three perpetuals, some of them near their requirement; with `options`
    also of one to three options."""
    entry = np.zeros((count, 4))
    quantity = np.zeros((count, 4))
    cash = np.zeros((count, 3))
    price = SPOT[[0, 0, 1, 1]]
    rate = np.array([terms.maintenance[i.asset] for i in INSTRUMENTS])
    for k in range(count):
        held = rng.choice(4, rng.integers(1, 4), replace=False)
        entry[k, held] = price[held] * rng.uniform(0.9, 1.1, held.size)
        quantity[k, held] = rng.choice([-1, 1], held.size) * rng.lognormal(14.0, 1.2, held.size) / price[held]
        size = np.abs(quantity[k]) * np.where([i.settlement == "inverse" for i in INSTRUMENTS], entry[k] / price, 1.0)
        need = (size * price * rate).sum()
        gain = (quantity[k] * (price - entry[k])).sum()
        wanted = need * rng.uniform(1.05, 6.0)
        cash[k, 1:] = rng.uniform(-0.3, 0.8, 2) * wanted / SPOT * (rng.random(2) < 0.5)
        cash[k, 0] = wanted - gain - cash[k, 1:] @ SPOT
    kinds = tuple("long" if q.sum() > 0 else "short" for q in quantity)
    names = tuple(f"account {n:02d}" for n in rng.permutation(count))
    book = Portfolio(ASSETS, INSTRUMENTS, quantity, entry, cash, names, kinds)
    return with_options(rng, terms, book) if options else book


def with_options(rng, terms, book):
    """The book with options added, long ones paid for and short ones margined."""
    k = book.accounts
    held = rng.lognormal(13.5, 1.0, (k, 4)) / SPOT[[0, 0, 1, 1]] * rng.choice([-1, 0, 0, 1], (k, 4))
    whole = Portfolio(
        ASSETS,
        (*INSTRUMENTS, *OPTIONS),
        np.concatenate([book.quantity, held], axis=1),
        np.concatenate([book.entry, np.zeros((k, 4))], axis=1),
        book.cash.copy(),
        book.names,
        book.kinds,
    )
    value = option_values(whole, snapshot(whole, SURFACE, SPOT[:, None], None, 0.0))[:, 0]
    whole.cash[:, 0] += (np.maximum(-held, 0.0) @ (value + 0.1 * SPOT[[0, 0, 1, 1]])) * rng.uniform(1.0, 1.5, k)
    return whole


def random_paths(rng, lanes=4, steps=12, state=True):
    """Rough paths with every lane of market state that a world may have."""
    grid = TimeGrid(1800, steps)
    shape = (steps + 1, 2, lanes)
    move = rng.standard_t(3, shape) * 0.012
    move[0] = 0.0
    # on the last lane the market may fall through what all accounts have
    move[steps // 2, :, -1] += rng.choice([0.0, -1.0, 1.0])
    spot = SPOT[:, None] * np.exp(np.cumsum(move, axis=0))
    if not state:
        return MarketPaths(grid, ASSETS, 0, spot)
    return MarketPaths(
        grid,
        ASSETS,
        0,
        spot,
        depth_lanes=np.exp(0.5 * rng.standard_normal(shape)),
        funding_lanes=0.5 * rng.standard_normal(shape),
        basis_lanes=0.002 * rng.standard_normal(shape) * (np.arange(steps + 1) > 0)[:, None, None],
    )


def case(seed, **options):
    rng = np.random.default_rng(seed)
    terms = random_terms(rng, seed % 2 == 1)
    return random_book(rng, terms, options=seed % 2 == 1), terms, random_paths(rng, **options)


def live(book, terms, fund, paths, impact=None, surface=SURFACE, heat=None):
    desk = VenueDesk(book, terms, surface, fund, paths, heat=heat)
    run_loop(paths, [desk], impact)
    return desk


def reference(book, terms, fund, paths, lane, impact_depth=None, half_life=None, kind=Reference,
              surface=SURFACE, heat=None):  # fmt: skip
    """The same path by the plain reference, which carries what its own sales do to prices, and to variance."""
    accounts = []
    for k in np.argsort(book.names):
        cash = dict(zip(("USD", *ASSETS), map(float, book.cash[k]), strict=True))
        positions = {}
        for m, i in enumerate(book.instruments):
            if book.quantity[k, m]:
                q, e = float(book.quantity[k, m]), float(book.entry[k, m])
                positions[i] = [q * e if isinstance(i, Perpetual) and i.settlement == "inverse" else q, e]
        accounts.append(Account(book.names[k], book.kinds[k], cash, positions))
    step_hours = hours = paths.grid.step_seconds / 3600
    venue = kind(accounts, terms, fund, hours)
    venue.instruments = list(book.instruments)
    options = [book.instruments[m] for m in book.options]

    def seen(spot, hours):
        at = np.array([[spot[a]] for a in ASSETS])
        state = None
        if not surface.static:
            step = round(hours / step_hours)
            state = paths.variance_lanes[step, :, lane, None] * np.exp([[added[a]] for a in ASSETS])
        return snapshot(book, surface, at, state, hours)

    def priced(spot, hours):
        return dict(zip(options, option_values(book, seen(spot, hours))[:, 0], strict=True))

    def greeks(spot, hours):
        """(vega per 1.00, delta in USD) of every option, by Black-Scholes without rates at its volatility."""
        out = {}
        for option, sigma in zip(options, seen(spot, hours).volatility[:, 0], strict=True):
            left, sign = (option.expiry_hours - hours) / 8760.0, 1.0 if option.kind == "call" else -1.0
            found = black_scholes(spot[option.asset], option.strike, left, sigma, sign)
            out[option] = float(found.vega), float(found.delta * spot[option.asset])
        return out

    impact, added = dict.fromkeys(ASSETS, 0.0), dict.fromkeys(ASSETS, 0.0)
    at = lambda rows, t: dict(zip(ASSETS, map(float, rows[t, :, lane]), strict=True))  # noqa: E731
    for t in range(paths.grid.steps + 1):
        spot = {a: s * np.exp(impact[a]) for a, s in at(paths.spot_lanes, t).items()}
        mark = {a: s * np.exp(at(paths.basis_lanes, t)[a]) for a, s in spot.items()}
        relative = at(paths.depth_lanes, t)
        value = priced(spot, t * hours)
        bumped = priced({a: s * 1.0001 for a, s in spot.items()}, t * hours)
        delta = {i: (bumped[i] - value[i]) / (1e-4 * spot[i.asset]) for i in options}
        rate = at(paths.funding_lanes, max(t - 1, 0))
        venue.greeks = greeks(spot, t * hours)
        venue.last = t == paths.grid.steps
        venue.hottest = max(venue.hottest, *added.values())
        sold = venue.step(t == 0, spot, mark, rate, relative, value, delta)
        if impact_depth is not None:
            for a in ASSETS:
                moved = 0.01 * sold[a] * spot[a] / impact_depth[a] / relative[a]
                impact[a] = (impact[a] - moved) * 0.5 ** (1 / half_life)
        if heat is not None:
            for a in ASSETS:
                more = heat.elasticity * venue.closed[a] / (heat.depth_usd[a] * relative[a])
                # each dollar adds in proportion to the room that is left
                added[a] = heat.largest - (heat.largest - added[a]) * math.exp(-more / heat.largest)
                added[a] *= 0.5 ** (hours / heat.half_life_hours)
    return venue


def check_equal(desk, venue, lane):
    found = desk.columns()
    for measure in BY_KIND:
        for kind in desk.kinds:
            want = venue.sums.get((kind, measure), 0.0)
            assert found[kind, measure][lane] == pytest.approx(want, rel=1e-9, abs=1e-5), (kind, measure)
    for kind in desk.kinds:
        assert found[kind, "open_notional"][lane] == pytest.approx(venue.unfinished(kind), rel=1e-9, abs=1e-3)
    for measure, want in (
        ("fund_draw", venue.paid),
        ("fund_need", venue.need),
        ("fund_net", venue.received - venue.paid),
        ("fund_exhausted", float(venue.exhausted)),
        ("uncovered_loss", venue.uncovered),
    ):
        assert found["all", measure][lane] == pytest.approx(want, rel=1e-9, abs=1e-5), measure
    equity = desk.figures()[0, :, lane]
    order = np.argsort(desk.book.names)
    want = [venue.equity(a) for a in venue.accounts]
    assert equity[order] == pytest.approx(want, rel=1e-9, abs=1e-4)


@pytest.mark.parametrize("seed", range(25))
def test_the_lanes_engine_is_the_plain_reference(seed):
    book, terms, paths = case(seed)
    fund = FUNDS[seed % len(FUNDS)]
    feedback = seed % 3 == 2
    depth = {"BTC": 4e6, "ETH": 3e6}
    impact = Impact(np.array(list(depth.values())), 3.0) if feedback else None
    desk = live(book, terms, fund, paths, impact)
    for lane in range(paths.count):
        venue = reference(book, terms, fund, paths, lane, *((depth, 3.0) if feedback else ()))
        check_equal(desk, venue, lane)


def test_the_random_cases_reach_every_part_of_the_waterfall():
    reached = dict.fromkeys((*BY_KIND, "fund_draw", "fund_exhausted", "uncovered_loss", "open_notional"), 0)
    for seed in range(25):
        columns = live(*case(seed)[:2], FUNDS[seed % len(FUNDS)], case(seed)[2]).columns()
        for measure in reached:
            reached[measure] += int((columns["all", measure] >= 1.0).sum())
    assert min(reached.values()) > 0, reached


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), fund=st.sampled_from(FUNDS), coupled=st.booleans())
def test_money_coins_and_contracts_are_conserved(seed, fund, coupled):
    book, terms, paths = case(seed, lanes=8, steps=8)
    desk = live(book, terms, fund, paths, Impact(np.array([4e6, 3e6]), 3.0) if coupled else None)
    assert desk.conservation_error().max() < 1e-14
    columns = desk.columns()
    # a second account of the same flows: what was owed is what was paid, taken from winners, spread, and left
    owed = columns["all", "account_shortfall"]
    met = sum(columns["all", m] for m in ("fund_draw", "deleveraging_loss", "socialised_loss", "uncovered_loss"))
    assert met == pytest.approx(owed, rel=1e-9, abs=1e-4)
    if np.isinf(fund):
        assert not columns["all", "fund_exhausted"].any() and not columns["all", "deleveraged_notional"].any()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_solvent_account_meets_its_requirement_after_the_close(seed):
    rng = np.random.default_rng(seed)
    terms = random_terms(rng)
    book = random_book(rng, terms)
    deep = {a: 1e13 for a in ASSETS}
    execution = Execution(OrderBook(deep, 2e-4, 0.03), limit=0.05)
    terms = VenueTerms(terms.maintenance, execution, terms.target, terms.liquidation_fee)
    spot = SPOT[:, None] * np.stack([np.ones((2, 8)), np.exp(0.02 * rng.standard_normal((2, 8)))])
    paths = MarketPaths(TimeGrid(3600, 1), ASSETS, 0, spot)
    before = VenueDesk(book, terms, SURFACE, np.inf, paths)
    before.look(1, spot[1])
    equity, need, gross = before.figures()
    desk = live(book, terms, np.inf, paths)
    after, left, _ = desk.figures()
    spent = (terms.liquidation_fee + 2.1e-4) * gross
    solvent = (equity < need * (1 - 1e-9)) & (equity > spent)
    assert after[solvent] == pytest.approx(terms.target * left[solvent], rel=1e-9, abs=1e-3)
    # the healthy keep what they have, to the bit
    healthy = equity >= need
    assert (after[healthy] == equity[healthy]).all() and (left[healthy] == need[healthy]).all()
    assert desk.columns()["all", "liquidated_accounts"].sum() == (equity < need * (1 - 1e-12)).sum()


@pytest.mark.parametrize("fund", FUNDS[1:])
def test_a_fund_is_exhausted_exactly_where_the_endless_one_needs_more(fund):
    for seed in range(40, 60):
        book, terms, paths = case(seed, lanes=16)
        endless, finite = live(book, terms, np.inf, paths).columns(), live(book, terms, fund, paths).columns()
        need = endless["all", "fund_need"]
        assert ((finite["all", "fund_exhausted"] > 0) == (need > fund)).all()
        # where it is not, nothing differs
        same = need <= fund
        for key, column in endless.items():
            assert (finite[key][same] == column[same]).all(), key


def test_figures_do_not_depend_on_the_order_of_accounts_or_on_the_block():
    book, terms, paths = case(3, lanes=6)
    order = np.random.default_rng(0).permutation(book.accounts)
    turned = Portfolio(
        ASSETS,
        book.instruments,
        book.quantity[order],
        book.entry[order],
        book.cash[order],
        tuple(book.names[k] for k in order),
        tuple(book.kinds[k] for k in order),
    )
    desk, other = live(book, terms, 1e5, paths), live(turned, terms, 1e5, paths)
    for key, column in desk.columns().items():
        assert (other.columns()[key] == column).all(), key
    assert (other.figures() == desk.figures()[:, order]).all()
    lanes = {n: getattr(paths, n) for n in ("spot_lanes", "depth_lanes", "funding_lanes", "basis_lanes")}
    some = {n: np.ascontiguousarray(x[:, :, 2:5]) for n, x in lanes.items()}
    part = MarketPaths(paths.grid, ASSETS, 0, **some)
    for key, column in live(book, terms, 1e5, part).columns().items():
        assert (column == desk.columns()[key][2:5]).all(), key


def test_feedback_off_is_no_feedback_and_feedback_makes_it_worse_on_average():
    worse = []
    for seed in range(20):
        book, terms, paths = case(seed, lanes=32)
        off = live(book, terms, 3e5, paths).columns()
        # impact that is carried but too small to move a price is no impact, bit for bit
        none = live(book, terms, 3e5, paths, Impact(np.array([1e300, 1e300]), 3.0)).columns()
        assert all((none[key] == column).all() for key, column in off.items())
        on = live(book, terms, 3e5, paths, Impact(np.array([4e6, 3e6]), 3.0)).columns()
        worse.append((on["all", "account_shortfall"] - off["all", "account_shortfall"]).mean())
    worse = np.array(worse)
    # paired differences of independent cases: above zero by more than four standard errors of their mean
    assert worse.mean() > 0.0
    assert (worse > 0).sum() >= 15


def test_a_larger_fund_is_never_exhausted_where_a_smaller_one_is_not():
    for seed in range(20):
        book, terms, paths = case(seed, lanes=16)
        hit = [live(book, terms, f, paths).columns()["all", "fund_exhausted"] for f in (0.0, 1e5, 1e6, 1e7)]
        assert (np.diff(hit, axis=0) <= 0).all()


def test_the_holdings_of_a_venue_are_worth_what_the_book_is():
    book, terms, paths = case(5, state=False)
    for t in (0, 5):
        spot = np.ascontiguousarray(paths.spot_lanes[t])
        desk = VenueDesk(book, terms, SURFACE, np.inf, paths)
        desk.look(t, spot)
        worth = np.einsum("kh,hp->kp", starting_holdings(book), desk.now.price)
        assert worth == pytest.approx(
            account_values(book, snapshot(book, SURFACE, spot, None, 0.5 * t)), rel=1e-9, abs=1e-3
        )


def test_books_and_terms_that_cannot_be_are_refused_with_every_fault():
    book, terms, _ = case(1)

    def faults(t, scale=1.0):
        start = scale * np.ones((2, 2, 1)) * SPOT[:, None]
        return book_faults(book, t, SURFACE, MarketPaths(TimeGrid(3600, 1), ASSETS, 0, start))

    assert faults(terms) == []
    thin = VenueTerms({"BTC": 0.02}, Execution(OrderBook({"BTC": 1e6}), ConstantProduct({"ETH": 1e6})))
    said = "; ".join(faults(thin))
    for part in ("maintenance must be given for ETH", "of the book must be given for ETH", "of the pool must be given"):
        assert part in said
    assert "must start with its maintenance" in faults(terms, 0.2)[0]
    with pytest.raises(ValueError, match="got neither"):
        Execution()
    with pytest.raises(ValueError, match="below target times"):
        VenueTerms({"BTC": 0.004}, Execution(OrderBook({"BTC": 1e6})), 1.1, 0.005)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_futures_without_carry_live_as_perpetuals_without_funding_do(seed):
    """Every column is the same, to the bit, where forwards are spot and nothing is paid for time."""
    book, terms, paths = case(seed, state=False)
    dated = tuple(Future(i.asset, 1e4, i.settlement) if isinstance(i, Perpetual) else i for i in book.instruments)
    perpetual = live(book, terms, 2e5, paths).columns()
    future = live(replace(book, instruments=dated), terms, 2e5, paths).columns()
    for name, column in perpetual.items():
        assert np.array_equal(future[name], column, equal_nan=True), name


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_money_is_conserved_with_carried_futures(seed):
    """Forwards away from spot, a basis on them, and funding that futures do not pay."""
    book, terms, paths = case(seed)
    curves = (Curve((500.0,), (0.2,), basis_hours=24.0), Curve((500.0,), (-0.1,)))
    dated = tuple(Future("BTC", 100.0, "inverse") if i == Perpetual("BTC", "inverse") else i for i in book.instruments)
    desk = VenueDesk(replace(book, instruments=dated), terms, replace(SURFACE, carry=curves), 2e5, paths)
    run_loop(paths, [desk], None)
    assert (desk.conservation_error() < 1e-9).all()
    m, left = dated.index(Future("BTC", 100.0, "inverse")), 100.0 - 0.5 * paths.grid.steps
    grown = curves[0].rate_to(left / 8760.0) * left / 8760.0 + paths.basis_lanes[-1, 0] * (1.0 - np.exp(-left / 24.0))
    np.testing.assert_allclose(desk.now.mark[m], paths.spot_lanes[-1, 0] * np.exp(grown), rtol=1e-12)
    np.testing.assert_allclose(desk.now.price[3 + m], -np.exp(-grown), rtol=1e-12)
