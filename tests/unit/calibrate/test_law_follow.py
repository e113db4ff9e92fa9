"""A law that follows a market whose parameters are known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from synthetic_chains import BATES, HESTON, START, chain

from riskengine.calibrate.pricing_law.follow import Follower, FollowRules
from riskengine.calibrate.pricing_law.objective import FitRules
from riskengine.calibrate.pricing_law.quotes import QuoteRules
from riskengine.errors import RunError

DAY = 86400
PLAIN = FollowRules(fit=FitRules())


def market(days, *, seed=4, structure=None):
    """Chains whose variance wanders while the structure holds, or becomes `structure` of the day."""
    rng = np.random.default_rng(seed)
    v0 = 0.16
    for n in range(days):
        v0 *= float(np.exp(0.1 * rng.standard_normal()))
        law = replace(HESTON, seconds=START + n * DAY)
        law = law.with_parameters(v0=v0, **({} if structure is None else structure(n)))
        yield law, chain(law, seconds=START + n * DAY, noise=rng.uniform(-1.0, 1.0, 7 * 24))


def test_structure_stays_and_state_follows():
    follower = Follower("heston", PLAIN)
    entries = [(law, follower.step(c)) for law, c in market(15)]
    # published once: nothing but noise moved it
    assert [e.reason for _, e in entries] == ["first snapshot"] + [""] * 14
    assert not any(e.alarm for _, e in entries)
    first = entries[0][1].published.values
    for law, entry in entries:
        assert {n: v for n, v in entry.published.values.items() if n != "v0"} == {
            n: v for n, v in first.items() if n != "v0"
        }
        assert entry.published.values["v0"] == pytest.approx(law.values["v0"], rel=0.06)
        assert entry.tracking.inside > 0.9
        assert entry.published.seconds == entry.seconds


def test_a_changed_structure_is_published():
    """Vol of variance doubles on day 8: the published law moves within three days and prices well again."""
    follower = Follower("heston", PLAIN)
    entries = [follower.step(c) for _, c in market(14, structure=lambda n: {"xi": 1.6 if n < 8 else 3.2})]
    assert not any(e.renewed for e in entries[1:8])
    assert any(e.renewed for e in entries[8:11])
    assert entries[8].one_step > 2.0 * np.median([e.one_step for e in entries[1:8]])
    assert entries[-1].published.values["xi"] == pytest.approx(3.2, rel=0.15)
    assert entries[-1].tracking.inside > 0.9


def test_drift_rings_the_alarm():
    """After 30 quiet days the market leaves the family: jumps appear, more of them every day."""
    follower = Follower("heston", replace(PLAIN, run_length=100.0))
    quiet = [follower.step(c) for _, c in market(30)]
    assert not any(e.alarm for e in quiet)
    rng, rang = np.random.default_rng(9), None
    for n in range(30, 60):
        law = replace(BATES, seconds=START + n * DAY).with_parameters(intensity=3.0 * (n - 29), sd=0.15)
        entry = follower.step(chain(law, seconds=START + n * DAY, noise=rng.uniform(-1.0, 1.0, 7 * 24)))
        if entry.alarm:
            rang = n
            assert entry.reason == "drift alarm"
            break
    assert rang is not None


def test_pull_holds_what_the_quotes_do_not_say():
    """Jumps in the fit and none in the market: with a strong pull their parameters stay where they were."""

    def spread(pull):
        follower = Follower("bates", replace(PLAIN, pull=pull))
        path = [follower.step(c).fit.law.values["mean"] for _, c in market(6)]
        return np.abs(np.diff(path)).mean()

    assert spread(100.0) < 0.25 * spread(0.0)


def test_a_shift_follows_by_calendar_time():
    days = np.array([2, 5, 12, 26, 54, 117, 236])
    base = replace(HESTON, knots=START + days * DAY, rates=np.array([0.2, 0.2, 0.2, 0.05, 0.0, 0.0, 0.0]))
    follower = Follower("heston", FollowRules())
    for n in range(3):
        law = replace(base, seconds=START + n * DAY)
        entry = follower.step(chain(law, seconds=START + n * DAY, days=tuple(days[1:] - n)))
        assert entry.tracking.spreads < 0.3
    assert entry.published.name == "heston++"
    assert entry.fit.law.knots.tolist() == (START + days[1:] * DAY).tolist()


def test_the_state_goes_on_to_the_same_bits():
    chains = [c for _, c in market(6)]
    whole = Follower("heston", PLAIN)
    records = [whole.step(c).record() for c in chains]
    broken = Follower("heston", PLAIN)
    for c in chains[:3]:
        broken.step(c)
    resumed = Follower("heston", PLAIN)
    resumed.restore(json.loads(json.dumps(broken.state())))
    assert [resumed.step(c).record() for c in chains[3:]] == records[3:]
    assert json.dumps(records, allow_nan=False)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Follower("bates", PLAIN), "family must be 'heston', got 'bates'$"),
        (Follower("heston", PLAIN, "ETH"), "begun: asset must be 'BTC', got 'ETH'$"),
        (Follower("heston"), "begun: rules.fit.shift must be False, got True$"),
        (
            Follower("heston", replace(PLAIN, fit=FitRules(loss="cauchy"), pull=1.0)),
            "rules.fit.loss must be 'huber', got 'cauchy'; rules.pull must be 10.0, got 1.0$",
        ),
        (
            Follower("heston", replace(PLAIN, quotes=QuoteRules(moneyness=(0.5, 2.0)))),
            r"rules.quotes.moneyness must be \[0.6, 1.4\], got \[0.5, 2.0\]$",
        ),
    ],
)
def test_another_question_does_not_continue_a_log(other, message):
    follower = Follower("heston", PLAIN)
    follower.step(next(market(1))[1])
    state, before = json.loads(json.dumps(follower.state())), other.state()
    with pytest.raises(ValueError, match=message):
        other.restore(state)
    assert other.state() == before
    del state["pending"]
    with pytest.raises(ValueError, match="the state must hold pending"):
        follower.restore(state)


def test_an_alarm_stands_until_its_fit_is_published(monkeypatch):
    """The fresh fit fails at the snapshot of the alarm: the next one is fitted afresh, also by a run that goes on."""
    chains = [c for _, c in market(4)]
    follower, resumed = Follower("heston", PLAIN), Follower("heston", PLAIN)
    follower.step(chains[0])
    follower.alarm.evidence = 1e9  # so that any score rings it

    def fails(*_):
        raise RunError("no fit")

    with monkeypatch.context() as patch:
        patch.setattr("riskengine.calibrate.pricing_law.follow.fit_law", fails)
        with pytest.raises(RunError, match="no fit"):
            follower.step(chains[1])
    resumed.restore(json.loads(json.dumps(follower.state())))
    entries = [f.step(chains[2]) for f in (follower, resumed)]
    assert [(e.reason, e.alarm, e.renewed, e.evidence) for e in entries] == [("drift alarm", True, True, 0.0)] * 2
    assert [f.step(chains[3]).reason for f in (follower, resumed)] == ["", ""]


def test_refusals_change_nothing():
    chains = [c for _, c in market(3)]
    follower = Follower("heston", PLAIN)
    follower.step(chains[1])
    before = follower.state()
    with pytest.raises(
        ValueError, match=r"snapshots must be of BTC and after 2026-01-02T00:00:00Z, got BTC at 2026-01-01"
    ):
        follower.step(chains[0])
    with pytest.raises(ValueError, match="must have at least 8 quotes"):
        follower.step(chain(HESTON, seconds=START + 5 * DAY, days=(5, 9), per_expiry=2))
    assert follower.state() == before
    with pytest.raises(ValueError, match="worse must be a number of at least 1"):
        FollowRules(worse=0.5)
