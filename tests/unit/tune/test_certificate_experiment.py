"""The certificate experiment: rules as counts, figures against the exact law, refusals, one page."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import bdtr

from riskengine.config.dump import dump
from riskengine.config.study import load_study, study_of
from riskengine.engine.blocks import plan
from riskengine.errors import InputError
from riskengine.report.render import write_reports
from riskengine.tune.certify import certify
from riskengine.tune.experiment import RULES, Experiment, run_experiment

SHIPPED = "calibration_certificate"


def small(**changes):
    loaded = load_study(SHIPPED)
    wanted = {"sample_sizes": (250, 1000), "replications": 300} | changes
    return loaded, replace(loaded.study, **wanted)


def test_a_rule_is_the_count_that_its_own_test_lets_pass():
    for n in (300, 1000, 10_000):
        for rule, method in (("certified", "clopper-pearson"), ("hoeffding_bentkus", "hoeffding-bentkus")):
            count = RULES[rule](n, 0.01, 0.05)
            losses = np.zeros((n, 2))
            losses[:count, 0] = losses[: count + 1, 1] = 1.0
            assert certify(losses[:, :1], 0.01, 0.05, method).chosen == 0
            assert certify(losses[:, 1:], 0.01, 0.05, method).chosen is None
        assert (
            (RULES["conformal"](n, 0.01, 0.05) + 1) / (n + 1)
            <= 0.01
            < (RULES["conformal"](n, 0.01, 0.05) + 2) / (n + 1)
        )
        assert RULES["point_estimate"](n, 0.01, 0.05) == n // 100
    assert RULES["certified"](298, 0.01, 0.05) == -1
    assert RULES["certified"](299, 0.01, 0.05) == 0


def test_the_risk_of_a_choice_is_that_of_the_law_and_a_short_sample_is_part_of_a_long_one():
    _, study = small()
    experiment, alone = Experiment(study), Experiment(replace(study, sample_sizes=(1000,), replications=100))
    for one in (experiment, alone):
        one.bench.prepare()
        for block in plan(one.study.replications):
            one.block(block)
    law = study.world.model.law("BTC", 1 / 365)
    for key, margin in experiment.margins.items():
        np.testing.assert_allclose(experiment.risks[key], law.cdf(-margin), rtol=1e-6)
    np.testing.assert_array_equal(experiment.risks["certified", 1000][:100], alone.risks["certified", 1000])
    # the certified margin is beyond the one by point estimate, on every sample
    assert (experiment.margins["certified", 1000] > experiment.margins["point_estimate", 1000]).all()


def test_the_same_bits_on_any_number_of_threads_and_a_page_that_says_it(tmp_path):
    loaded, study = small(replications=1100)
    assert dump(study_of(loaded.resolved)) == loaded.resolved
    for workers in (1, 2):
        run_experiment(study, loaded.resolved, SHIPPED, tmp_path / f"run{workers}", workers)
    one, two = ((tmp_path / f"run{w}" / "result.json").read_bytes() for w in (1, 2))
    assert one == two
    result = json.loads(one)
    names = ("rule", "sample_size", "source")
    at = {(*(r["parameters"][n] for n in names), r["measure"]): r["estimate"] for r in result["rows"]}
    assert at["certified", 1000, "theory", "violation_share"]["value"] == pytest.approx(bdtr(4, 1000, 0.01))
    assert at["point_estimate", 250, "theory", "mean_true_risk"]["value"] == pytest.approx(3 / 251)
    assert "299 without a breach" in at["certified", 250, "measured", "mean_true_risk"]["method"]
    write_reports(tmp_path / "run1")
    page = (tmp_path / "run1" / "report.html").read_text()
    for said in (
        "What is a certificate worth?",
        "True breach probability of a choice from 1,000 losses",
        "299 without",
    ):
        assert said in page, said
    assert "How large are the losses?" not in page


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("sample_sizes=[100, 298]", "must hold one of at least 299"),
        ("sample_sizes=[1000, 1000]", "each once"),
        ("replications=10", "replications must lie in"),
        ("target=0.9", "target must lie in"),
        ("world=october_2025", "horizon law|without a stress"),
        ("exposure.asset=SOL", "asset must be one of BTC"),
    ],
)
def test_faults_name_what_is_legal(override, said):
    with pytest.raises(InputError, match=said):
        load_study(SHIPPED, (override,))
