"""Run a certificate experiment: what is promised of a choice, held against the exact risk of very many choices.

Candidates are all margins, walked downwards, so a rule is a count: it takes the smallest margin that at most x of the n
losses exceed, x the largest count that the rule lets pass.  Whatever the law of the losses, the true breach
probability of that choice is Beta(x + 1, n - x), the law of an order statistic of uniforms, so its mean is
(x + 1) / (n + 1), and it exceeds the target with probability P(Bin(n, target) <= x).  The experiment draws the losses,
makes the choice, and reads its risk from the exact law: theory on one side, law and sampler on the other.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import bdtr, betaincc

from riskengine.engine.blocks import Block, plan
from riskengine.engine.estimator_lab import Bench
from riskengine.engine.executor import default_workers, run_blocks
from riskengine.estimate import Estimate, exact, undetermined
from riskengine.random import DrawKeys
from riskengine.stats.mean import mean
from riskengine.stats.proportion import clopper_pearson
from riskengine.study.describe import world_data, worlds_head
from riskengine.study.folder import RunFolder
from riskengine.study.manifest import manifest
from riskengine.study.names import EXPERIMENT
from riskengine.study.result import Row, StudyResult
from riskengine.study.run import Progress
from riskengine.study.verdict import judge
from riskengine.tune.certify import allowed_breaches, hoeffding_bentkus_p_value, least_paths
from riskengine.tune.experiment_spec import CertificateExperiment

_LANES = 64  # replications sorted together: bounds memory, not the bits
CURVE = 121  # points of a curve


def _certified(n: int, target: float, delta: float) -> int:
    return allowed_breaches(n, target, delta)


def _hoeffding_bentkus(n: int, target: float, delta: float) -> int:
    passed = [x for x in range(int(n * target) + 1) if hoeffding_bentkus_p_value(x / n, n, target) <= delta]
    return max(passed, default=-1)


def _conformal(n: int, target: float, delta: float) -> int:
    return int(np.floor(target * (n + 1) * (1.0 + 1e-12))) - 1


def _point_estimate(n: int, target: float, delta: float) -> int:
    return int(np.floor(target * n * (1.0 + 1e-12)))


# rule -> largest count of breaches among n that it lets pass; -1 where none does
RULES: dict[str, Callable[[int, float, float], int]] = {
    "certified": _certified,
    "hoeffding_bentkus": _hoeffding_bentkus,
    "conformal": _conformal,
    "point_estimate": _point_estimate,
}


class Experiment:
    """Choices of every rule at every sample size.

    Parameters
    ----------
    study : CertificateExperiment
    """

    def __init__(self, study: CertificateExperiment):
        self.study = study
        self.bench = Bench(study.world, study.horizon_hours, "independent", DrawKeys(study.seed))
        self.counts = {(r, n): f(n, study.target, study.delta) for r, f in RULES.items() for n in study.sample_sizes}
        kept = {k: x for k, x in self.counts.items() if x >= 0}
        self.margins = {key: np.empty(study.replications) for key in kept}
        self.risks = {key: np.empty(study.replications) for key in kept}

    def block(self, block: Block) -> None:
        """Choices of the replications of `block`; a pure function of the study and the block's numbers."""
        largest, asset = max(self.study.sample_sizes), self.study.exposure.asset
        for first in range(block.first, block.first + block.count, _LANES):
            count = min(_LANES, block.first + block.count - first)
            here = slice(first, first + count)
            returns, states = self.bench.draw(largest, first, count, (asset,))
            losses = np.ascontiguousarray(self.study.exposure.unit.loss(returns[asset]).T)
            for n in self.study.sample_sizes:
                places = {key: n - 1 - self.counts[key] for key in self.margins if key[1] == n}
                ordered = np.partition(losses[:, :n], sorted(set(places.values())), axis=1)
                for key, place in places.items():
                    self.margins[key][here] = ordered[:, place]
                    found = self.bench.breach(self.study.exposure, ordered[None, :, place], states[asset])
                    self.risks[key][here] = found[0]

    def rows(self) -> Iterator[Row]:
        """Measured figures and those of the theory, of every rule and size."""
        study = self.study
        quantile = float(self.bench.truth(study.exposure, np.array([1.0 - study.target]))[0])
        for (rule, n), count in self.counts.items():
            at = {"rule": rule, "sample_size": n}
            if count < 0:
                least = least_paths(study.target, study.delta)
                why = f"nothing can be certified from {n:,} losses: {least:,} without a breach are needed at least"
                for measure, unit in EXPERIMENT.items():
                    yield Row("experiment", rule, at | {"source": "measured"}, measure, unit, undetermined(0, why))
                continue
            for source, figures in (
                ("measured", self._measured((rule, n), quantile)),
                ("theory", self._theory(n, count)),
            ):
                for measure, estimate in figures.items():
                    yield Row("experiment", rule, at | {"source": source}, measure, EXPERIMENT[measure], estimate)

    def _measured(self, key: tuple[str, int], quantile: float) -> dict[str, Estimate]:
        study, risk = self.study, self.risks[key]
        wrong = int(np.count_nonzero(risk > study.target))
        return {
            "mean_true_risk": mean(risk, study.confidence),
            "violation_share": clopper_pearson(wrong, risk.size, study.confidence),
            "mean_margin_ratio": mean(self.margins[key] / quantile, study.confidence),
        }

    def _theory(self, n: int, count: int) -> dict[str, Estimate]:
        said = f"Beta({count + 1}, {n - count}) law of the risk of the order statistic"
        return {
            "allowed_breaches": exact(count, "largest count that the rule lets pass"),
            "mean_true_risk": exact((count + 1) / (n + 1), said),
            "violation_share": exact(float(bdtr(count, n, self.study.target)), said),
        }

    def curves(self) -> Iterator[dict[str, Any]]:
        """How often the true risk of a choice exceeds x, measured with pointwise bands and by the theory."""
        size = self.study.replications
        for (rule, n), risk in self.risks.items():
            count = self.counts[rule, n]
            spread = 4.5 * np.sqrt((count + 1) / n) / np.sqrt(n)
            middle = (count + 1) / (n + 1)
            x = np.linspace(max(0.0, middle - spread), middle + 1.4 * spread, CURVE)
            above = size - np.searchsorted(np.sort(risk), x, side="right")
            found = [clopper_pearson(int(k), size, self.study.confidence) for k in above]
            yield {
                "name": "true_risk",
                "title": f"{rule}, {n:,} losses",
                "parameters": {"rule": rule, "sample_size": n},
                "x_label": "true breach probability of the choice",
                "y_label": "share of choices with more",
                "x": x.tolist(),
                "y": [e.value for e in found],
                "lower": [e.lower for e in found],
                "upper": [e.upper for e in found],
                "theory": np.asarray(betaincc(count + 1, n - count, x)).tolist(),
                "n": size,
            }


