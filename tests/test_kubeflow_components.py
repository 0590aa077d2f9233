"""Every component works as a container runs it, and says what is wrong with its input."""

import json
import math
import re
import sys
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pandas as pd
import pytest
import yaml
from kfp.dsl.graph_component import GraphComponent
from sklearn.linear_model import LogisticRegression

import warm
from endpoints import TOKENS, Endpoint
from launcher import launch
from modelwarden import kubeflow_components
from modelwarden.jobs.check import check
from modelwarden.jobs.gate import gate
from modelwarden.jobs.profile import profile
from modelwarden.jobs.shard import shard
from modelwarden.jobs.trained import trained
from modelwarden.keys import new_key
from modelwarden.kubeflow_compiler import components_of
from modelwarden.limits import Budget
from modelwarden.serving import Serving
from querylogs import nginx, server_access
from servings import EXAMPLE

COMPONENTS = {
    component.name.replace("-", "_"): component
    for component in components_of(kubeflow_components)
    if not isinstance(component, GraphComponent)
}
POLICY = "version: 1\nrules:\n  - {check: model_file, metric: unsafe_globals, op: '<=', value: 0}\n"
SUITE = {
    "name": "rows",
    "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "label"}}],
}
PLAN = """\
version: 1
model: churn
evidence: {0}/evidence
state: {0}/watched
batches: {{prefix: "{0}/incoming", profile: "{0}/profile", sample: "{0}/sample"}}
channels: [{{kind: json, url: "http://127.0.0.1:9/"}}]
"""
ENDED_WELL = {"state": "SUCCEEDED", "pipelineJobResourceName": "1", "pipelineTaskName": "train"}


def rows(seed):
    points = np.random.default_rng(seed).normal(size=(150, 2))
    return pd.DataFrame(points, columns=["a", "b"]).assign(label=(points[:, 0] > 0) * 1)


@pytest.fixture(scope="module")
def here(tmp_path_factory, s3):
    """A folder with one of everything that a component may be given."""
    folder = tmp_path_factory.mktemp("place")
    for seed, name in enumerate(("train", "trusted", "evaluation")):
        table = rows(seed)
        if name == "train":
            table.loc[table["a"] > 1, "label"] = 0  # what the filter will reject
        table.to_csv(folder / f"{name}.csv", index=False)
    fitted = LogisticRegression().fit(rows(0)[["a", "b"]], rows(0)["label"])
    joblib.dump(fitted, folder / "model")
    keys = {role: folder / f"{role}.pem" for role in ("model", "builder", "gate")}
    for role, file in keys.items():
        private, public = new_key()
        file.write_bytes(private)
        (folder / f"{role}.pub").write_bytes(public)
    may = {"model": ["model_file"], "builder": ["trained"], "gate": ["decision"]}
    signers = {role: {"may": may[role], "keys": [f"{role}.pub"]} for role in keys}
    (folder / "trust.yaml").write_text(yaml.safe_dump({"signers": signers}))
    (folder / "policy.yaml").write_text(POLICY)
    (folder / "other.yaml").write_text(POLICY.replace("value: 0", "value: 1"))
    (folder / "suite.json").write_text(json.dumps(SUITE))
    (folder / "monitor.yaml").write_text(PLAN.format(folder))
    (folder / "incoming").mkdir()
    batch = rows(3)
    batch.loc[batch["a"] > 1, "label"] = 0  # as the rows that the profile is of
    batch.to_csv(folder / "incoming" / "monday.csv", index=False)
    (folder / "access.log").write_text(f"{nginx()}\n" * 5)
    (folder / "s3.log").write_text(f"{server_access()}\n")
    model, evidence = str(folder / "model"), str(folder / "evidence")
    table = str(folder / "train.csv")
    profile(table, out=str(folder / "profile"), sample=str(folder / "sample"))
    check("model_file", inputs={"model": model}, evidence=evidence, key=str(keys["model"]))
    trained(model, data=table, evidence=evidence, key=str(keys["builder"]))
    digest = sha256((folder / "model").read_bytes()).hexdigest()
    budget = Budget(digest, 10**7, 30, "labels", 0.95, 0.5)
    (folder / "budget").write_bytes(budget.as_bytes())
    judged = {"policy": str(folder / "policy.yaml"), "trust": str(folder / "trust.yaml")}
    ruling = gate(model, evidence=evidence, key=str(keys["gate"]), **judged)
    asked = {"model": model, "evaluation": str(folder / "evaluation.csv"), "space": ""}
    shared = {
        "check": "evasion",
        "inputs": asked,
        "options": {"target": "label", "rows": "5", "queries": "20", "distance_queries": "0"},
        "parts": str(folder / "parts"),
    }
    shard(shared["check"], **{k: v for k, v in shared.items() if k != "check"}, index=0, count=1)
    return SimpleNamespace(
        shared=shared,
        folder=folder,
        judged=judged,
        evidence=evidence,
        decision=ruling.statement.uri,
        bucket=s3.bucket(),
        key=str(keys["gate"]),
    )


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory):
    with warm.python(tmp_path_factory.mktemp("warm")) as folder:
        yield str(folder)


