"""What docs/monitoring.md shows works."""

import inspect
import json
import time
from pathlib import Path

import pytest
import yaml
from kfp import Client

from modelwarden.alerts import SHAPES
from modelwarden.alerts.file import Batches, Channel, Plan, Traffic, read_plan
from modelwarden.kubeflow_components import alert
from modelwarden.webhooks import DELIVERY, SIGNATURE, sign
from test_docs import ROOT, named, snippets

PAGE = (ROOT / "docs/monitoring.md").read_text()
BODY, SECRET = b'{"alerts": []}', b"0123456789abcdef"


def test_the_plan_is_read():
    plan = read_plan(named(PAGE, "yaml", "monitor.yaml").encode(), "docs/monitoring.md")

    assert [channel.kind for channel in plan.channels] == ["slack", "json", "sns"]
    assert plan.batches
    assert plan.traffic


def test_every_key_and_every_kind_of_channel_is_named():
    for model in (Plan, Batches, Traffic, Channel):
        for key in model.model_fields:
            assert f"`{key}`" in PAGE or key in ("version", "kind"), key
    kinds = Channel.model_fields["kind"].annotation.__args__
    for kind in kinds:
        assert f"| `{kind}` |" in PAGE, kind
    assert set(SHAPES) == set(kinds) - {"sns", "apprise"}
    assert SIGNATURE in PAGE
    assert DELIVERY in PAGE


@pytest.mark.parametrize("name", ["a receiver", "a receiver without ModelWarden"])
def test_receivers_accept_what_is_signed_and_nothing_else(name):
    space = {}
    exec(named(PAGE, "python", name), space)
    now = int(time.time())

    def accepts(at, body=BODY, secret=SECRET):
        return space["accepts"]({SIGNATURE: sign(SECRET, BODY, at)}, body, secret)

    assert accepts(now)
    assert not accepts(now - 400)
    assert not accepts(now + 400)
    assert not accepts(now, body=b"{}")
    assert not accepts(now, secret=b"another one, as long")


def test_the_airflow_example_is_a_dag():
    space = {}
    exec(named(PAGE, "python", "dags/watch.py"), space)
    dag = space["watch"]()

    assert dag.task_dict["alert"].upstream_task_ids == {"drift"}
    assert dag.task_dict["alert"].trigger_rule == "all_done"


def test_the_recurring_run_says_what_its_client_takes():
    code = named(PAGE, "python", "once, with the address of your Kubeflow")
    call = code[code.index("client.create_recurring_run") :]
    given = {}

    class Kept:
        def create_recurring_run(self, **arguments):
            inspect.signature(Client.create_recurring_run).bind(self, **arguments)
            given.update(arguments)

        def create_experiment(self, name):
            return type("Experiment", (), {"experiment_id": name})

    exec(call, {"client": Kept()})
    source = (ROOT / "pipelines/monitor.py").read_text()

    assert set(given["params"]) == {"plan", "model", "state", "channels"}
    assert all(f"{name}:" in source for name in given["params"])
    assert "status" in alert.component_spec.inputs


def test_the_permission_is_one_action():
    (document,) = snippets(PAGE, "json")

    assert json.loads(document)["Statement"][0]["Action"] == "sns:Publish"
    topics = [c["topic"] for c in yaml.safe_load(snippets(PAGE, "yaml")[0])["channels"][2:]]
    assert json.loads(document)["Statement"][0]["Resource"] in topics


def test_the_dag_and_the_pipeline_are_there():
    for file in ("dags/monitor.py", "pipelines/monitor.py"):
        assert Path(ROOT, file).exists()
        assert f"../{file}" in PAGE
