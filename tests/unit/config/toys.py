"""Small files for the tests of configuration and command line."""

WORLD = """\
name: toy
title: Two lognormal assets
measure: P
model:
  kind: gbm
  assets: [BTC, ETH]
  spot: [34500, 1810.0]
  drift: [0, 0]
  volatility: [0.6, 8e-1]
  correlation: [[1, 0.8], [0.8, 1]]
surface:
  kind: factor_surface
  reversion: [1.0, 1.0]
  long_variance: [0.36, 0.64]
  premium: [0, 0]
  add: [0.36, 0.64]
  skew_short: [0, 0]
  skew_long: [0, 0]
  curvature_short: [0, 0]
  curvature_long: [0, 0]
  skew_state: [0, 0]
  smile_tenor: [1, 1]
  wing: [3, 3]
source: [made up]
"""

BOOK = """\
assets: [BTC, ETH]
spot: {BTC: 34500, ETH: 1810}
accounts:
  - name: long_perp
    kind: leveraged_long
    cash: {USD: 20000, BTC: 0.5}
    positions:
      - {instrument: perpetual, asset: BTC, quantity: 1.5}
      - {instrument: perpetual, asset: ETH, settlement: inverse, quantity: -3, entry: 1700}
  - name: short_call
    kind: naked_short
    cash: {USD: 9000}
    positions:
      - {instrument: option, asset: BTC, type: call, moneyness: 1.1, expiry_days: 30, quantity: -2}
      - {instrument: option, asset: ETH, type: put, strike: 1700, expiry_hours: 100.7, quantity: 4, settlement: inverse}
"""

STUDY = """\
kind: calibration
title: A small question
world: world.yaml
seed: 7
paths: 64
horizon_hours: 48
step_hours: 24
history_windows: 40
margin:
  book: book.yaml
  margin_period_hours: 24
  liquidation_latency_hours: 24
  models:
    - {kind: historical_var, levels: [0.95, 0.99], margin_period_hours: 24}
    - {kind: ewma_var, levels: [0.99], margin_period_hours: 24, decay: 0.97}
calibration:
  estimators: [{kind: historical}, {kind: normal}]
  exposures: [{asset: BTC}, {asset: ETH, side: short}]
  levels: [0.95]
"""

BACKTEST = """\
kind: backtest
title: A small replay
world: world.yaml
book: book.yaml
margin_period_hours: 24
history_windows: 10
models:
  - {kind: historical_var, levels: [0.9], margin_period_hours: 24}
"""


def write(folder, **changes):
    """Write the toy files into `folder`; ``study=text`` and the like replace one; returns the study's path."""
    texts = {"world": WORLD, "book": BOOK, "study": STUDY, "backtest": BACKTEST} | changes
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder / "study.yaml"