def run_experiment(
    study: CertificateExperiment,
    resolved: dict[str, Any],
    name: str,
    out: Path | None = None,
    workers: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    command: str = "",
) -> tuple[Path, StudyResult]:
    """Answer a certificate experiment.

    Parameters
    ----------
    study, resolved, name, out, workers, progress, command
        As in `riskengine.study.run.run_study`; there are no blocks to keep.

    Returns
    -------
    (Path, StudyResult)
        Run folder and result: rows of section ``experiment`` for every rule and sample size.

    Raises
    ------
    UsageError
        Where the folder cannot be used or a criterion names no row.
    """
    start = time.perf_counter()
    folder = RunFolder.open(name, resolved, out, resume=False)
    experiment = Experiment(study)
    experiment.bench.prepare()
    done = 0
    for block in run_blocks(plan(study.replications), experiment.block, workers or default_workers()):
        done += block.count
        if progress is not None:
            progress(Progress(done, study.replications, time.perf_counter() - start))
    data = world_data(study.world)
    head = {
        "study": {"name": name, "title": study.title, "kind": study.kind},
        "command": command,
        "world": worlds_head((study.world,)),
        "settings": {
            "seed": study.seed,
            "replications": study.replications,
            "horizon_hours": study.horizon_hours,
            "exposure": study.exposure.name,
            "sample_sizes": list(study.sample_sizes),
            "target": study.target,
            "delta": study.delta,
            "confidence": study.confidence,
        },
        "assumptions": [
            "Losses are positive; samples are independent draws from the exact horizon law, by counter-based uniforms "
            "through its quantile. A shorter sample is part of the longer ones.",
            "All margins are candidates, walked downwards: a rule takes the smallest that at most the allowed count of "
            "losses exceeds.",
            "The risk of a choice is exact: the law's probability of a loss beyond the margin, not counted hits.",
        ],
    } | ({"data": data} if data else {})
    rows = judge(list(experiment.rows()), study.criteria)
    result = StudyResult(head, tuple(rows), tuple(experiment.curves()))
    folder.write_json("manifest.json", manifest(resolved, study.replications))
    folder.write_json("result.json", result.as_dict())
    folder.write_json("timing.json", {"seconds": time.perf_counter() - start})
    return folder.path, result