@pytest.fixture(scope="module")
def server(here):
    """A staging endpoint that limits nobody, and its serving file."""
    with Endpoint("no_limit") as server:
        document = yaml.safe_load(EXAMPLE.read_text())
        document |= {"url": f"http://127.0.0.1:{server.port}", "hosts": ["127.0.0.1"]}
        (here.folder / "serving.yaml").write_text(yaml.safe_dump(document))
        Serving.parse((here.folder / "serving.yaml").read_bytes(), "serving.yaml")
        yield server


def restoring(task, train):
    """Return how a row that a task rejected comes back."""
    if task is None:
        return None
    decided = pd.read_csv(task.folder / "rows")
    row = decided.index[decided["decision"] == "rejected"][0] + 1
    tables = {"filtered": task.folder / "kept", "rows": task.folder / "rows", "train": train}
    return tables, {"restore": str(row)}


def case(name, here, filtered=None):
    """Return artifacts and parameters of one task."""
    f = here.folder
    model, train, held = {"model": f / "model"}, f / "train.csv", f / "evaluation.csv"
    labelled = {"target": "label"}
    few = {"rows": 5, "queries": 20, "distance_queries": 0, "nodes": 10}
    reference = {"profile": f / "profile", "sample": f / "sample"}
    told = {
        "model": "churn",
        "state": str(f / "alerts"),
        "channels": [{"kind": "json", "url": "http://127.0.0.1:9/"}],  # nothing is to be told
        "run": "1",
    }
    cases = {
        "access": (
            model,
            {
                "logs": str(f / "s3.log"),
                "model_prefix": "models/fraud/",
                "training_prefix": "data/train/",
                "access": str(f / "access.csv"),
            },
        ),
        "alert": ({}, {**told, "status": ENDED_WELL}),
        "alert_findings": ({}, {**told, "owed": []}),
        "backdoor": ({"train": train, **reference}, labelled),
        "bucket": (model, {"bucket": f"{here.bucket}/"}),
        "deployment_gate": (model, {**here.judged, "evidence": here.evidence, "key": here.key}),
        "drift": ({"batch": held, **reference}, {}),
        "endpoint": (
            model,
            {
                "serving": str(f / "serving.yaml"),
                "budget": str(f / "budget"),
                "requests": 150,
                "seconds": 5,
            },
        ),
        "evasion": ({**model, "evaluation": held}, {**labelled, **few}),
        "extraction": ({**model, "evaluation": held}, {**labelled, "queries": 30}),
        "integrity": ({"data": train}, {"suite": str(f / "suite.json")}),
        "join": ({}, {**here.shared, "shards": [1]}),
        "load_artifact": ({}, {"uri": str(train)}),
        "membership": ({**model, "train": train, "evaluation": held}, labelled),
        "model_file": (model, {}),
        "monitor": ({}, {"plan": str(f / "monitor.yaml"), "run": "1"}),
        "record_training": (
            {**model, "data": train},
            {"evidence": str(f / "another"), "key": str(f / "builder.pem")},
        ),
        "release": (
            model,
            {
                **here.judged,
                "decision": here.decision,
                "evidence": here.evidence,
                "to": str(f / "releases"),
                "run": "1",
            },
        ),
        "require_allow": (model, {**here.judged, "decision": here.decision}),
        "restore": restoring(filtered, train),
        "roni": ({"train": train, "trusted": f / "trusted.csv"}, labelled),
        "shard": ({}, {**here.shared, "index": 0, "count": 1}),
        "traffic": (model, {"logs": str(f / "access.log"), "budget": str(f / "budget")}),
    }
    return cases[name]


