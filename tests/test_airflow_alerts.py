"""Notifiers get what was found, once; what is broken keeps nobody else from hearing."""

import json
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, BaseNotifier

from modelwarden.airflow_alerts import AlertOperator, NewBatchesOperator
from modelwarden.airflow_notifier import SecurityAlertNotifier
from modelwarden.airflow_operators import IntegrityOperator
from modelwarden.airflow_provider import get_provider_info
from modelwarden.concerns import Concern, detail
from modelwarden.errors import InputError, StoreError
from modelwarden.report import Report, canonical
from modelwarden.store import Store
from receivers import receiving


class Kept(BaseNotifier):
    """A user's own notifier."""

    template_fields = ("text",)

    def __init__(self, heard, text="{{ security_alert.title }} in {{ place }}"):
        super().__init__()
        self.heard, self.text = heard, text

    def notify(self, context):
        self.heard.append((self.text, context["security_alert"]))


class Broken(BaseNotifier):
    def notify(self, context):
        raise RuntimeError("with a s3cr3t")


class Task(SimpleNamespace):
    """What a task instance gives to an operator: it keeps what is pushed."""

    def __init__(self, run="r1"):
        super().__init__(task_id="watch", dag_id="d", run_id=run, map_index=-1, pushed={})

    def xcom_push(self, key, value):
        json.dumps(value, allow_nan=False)
        self.pushed[key] = value


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


def context(run="r1", **more):
    return {"ti": Task(run), "place": "here", **more}


def outcome(folder, *concerns, check="drift"):
    details = detail(Concern(*one) for one in concerns)
    with Store() as store:
        body = canonical({"report": Report(check, {}, details=details).as_json()})
        return {"report": store.put_blob(str(folder), body), "page": ""}


def operator(folder, outcomes, **given):
    given = {"state": f"{folder}/state", "run_name": "r1", **given}
    return AlertOperator(task_id="alert", model="churn", outcomes=outcomes, **given)


AGE = ("age", "alert", "a crowd")


def test_notifiers_are_called_when_something_changed_and_rendered_each_time(tmp_path):
    heard = []
    notifier = Kept(heard)
    for run in ("r1", "r2", "r3"):
        found = {"drift": outcome(tmp_path, AGE)}
        operator(tmp_path, found, notifiers=[notifier], run_name=run).execute(context(run))
    for run in ("r4", "r5"):
        found = {"drift": outcome(tmp_path)}
        operator(tmp_path, found, notifiers=[notifier], run_name=run).execute(context(run))

    assert [text for text, _ in heard] == ["churn: 1 alert in here", "churn: 1 recovered in here"]
    assert heard[0][1]["alerts"][0]["column"] == "age"
    assert notifier.text == "{{ security_alert.title }} in {{ place }}"


def test_a_broken_notifier_is_tried_again_and_keeps_no_other_from_hearing(tmp_path):
    heard = []
    found = {"drift": outcome(tmp_path, AGE)}
    for _ in range(2):
        with pytest.raises(StoreError, match="RuntimeError") as error:
            operator(tmp_path, found, notifiers=[Broken(), Kept(heard)]).execute(context())
        assert error.value.retryable
        assert "s3cr3t" not in str(error.value)

    assert len(heard) == 1


def test_what_is_pushed_is_small_and_says_what_lasts(tmp_path):
    given = context()
    operator(tmp_path, {"drift": outcome(tmp_path, AGE)}).execute(given)

    assert given["ti"].pushed["return_value"] == {
        "alerts": 1,
        "told": ["drift, 'age': a crowd"],
        "standing": 1,
        "quiet": False,
        "page": given["ti"].pushed["return_value"]["page"],
    }


def test_mapped_checks_owe_a_verdict_for_every_batch(tmp_path):
    found = {"drift": iter([outcome(tmp_path)])}
    told = operator(tmp_path, found, batches=["a", "b"]).execute(context())["told"]

    assert told == [
        "drift: there is no verdict: the check did not run, or did not finish (1 of 2 are missing)"
    ]


def test_if_even_the_list_of_batches_failed_people_hear_of_it(tmp_path):
    told = operator(tmp_path, {"drift": iter([])}, batches=None).execute(context())["told"]

    assert "no verdict" in told[0]


def test_no_new_batches_are_no_fault(tmp_path):
    done = operator(tmp_path, {"drift": iter([])}, batches=[]).execute(context())

    assert (done["alerts"], done["quiet"]) == (0, True)


