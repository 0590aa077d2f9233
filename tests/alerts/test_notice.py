"""What people read: in each receiver's own form, and never with an attacker's mark-up."""

import json
from datetime import datetime

import pytest

from modelwarden.alerts import SHAPES, Alert, Notice, Verdict, key_of, observe
from modelwarden.alerts.file import Channel, read_channels
from modelwarden.concerns import MAX_CONCERNS, Concern, detail, read
from modelwarden.errors import InputError
from modelwarden.report import Report, canonical

AT = "2026-03-01T12:00:00+00:00"
HOSTILE = "<!channel> <https://evil|click> *b* [x](https://evil) @here\n\u202ered\x00" + "x" * 500


def one(column="age", state="alert", channel="alert", check="drift", words="a crowd", **more):
    given = {"page": "https://page", "run": "r1", "since": AT, "at": AT, **more}
    return Alert("s3://releases/churn.joblib", check, column, state, channel, words, **given)


def notice(*alerts):
    return Notice.of("s3://releases/churn.joblib", "r1", alerts, "s3://trend.html")


def test_the_title_counts():
    said = notice(one("a"), one("b"), one("c", channel="warn"), one("d", state="recovered"))

    assert said.title == "churn.joblib: 2 alerts, 1 warning, 1 recovered"
    assert said.urgent
    assert not notice(one(channel="warn")).urgent
    assert not notice(one(state="recovered")).urgent


def test_the_lines_say_what_where_and_since_when():
    said = notice(one(reminder=True), one("", check="traffic"), one("b", state="recovered"))

    assert said.lines == [
        "churn.joblib: 2 alerts, 1 recovered",
        f"drift, 'age': still, since {AT}: a crowd",
        "traffic: a crowd",
        "drift, 'b': recovered. It had been: a crowd",
        "Report: https://page",
        "Trend: s3://trend.html",
        "Model: s3://releases/churn.joblib",
        "Run: r1",
    ]


def test_a_receiver_knows_a_repetition_by_its_id():
    assert notice(one()).id == notice(one()).id
    assert notice(one()).id != notice(one(column="b")).id


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_json_whatever_a_column_is_called(shape):
    body = canonical(SHAPES[shape](notice(one(HOSTILE, words=HOSTILE))))

    assert json.loads(body)
    if shape != "json":
        assert "\u202e" not in body.decode()
        assert b"\\u0000" not in body


def test_slack_gets_no_mark_up():
    shaped = SHAPES["slack"](notice(one(HOSTILE)))

    assert "<" not in shaped["text"]
    assert all(block["text"]["type"] == "plain_text" for block in shaped["blocks"])
    assert len(shaped["blocks"][0]["text"]["text"]) <= 150
    many = SHAPES["slack"](notice(*(one(f"c{n}", words="w" * 300) for n in range(200))))
    assert len(many["blocks"]) <= 50
    assert all(len(block["text"]["text"]) <= 3000 for block in many["blocks"])


def test_slack_shows_how_urgent_it_is():
    marks = [one(), one(channel="warn"), one(state="recovered")]
    heads = [SHAPES["slack"](notice(a))["blocks"][0]["text"]["text"] for a in marks]

    assert [head.split()[0] for head in heads] == ["[ALERT]", "[warning]", "[recovered]"]


def test_teams_gets_a_card_of_plain_runs():
    shaped = SHAPES["teams"](notice(one(HOSTILE)))
    (attachment,) = shaped["attachments"]

    assert shaped["type"] == "message"
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert attachment["content"]["type"] == "AdaptiveCard"
    blocks = attachment["content"]["body"]
    assert {block["type"] for block in blocks} == {"RichTextBlock"}  # TextBlock reads Markdown
    assert {run["type"] for block in blocks for run in block["inlines"]} == {"TextRun"}


def test_alertmanager_resolves_what_recovered_and_keeps_one_alert_a_key():
    begun, grown, over = SHAPES["alertmanager"](
        notice(one(), one(channel="warn"), one(state="recovered"))
    )

    assert begun["labels"] == grown["labels"] == over["labels"]
    assert set(begun["labels"]) == {"alertname", "model", "check", "column"}
    assert over["endsAt"] == AT
    assert datetime.fromisoformat(begun["endsAt"]) > datetime.fromisoformat(AT)
    assert begun["generatorURL"] == "https://page"
    assert "generatorURL" not in SHAPES["alertmanager"](notice(one(page="s3://page")))[0]


