"""Drawn accounts: what each kind holds, the law of sizes, bits that depend on seed, kind, asset and number alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import kstest

from riskengine.book.account_kinds import KINDS, drawn_templates
from riskengine.book.generated import AccountKinds
from riskengine.book.portfolio import Portfolio
from riskengine.book.templates import AccountTemplate, Leg
from riskengine.config.book import dump_portfolio, load_book
from riskengine.config.dump import dump, to_yaml
from riskengine.config.study import load_study, load_world
from riskengine.engine.chain_accounts import NotStruck, strike_account
from riskengine.engine.coverage import Coverage
from riskengine.errors import InputError
from riskengine.instrument.terms import EuropeanOption, Future, Perpetual
from riskengine.market.curve import Curve
from riskengine.pricing.pool import PoolToken
from riskengine.pricing.valuation import account_values, gross_notional, option_values, snapshot

WORLD = load_world("btc_eth")
ASSETS, SPOT = WORLD.model.assets, dict(zip(WORLD.model.assets, WORLD.model.spot, strict=True))
CARRY = replace(WORLD.surface, carry=(Curve((2160.0,), rate=(0.08,)), Curve((2160.0,), rate=(0.03,))))
# the state that strikes are placed in
FLAT = np.array([[(a - b) / c] for a, b, c in zip(CARRY.long_variance, CARRY.add, CARRY.premium, strict=True)])


def drawn(surface=WORLD.surface, **said) -> Portfolio:
    return AccountKinds(**said).book(ASSETS, SPOT, surface)


def market(book, surface=WORLD.surface, move=1.0):
    return snapshot(book, surface, move * np.array([[SPOT[a]] for a in book.assets]), FLAT, 0.0)


def accounts(book):
    """What every account holds, by name: nothing that an order could move."""
    out = {}
    for k, name in enumerate(book.names):
        held = {book.instruments[m]: (book.quantity[k, m], book.entry[k, m]) for m in np.flatnonzero(book.quantity[k])}
        out[name] = (book.kinds[k], held, tuple(book.cash[k]))
    return out


def test_every_kind_is_what_it_says():
    book = drawn(CARRY, strike_step=0.02)
    up, down = (account_values(book, market(book, CARRY, 1.0 + s))[:, 0] for s in (1e-4, -1e-4))
    size = gross_notional(book, np.array([SPOT[a] for a in ASSETS]))
    delta = (up - down) / 2e-4 / size
    far = [account_values(book, market(book, CARRY, m))[:, 0] for m in (0.5, 1.0, 2.0)]
    assert set(book.kinds) == set(KINDS) and book.accounts == 2 * 4 * len(KINDS)
    for k, kind in enumerate(book.kinds):
        held = [(book.instruments[m], book.quantity[k, m]) for m in np.flatnonzero(book.quantity[k])]
        options = [(t, q) for t, q in held if isinstance(t, EuropeanOption)]
        coins = book.cash[k, 1:].sum()
        if kind == "market_maker":
            assert len(options) >= 5 and {np.sign(q) for _, q in options} == {1.0, -1.0} and abs(delta[k]) < 0.02
        elif kind.startswith("directional"):
            side = 1.0 if kind.endswith("long") else -1.0
            assert [type(t) for t, _ in held] == [Perpetual] and delta[k] == pytest.approx(side, rel=1e-9)
        elif kind in ("covered_call_vault", "protective_put", "collar"):
            assert coins > 0 and sum(abs(q) for _, q in options) == pytest.approx(len(options) * coins)
            short = {t.kind for t, q in options if q < 0}
            long = {t.kind for t, q in options if q > 0}
            assert (short, long) == {
                "covered_call_vault": ({"call"}, set()),
                "protective_put": (set(), {"put"}),
                "collar": ({"call"}, {"put"}),
            }[kind]
        elif kind == "cash_and_carry":
            assert [type(t) for t, _ in held] == [Future] and held[0][1] == pytest.approx(-coins)
        elif kind == "strangle_seller":
            assert {(t.kind, np.sign(q)) for t, q in options} == {("call", -1.0), ("put", -1.0)}
            assert far[0][k] < far[1][k] > far[2][k]
        elif kind == "calendar":
            assert len({t.expiry_hours for t, _ in options}) == 2 and sum(q for _, q in options) == pytest.approx(0.0)
        elif kind == "box":
            # worth the discounted distance of its strikes, whatever the price
            np.testing.assert_allclose([f[k] for f in far], far[1][k], rtol=1e-9)
        elif kind == "whale":
            assert delta[k] > 0.4 and far[1][k] - far[0][k] > 0.3 * size[k]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), kept=st.sets(st.sampled_from(sorted(KINDS)), min_size=1), count=st.integers(1, 6))
def test_an_account_is_itself_whatever_else_is_drawn(seed, kept, count):
    whole = accounts(drawn(seed=seed, kinds=dict.fromkeys(KINDS, 6)))
    order = sorted(kept, reverse=True)
    part = drawn(seed=seed, kinds=dict.fromkeys(order, count), assets=("ETH",))
    found = accounts(part)
    assert len(found) == count * len(kept)
    assert all(whole[name] == account for name, account in found.items())
    again = drawn(seed=seed, kinds=dict.fromkeys(sorted(kept), count), assets=("ETH",))
    assert again.names == part.names and np.array_equal(again.quantity, part.quantity)
    other = accounts(drawn(seed=seed + 1, kinds=dict.fromkeys(order, count), assets=("ETH",)))
    assert all(other[name] != account for name, account in found.items())


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32), settlement=st.sampled_from(["linear", "inverse"]), step=st.sampled_from([0.0, 0.05]),
    carry=st.sampled_from(["future", "perpetual"]), days=st.sampled_from([(8.0, 30.0, 90.0), (45.0,)]),
)  # fmt: skip
def test_drawn_books_are_valid_and_survive_a_file(tmp_path_factory, seed, settlement, step, carry, days):
    kinds = dict.fromkeys(KINDS, 1) | ({"calendar": 0} if len(days) == 1 else {})
    book = drawn(seed=seed, settlement=settlement, strike_step=step, carry=carry, expiry_days=days, kinds=kinds)
    assert (np.abs(book.quantity).sum(axis=1) > 0).all() and len(set(book.names)) == book.accounts
    assert np.isfinite(account_values(book, market(book))).all()
    assert {t.expiry_hours / 24.0 for t in book.instruments if not isinstance(t, Perpetual)} <= set(days)
    file = tmp_path_factory.mktemp("book") / "book.yaml"
    file.write_text(to_yaml(dump_portfolio(book)))
    again = load_book(file)
    assert again.instruments == book.instruments and np.array_equal(again.quantity, book.quantity)
    assert np.array_equal(again.entry, book.entry) and np.array_equal(again.cash, book.cash)


def test_strikes_are_where_their_deltas_say():
    legs = (Leg("call", -1.0, 30, delta=0.2), Leg("put", -1.0, 90, delta=0.4), Leg("put", 1.0, 8, moneyness=0.9))
    for surface in (WORLD.surface, CARRY):
        own = AccountTemplate("mine", "strangle", legs)
        book = drawn(surface, kinds={}, templates=(own,), strike_step=0.0, assets=("BTC",))
        now = market(book, surface)
        for o, m in enumerate(book.options):
            terms, tau = book.instruments[m], now.tau[book.option_expiry[o]]
            forward, v = now.forward[book.option_expiry[o], 0], now.volatility[o, 0] * np.sqrt(tau)
            d1 = np.log(forward / terms.strike) / v + 0.5 * v
            sign = 1.0 if terms.kind == "call" else -1.0
            wanted = {192.0: None, 720.0: 0.2, 2160.0: 0.4}[terms.expiry_hours]
            if wanted is None:
                assert terms.strike == pytest.approx(0.9 * forward, rel=1e-11)
            else:
                assert float(ndtr(sign * d1)) == pytest.approx(wanted, abs=1e-9)
    listed = drawn(kinds={"market_maker": 3}, strike_step=0.05)
    k = np.log(listed.strikes / np.array([SPOT[t.asset] for t in listed.instruments if isinstance(t, EuropeanOption)]))
    np.testing.assert_allclose(k / 0.05, np.round(k / 0.05), atol=1e-9)


def test_sizes_follow_the_stated_law():
    count = 4_000
    uniform = np.array([u for _, u in drawn_templates("box", 1, count, 7, (30.0,), "future")])
    assert kstest(uniform, "uniform").pvalue > 1e-4
    said = AccountKinds(kinds={"directional_long": 300, "whale": 3}, assets=("BTC",), seed=5)
    book = said.book(ASSETS, SPOT, WORLD.surface)
    size = gross_notional(book, np.array([SPOT[a] for a in ASSETS]))
    long = size[np.array(book.kinds) == "directional_long"]
    assert long.min() >= 50_000.0 * (1.0 - 1e-12) and long.max() <= 1e7
    # P(size > x) = (least / x)^1.2
    assert kstest((50_000.0 / long) ** 1.2, "uniform").pvalue > 1e-4
    assert size[np.array(book.kinds) == "whale"].min() >= 20.0 * 50_000.0 * (1.0 - 1e-9)
    np.testing.assert_allclose(book.cash[:, 0], 0.25 * size, rtol=1e-9)


def test_legs_on_one_option_are_one_position():
    legs = (Leg("call", -1.0, 30, moneyness=1.1), Leg("call", -2.0, 31, moneyness=1.11), Leg("put", 1.0, 30, delta=0.2))
    book = drawn(kinds={}, templates=(AccountTemplate("mine", "ratio_spread", legs, True),), assets=("ETH",))
    held = {book.instruments[m]: book.quantity[0, m] for m in np.flatnonzero(book.quantity[0])}
    calls = [q for t, q in held.items() if isinstance(t, EuropeanOption) and t.kind == "call"]
    assert calls == [-3.0] and len(held) == 3
    moved = [account_values(book, market(book, move=1.0 + s))[0, 0] for s in (1e-5, -1e-5)]
    assert abs(moved[0] - moved[1]) / 2e-5 < 0.05 * SPOT["ETH"]  # but for the smile that moves with the strike


def test_one_declaration_serves_chain_and_world():
    from option_chains import START
    from option_chains import snapshot as chain

    from riskengine.engine.chain_smile import Smile

    smile = Smile(chain("BTC", START, 34_500.0, 0.6, days=(8, 30, 90), strikes=34_500.0 * np.arange(0.4, 2.51, 0.02)))
    struck = 0
    for kind in KINDS:
        for template, _ in drawn_templates(kind, 0, 2, 3, (8.0, 30.0, 90.0), "future"):
            try:
                positions = strike_account(template, smile)
            except NotStruck as refused:
                assert str(refused) in {"a chain lists no futures", "two legs fall on one option"}
                assert kind in ("cash_and_carry", "market_maker")
                continue
            struck += 1
            assert len(positions) == len(template.legs) + template.delta_hedged
    assert struck >= 2 * (len(KINDS) - 2)


def test_capital_and_shortfalls_of_kinds_add_up():
    values = np.array([[[100.0, 100.0]] * 3, [[95.0, 80.0], [85.0, 99.0], [70.0, 70.0]]])
    need = np.array([[10.0, 12.0], [10.0, 11.0], [20.0, 20.0]])
    coverage = Coverage("m", (0.99,), (1.0, 2.0), ("a", "b", "a"), 1, 1, 1.5, notional=np.array([50.0, 100.0, 150.0]))
    coverage.open(values[0], need[None], need[None])
    coverage.observe(1, values[1])
    out = {(k[3], k[4], k[5]): v for k, v in coverage.columns().items()}
    for measure in ("capital", "shortfall", "breaches"):
        np.testing.assert_allclose(out[1.0, "a", measure] + out[1.0, "b", measure], out[1.0, "all", measure])
    assert out[1.0, "a", "capital_of_notional"].tolist() == [30.0 / 200.0, 32.0 / 200.0]
    assert out[1.0, "all", "capital_of_notional"].tolist() == [40.0 / 300.0, 43.0 / 300.0]
    assert (2.0, "a", "capital") not in out
    plain = Coverage("m", (0.99,), (1.0,), ("a", "b", "a"), 1, 1, 1.5)
    plain.open(values[0], need[None], need[None])
    plain.observe(1, values[1])
    assert not any(k[-1] == "capital_of_notional" or (k[4] != "all" and k[-1] == "capital") for k in plain.columns())


def test_notional_counts_what_is_held_either_way():
    terms = (Perpetual("ETH"), PoolToken("ETH", "BTC"))
    held = Portfolio(("BTC", "ETH"), terms, np.array([[-3.0, 2.0]]), np.zeros((1, 2)), np.array([[9.0, 0.5, -1.0]]),
                     ("a",), ("x",))  # fmt: skip
    spot = np.array([30_000.0, 2_000.0])
    assert gross_notional(held, spot) == pytest.approx([6_000.0 + 15_000.0 + 2_000.0 + 2.0 * 2.0 * np.sqrt(6e7)])
    assert not option_values(held, market(held)).size


def test_a_study_keeps_the_words_and_draws_the_book_again():
    loaded = load_study("margin_account_kinds").study
    words = dump(loaded)["margin"]["book"]
    assert set(words) == {"generate"} and words["generate"]["seed"] == 20231031
    again = AccountKinds(**{k: tuple(v) if isinstance(v, list) else v for k, v in words["generate"].items()})
    assert accounts(again.book(ASSETS, SPOT, loaded.world.surface)) == accounts(loaded.margin.book)


@pytest.mark.parametrize(
    "said, words",
    [
        ("{kinds: {market_makr: 3}}", "kinds must name market_maker.*got 'market_makr'; did you mean 'market_maker'"),
        ("{kinds: {box: 0}}", "kinds must hold at least one account, got none"),
        ("{expiry_days: [30, 8]}", "expiry_days must be positive and increase"),
        ("{assets: [SOL]}", "assets must be of the world, BTC, ETH, got SOL"),
        ("{least_usd: 1000, largest_usd: 10}", "least_usd must lie in"),
        ("{tail: 3}", "unknown key"),
        ("{templates: [{name: a, kind: spread, legs: [{instrument: future, quantity: 1}]}]}", "days of a future must"),
        (
            "{templates: [{name: a, kind: spread, legs: [{instrument: coin, quantity: 1, days: 3}]}]}",
            "must not be given",
        ),
    ],
)
def test_wrong_words_are_told(tmp_path, said, words):
    (tmp_path / "book.yaml").write_text(f"generate: {said}\n")
    with pytest.raises(InputError, match=words):
        load_book(tmp_path / "book.yaml", WORLD)


def test_a_drawn_book_needs_a_world(tmp_path):
    (tmp_path / "book.yaml").write_text("generate: {}\n")
    with pytest.raises(InputError, match="generate must be read with a world"):
        load_book(tmp_path / "book.yaml")
    assert load_book(tmp_path / "book.yaml", WORLD).accounts == 88
