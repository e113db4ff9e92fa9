"""A small study with everything in it: two assets, three accounts, a grid and a quantile model, a lending market."""

from pathlib import Path

import pytest

WORLD = """
title: small hand-made world
measure: P
model:
  kind: bates
  assets: [BTC, ETH]
  spot: [34500, 1810]
  drift: [0, 0]
  kappa: [20, 20]
  theta: [0.4, 0.5]
  xi: [4.0, 4.47213595499958]
  rho: [-0.2, -0.2]
  initial_variance: stationary
  correlation: [[1, 0.85], [0.85, 1]]
  variance_correlation: [[1, 1], [1, 1]]
  jumps_common: {intensity: 200, mean: [-0.02, -0.02], sd: [0.05, 0.06], correlation: 0.9}
  jumps_own: {intensity: [30, 30], mean: [0, 0], sd: [0.015, 0.02]}
surface:
  kind: factor_surface
  reversion: [6, 6]
  long_variance: [0.3, 0.5]
  premium: [0.8, 0.8]
  add: [0.05, 0.05]
  skew_short: [-0.05, -0.05]
  skew_long: [-0.05, -0.05]
  curvature_short: [0.03, 0.03]
  curvature_long: [0.02, 0.02]
  skew_state: [0, 0]
  smile_tenor: [0.2, 0.2]
  wing: [3, 3]
source: [numbers made up for tests]
"""

BOOK = """
assets: [BTC, ETH]
spot: {BTC: 34500, ETH: 1810}
accounts:
  - name: long_future
    kind: leveraged_long
    cash: {USD: 20000}
    positions:
      - {instrument: perpetual, asset: BTC, quantity: 2}
  - name: short_put
    kind: naked_short
    cash: {USD: 20000}
    positions:
      - {instrument: option, asset: ETH, type: put, moneyness: 0.9, expiry_days: 30, quantity: -20}
  - name: straddle
    kind: straddle
    cash: {BTC: 1}
    positions:
      - {instrument: option, asset: BTC, type: call, moneyness: 1.0, expiry_days: 7, quantity: -1}
      - {instrument: option, asset: BTC, type: put, moneyness: 1.0, expiry_days: 7, quantity: -1}
"""

STUDY = """
kind: calibration
title: everything once, small
world: world.yaml
seed: 7
paths: 1500
horizon_hours: 8
step_hours: 1
history_windows: 60
margin:
  book: book.yaml
  margin_period_hours: 4
  liquidation_latency_hours: 1
  multipliers: [0.5, 1.0]
  funding_multiple: 1.1
  reference_accounts: [straddle]
  models:
    - {kind: derive_pmrm_v2, parameters: derive_pmrm_v2}
    - {kind: historical_var, levels: [0.9, 0.95], margin_period_hours: 4, maintenance_ratio: 0.8}
lending:
  market:
    kind: aave_v3
    rules: aave_v3_ethereum_20231031
    keeper: {delay_hours: 1, gas_usd: 30, calls_per_step: 2}
    liquidity: {depth_usd: {BTC: 40000000, ETH: 60000000}, refill_half_life_hours: 2}
  book: aave_borrowers
  threshold_shifts: [0.0, 0.02]
calibration:
  estimators:
    - {kind: historical}
  exposures:
    - {asset: BTC, side: long, contract: linear}
    - {asset: ETH, side: short, contract: inverse}
  levels: [0.9, 0.95]
"""


@pytest.fixture(scope="session")
def small_study(tmp_path_factory) -> Path:
    """File of the small study, its world and book beside it."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "world.yaml").write_text(WORLD.strip() + "\n")
    (folder / "book.yaml").write_text(BOOK.strip() + "\n")
    (folder / "small.yaml").write_text(STUDY.strip() + "\n")
    return folder / "small.yaml"
