"""Operators: what a task sees of a verdict, a fault and storage trouble."""

import json
import os
import pickle
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, Asset
from sklearn.naive_bayes import GaussianNB

import own_checks
import shop
from modelwarden.airflow_operators import (
    DeploymentGateOperator,
    IntegrityOperator,
    ModelFileOperator,
    RecordTrainingOperator,
    ReleaseOperator,
    RestoreOperator,
    RoniOperator,
    VerifyDecisionOperator,
)
from modelwarden.airflow_provider import get_provider_info
from modelwarden.checks import cards
from modelwarden.errors import StoreError
from modelwarden.store import Store


class Task:
    """Stands for Airflow's task instance: keeps what is pushed."""

    def __init__(self):
        self.pushed = {}

    def xcom_push(self, key, value):
        self.pushed[key] = json.loads(json.dumps(value, allow_nan=False))


@pytest.fixture
def task():
    return Task()


def run(operator, task):
    return operator.execute({"ti": task})


@pytest.fixture
def tables(bucket):
    frame = pd.DataFrame({"a": range(-60, 60), "label": [0] * 60 + [1] * 60})
    with Store() as store:
        for name in ("train", "trusted"):
            rows = frame.assign(a=frame["a"] + (0.5 if name == "train" else 0))
            store.put_once(f"{bucket}/{name}.csv", rows.to_csv(index=False).encode())
    return bucket


def roni(bucket, **changes):
    given = {
        "task_id": "filter",
        "train": f"{bucket}/train.csv",
        "trusted": f"{bucket}/trusted.csv",
        "target": "label",
        "kept": f"{bucket}/kept.csv",
    }
    return RoniOperator(**{**given, **changes})


def test_returns_a_small_summary_and_pushes_where_the_tables_are(tables, task):
    result = run(roni(tables, alpha="0.05", seed="0"), task)

    assert result["success"] is True
    assert task.pushed["return_value"] == result
    assert task.pushed["kept"] == f"{tables}/kept.csv"
    assert len(json.dumps(result)) < 4096


def test_puts_rows_back(tables, task):
    header, *lines = Store().read(f"{tables}/train.csv").decode().splitlines(keepends=True)
    rows = "".join(f"{n},{'rejected' if n < 3 else 'kept'}\n" for n in range(1, 121))
    with Store() as store:
        store.put_once(f"{tables}/kept.csv", "".join([header, *lines[2:]]).encode())
        store.put_once(f"{tables}/rows.csv", f"row,decision\n{rows}".encode())
    given = {"filtered": "kept", "train": "train", "rows": "rows", "kept": "back"}
    uris = {name: f"{tables}/{file}.csv" for name, file in given.items()}
    result = run(RestoreOperator(task_id="restore", restore="2", **uris), task)

    assert result["metrics"] == {"restored_rows": 1, "restored_fraction": 1 / 120}
    assert Store().read(task.pushed["kept"]).decode() == "".join([header, *lines[1:]])


def test_a_fault_that_a_retry_cannot_change_is_final(tables, task):
    with pytest.raises(AirflowFailException, match=r"expected .* got .*"):
        run(roni(tables, target="lable"), task)


def test_an_option_of_the_wrong_type_after_templating_is_named(tables, task):
    with pytest.raises(AirflowFailException, match="option alpha: expected a value of type float"):
        run(roni(tables, alpha="{{ params.alpha }}"), task)


def test_a_uri_without_a_bucket_is_named(tables, task):
    with pytest.raises(AirflowFailException, match=r"s3:///train\.csv"):
        run(roni(tables, train="s3:///train.csv"), task)


