"""Alerts end to end: reports in a store, a receiver that hears, and everything that goes wrong."""

import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from modelwarden.alerts import Observation, Rules, Seen
from modelwarden.concerns import Concern, detail
from modelwarden.errors import EvidenceError, InputError, StoreError
from modelwarden.jobs.alert import alert, alert_of_task, forward, patience
from modelwarden.jobs.batches import list_new, mark
from modelwarden.jobs.logbook import Logbook
from modelwarden.jobs.raising import Desk
from modelwarden.keys import new_key, open_key
from modelwarden.report import Report, canonical
from modelwarden.signing import Signer
from modelwarden.store import Store
from modelwarden.webhooks import verify
from receivers import receiving

MODEL, SECRET = "s3://releases/churn.joblib", "0123456789abcdef0123456789abcdef"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Watch:
    """A model that is watched: its evidence, its state, and the people who hear."""

    def __init__(self, place, receiver, key=""):
        self.place, self.state, self.receiver, self.key = place, f"{place}/state", receiver, key
        self.channels = [{"kind": "json", "url": receiver.url, "secret": "env:HOOK"}]

    def report(self, *concerns, check="drift", failures=(), **metrics):
        details = detail(Concern(*one) for one in concerns)
        report = Report(check, metrics, failures=tuple(failures), details=details)
        with Store() as store:
            uri = store.put_blob(self.place, canonical({"report": report.as_json()}))
        return {"check": check, "report": uri, "page": f"{uri}.html"}

    def run(self, name, *concerns, **more):
        return self.judge(name, {"drift": self.report(*concerns)}, **more)

    def judge(self, name, outcomes, **more):
        given = {"state": self.state, "run": name, "channels": self.channels, "key": self.key}
        return alert(MODEL, outcomes, **{**given, **more})

    @property
    def heard(self):
        """What was said, as (check, column, state)."""
        bodies = [json.loads(body) for _, body in self.receiver.got]
        return [(a["check"], a["column"], a["state"]) for b in bodies for a in b["alerts"]]

    def records(self):
        return sorted(Path(self.state, "keys").rglob("*.json"))


@pytest.fixture
def receiver():
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def watch(tmp_path, receiver, monkeypatch):
    monkeypatch.setenv("HOOK", SECRET)
    return Watch(str(tmp_path), receiver)


AGE = ("age", "alert", "a crowd")
BEGAN, OVER = ("drift", "age", "alert"), ("drift", "age", "recovered")


# once --------------------------------------------------------------------------------------------


def test_four_clean_weeks_are_silent_and_leave_no_state(watch):
    for week in range(4):
        done = watch.run(f"week {week}")
        done.require_delivery()
        assert done.quiet

    assert (watch.heard, watch.records()) == ([], [])


def test_a_fault_of_three_runs_alerts_once_and_recovers_once(watch):
    quiet = [watch.run(str(n), *([AGE] if 1 <= n <= 3 else [])).quiet for n in range(9)]

    assert watch.heard == [BEGAN, OVER]
    assert quiet == [True, False, False, False, False, True, True, True, True]


def test_one_run_sends_one_message_for_all_columns(watch):
    done = watch.run("1", AGE, ("city", "warn", "moved"))
    ((headers, body),) = watch.receiver.got

    assert [a["column"] for a in json.loads(body)["alerts"]] == ["age", "city"]
    assert done.standing == (("drift", "age", "alert"), ("drift", "city", "warn"))
    assert verify(headers["Modelwarden-Signature"], body, SECRET.encode(), now=time.time())


def test_the_same_run_again_says_nothing_twice(watch):
    for _ in range(3):
        watch.run("1", AGE)

    assert watch.heard == [BEGAN]


def test_models_do_not_share_a_fault(watch):
    watch.run("1", AGE)
    alert(
        "another", {"drift": watch.report(AGE)}, state=watch.state, run="2", channels=watch.channels
    )

    assert watch.heard == [BEGAN, BEGAN]


