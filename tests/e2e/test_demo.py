"""The demo ends as it must, and would not with a filter that does nothing."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

import warm
from e2e import demo
from e2e.stories import STORIES, csv, tables
from e2e.worlds import ROOT, WORLDS
from modelwarden.checks import CHECKS
from modelwarden.policy import Policy
from modelwarden.policy.document import ANY, MODEL
from modelwarden.store import Store

NO_OP = """\
import modelwarden.checks as checks
from dataclasses import replace
checks.CHECKS["roni"] = replace(checks.CHECKS["roni"], function="no_op:roni")
"""
NO_OP_RONI = """\
from modelwarden.report import Findings, Report

def roni(train, trusted, estimator, **options):
    metrics = {"rows": train.n_rows, "rejected_rows": 0, "rejected_fraction": 0.0,
               "accuracy_before": 1.0, "accuracy_after": 1.0, "accuracy_random": 1.0}
    body = train.select(train.frame().notna().any(axis=1).to_numpy())
    return Findings(Report("roni", metrics), tables={"kept": body})
"""
WARM = """\
import sys
if sys.orig_argv[1:4] == ["-m", "e2e.worlds", "kubeflow"]:
    sys.executable = {python!r}
"""


def long(test):
    """Mark a test whose minute tells what shorter ones tell, in a user's own way."""
    reason = "a story of the demo once more, for a minute: set MODELWARDEN_LONG=1"
    skip = pytest.mark.skipif(os.environ.get("MODELWARDEN_LONG") != "1", reason=reason)
    return pytest.mark.long(skip(test))


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """All stories in both worlds, told once; Kubeflow's tasks run on the warm interpreter."""
    environment = dict(os.environ)
    folder = tmp_path_factory.mktemp("demo")
    try:
        with demo.storage(), warm.python(folder / "warm") as interpreter:
            (folder / "sitecustomize.py").write_text(
                WARM.format(python=str(interpreter / "python3"))
            )
            paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
            os.environ["PYTHONPATH"] = os.pathsep.join(paths)
            place = demo.prepare(folder)
            yield [demo.read_ending(place, world, said) for world, said in demo.tell(place)]
    finally:
        os.environ.clear()
        os.environ.update(environment)


def ending(told, name, world="airflow"):
    return next(e for e in told if e.story.name == name and e.world == world)


def test_every_story_ends_as_it_must_in_both_worlds(told):
    assert len(told) == len(STORIES) * len(WORLDS)
    for end in told:
        assert end.as_it_must, (end.story.name, end.world, end.green, end.allowed, end.why)


def test_a_story_that_is_denied_for_another_reason_is_not_as_it_must(told):
    end = ending(told, "trigger")
    blind = [replace(r, passed=True) for r in end.decision.results if "backdoor" in r.rule]
    others = [r for r in end.decision.results if "backdoor" not in r.rule]

    assert blind
    unseen = replace(end, decision=replace(end.decision, results=(*others, *blind)))
    assert not unseen.allowed
    assert not unseen.as_it_must


def test_roni_gives_back_the_accuracy_that_the_attacker_took(told):
    clean, twin, filtered = (
        ending(told, name).metrics["evasion.accuracy"]
        for name in ("clean", "unfiltered", "filtered")
    )

    assert clean - twin > 0.05
    assert clean - filtered <= 0.02


def test_the_fragile_model_is_as_accurate_as_the_good_one_until_it_is_attacked(told):
    good, fragile = ending(told, "clean").metrics, ending(told, "fragile").metrics

    assert good["evasion.accuracy"] - fragile["evasion.accuracy"] < 0.03
    assert good["evasion.robust_accuracy"] - fragile["evasion.robust_accuracy"] > 0.4


def test_only_the_search_for_backdoors_measures_anything_odd_of_the_planted_value(told):
    end = ending(told, "trigger")
    odd = {r.rule.partition(".")[0]: r.why for r in end.decision.results if not r.passed}

    assert set(odd) == {"backdoor", "roni"}
    assert "not trained on the rows" in odd["roni"]  # whose own numbers are fine
    assert end.metrics["evasion.accuracy"] >= ending(told, "clean").metrics["evasion.accuracy"]
    assert end.metrics["backdoor.worst_attack_success"] > 0.9
    for name in ("clean", "filtered", "swapped"):
        assert ending(told, name).metrics["backdoor.triggers"] == 0