@pytest.mark.parametrize(
    "wrong",
    [{"state": "quiet"}, {"channel": ""}, {"at": "noon"}, {"words": 1}, {"reminder": "no"}],
)
def test_what_is_no_alert_is_refused(wrong):
    with pytest.raises((ValueError, TypeError)):
        Alert.from_json({**one().as_json(), **wrong})


def test_keys_do_not_run_into_each_other():
    assert key_of("a", "b", "c") != key_of("a", "bc", "") != key_of("ab", "", "c")


# what a report says ------------------------------------------------------------------------------


def seen(*concerns, failures=(), details=None, **more):
    details = detail(Concern(*c) for c in concerns) if details is None else details
    verdict = Verdict(Report("drift", {"p": None}, failures=failures, details=details), "page")
    found = observe([verdict], **more)
    return {c: (s.channel, s.words) for c, s in found.seen.items()}, found.complete


def test_two_concerns_about_a_column_are_one_the_urgent_one():
    found, complete = seen(("a", "warn", "moved"), ("a", "alert", "crowd"), ("b", "warn", "gaps"))

    assert found == {"a": ("alert", "moved; crowd"), "b": ("warn", "gaps")}
    assert complete


def test_of_too_many_the_urgent_are_listed_and_the_rest_is_not_called_quiet():
    many = [Concern(f"c{n:02}", "warn", "w" * 999) for n in range(MAX_CONCERNS + 5)]
    entry = detail([*many, Concern("z" * 999, "alert", "x")])
    found, complete = read(entry)

    assert (len(found), complete, entry["concerns"]["left_out"]) == (MAX_CONCERNS, False, 6)
    assert found[0].about == "z" * 120
    assert max(len(c.words) for c in found) <= 300


def test_a_check_without_concerns_counts_as_a_whole():
    assert seen(details={}) == ({}, True)
    assert seen(details={}, failures=("no",)) == ({"": ("alert", "no")}, False)


def test_a_failure_that_no_concern_is_about_counts_too():
    assert seen(failures=("no",)) == ({"": ("alert", "no")}, False)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        [],
        {},
        {"found": []},
        {"found": [], "left_out": True},
        {"found": [], "left_out": "0"},
        {"found": [{}], "left_out": 0},
        {"found": [{"about": 1, "channel": "warn", "words": ""}], "left_out": 0},
        {"found": [{"about": "a", "channel": "", "words": ""}], "left_out": 0},
        {"found": [{"about": "a", "channel": "loud", "words": ""}], "left_out": 0},
        {"found": [{"about": "\ud800", "channel": "warn", "words": ""}], "left_out": 0},
    ],
)
def test_concerns_that_cannot_be_read_alert(entry):
    found, complete = seen(details={"concerns": entry})

    assert found[""][0] == "alert"
    assert not complete


def test_of_several_batches_the_urgent_one_counts():
    reports = [
        Report("drift", {}, details=detail([Concern("a", channel, "w")]))
        for channel in ("warn", "alert")
    ]
    found = observe([Verdict(report) for report in reports], expected=2)

    assert found.seen["a"].channel == "alert"
    assert found.of("b").channel == ""
    assert observe([Verdict(reports[0])], expected=2).of("b").channel == "unknown"


# channels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "channel",
    [
        {"kind": "sns"},
        {"kind": "sns", "topic": "t", "url": "https://x"},
        {"kind": "sns", "topic": "t", "secret": "env:X"},
        {"kind": "slack"},
        {"kind": "slack", "url": "https://x", "topic": "t"},
        {"kind": "apprise", "url": "json://x", "secret": "env:X"},
        {"kind": "json", "url": "https://x", "secret": "in the clear 0123456789"},
        {"kind": "json", "url": "https://x", "headers": {}},
        {"kind": "fax", "url": "https://x"},
        {"kind": "json", "url": 7},
        "slack",
        None,
    ],
)
def test_what_is_no_channel_is_refused_without_showing_a_secret(channel):
    with pytest.raises(InputError) as error:
        read_channels([channel])
    assert "in the clear" not in str(error.value)


def test_channels_are_a_list():
    with pytest.raises(InputError):
        read_channels({"kind": "slack", "url": "https://x"})


def test_the_name_of_a_channel_does_not_give_its_address_away():
    channel = Channel(kind="slack", url="https://hooks/s3cr3t")

    assert "s3cr3t" not in channel.name
    assert channel.name != Channel(kind="slack", url="https://hooks/other").name
