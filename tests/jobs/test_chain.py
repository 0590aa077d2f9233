"""From tables to a release, and every way to cheat on it. S3 is a real server."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from modelwarden.errors import (
    ConflictError,
    EvidenceError,
    InputError,
    NotFoundError,
    PolicyError,
    Rejected,
    StoreError,
)
from modelwarden.evidence import SUFFIX
from modelwarden.jobs import filing, session
from modelwarden.jobs.check import check
from modelwarden.report import canonical
from modelwarden.signing import Signer
from modelwarden.store import Store
from shop import make_table, open_shop


@pytest.fixture(scope="module")
def done(own, s3, tmp_path_factory):
    """A shop where all steps are done; tests leave it as they found it."""
    shop = open_shop(s3, tmp_path_factory.mktemp("keys"))
    shop.ruling = shop.all_steps()
    shop.decision = shop.ruling.statement.uri
    return shop


@contextmanager
def changed(shop, uri):
    """Flip one byte in the middle of an object, for a while."""
    shop.flip(uri)
    try:
        yield
    finally:
        shop.flip(uri)


def test_allows_verifies_and_releases_what_went_the_whole_way(done):
    assert done.ruling.decision.allowed, done.ruling.decision.reasons
    verdict = done.verify(done.decision)
    published = done.release(done.decision)

    assert done.read(published.model) == done.read(f"{done.uri}/model.joblib")
    assert verdict.model == published.sha256
    assert json.loads(done.read(published.uri))["model"]["sha256"] == published.sha256
    assert "training data: claimed by builder" in done.ruling.decision.notes


def test_verifying_is_repeatable_and_writes_nothing(done):
    with Store() as store:
        before = store.list(done.uri + "/")
        for _ in range(3):
            done.verify(done.decision)

        assert store.list(done.uri + "/") == before


def test_running_every_step_again_changes_nothing(done):
    with Store() as store:
        before = store.list(done.evidence + "/statements/")
        done.filter()
        done.say_trained()
        done.inspect()
        again = done.gate()

        assert store.list(done.evidence + "/statements/") == before
    assert again.statement == done.ruling.statement


def targets(shop):
    """Return what a decision rests on, by name."""
    decided = shop.payload(shop.decision)["predicate"]
    statement = shop.payload(shop.statement("sift"))["predicate"]["modelwarden"]
    return {
        "model": f"{shop.uri}/model.joblib",
        "report": statement["report"]["uri"],
        "statements": decided["inputAttestations"][0]["uri"],
        "ruling": decided["modelwarden"]["ruling"]["uri"],
        "decision": shop.decision,
        "policy": f"{shop.uri}/policy.yaml",
    }


@pytest.mark.parametrize("what", ["model", "report", "statements", "ruling", "decision", "policy"])
def test_refuses_after_one_flipped_byte(done, what):
    with changed(done, targets(done)[what]), Store() as store:
        with pytest.raises((EvidenceError, PolicyError)):
            done.verify(done.decision)
        with pytest.raises((EvidenceError, PolicyError)):
            done.release(done.decision, to="flipped")

        assert store.list(f"{done.uri}/flipped/") == []
    assert done.verify(done.decision).decision.allowed


def test_a_changed_model_is_named_with_the_way_out(done):
    with changed(done, f"{done.uri}/model.joblib"):  # noqa: SIM117
        with pytest.raises(EvidenceError, match="changed after the decision: run the gate again"):
            done.verify(done.decision)


def test_a_policy_that_changed_by_a_comment_is_another_policy(done):
    uri = f"{done.uri}/policy.yaml"
    body = done.read(uri)
    done.s3.overwrite(uri, body + b"# looser soon\n")
    try:
        with pytest.raises(EvidenceError, match="the policy that was decided about"):
            done.verify(done.decision)
    finally:
        done.s3.overwrite(uri, body)


def test_denies_a_statement_that_says_otherwise_than_its_report(shop):
    shop.filter()
    statement = shop.payload(shop.statement("sift"))
    statement["predicate"]["modelwarden"]["metrics"]["rejected_fraction"] = 0.0
    forged = Signer.open(shop.keys["data"]).seal(statement)
    with Store() as store:
        for uri in store.list(f"{shop.evidence}/statements/"):
            shop.s3.overwrite(uri, forged)
    shop.fit()
    shop.say_trained()
    shop.inspect()
    decision = shop.gate().decision

    assert not decision.allowed
    assert any("report that the statement speaks for" in note for note in decision.notes)


@pytest.mark.parametrize("what", ["report", "statements", "ruling", "decision"])
def test_refuses_when_something_under_the_decision_is_gone(done, what):
    target = targets(done)[what]
    body = done.read(target)
    bucket, _, key = target.removeprefix("s3://").partition("/")
    done.s3.client.delete_object(Bucket=bucket, Key=key)
    try:
        with pytest.raises(NotFoundError):
            done.verify(done.decision)
    finally:
        done.s3.overwrite(target, body)


def test_a_decision_is_consumed_by_one_run_and_may_be_retried_by_it(done):
    first = done.release(done.decision, run="run-1")

    assert done.release(done.decision, run="run-1") == first
    with pytest.raises(Rejected, match="consumed by run run-1"):
        done.release(done.decision, run="run-2")


def test_evidence_holds_no_row_of_data(done):
    cell = done.read(f"{done.uri}/train.csv").splitlines()[1].split(b",")[0]
    with Store() as store:
        for uri in store.list(done.evidence + "/"):
            assert cell not in store.read(uri)
            if uri.endswith(SUFFIX) and "/sha256/" not in uri:
                assert cell not in canonical(done.payload(uri))


def test_a_page_opens_in_a_browser(done):
    bucket, _, key = done.ruling.page_uri.removeprefix("s3://").partition("/")
    head = done.s3.client.head_object(Bucket=bucket, Key=key)

    assert key.endswith(".html")
    assert head["ContentType"] == "text/html"


def test_everything_signed_is_small_enough_for_kms(done):
    with Store() as store:
        stored = store.list(done.evidence + "/")
    # blobs are named by digests, of which one in sixteen ends in 1, too
    signed = [uri for uri in stored if uri.endswith(f"1{SUFFIX}") and "/sha256/" not in uri]
    assert {uri.split("/")[4] for uri in signed} == {"statements", "decisions"}
    for uri in signed:
        assert len(canonical(done.payload(uri))) < 4096 - 100  # and DSSE's own words


def test_an_object_that_changed_between_check_and_gate_denies(shop):
    shop.filter()
    shop.fit()
    shop.say_trained()
    shop.inspect()
    shop.flip(f"{shop.uri}/model.joblib", position=-1)

    reasons = shop.gate().decision.reasons
    assert "no statement of a builder" in reasons[0]


@pytest.mark.parametrize("missing", ["filter", "say_trained", "inspect"])
def test_denies_when_a_step_was_skipped(shop, missing):
    steps = {"filter": shop.filter, "say_trained": shop.say_trained, "inspect": shop.inspect}
    if missing == "filter":
        shop.put("kept.csv", shop.read(f"{shop.uri}/train.csv"))
    else:
        shop.filter()
    shop.fit()
    for name in ("say_trained", "inspect"):
        if name != missing:
            steps[name]()

    assert not shop.gate().decision.allowed


def test_denies_a_model_trained_on_the_unfiltered_rows(shop):
    table = make_table(120, 0)
    table.loc[table.index[:12], "label"] ^= 1
    shop.s3.overwrite(f"{shop.uri}/train.csv", table.to_csv(index=False).encode())
    assert shop.filter().report.metrics["rejected_rows"] > 0
    shop.fit("train.csv")
    shop.say_trained("train.csv")
    shop.inspect()

    assert "not trained on the rows that sift kept" in " ".join(shop.gate().decision.reasons)


@pytest.mark.parametrize("forger", ["stranger", "builder", "gate", "model"])
def test_denies_a_check_signed_by_somebody_who_may_not(shop, forger):
    shop.filter(key=forger)
    shop.fit()
    shop.say_trained()
    shop.inspect()
    decision = shop.gate().decision

    assert not decision.allowed
    assert any(note.startswith("ignored:") for note in decision.notes)


@pytest.mark.parametrize("forger", ["stranger", "data", "builder"])
def test_refuses_a_decision_signed_by_somebody_who_may_not(shop, forger):
    shop.filter()
    shop.fit()
    shop.say_trained()
    shop.inspect()
    decision = shop.gate(key=forger).statement.uri

    with pytest.raises(EvidenceError, match=r"signature|signer"):
        shop.verify(decision)


def test_a_denial_is_written_down_and_final(shop):
    shop.put("kept.csv", shop.read(f"{shop.uri}/train.csv"))
    shop.fit()
    ruling = shop.gate()

    with pytest.raises(Rejected, match="no statement of a builder"):
        shop.verify(ruling.statement.uri)
    assert b"no statement of a builder" in shop.read(ruling.page_uri)


def test_an_unsigned_report_does_not_count(shop):
    shop.keys["data"], kept = "", shop.keys["data"]
    assert shop.filter().statement is None
    shop.keys["data"] = kept
    shop.fit()
    shop.say_trained()
    shop.inspect()

    assert "no trusted statement of sift" in " ".join(shop.gate().decision.reasons)


def test_an_easier_question_does_not_count(shop):
    shop.filter(alpha=0.5)
    shop.fit()
    shop.say_trained()
    shop.inspect()

    assert "asked otherwise: alpha=0.5" in " ".join(shop.gate().decision.reasons)


def at(monkeypatch, later):
    """Move the clock of every job."""
    moment = datetime.now(UTC).replace(microsecond=0) + later
    for module in ("check", "trained", "gate", "release"):
        monkeypatch.setattr(f"modelwarden.jobs.{module}.now", lambda: moment)


def test_an_old_decision_is_not_released_and_the_gate_makes_a_new_one(shop, monkeypatch):
    decision = shop.all_steps().statement
    at(monkeypatch, timedelta(hours=25))
    with pytest.raises(Rejected, match="its age is 1 day"):
        shop.release(decision.uri)
    again = shop.gate().statement

    assert again.attempt == 2
    assert shop.release(again.uri).sha256


def test_old_evidence_denies_until_the_checks_ran_again(shop, monkeypatch):
    shop.all_steps()
    at(monkeypatch, timedelta(days=8))
    assert not shop.gate().decision.allowed
    shop.filter()
    shop.say_trained()
    shop.inspect()
    decision = shop.gate().decision

    assert decision.allowed, decision.reasons
    assert "sift: attempt 2" in decision.notes


def test_another_answer_to_the_same_question_is_another_attempt(shop, monkeypatch):
    first = shop.filter().statement
    monkeypatch.setattr(filing, "same_answer", lambda *_: False)

    second = shop.filter().statement
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.uri != second.uri


def test_junk_in_the_place_of_a_statement_locks_nobody_out(shop):
    shop.filter()
    uri = shop.statement("sift")
    shop.s3.overwrite(uri, b"junk")

    assert shop.filter().statement is not None


def test_refuses_to_gate_on_a_store_that_overwrites(shop, proxy, monkeypatch):
    shop.filter()
    shop.fit()
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    proxy.always = "ignore_if_none_match"

    with pytest.raises(StoreError, match="creates an object only once"):
        shop.gate()


def test_never_overwrites_a_table(shop):
    shop.put("kept.csv", b"something else")

    with pytest.raises(ConflictError, match="nothing was overwritten"):
        shop.filter()


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({"trusted": "t"}, "roni: input train: expected a URI, got nothing"),
        ({"train": "", "trusted": "t"}, "roni: input train: expected a URI, got nothing"),
        ({"train": "t", "trusted": "t", "tested": "t"}, "input tested: expected one of train"),
    ],
)
def test_names_the_input_at_fault(inputs, problem):
    with pytest.raises(InputError, match=problem):
        check("roni", inputs=inputs, options={"target": "label"})


def test_an_input_that_is_not_optional_is_needed():
    with pytest.raises(InputError, match="evasion: input evaluation: expected a URI, got nothing"):
        check("evasion", inputs={"model": "m", "evaluation": ""}, options={"target": "label"})


@pytest.mark.parametrize("nothing", [{}, {"spared": ""}])
def test_an_optional_input_that_is_not_given_is_in_no_statement(shop, nothing):
    inputs = {name: f"{shop.uri}/{name}.csv" for name in ("train", "trusted")}
    check(
        "sift",
        inputs={**inputs, **nothing},
        options={"target": "label"},
        evidence=shop.evidence,
        key=shop.keys["data"],
    )

    said = shop.payload(shop.statement("sift"))["predicate"]["modelwarden"]
    assert set(said["inputs"]) == {"train", "trusted"}


def test_an_optional_input_that_no_rule_pins_denies(shop):
    shop.filter(spared="train.csv")
    shop.fit()
    shop.say_trained()
    shop.inspect()

    assert "asked otherwise: spared=" in " ".join(shop.gate().decision.reasons)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "option target: expected a value"),
        ({"target": "label", "alpha": "high"}, "option alpha: expected a value of type float"),
        ({"target": "label", "seed": 1.5}, "option seed: expected a value of type int"),
        ({"target": "label", "seed": True}, "option seed: expected a value of type int"),
        ({"target": ""}, "option target"),
        ({"target": "label", "beta": 1}, "option beta: expected one of"),
    ],
)
def test_names_the_option_at_fault(options, problem):
    with pytest.raises(InputError, match=problem):
        check("roni", inputs={"train": "t", "trusted": "t"}, options=options)


def test_reads_back_what_templates_render_as_text(shop):
    assert shop.filter(alpha="0.05", seed="0", target="label").statement
    assert shop.filter(seed=0.0).statement.attempt == 1


def test_a_key_without_a_place_for_evidence_is_refused(tmp_path):
    with pytest.raises(InputError, match="evidence: expected a prefix"):
        check("model_file", inputs={"model": "m"}, key=str(tmp_path / "k.pem"))


def test_an_unknown_check_names_the_known_ones():
    with pytest.raises(InputError, match="check: expected one of access, backdoor, bucket, drift"):
        check("rony", inputs={})


def test_the_clock_is_utc():
    assert session.now().utcoffset() == timedelta(0)
