"""What verified statements say: read strictly, whoever signed them."""

import base64
import copy
import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.approval import APPROVAL, SECOND_FACTOR, read_approval, read_confirmation
from modelwarden.checks import CHECKS
from modelwarden.documents import MAX_DOCUMENT
from modelwarden.errors import EvidenceError
from modelwarden.evidence import (
    PROVENANCE,
    SUMMARY,
    TEST_RESULT,
    Asked,
    Blob,
    Circumstances,
    Verdict,
    check_statement,
    decision_statement,
    envelope_digest,
    made_on,
    read_claim,
    read_verdict,
    report_of,
    ruling_document,
)
from modelwarden.jobs.session import environment
from modelwarden.keys import LocalKey, new_key
from modelwarden.releases import RELEASE, REVOCATION, read_release, read_revocation
from modelwarden.report import Decision, Report, RuleResult, canonical
from modelwarden.signing import PAYLOAD_TYPE, STATEMENT_TYPE, Signer, Trust

A, B, C = (letter * 64 for letter in "abc")
PRIVATE, PUBLIC = new_key()
SIGNER = Signer(LocalKey(PRIVATE, "key"))
TRUST = Trust.read(
    canonical({"signers": {"any": {"may": ["x"], "keys": [PUBLIC.decode()]}}}), "t", lambda _: b""
)
WHEN = Circumstances("2026-11-23T12:00:00+00:00", "2026-11-23T12:00:01+00:00", {})
ASKED = Asked("roni", "train", {"alpha": 0.05}, {"train": A, "trusted": B}, ("AML.T0020",))
REPORT = Report("roni", {"rejected_fraction": 0.01})
STATEMENT = check_statement(ASKED, REPORT, f"s3://e/sha256/{C}", {"kept": B}, WHEN)
DECISION = Decision((RuleResult("x <= 1", 0.5, passed=True),), used=(A,), notes=("n",))
RULING = ruling_document(DECISION)
VERDICT = Verdict(
    model=A,
    policy=B,
    action="deploy",
    decided=WHEN.finished,
    ruling=Blob(f"s3://e/sha256/{C}", C),
    statements=Blob(f"s3://e/sha256/{B}.intoto.jsonl", B),
    decision=DECISION,
)
DECIDED = decision_statement(VERDICT, model_uri="s3://m", policy_uri="s3://p")


def with_metric(value):
    statement = copy.deepcopy(STATEMENT)
    statement["predicate"]["modelwarden"].update(metrics={"rejected_fraction": value}, attempt=1)
    return statement


def test_a_statement_says_which_risks_of_which_taxonomies_were_looked_for():
    said = STATEMENT["predicate"]["modelwarden"]["taxonomy"]

    assert said["ids"] == ["AML.T0020"]
    assert said["atlas"]


@pytest.mark.parametrize(
    "value", ["0.01", True, False, None, float("nan"), float("inf"), [0.01], {}, 10**400]
)
def test_a_metric_that_is_no_finite_number_was_not_measured(value):
    claim = read_claim(with_metric(value), "any", "uri", A)

    assert claim.metrics == {"rejected_fraction": None}


def test_equal_keys_in_a_signed_payload_are_refused():
    payload = canonical(with_metric(0.01)).replace(
        b'"rejected_fraction":0.01', b'"rejected_fraction":0.9,"rejected_fraction":0.01'
    )

    envelope = json.loads(SIGNER.seal({"_type": STATEMENT_TYPE}))
    head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode()
    envelope["payload"] = base64.b64encode(payload).decode()
    signature = LocalKey(PRIVATE, "k").sign(head + payload)
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()
    with pytest.raises(EvidenceError, match="the key 'rejected_fraction' twice"):
        TRUST.open(canonical(envelope), "e")


@pytest.mark.parametrize("what", ["payload", "signatures"])
def test_ten_megabytes_are_refused_at_once(what):
    envelope = json.loads(SIGNER.seal(STATEMENT))
    if what == "payload":
        envelope["payload"] = "A" * (10 * MAX_DOCUMENT)
    else:
        envelope["signatures"] *= 60_000
    body = canonical(envelope)
    start = time.process_time()
    with pytest.raises(EvidenceError, match="allowed"):
        TRUST.open(body, "e")

    assert time.process_time() - start < 0.1