def test_the_demo_pins_the_profile_that_it_made(tmp_path):
    with pytest.MonkeyPatch.context() as patch, demo.storage():
        for role in demo.ROLES:
            patch.setenv(f"MODELWARDEN_{role.upper()}_KEY", "")
        place = demo.prepare(tmp_path)
        policy = Policy.read(Path(place.policy).read_bytes(), "demo", CHECKS)
        with Store() as store:
            made = {name: store.get(place.data[name]).sha256 for name in ("profile", "sample")}

    assert {name: policy.asked["backdoor"]["inputs"][name] for name in made} == made


def test_the_table_and_the_page_show_every_story(told):
    text, html = demo.table(told), demo.page(told)

    for story in STORIES:
        assert story.title in text
        assert story.title.replace("'", "&#x27;") in html
    assert "<svg" in html


def test_both_worlds_measure_the_same(told):
    for story in STORIES:
        airflow, kubeflow = (ending(told, story.name, world) for world in WORLDS)
        assert airflow.metrics == kubeflow.metrics


@long
def test_a_filter_that_does_nothing_makes_the_demo_fail(tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text(NO_OP)
    (tmp_path / "no_op.py").write_text(NO_OP_RONI)
    path = [str(tmp_path), str(ROOT / "tests")]
    program = (
        "import sys; from e2e import demo, worlds; from e2e.stories import STORIES;"
        "del worlds.WORLDS['kubeflow'];"
        "demo.FOLDER = demo.FOLDER.with_name('demo-sabotaged');"
        "demo.STORIES = tuple(s for s in STORIES if s.name == 'filtered');"
        "prepare = demo.prepare; demo.prepare = lambda folder: prepare(folder, demo.STORIES);"
        "sys.exit(demo.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "NOT AS IT MUST" in done.stdout


@long
def test_airflow_dags_test_exits_with_0_when_allowed_and_1_when_refused(tmp_path, monkeypatch):
    """From a shell, on a fresh Airflow, against an S3 that AWS_ENDPOINT_URL names."""
    bin_ = Path(sys.executable).parent
    home = {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PATH": f"{bin_}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    for name in list(os.environ):
        if name.startswith(("AIRFLOW", "MODELWARDEN")):
            monkeypatch.delenv(name)
    with pytest.MonkeyPatch.context() as patch, demo.storage():
        for role in demo.ROLES:
            patch.setenv(f"MODELWARDEN_{role.upper()}_KEY", "")
        place = demo.prepare(tmp_path)
        environment = {**os.environ, **home}
        run = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True}
        subprocess.run([bin_ / "airflow", "db", "migrate"], check=True, **run)
        codes = []
        for unfiltered in (False, True):
            names = ("trusted", "evaluation", "profile", "sample")
            conf = {name: place.data[name] for name in names} | {
                "data": place.data["poisoned"],
                "trust": place.trust,
                "policy": place.policy,
                "suite": place.suite,
                "unfiltered": unfiltered,
                "evidence": f"s3://evidence/cli/{unfiltered}",
            }
            command = [
                bin_ / "airflow",
                "dags",
                "test",
                "secure_training",
                "--conf",
                json.dumps(conf),
            ]
            codes.append(subprocess.run(command, **run).returncode)
        with Store() as store:
            released = store.list("s3://releases/breast-cancer/")

    assert codes == [0, 1]
    names = {uri.rpartition("/")[2] for uri in released if "/sha256/" not in uri}
    assert names == {"decision.intoto.jsonl", "model", "release.json"}


def test_the_policy_pins_the_tables_and_the_suite_of_the_demo():
    policy = Policy.read((ROOT / "expectations/policies/demo.yaml").read_bytes(), "demo", CHECKS)
    made = {name: sha256(csv(table)).hexdigest() for name, table in tables().items()}
    suite = sha256((ROOT / "expectations/suites/breast_cancer.json").read_bytes()).hexdigest()
    pinned = {}
    for asked in policy.asked.values():
        pinned |= {name: digest for name, digest in asked["inputs"].items() if digest}

    assert {pinned.pop(name) for name in ("profile", "sample")} == {ANY}  # until the demo pins them
    assert pinned.pop("predictor") == MODEL
    assert pinned == {
        "suite": suite,
        "trusted": made["trusted"],
        "evaluation": made["evaluation"],
    }