# what is missing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [None, {}, {"report": ""}, "", "s3://x/nothing", 7, [None], []])
def test_no_verdict_is_an_alert_once(watch, outcome):
    for run in "abc":
        watch.judge(run, {"drift": outcome})

    assert watch.heard == [("drift", "", "alert")]


def test_a_report_that_was_altered_is_an_alert(watch):
    outcome = watch.report()
    Path(outcome["report"]).chmod(0o600)
    Path(outcome["report"]).write_bytes(b'{"report": {}}')
    watch.judge("1", {"drift": outcome})

    assert watch.heard == [("drift", "", "alert")]


def test_the_report_of_another_check_is_an_alert(watch):
    watch.judge("1", {"drift": watch.report(check="integrity")})

    assert watch.heard == [("drift", "", "alert")]


def test_a_check_that_crashes_lets_no_column_recover(watch):
    watch.run("1", AGE)
    for run in "2345":
        watch.judge(run, {"drift": None})

    assert watch.heard == [BEGAN, ("drift", "", "alert")]


def test_a_verdict_that_is_missing_among_several_is_an_alert(watch):
    watch.judge("1", {"drift": [watch.report(), watch.report(rows=3)]}, expected={"drift": 3})

    assert watch.heard == [("drift", "", "alert")]
    assert "1 of 3" in watch.receiver.got[0][1].decode()


def test_no_new_batch_is_neither_a_fault_nor_a_recovery(watch):
    watch.run("1", AGE)
    for run in "2345":
        done = watch.judge(run, {"drift": []}, expected={"drift": 0})

    assert watch.heard == [BEGAN]
    assert not done.quiet


@pytest.mark.parametrize("value", [None, float("nan"), 0.011])
def test_what_exceeds_its_limit_or_was_not_measured_is_an_alert(watch, value):
    limits = {"traffic": {"unreadable_fraction": 0.01}}
    outcome = watch.report(check="traffic", unreadable_fraction=value)
    watch.judge("1", {"traffic": outcome}, limits=limits)

    assert watch.heard == [("traffic", "unreadable_fraction", "alert")]


def test_what_keeps_its_limit_is_silent(watch):
    outcome = watch.report(check="traffic", unreadable_fraction=0.01)
    watch.judge("1", {"traffic": outcome}, limits={"traffic": {"unreadable_fraction": 0.01}})

    assert watch.heard == []


def test_of_more_columns_than_are_listed_none_recovers(watch):
    watch.run("1", AGE)
    for run in "234":
        watch.run(run, *((f"c{n:03}", "alert", "new") for n in range(40)))

    assert OVER not in watch.heard


# broken channels ---------------------------------------------------------------------------------


def test_a_broken_channel_keeps_no_other_from_hearing_and_hears_later(watch):
    with receiving() as second:
        second.answer = 500
        watch.channels.append({"kind": "slack", "url": second.url})
        done = watch.run("1", AGE)
        with pytest.raises(StoreError) as error:
            done.require_delivery()
        assert error.value.retryable
        second.answer = 200
        watch.run("1", AGE).require_delivery()  # the task is tried again
        watch.run("1", AGE).require_delivery()

        assert (len(second.got), watch.heard) == (1, [BEGAN])


def test_a_channel_without_its_secret_keeps_the_alert(watch, monkeypatch):
    monkeypatch.delenv("HOOK")
    with pytest.raises(InputError, match="HOOK"):
        watch.run("1", AGE).require_delivery()
    monkeypatch.setenv("HOOK", SECRET)
    watch.run("1", AGE)

    assert watch.heard == [BEGAN]


def test_a_channel_that_is_none_is_refused_before_anything_is_done(watch):
    with pytest.raises(InputError, match="topic"):
        watch.run("1", AGE, channels=[{"kind": "sns"}])
    assert watch.records() == []


# crashes, races, and attacks on the state --------------------------------------------------------


def desk(watch, run, now=NOON, signer=None):
    store = Store()
    return Desk(MODEL, run, now, Rules(), Logbook(store, watch.state, signer, now))


FAULTY = {"drift": Observation({"age": Seen("alert", "a crowd")}, complete=True)}
CLEAN = {"drift": Observation({}, complete=True)}


