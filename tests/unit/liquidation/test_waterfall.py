"""The waterfall conserves money."""

import numpy as np

from riskengine.liquidation.waterfall import draw, socialise


def test_fund_pays_first_and_the_rest_is_socialised():
    call = draw(np.array([10.0, 10.0, 0.0]), np.array([4.0, 25.0, 3.0]))
    assert call.fund.tolist() == [6.0, 0.0, 0.0]
    assert call.paid.tolist() == [4.0, 10.0, 0.0]
    assert call.socialised.tolist() == [0.0, 15.0, 3.0]
    assert call.exhausted.tolist() == [False, True, True]


def test_conservation_over_many_draws():
    rng = np.random.default_rng(4)
    fund = start = rng.uniform(0.0, 50.0, 200)
    owed, paid, left = np.zeros(200), np.zeros(200), np.zeros(200)
    for _ in range(20):
        shortfall = rng.exponential(5.0, 200) * (rng.random(200) < 0.4)
        call = draw(fund, shortfall)
        fund, owed, paid, left = call.fund, owed + shortfall, paid + call.paid, left + call.socialised
    np.testing.assert_allclose(start, fund + paid, rtol=1e-13)
    np.testing.assert_allclose(owed, paid + left, rtol=1e-13)
    assert (fund >= 0.0).all()


def test_socialised_loss_falls_on_equity_and_never_exceeds_it():
    equity = np.array([[10.0, 0.0, -5.0], [30.0, 0.0, 2.0], [-8.0, -1.0, 2.0]])
    charge = socialise(np.array([8.0, 5.0, 100.0]), equity)
    np.testing.assert_allclose(charge, [[2.0, 0.0, 0.0], [6.0, 0.0, 2.0], [0.0, 0.0, 2.0]])