def test_trouble_with_storage_is_left_to_airflows_retries(tables, task, proxy, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    proxy.always = "500_before"

    with pytest.raises(StoreError) as caught:
        run(roni(tables), task)
    assert caught.value.retryable


def test_a_failed_check_fails_the_task_only_when_asked_and_after_it_is_recorded(bucket, task):
    with Store() as store:
        store.put_once(f"{bucket}/model.pkl", b"cos\nsystem\n(S'true'\ntR.")
    operator = {"task_id": "inspect", "model": f"{bucket}/model.pkl"}
    assert run(ModelFileOperator(**operator), task)["success"] is False

    alone = Task()
    with pytest.raises(AirflowFailException, match="rejected"):
        run(ModelFileOperator(**operator, on_fail="fail"), alone)
    assert alone.pushed["return_value"]["success"] is False


@pytest.mark.parametrize(
    ("operator", "problem"),
    [
        (lambda: roni("s3://b", on_fail="explode"), "on_fail: expected record, fail or warn"),
        (
            lambda: DeploymentGateOperator(
                task_id="g", model="m", policy="p", evidence="e", trust="t", key="k", on_block="no"
            ),
            "on_block: expected fail, skip or record",
        ),
        (
            lambda: RecordTrainingOperator(
                task_id="r", model="m", data="d", evidence="e", key="/nowhere.pem"
            ),
            "key /nowhere.pem",
        ),
        (
            lambda: VerifyDecisionOperator(
                task_id="v", decision="/nowhere", model="m", policy="p", trust="/nowhere.yaml"
            ),
            "trust /nowhere.yaml: expected",
        ),
    ],
)
def test_a_wrong_argument_is_named_in_one_line(operator, problem, task):
    with pytest.raises(AirflowFailException, match=problem) as caught:
        run(operator(), task)

    assert "\n" not in str(caught.value)


def test_the_gate_runs_even_when_a_check_crashed():
    gate = DeploymentGateOperator(
        task_id="g", model="m", policy="p", evidence="e", trust="t", key="k"
    )

    assert gate.trigger_rule == "all_done"


def test_every_argument_is_templated():
    for operator in (roni("s3://b"), IntegrityOperator(task_id="v", data="d", suite="s")):
        for field in operator.template_fields:
            assert hasattr(operator, field)


def test_an_airflow_connection_gives_endpoint_and_keys(tables, task, s3, monkeypatch):
    extra = {"endpoint_url": s3.endpoint, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "key", "password": "secret", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_S3", json.dumps(connection))
    monkeypatch.delenv("AWS_ENDPOINT_URL")

    assert run(roni(tables, aws_conn_id="s3"), task)["success"] is True


def test_the_provider_describes_itself_as_airflow_asks():
    from importlib.resources import files

    import jsonschema

    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


class OutletEvents(dict):
    """Events by asset, as Airflow has them; an asset of Airflow 3.1 cannot be hashed."""

    def __getitem__(self, asset):
        return self.setdefault(asset.uri, SimpleNamespace())


def test_the_event_of_a_release_names_the_decision_and_what_was_published(tmp_path, task):
    (tmp_path / "site").mkdir()
    own_checks.install(tmp_path / "site")
    cards.cache_clear()
    stall = shop.open_stall(
        tmp_path, shop.APPROVED_BY_ONE.replace("approvals: {required: 1}\n", "")
    )
    filed = stall.gate().statement
    given = {"decision": filed.uri, "model": f"{stall.uri}/model.joblib", "run_name": "run-1"}
    given |= {"evidence": stall.evidence, "to": f"{stall.uri}/releases", **stall.judged_by}
    operator = ReleaseOperator(task_id="release", outlets=[Asset("released")], **given)
    events = OutletEvents()
    result = operator.execute({"ti": task, "outlet_events": events})
    sys.path.remove(str(tmp_path / "site"))
    cards.cache_clear()

    (event,) = events.values()
    said = {"decision": filed.uri, "sha256": filed.sha256, "model": result["model"]}
    assert event.extra == said


def test_a_check_announces_its_asset_only_if_it_succeeded(bucket, task):
    with Store() as store:
        store.put_once(f"{bucket}/good.pkl", pickle.dumps(GaussianNB().fit([[0], [1]], [0, 1])))
        store.put_once(f"{bucket}/bad.pkl", b"cos\nsystem\n(S'true'\ntR.")
    for name, announced in (("good", 1), ("bad", 0)):
        inspect = ModelFileOperator(
            task_id="inspect", model=f"{bucket}/{name}.pkl", outlets=[Asset("inspected")]
        )
        events = OutletEvents()
        inspect.execute({"ti": task, "outlet_events": events})

        assert (len(inspect.outlets), len(events)) == (announced, announced)


def test_airflow_lists_the_provider(tmp_path):
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    words = ["providers", "get", "modelwarden", "--full", "--output", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "airflow", *words],
        env=environment,
        capture_output=True,
        text=True,
    )

    (told,) = json.loads(done.stdout[done.stdout.index("[{") :])
    assert told["extra-links"] == ["modelwarden.airflow_links.EvidenceLink"]
    assert "security_check" in json.dumps(told["task-decorators"])