def test_who_dies_before_sending_is_spoken_for_by_the_next_run(watch):
    desk(watch, "1").decide(FAULTY)  # and dies
    said = []
    for run, later in (("2", 5), ("3", 11), ("4", 12)):
        after = desk(watch, run, NOON + timedelta(minutes=later))
        after.decide(FAULTY)
        after.tell({"phone": said.append})

    assert [notice.run for notice in said] == ["3"]
    assert [one.run for one in said[0].alerts] == ["1"]


def test_who_dies_after_sending_says_it_again_rather_than_never(watch):
    ids = []
    for _ in range(2):
        one = desk(watch, "1")
        one.decide(FAULTY)
        if ids:
            one.tell({"phone": lambda notice: ids.append(notice.id)})
        else:
            ids.append(None)
            with pytest.raises(KeyboardInterrupt):
                one.tell({"phone": lambda notice: _die(ids, notice)})

    assert len(set(ids[1:])) == 1  # a receiver knows the repetition
    assert len(ids) == 3


def _die(ids, notice):
    ids.append(notice.id)
    raise KeyboardInterrupt


def test_two_runs_at_once_alert_once(watch):
    first, second = desk(watch, "1"), desk(watch, "2")
    first.book.load()
    second.decide(FAULTY)
    first.book.load = dict  # what it read before the other wrote
    first.decide(FAULTY)

    assert (len(first.alerts), len(second.alerts)) == (0, 1)
    assert len(watch.records()) == 2