def test_it_turns_red_as_long_as_a_fault_lasts_if_asked_to(tmp_path):
    for run in ("r1", "r2"):
        with pytest.raises(AirflowFailException, match="drift age"):
            operator(
                tmp_path, {"drift": outcome(tmp_path, AGE)}, on_fault="fail", run_name=run
            ).execute(context(run))


@pytest.mark.parametrize("given", [{"on_fault": "warn"}, {"quiet_runs": 0}, {"channels": "[{]"}])
def test_what_cannot_be_meant_is_a_final_failure(tmp_path, given):
    with pytest.raises(AirflowFailException):
        operator(tmp_path, {"drift": None}, **given).execute(context())


def test_channels_and_limits_may_come_from_a_template(tmp_path, receiver):
    channels = json.dumps([{"kind": "teams", "url": receiver.url}])
    limits = json.dumps({"drift": {"rows": 5}})
    found = {"drift": outcome(tmp_path)}
    operator(tmp_path, found, channels=channels, limits=limits).execute(context())

    assert "rows is undefined, usual is 5" in receiver.got[0][1].decode()


def test_it_runs_whatever_became_of_the_checks(tmp_path):
    assert operator(tmp_path, {}).trigger_rule == "all_done"


def test_new_batches_are_listed(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("x")
    listing = NewBatchesOperator(
        task_id="new", prefix=f"{tmp_path}/in", state=f"{tmp_path}/state", at_most="3"
    )

    assert listing.execute(context()) == [f"{tmp_path}/in/a.csv"]


# a check alone -----------------------------------------------------------------------------------


def failing(tmp_path, **given):
    (tmp_path / "d.csv").write_text("a\n1\n")
    suite = {
        "name": "s",
        "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "b"}}],
    }
    (tmp_path / "s.json").write_text(json.dumps(suite))
    return IntegrityOperator(
        task_id="c", data=str(tmp_path / "d.csv"), suite=str(tmp_path / "s.json"), **given
    )


def test_a_failing_check_calls_its_notifiers_and_a_broken_one_changes_no_verdict(tmp_path):
    heard, plain = [], []
    notifiers = [Broken(), Kept(heard, "{{ security_alert.check }}"), plain.append]
    result = failing(tmp_path, notifiers=notifiers).execute(context())

    assert [text for text, _ in heard] == ["integrity"]
    assert heard[0][1] == result
    assert plain[0]["security_alert"] == result


# our own notifier --------------------------------------------------------------------------------


def ours(tmp_path, receiver, **given):
    channels = [{"kind": "json", "url": receiver.url}]
    return SecurityAlertNotifier(
        model="churn", state=f"{tmp_path}/state", channels=channels, quiet_runs=1, **given
    )


def states(receiver):
    bodies = [json.loads(body) for _, body in receiver.got]
    return [(a["check"], a["state"], a["words"]) for body in bodies for a in body["alerts"]]


def test_a_task_that_fails_alerts_once_and_recovers_once(tmp_path, receiver):
    for run in ("r1", "r2"):
        ours(tmp_path, receiver)(context(run, exception=ValueError("row 7: Bobby")))
    for run in ("r3", "r4"):
        ours(tmp_path, receiver)(context(run))

    assert [(check, state) for check, state, _ in states(receiver)] == [
        ("watch", "alert"),
        ("watch", "recovered"),
    ]
    assert "Bobby" not in receiver.got[0][1].decode()


def test_a_verdict_says_why_and_an_input_error_says_no_value(tmp_path, receiver):
    rejected = AirflowFailException("x")
    rejected.__cause__ = InputError("age", "numbers", "'Bobby'")
    ours(tmp_path, receiver)(context(exception=rejected))

    assert states(receiver) == [
        ("watch", "alert", "the task failed: expected numbers; see its log")
    ]


def test_as_a_notifier_of_a_check_it_sends_why_it_failed(tmp_path, receiver):
    failing(tmp_path, notifiers=[ours(tmp_path, receiver)]).execute(context())

    ((check, state, words),) = states(receiver)
    assert (check, state) == ("watch", "alert")
    assert "expect_column_to_exist" in words


def test_as_a_notifier_of_alerts_it_forwards_them(tmp_path, receiver):
    found = {"drift": outcome(tmp_path, AGE)}
    operator(tmp_path, found, notifiers=[ours(tmp_path, receiver)]).execute(context())

    assert states(receiver) == [("drift", "alert", "a crowd")]


def test_airflow_is_told_of_all_of_it():
    info = get_provider_info()

    assert "modelwarden.airflow_alerts" in info["operators"][0]["python-modules"]
    assert info["notifications"] == ["modelwarden.airflow_notifier.SecurityAlertNotifier"]