@pytest.fixture(scope="module")
def filtered(here, run):
    """A task that filtered rows, which `restore` goes on from."""
    artifacts, parameters = case("roni", here)
    return run("roni", artifacts, parameters)


@pytest.fixture(scope="module")
def run(here, interpreter, tmp_path_factory):
    """Launch a component by its name, on the warm interpreter."""

    def launched(name, artifacts, parameters):
        path = f"{interpreter}:{Path(sys.executable).parent}:/usr/bin:/bin"
        names = ("first", "second", "weak")
        tokens = {f"MODELWARDEN_PROBE_{name.upper()}": TOKENS[name] for name in names}
        folder = tmp_path_factory.mktemp(name)
        environment = {"PATH": path, **tokens}
        return launch(COMPONENTS[name], folder, artifacts, environment, **parameters)

    return launched


@pytest.mark.parametrize("name", COMPONENTS)
def test_a_component_does_its_work_as_the_launcher_runs_it(name, here, run, server, filtered):
    task = filtered if name == "roni" else run(name, *case(name, here, filtered))
    spec = COMPONENTS[name].component_spec

    assert task.code == 0, task.log[-3000:]
    declared = {n for n, o in (spec.outputs or {}).items() if "@" in o.type}
    assert {n for n in declared if (task.folder / n).exists()} >= declared - {"metrics"}
    assert set(task.outputs) == set(spec.outputs or {}) - declared
    if "metrics" in declared:
        assert task.metadata["metrics"]
        assert all(math.isfinite(value) for value in task.metadata["metrics"].values())
        assert task.metadata["report"]["success"] in ("true", "false")
    for entries in task.metadata.values():  # the metadata store knows neither None nor NaN
        assert all(isinstance(value, (str, int, float)) for value in entries.values())