def test_many_runs_at_once_on_s3_alert_once(bucket, receiver):
    there = Watch(bucket, receiver)
    outcomes = {"drift": there.report(AGE)}
    channels, done, start = [{"kind": "json", "url": receiver.url}], [], threading.Barrier(6)

    def run(number):
        start.wait()
        done.append(alert(MODEL, outcomes, state=there.state, run=str(number), channels=channels))

    threads = [threading.Thread(target=run, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(len(one.alerts) for one in done) == 1
    assert there.heard == [BEGAN]


@pytest.mark.parametrize(
    "body", [b"", b"garbage", b"[]", b"{}", b'{"about":["a","b","c"]}', b"\xff" * 9, b"9" * 5000]
)
def test_garbage_in_place_of_the_state_alerts_once(watch, body):
    watch.run("1", AGE)
    last = watch.records()[-1]
    last.with_name("000099.json").write_bytes(body)
    for run in "2345":
        watch.run(run, AGE)

    assert watch.heard == [BEGAN, BEGAN]


def test_garbage_while_nothing_is_wrong_alerts_until_it_is_gone(watch):
    watch.run("1", AGE)
    garbage = watch.records()[-1].with_name("000099.json")
    garbage.write_bytes(b"garbage")
    for run in "234":
        watch.run(run)
    garbage.unlink()
    for run in "567":
        watch.run(run)

    assert [(check, state) for check, _, state in watch.heard] == [
        ("drift", "alert"),
        ("alerts", "alert"),
        ("alerts", "recovered"),
        ("drift", "recovered"),
    ]


def forge(watch, key=""):
    """Write "this was told already" before anything has happened."""
    other = Watch(watch.place, watch.receiver, key)
    desk(other, "forged", datetime.now(UTC), Signer.open(key) if key else None).decide(FAULTY)
    with Store() as store:
        signer = Signer.open(key) if key else None
        book = Logbook(store, watch.state, signer, datetime.now(UTC))
        book.load()
        book.update((MODEL, "drift", "age"), lambda entry: _said(entry.state))


def _said(state):
    return replace(state, pending=())


@pytest.fixture
def keys(tmp_path):
    for name in ("ours", "theirs"):
        (tmp_path / name).write_bytes(new_key()[0])
    return str(tmp_path / "ours"), str(tmp_path / "theirs")


@pytest.mark.parametrize("forger", ["", "theirs"])
def test_with_a_key_a_forged_state_silences_nothing(watch, keys, forger):
    forge(watch, forger and keys[1])
    watch.key = keys[0]
    for run in "123":
        watch.run(run, AGE)

    assert watch.heard == [BEGAN]


def test_without_a_key_it_does_as_the_page_says(watch):
    forge(watch)
    watch.run("1", AGE)

    assert watch.heard == []


def test_the_state_of_another_key_or_number_is_none(watch, keys):
    watch.key = keys[0]
    watch.run("1", AGE)
    watch.run("1", ("city", "alert", "a crowd"), AGE)
    one, two = sorted({path.parent for path in watch.records()})
    newest = sorted(one.iterdir())[-1]
    (two / "000050.json").write_bytes(newest.read_bytes())
    (one / "000050.json").write_bytes(newest.read_bytes())
    before = len(watch.heard)
    watch.run("2", ("city", "alert", "a crowd"), AGE)

    assert len(watch.heard) == before + 2


def test_a_signed_state_of_one_column_says_nothing_about_another(watch, keys):
    """One that lasts, put in the place of one that has recovered, would keep it silent."""
    watch.key, city = keys[0], ("city", "alert", "a crowd")
    for run in ("1", "2", "3", "4", "5"):
        watch.run(run, AGE, *([city] if run == "1" else []))
    folders = {path.parent for path in watch.records()}
    newest = {folder: sorted(folder.iterdir())[-1] for folder in folders}
    ages, cities = sorted(newest.values(), key=lambda path: -int(path.stem))
    assert int(ages.stem) > int(cities.stem)
    cities.with_name(ages.name).write_bytes(ages.read_bytes())
    before = watch.heard
    watch.run("6", AGE, city)

    assert before[-1] == ("drift", "city", "recovered")
    assert watch.heard[len(before) :] == [("drift", "city", "alert")]


def test_a_state_that_cannot_be_reached_alerts_every_time(watch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    for run in "12":
        done = watch.run(run, AGE, state=f"{tmp_path}/file/state")
        with pytest.raises(StoreError):
            done.require_delivery()

    assert watch.heard == [BEGAN, BEGAN]


def test_garbage_that_arrives_while_an_alert_is_sent_is_not_papered_over(watch):
    one = desk(watch, "1")
    one.decide(FAULTY)
    (record,) = watch.records()
    one.tell({"phone": lambda _: record.with_name("000002.json").write_bytes(b"garbage")})
    watch.run("2")

    assert [check for check, _, _ in watch.heard] == ["alerts"]


def test_a_state_that_cannot_even_be_listed_alerts(watch, s3):
    done = watch.run("1", AGE, state="s3://there-is-no-such-bucket/state")

    assert watch.heard == [BEGAN]
    with pytest.raises(StoreError):
        done.require_delivery()


def test_a_key_that_signs_no_longer_keeps_no_alert_back(watch, s3):
    one, said = desk(watch, "1", signer=Signer.open("awskms:alias/gone")), []
    one.decide(FAULTY)
    one.tell({"phone": said.append})

    assert [alert.column for alert in said[0].alerts] == ["age"]
    assert isinstance(one.faults[0], EvidenceError)


# around it ---------------------------------------------------------------------------------------


def test_the_page_shows_the_trend(watch):
    for run in range(4):
        done = watch.run(str(run), *([AGE] if run == 2 else []))
    page = Path(done.page).read_text()

    assert "Faults that last" in page
    assert page.count("<svg") == 2
    assert "and the 3 before it" in page
    assert len(list(Path(watch.state, "runs").iterdir())) == 4


def test_strange_records_of_runs_are_counted_and_no_more(watch):
    watch.run("1", AGE)
    for name, body in (("0", b"{}"), ("9", b'{"at": 1}')):
        Path(watch.state, "runs", name).write_bytes(body)
    done = watch.run("2", AGE)
    done.require_delivery()

    assert "that could not be read: 2" in Path(done.page).read_text()


@pytest.mark.parametrize(
    "forged",
    [
        {"standing": 10**400},
        {"standing": None},
        {"at": "9999-12-31T23:59:59+00:00", "run": "forged"},
        {"checks": {"": {"alert": 1}}},
        {"checks": {"drift": {"alert": 10**400, "largest_change": "x"}}},
        {"run": "\ud800"},
        {"checks": {f"c{n}": {} for n in range(100)}},
    ],
)
def test_no_record_of_a_run_keeps_an_alert_back(watch, forged):
    there = Path(watch.state, "runs")
    there.mkdir(parents=True)
    record = {"run": "1", "at": "2026-01-01T00:00:00+00:00", "checks": {}, "standing": 0, **forged}
    (there / "20260101T000000Z-0.json").write_text(json.dumps(record))
    done = watch.run("2", AGE)

    assert watch.heard == [BEGAN]
    if done.page:
        assert "Run 2 of" in Path(done.page).read_text()


@pytest.mark.parametrize(
    "report",
    [
        {"failures": [1]},
        {"failures": ["\ud800"]},
        {"failures": None},
        {"details": []},
        {"details": None},
        {"details": {"concerns": {"found": [], "left_out": 0}, "x": "\ud800"}},
        {"metrics": []},
    ],
)
def test_a_report_that_no_check_wrote_alerts(watch, report):
    whole = {**Report("drift", {}).as_json(), **report}
    body = json.dumps({"report": whole}).encode()
    with Store() as store:
        uri = store.put_blob(watch.place, body)
    watch.judge("1", {"drift": {"report": uri, "page": "\ud800"}})

    assert watch.heard == [("drift", "", "alert")]


def test_an_analysed_batch_is_no_longer_new(watch, tmp_path):
    (tmp_path / "in").mkdir()
    for name in "cab":
        (tmp_path / "in" / name).write_text(name)
    new = list_new(f"{tmp_path}/in", state=watch.state, at_most=2)
    watch.run("1", batches=new)

    assert [Path(uri).name for uri in new] == ["a", "b"]
    assert [Path(u).name for u in list_new(f"{tmp_path}/in", state=watch.state, at_most=9)] == ["c"]


@pytest.mark.parametrize("forger", ["", "theirs", "another state", "another batch"])
def test_with_a_key_nobody_else_can_hide_a_batch(watch, keys, tmp_path, forger):
    """A mark in the clear, of a stranger, and one of ours that belongs somewhere else."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a").write_text("a")
    batch, ours = f"{tmp_path}/in/a", keys[0]
    there = f"{tmp_path}/elsewhere" if forger == "another state" else watch.state
    marked = f"{tmp_path}/in/b" if forger == "another batch" else batch
    with Store() as store:
        used = {"": None, "theirs": open_key(keys[1])}.get(forger, open_key(ours))
        mark(store, there, [marked], "1", used)
    (path,) = Path(there, "batches").iterdir()
    forged = Path(watch.state, "batches", f"{sha256(batch.encode()).hexdigest()}{path.name[64:]}")
    forged.parent.mkdir(parents=True, exist_ok=True)
    forged.write_bytes(b"{}")

    assert list_new(f"{tmp_path}/in", state=watch.state, at_most=9, key=ours) == [batch]
    watch.key = ours
    for run in "12":
        watch.run(run, batches=[batch])
    assert list_new(f"{tmp_path}/in", state=watch.state, at_most=9, key=ours) == []


def test_a_task_alerts_and_recovers(watch):
    given = {"page": "", "state": watch.state, "channels": watch.channels, "key": ""}
    given |= {"reminder_days": 7, "quiet_runs": 1}
    for run, problems in enumerate((["it failed"], ["it failed"], [], [])):
        alert_of_task(MODEL, "train", problems=problems, run=str(run), **given)

    assert watch.heard == [("train", "", "alert"), ("train", "", "recovered")]


def test_a_notice_is_forwarded_as_it_is(watch):
    watch.run("1", AGE)
    said = json.loads(watch.receiver.got[0][1])
    forward(said, watch.channels)

    assert watch.receiver.got[0][1] == watch.receiver.got[1][1]


@pytest.mark.parametrize("days", [0, -1, 1.5, True, "7", 1000])
def test_patience_is_a_whole_number(days):
    with pytest.raises(InputError):
        patience(days, 2)
