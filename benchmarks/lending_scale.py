"""100,000 borrowers on Aave v3 over 24 hours, without feedback: CPU and wall seconds and memory of a whole study.

``python benchmarks/lending_scale.py [PATHS]``; memory does not depend on PATHS.  Two workers.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

from riskengine.config.study import load_study
from riskengine.study.run import run_study

STUDY = """
kind: calibration
title: 100,000 borrowers
world: btc_eth
seed: 1
paths: {paths}
horizon_hours: 24
step_hours: 1
confidence: 0.95
lending:
  book:
    format: synthetic
    count: 100000
    tokens:
      WETH: {{asset: ETH, price: 1816.85, threshold: 0.83, held: 0.6}}
      WBTC: {{asset: BTC, price: 34814, threshold: 0.78, held: 0.4}}
      USDC: {{price: 1.0, owed: 1.0}}
  market:
    kind: aave_v3
    rules: aave_v3_ethereum_20231031
    keeper: {{delay_hours: 1, gas_usd: 30, calls_per_step: 4}}
    liquidity: {{depth_usd: {{BTC: 650000000, ETH: 2000000000}}, refill_half_life_hours: 2}}
"""


def main(paths: int) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scale.yaml"
        file.write_text(STUDY.format(paths=paths), encoding="utf-8")
        loaded = load_study(file)
        wall, cpu = time.perf_counter(), time.process_time()
        run_study(loaded.study, loaded.resolved, "scale", Path(folder) / "runs", workers=2)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"100,000 borrowers x {paths} paths x 24 steps: {cpu:.1f} s CPU, {wall:.1f} s wall, {peak:.2f} GiB at most")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4096)