BAD = {
    "a model where rows are expected": (
        "roni",
        {"train": "model", "trusted": "trusted.csv"},
        {"target": "label"},
        r"InputError: train \S+/model: expected CSV or Parquet, got a Python pickle",
    ),
    "rows where a model is expected": (
        "evasion",
        {"model": "train.csv", "evaluation": "evaluation.csv"},
        {"target": "label"},
        r"InputError: model \S+/train\.csv: expected a classifier that loads",
    ),
    "a page where a profile is expected": (
        "drift",
        {"batch": "evaluation.csv", "profile": "policy.yaml", "sample": "sample"},
        {},
        r"InputError: profile \S+/policy\.yaml: expected",
    ),
    "rows where a suite is expected": (
        "integrity",
        {"data": "train.csv"},
        {"suite": "{folder}/trusted.csv"},
        r"InputError: suite \S+/trusted\.csv: expected a JSON document",
    ),
    "an artifact that nobody wrote": (
        "model_file",
        {"model": "nothing"},
        {},
        r"NotFoundError: model \S+/nothing: expected a file, got nothing",
    ),
    "a suite in no bucket": (
        "integrity",
        {"data": "train.csv"},
        {"suite": "s3:///suite.json"},
        r"InputError: suite: expected s3://bucket/key, .* got 's3:///suite\.json'",
    ),
    "evidence in no bucket": (
        "model_file",
        {"model": "model"},
        {"evidence": "s3://"},
        r"InputError: evidence: expected s3://bucket/key, .* got 's3://'",
    ),
    "an object in no bucket": (
        "load_artifact",
        {},
        {"uri": "s3:///train.csv"},
        r"InputError: URI: expected s3://bucket/key, .* got 's3:///train\.csv'",
    ),
    "an option out of range": (
        "roni",
        {"train": "train.csv", "trusted": "trusted.csv"},
        {"target": "label", "alpha": 7.0},
        r"InputError: alpha: expected a number between 0 and 1, got 7\.0",
    ),
    "a column that is not there": (
        "roni",
        {"train": "train.csv", "trusted": "trusted.csv"},
        {"target": "price"},
        r"InputError: train \S+/train\.csv: expected .*price",
    ),
    "an integer that is none": (
        "roni",
        {"train": "train.csv", "trusted": "trusted.csv"},
        {"target": "label", "seed": 0.5},
        r"(InputError: option seed|TypeError: .*seed)",
    ),
    "a key that is not there": (
        "record_training",
        {"model": "model", "data": "train.csv"},
        {"evidence": "{folder}/elsewhere", "key": "env:NOBODYS_KEY"},
        r"Error: .*NOBODYS_KEY",
    ),
    "a decision about another run's model": (
        "require_allow",
        {"model": "train.csv"},
        {
            "decision": "{decision}",
            "policy": "{folder}/policy.yaml",
            "trust": "{folder}/trust.yaml",
        },
        r"EvidenceError: model \S+/train\.csv: expected the model that was decided about",
    ),
    "a report where a decision is expected": (
        "require_allow",
        {"model": "model"},
        {
            "decision": "{folder}/suite.json",
            "policy": "{folder}/policy.yaml",
            "trust": "{folder}/trust.yaml",
        },
        r"EvidenceError: decision \S+/suite\.json: expected",
    ),
    "a decision of another policy": (
        "require_allow",
        {"model": "model"},
        {"decision": "{decision}", "policy": "{folder}/other.yaml", "trust": "{folder}/trust.yaml"},
        r"EvidenceError: policy \S+/other\.yaml: expected the policy that was decided about",
    ),
    "evidence where a policy is expected": (
        "deployment_gate",
        {"model": "model"},
        {
            "policy": "{folder}/suite.json",
            "evidence": "{folder}/evidence",
            "trust": "{folder}/trust.yaml",
            "key": "{folder}/gate.pem",
        },
        r"PolicyError: policy \S+/suite\.json",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_the_last_line_of_the_log_names_the_argument(what, here, run):
    name, artifacts, parameters, message = BAD[what]
    paths = {argument: here.folder / file for argument, file in artifacts.items()}
    known = {"folder": str(here.folder), "decision": here.decision}
    filled = {n: v.format(**known) if isinstance(v, str) else v for n, v in parameters.items()}
    task = run(name, paths, filled)

    assert task.code == 1
    assert re.search(message, task.last_line), task.last_line
    assert not task.metadata


def test_rows_of_another_run_are_no_rows_to_restore(here, run, filtered):
    tables, parameters = restoring(filtered, here.folder / "trusted.csv")
    task = run("restore", tables, parameters)

    assert task.code == 1
    assert re.search(r"InputError: (filtered|train|rows) ", task.last_line), task.last_line


def test_without_the_warm_interpreter_it_is_the_same(here, run, tmp_path):
    """One task on the interpreter that every other test spares, from the very same argv."""
    artifacts, parameters = case("load_artifact", here)
    cold = launch(COMPONENTS["load_artifact"], tmp_path / "cold", artifacts, **parameters)
    warmed = run("load_artifact", artifacts, parameters)

    assert (cold.code, cold.outputs, cold.metadata) == (0, warmed.outputs, warmed.metadata)
