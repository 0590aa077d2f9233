"""Kubeflow's exit task: a run that fails is told once, and so is that the next one did not."""

import json

import pytest
from kfp import dsl, local

from modelwarden.concerns import Concern, detail
from modelwarden.kubeflow_components import alert, alert_findings
from modelwarden.report import Report, canonical
from modelwarden.store import Store
from receivers import receiving


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def work(fails: bool):
    if fails:
        raise ValueError("row 7: Bobby")


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def look(uri: str, report: dsl.Output[dsl.HTML]):
    report.metadata["report"] = uri
    with open(report.path, "w") as page:
        page.write("a page")


@dsl.pipeline
def watched(fails: bool, state: str, channels: list, run: str):
    told = alert(model="churn", state=state, channels=channels, run=run, check="nightly")
    with dsl.ExitHandler(told):
        work(fails=fails)


@dsl.pipeline
def judged(uri: str, state: str, channels: list, run: str) -> bool:
    found = look(uri=uri)
    return alert_findings(
        model="churn",
        state=state,
        channels=channels,
        run=run,
        drift=found.outputs["report"],
        owed=["drift", "integrity"],
    ).output


@pytest.fixture
def heard(tmp_path):
    with receiving() as receiver:
        channels = [{"kind": "json", "url": receiver.url}]

        def run(pipeline, **given):
            runner = local.SubprocessRunner(use_venv=False)
            root = str(tmp_path / "root")
            local.init(runner, pipeline_root=root, raise_on_error=False)
            return pipeline(state=f"{tmp_path}/state", channels=channels, **given)

        def said():
            bodies = [json.loads(body)["alerts"] for _, body in receiver.got]
            return [(a["check"], a["column"], a["state"]) for body in bodies for a in body]

        yield run, said


def test_as_an_exit_task_it_tells_of_a_failure_and_not_of_success(heard):
    run, said = heard
    run(watched, fails=False, run="1")
    assert said() == []
    run(watched, fails=True, run="2")

    assert said() == [("nightly", "", "alert")]


def test_in_a_pipeline_it_tells_what_checks_found_and_what_is_missing(heard, tmp_path):
    run, said = heard
    details = detail([Concern("age", "alert", "a crowd")])
    with Store() as store:
        body = canonical({"report": Report("drift", {}, details=details).as_json()})
        uri = store.put_blob(str(tmp_path), body)
    done = run(judged, uri=uri, run="1")

    assert said() == [("drift", "age", "alert"), ("integrity", "", "alert")]
    assert done.output is False