def test_a_decision_is_read_as_it_was_written():
    assert read_verdict(DECIDED, "d", lambda _: RULING) == VERDICT


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("verificationResult",), "FAILED"),
        (("verificationResult",), True),
        (("inputAttestations",), []),
        (("policy", "digest", "sha256"), "abc"),
        (("timeVerified",), "yesterday"),
        (("timeVerified",), "2026-11-23T12:00:00"),
        (("modelwarden", "ruling"), {}),
        (("modelwarden", "action"), 1),
    ],
)
def test_a_decision_that_contradicts_itself_is_refused(path, value):
    forged = copy.deepcopy(DECIDED)
    place = forged["predicate"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(EvidenceError):
        read_verdict(forged, "d", lambda _: RULING)


def test_a_ruling_that_denies_is_no_ruling_of_a_decision_that_allows():
    bad = ruling_document(Decision((RuleResult("x <= 1", 2, passed=False),)))
    with pytest.raises(EvidenceError, match="a result that follows from its rules"):
        read_verdict(DECIDED, "d", lambda _: bad)


def test_a_ruling_without_rules_never_allows():
    with pytest.raises(EvidenceError, match="a result that follows from its rules"):
        read_verdict(DECIDED, "d", lambda _: ruling_document(Decision(())))


@pytest.mark.parametrize("rules", [1, 200])
def test_a_decision_is_below_4_kb_however_much_it_rests_on(rules):
    results = tuple(RuleResult(f"{'r' * 90}.{n} <= 1", 2.0, passed=False) for n in range(rules))
    many = Decision(results, used=tuple(f"{n:064d}" for n in range(500)), notes=("n" * 200,) * 50)
    verdict = Verdict(**{**VERDICT.__dict__, "decision": many})
    long = "s3://" + "u" * 300
    body = canonical(decision_statement(verdict, model_uri=long, policy_uri=long))

    assert len(body) < 4096 - 100


@pytest.mark.parametrize("name", CHECKS)
def test_the_statement_of_every_check_is_below_4_kb(name):
    card = CHECKS[name]
    digests = dict.fromkeys(card.inputs, A)
    options = {n: "t" * 40 if d in (str, "") else d for n, d in card.options.items()}
    asked = Asked(name, card.subject, options, digests, card.risks)
    report = Report(name, dict.fromkeys(card.metrics, 1 / 3), ("f" * 500,))
    where = "s3://" + "u" * 300 + "/" + B
    outputs = dict.fromkeys(card.tables, C)

    when = Circumstances(WHEN.started, WHEN.finished, environment())
    body = canonical(check_statement(asked, report, where, outputs, when))

    assert len(body) < 4096 - 100


def test_an_envelope_of_another_maker_has_the_digest_of_its_one_line():
    ours = SIGNER.seal(STATEMENT)
    theirs = json.dumps(json.loads(ours), indent=2).encode()

    assert envelope_digest(theirs, "e") == envelope_digest(ours, "e")
    assert envelope_digest(ours, "e")[0] == ours


NAMES = [
    "name",
    "digest",
    "sha256",
    "modelwarden",
    "check",
    "options",
    "inputs",
    "outputs",
    "metrics",
    "result",
    "finishedOn",
    "attempt",
    "report",
    "uri",
    "policy",
    "rules",
    "decision",
    "approver",
    "action",
]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=6)
    | st.sampled_from([A, "sha256", "roni", "trained", "PASSED", WHEN.finished]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
READERS = {
    TEST_RESULT: lambda s: read_claim(s, "any", "u", A),
    PROVENANCE: lambda s: read_claim(s, "any", "u", A),
    SUMMARY: lambda s: read_verdict(s, "u", lambda _: RULING),
    APPROVAL: lambda s: read_approval(s, "u", A),
    SECOND_FACTOR: lambda s: read_confirmation(s, "u"),
    RELEASE: lambda s: read_release(s, "any", "u"),
    REVOCATION: lambda s: read_revocation(s, "any", "u"),
    "report": lambda s: report_of(s, "u"),
    "time": lambda s: made_on(s, "u"),
}


@given(st.sampled_from(sorted(READERS)), values, values)
def test_whatever_a_trusted_key_signed_is_read_or_refused(kind, subject, predicate):
    statement = {
        "_type": STATEMENT_TYPE,
        "predicateType": kind,
        "subject": subject,
        "predicate": predicate,
    }
    with suppress(EvidenceError):
        READERS[kind](statement)


@given(st.data())
def test_whatever_is_changed_in_a_statement_is_read_or_refused(data):
    samples = {TEST_RESULT: with_metric(0.1), SUMMARY: DECIDED}
    kind = data.draw(st.sampled_from(sorted(samples)))
    statement = copy.deepcopy(samples[kind])
    place = statement
    while isinstance(place, dict | list) and place:
        keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if data.draw(st.booleans()):
            place[key] = data.draw(values)
            break
        place = place[key]
    with suppress(EvidenceError):
        READERS[kind](statement)
