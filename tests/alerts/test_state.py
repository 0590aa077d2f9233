"""When to speak: once for a fault, once for its recovery, and never into silence."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.alerts import QUIET, UNKNOWN, Rules, Seen, State, alert_id, lost, step, told
from modelwarden.concerns import URGENCY
from modelwarden.report import canonical

START = datetime(2026, 1, 5, 6, tzinfo=UTC)
ABOUT = ("churn", "drift", "age")
DAY = timedelta(days=1)
SEEN = {"q": QUIET, "u": UNKNOWN, "w": Seen("warn", "a little"), "a": Seen("alert", "a lot")}


def play(seen, state=None, every=DAY, rules=None, runs=None):
    """Return the alerts that a history, a letter a run, gives rise to, as (number, alert)."""
    state, said = state or State(), []
    for number, letter in enumerate(seen):
        run = (runs or range(10**6))[number]
        when = START + every * number
        state, alert = step(state, ABOUT, SEEN[letter], f"run {run}", when, rules or Rules())
        said += [(number, alert)] if alert else []
    return said, state


def heard(seen, **more):
    return [(n, a.state, a.channel, a.reminder) for n, a in play(seen, **more)[0]]


@pytest.mark.parametrize(
    ("history", "wanted"),
    [
        ("qqqq", []),
        ("uuuu", []),
        ("a", [(0, "alert", "alert", False)]),
        ("qaaaqq", [(1, "alert", "alert", False), (5, "recovered", "alert", False)]),
        ("aq", [(0, "alert", "alert", False)]),
        ("aqaqaqaqaq", [(0, "alert", "alert", False)]),
        ("wwa", [(0, "alert", "warn", False), (2, "alert", "alert", False)]),
        ("awwaq", [(0, "alert", "alert", False)]),
        ("auuuu", [(0, "alert", "alert", False)]),
        ("aquq", [(0, "alert", "alert", False), (3, "recovered", "alert", False)]),
        ("aqqqqqq", [(0, "alert", "alert", False), (2, "recovered", "alert", False)]),
    ],
)
def test_what_is_heard_of_a_history(history, wanted):
    assert heard(history, every=timedelta(hours=1)) == wanted


def test_a_fault_that_lasts_is_told_again_after_a_week_and_not_before():
    said = heard("a" * 15)

    assert [(n, reminder) for n, _, _, reminder in said] == [(0, False), (7, True), (14, True)]


def test_whoever_wants_five_quiet_runs_gets_five():
    assert heard("aqqqqa", rules=Rules(quiet_runs=5)) == heard("a", rules=Rules())
    assert len(heard("aqqqqq", rules=Rules(quiet_runs=5))) == 2


def test_a_recovery_says_what_it_recovered_from():
    (_, fault), (_, recovery) = play("aaqq")[0]

    assert (recovery.words, recovery.since) == ("a lot", fault.at)
    assert "recovered" in recovery.sentence
    assert recovery.key == fault.key


def test_the_same_run_says_nothing_twice():
    assert heard("aa", runs=[1, 1]) == heard("a")
    assert play("aqq", runs=[1, 2, 2])[1].channel == "alert"  # quiet twice, but one run


def test_a_run_that_says_more_than_before_is_heard():
    assert [c for _, _, c, _ in heard("wa", runs=[1, 1])] == ["warn", "alert"]
    recovered_and_then_wrong = heard("aqqa", runs=[1, 2, 3, 3])
    assert [s for _, s, _, _ in recovered_and_then_wrong] == ["alert", "recovered", "alert"]


def test_a_run_done_again_long_after_recovery_does_not_alert_again():
    assert len(heard("aaqqa", runs=[1, 2, 3, 4, 2])) == 2


@given(st.text(alphabet="qa", max_size=40))
def test_there_is_one_alert_a_fault_and_one_recovery(history):
    """A fault ends where two quiet runs follow each other; nothing else counts."""
    said = [state for _, state, _, _ in heard(history, every=timedelta(minutes=1))]
    wanted, lasting, quiet = [], False, 0
    for letter in history:
        quiet = quiet + 1 if letter == "q" else 0
        if letter == "a" and not lasting:
            wanted, lasting = [*wanted, "alert"], True
        if quiet == 2 and lasting:
            wanted, lasting = [*wanted, "recovered"], False

    assert said == wanted


@given(st.text(alphabet="qwau", max_size=40), st.lists(st.integers(0, 6), min_size=40, max_size=40))
def test_no_history_silences_a_fault(history, runs):
    """Whatever came before: a new run that sees an alert leaves an alert standing and told."""
    said, state = play(history + "a", runs=[*runs[: len(history)], 99], every=timedelta(hours=1))

    assert state.channel == "alert"
    assert said
    assert said[-1][1].state == "alert"
    assert URGENCY[said[-1][1].channel] == 2


@given(st.text(alphabet="qwau", max_size=30))
def test_alerts_and_recoveries_take_turns(history):
    states = [(s, c) for _, s, c, reminder in heard(history) if not reminder]

    assert all(
        a != b or (a[0] == "alert" and URGENCY[a[1]] < URGENCY[b[1]]) for a, b in pairwise(states)
    )
    assert not states or states[0][0] == "alert"


@given(st.text(alphabet="qwau", max_size=30))
def test_a_state_survives_being_written_down(history):
    state = play(history)[1]

    canonical(state.as_json())
    assert State.from_json(state.as_json(), START + 365 * DAY) == state


@pytest.mark.parametrize(
    "damage",
    [
        {"channel": "loud"},
        {"channel": 1},
        {"quiet": True},
        {"quiet": "0"},
        {"since": "yesterday"},
        {"spoken": "2026-01-05T06:00:00"},
        {"runs": [["a", "loud"]]},
        {"runs": [["a"]]},
        {"runs": None},
        {"pending": [{"alert": {}, "reached": []}]},
        {"pending": [{}]},
        {"words": "\ud800"},
    ],
)
def test_what_is_no_state_is_refused(damage):
    state = play("a")[1].as_json()

    with pytest.raises((ValueError, TypeError, KeyError)):
        State.from_json({**state, **damage}, START + DAY)


def test_words_that_nobody_can_write_down_are_told_all_the_same():
    state, alert = step(State(), ABOUT, Seen("alert", "half \ud800"), "run", START, Rules())

    assert alert.words == "half ?"
    canonical(state.as_json())


@pytest.mark.parametrize("name", ["since", "spoken"])
def test_a_state_from_the_future_is_refused(name):
    """It would count as just told for as long as its author likes."""
    state = {**play("a")[1].as_json(), name: "2099-01-01T00:00:00+00:00"}

    with pytest.raises(ValueError, match="future"):
        State.from_json(state, START)


@pytest.mark.parametrize("seen", [QUIET, UNKNOWN, *SEEN.values()])
def test_what_cannot_be_read_alerts_whatever_was_seen(seen):
    saw = lost("it is no record", seen)

    assert saw.channel == "alert"
    assert seen.words in saw.words


def test_an_alert_waits_until_every_channel_has_it():
    ((_, alert),), state = play("a")
    half = told(state, {alert_id(alert): {"slack"}}, {"slack", "sns"})

    assert half.pending[0].reached == ("slack",)
    assert told(half, {alert_id(alert): {"sns"}}, {"slack", "sns"}).pending == ()
    assert told(state, {}, {"slack"}) == state  # another run is at it
    nobody = told(state, {alert_id(alert): set()}, {"slack"}).pending
    assert [(one.alert, one.tried) for one in nobody] == [(alert, True)]
