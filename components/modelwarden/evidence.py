"""What is written down: in-toto statements about checks, trainings and decisions, and their places.

Three predicates, all from the field: a check speaks in Test Result v0.1 [1]_, a builder in SLSA
Provenance v1 [2]_, the gate in SLSA Verification Summary v1 [3]_. What these do not hold stands in
one extra member, ``modelwarden``, which other consumers ignore.

Below an evidence prefix::

    sha256/<hex>[.html]                         blobs: reports, pages, rulings, judged statements
    statements/<subject hex>/<check>/<question>.<attempt>.intoto.jsonl
    decisions/<model hex>/<policy hex>.<attempt>.intoto.jsonl
    consumed/<decision hex>                     the run that released it

A statement lies under every digest that it is about, so that the gate finds it from the model
alone and nobody can leave one out. ``<question>`` is a digest of what was asked. The same question
with another answer is another attempt: visible, and never an overwrite.

Statements stay below 4 KB, what AWS KMS signs as it is. What grows is a blob that they name by its
digest: a check's report, a decision's ruling (rule by rule), and the statements that it rests on,
one envelope a line.

References
----------
.. [1] https://in-toto.io/attestation/test-result/v0.1
.. [2] https://slsa.dev/provenance/v1
.. [3] https://slsa.dev/verification_summary/v1
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from modelwarden.cards import TAXONOMIES
from modelwarden.documents import read_json, read_time
from modelwarden.errors import EvidenceError
from modelwarden.report import TRAINED, Claim, Decision, Json, Report, RuleResult, canonical, finite
from modelwarden.signing import STATEMENT_TYPE

TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
PROVENANCE = "https://slsa.dev/provenance/v1"
SUMMARY = "https://slsa.dev/verification_summary/v1"
SUFFIX = ".intoto.jsonl"

_UNSWORN = ("attempt", "startedOn", "finishedOn", "environment")  # may differ in a re-run
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Circumstances:
    """When and where something was done; no part of what was found.

    Parameters
    ----------
    started, finished : str
        RFC 3339 in UTC.
    environment : mapping of str to str
        Versions of what took part.
    """

    started: str
    finished: str
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Asked:
    """A question: which check, with which options, about which bytes.

    Parameters
    ----------
    check : str
        Its name, or `TRAINED`.
    subject : str
        The input that the statement is about.
    options : mapping of str to JSON
        Every option, defaults included.
    inputs : mapping of str to str
        SHA-256 by name, the subject included.
    risks : tuple of str
        Ids of the taxonomies that the check speaks about.
    """

    check: str
    subject: str
    options: Mapping[str, Json]
    inputs: Mapping[str, str]
    risks: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Return a name for the question: equal questions, equal names."""
        whole = {"check": self.check, "options": self.options, "inputs": self.inputs}
        return hashlib.sha256(canonical(whole)).hexdigest()[:16]


@dataclass(frozen=True)
class Blob:
    """Something that a statement names by its digest: where it is, and its SHA-256."""

    uri: str
    sha256: str

    @property
    def evidence(self) -> str:
        """Return the evidence prefix below which the blob lies."""
        return self.uri.rpartition("/sha256/")[0]


@dataclass(frozen=True)
class Verdict:
    """What a decision's statement says.

    Parameters
    ----------
    model, policy : str
        SHA-256 of the model and of the policy file.
    action : str
        What was decided about.
    decided : str
        When, RFC 3339 in UTC.
    ruling, statements : Blob
        The decision rule by rule, and the statements that were judged.
    decision : Decision
        What the ruling says.
    current : str, default=""
        SHA-256 of the model that was released then, where the policy compares with it.
    """

    model: str
    policy: str
    action: str
    decided: str
    ruling: Blob
    statements: Blob
    decision: Decision = field(repr=False)
    current: str = ""


def check_statement(
    asked: Asked, report: Report, report_uri: str, outputs: Mapping[str, str], when: Circumstances
) -> dict[str, Json]:
    """Return the statement of a check about its subject and what it kept of it."""
    result = "FAILED" if report.failures else "PASSED"
    others = {name: digest for name, digest in asked.inputs.items() if name != asked.subject}
    predicate: dict[str, Json] = {
        "result": result,
        "configuration": [_resource(name, digest) for name, digest in sorted(others.items())],
        "failedTests" if report.failures else "passedTests": [asked.check],
        "modelwarden": {
            **_extension(asked, outputs, when),
            "metrics": dict(report.metrics),
            "report": {"uri": report_uri, "digest": {"sha256": report_uri.rpartition("/")[2]}},
            **({"taxonomy": {**TAXONOMIES, "ids": list(asked.risks)}} if asked.risks else {}),
        },
    }
    return _statement(TEST_RESULT, _subjects(asked, outputs), predicate)


def provenance_statement(asked: Asked, when: Circumstances) -> dict[str, Json]:
    """Return the statement that the subject was made from the other inputs."""
    sources = [name for name in asked.inputs if name != asked.subject]
    predicate = {
        "buildDefinition": {
            "buildType": f"urn:modelwarden:{asked.check}:v1",
            "externalParameters": dict(asked.options),
            "resolvedDependencies": [_resource(name, asked.inputs[name]) for name in sources],
        },
        "runDetails": {"builder": {"id": "urn:modelwarden:builder"}},
        "modelwarden": {**_extension(asked, {}, when), "metrics": {}},
    }
    return _statement(PROVENANCE, _subjects(asked, {}), predicate)


def ruling_document(decision: Decision) -> bytes:
    """Return the blob that says a decision rule by rule; equal decisions, equal bytes."""
    return canonical(
        {
            "enforced": decision.enforced,
            "notes": list(decision.notes),
            "statements": list(decision.used),
            "rules": [
                {
                    "rule": result.rule,
                    "measured": result.measured,
                    "current": result.current,
                    "passed": result.passed,
                    "severity": result.severity,
                    "why": result.why,
                }
                for result in decision.results
            ],
        }
    )


def decision_statement(verdict: Verdict, *, model_uri: str, policy_uri: str) -> dict[str, Json]:
    """Return the gate's statement: a verification summary."""
    decision = verdict.decision
    failed = [result.rule for result in decision.results if not result.passed]
    predicate = {
        "verifier": {"id": "urn:modelwarden:gate"},
        "timeVerified": verdict.decided,
        "resourceUri": model_uri,
        "policy": {"uri": policy_uri, "digest": {"sha256": verdict.policy}},
        "inputAttestations": [_link(verdict.statements)],
        "verificationResult": "PASSED" if decision.allowed else "FAILED",
        "verifiedLevels": ["MODELWARDEN_ALLOWED"] if decision.allowed else [],
        "modelwarden": {
            "action": verdict.action,
            "current": verdict.current,
            "failed": [rule[:100] for rule in failed[:10]],
            "ruling": _link(verdict.ruling),
            "rules": len(decision.results),
        },
    }
    return _statement(SUMMARY, {"model": verdict.model}, predicate)


def read_claim(statement: Mapping[str, Json], signer: str, uri: str, sha256: str) -> Claim:
    """Read what a verified statement of a check or a builder says.

    Raises
    ------
    EvidenceError
        If it is not such a statement, or contradicts itself.
    """
    try:
        predicate = statement["predicate"]
        said = predicate["modelwarden"]
        trained = said["check"] == TRAINED
        if statement["predicateType"] != (PROVENANCE if trained else TEST_RESULT):
            raise EvidenceError(uri, "a statement of a check", str(statement["predicateType"]))
        return Claim(
            check=_text(said["check"]),
            subjects=_digests({s["name"]: s["digest"]["sha256"] for s in statement["subject"]}),
            options=dict(said["options"]),
            inputs=_digests(said["inputs"]),
            outputs=_digests(said["outputs"]),
            metrics={_text(name): finite(value) for name, value in said["metrics"].items()},
            failed=not trained and predicate["result"] != "PASSED",
            finished=_text(said["finishedOn"]),
            attempt=int(said["attempt"]),
            signer=signer,
            uri=uri,
            sha256=sha256,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _malformed(uri, "a statement of a check or a builder", error) from error


def report_of(statement: Mapping[str, Json], uri: str) -> Blob:
    """Return the report that a check's statement speaks for."""
    try:
        return _blob(statement["predicate"]["modelwarden"]["report"])
    except (KeyError, TypeError, ValueError) as error:
        raise _malformed(uri, "a statement with a report", error) from error


def read_verdict(
    statement: Mapping[str, Json], uri: str, fetch: Callable[[Blob], bytes]
) -> Verdict:
    """Read what a verified decision says.

    Parameters
    ----------
    statement : mapping
        Its statement.
    uri : str
        Where it was, for errors.
    fetch : callable
        Returns a blob after comparing its digest.

    Raises
    ------
    EvidenceError
        If it is not a decision, or contradicts itself.
    """
    try:
        predicate = statement["predicate"]
        said = predicate["modelwarden"]
        if statement["predicateType"] != SUMMARY:
            raise EvidenceError(uri, "a decision", str(statement["predicateType"]))
        (subject,), (attested,) = statement["subject"], predicate["inputAttestations"]
        ruling = _blob(said["ruling"])
        decision = _read_ruling(fetch(ruling), ruling.uri)
        if (predicate["verificationResult"] == "PASSED") is not decision.allowed:
            raise EvidenceError(uri, "a result that follows from its rules", "another result")
        return Verdict(
            model=_digests({"model": subject["digest"]["sha256"]})["model"],
            policy=_digests({"policy": predicate["policy"]["digest"]["sha256"]})["policy"],
            action=_text(said["action"]),
            decided=read_time(predicate["timeVerified"]).isoformat(),
            ruling=ruling,
            statements=_blob(attested),
            decision=decision,
            current=_text(said["current"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _malformed(uri, "a decision", error) from error


def _read_ruling(body: bytes, uri: str) -> Decision:
    said = read_json(body, uri)
    return Decision(
        results=tuple(_rule_result(entry) for entry in said["rules"]),
        used=tuple(_text(digest) for digest in said["statements"]),
        notes=tuple(_text(note) for note in said["notes"]),
        enforced=said["enforced"] is True,
    )


def with_attempt(statement: Mapping[str, Json], attempt: int) -> dict[str, Json]:
    """Return the statement with the number of its attempt."""
    predicate = dict(statement["predicate"])
    predicate["modelwarden"] = {**predicate["modelwarden"], "attempt": attempt}
    return {**statement, "predicate": predicate}


def made_on(statement: Mapping[str, Json], uri: str) -> datetime:
    """Return when a statement was made, by its signer's clock."""
    try:
        predicate = statement["predicate"]
        text = predicate.get("timeVerified") or predicate["modelwarden"]["finishedOn"]
        return read_time(text)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _malformed(uri, "a statement with a time", error) from error


def same_answer(first: Mapping[str, Json], second: Mapping[str, Json]) -> bool:
    """Whether two statements differ only in when, where and at which attempt they were made."""
    return _sworn(first) == _sworn(second)


def statements_folder(evidence: str, subject: str) -> str:
    """Return where the statements about a digest lie."""
    return f"{evidence.rstrip('/')}/statements/{subject}"


def envelope_digest(envelope: bytes, uri: str) -> tuple[bytes, str]:
    """Return an envelope as one line of JSON, and the SHA-256 of that line.

    Ours are such lines. One of another maker may be laid out otherwise and says the same.
    """
    line = canonical(read_json(envelope, uri)) + b"\n"
    return line, hashlib.sha256(line).hexdigest()


def decisions_folder(evidence: str, model: str) -> str:
    """Return where the decisions about a model lie."""
    return f"{evidence.rstrip('/')}/decisions/{model}"


def _statement(kind: str, subjects: Mapping[str, str], predicate: Json) -> dict[str, Json]:
    return {
        "_type": STATEMENT_TYPE,
        "subject": [_resource(name, digest) for name, digest in subjects.items()],
        "predicateType": kind,
        "predicate": predicate,
    }


def _subjects(asked: Asked, outputs: Mapping[str, str]) -> dict[str, str]:
    subjects = {asked.subject: asked.inputs[asked.subject]}
    if "kept" in outputs:
        subjects["kept"] = outputs["kept"]
    return subjects


def _extension(asked: Asked, outputs: Mapping[str, str], when: Circumstances) -> dict[str, Json]:
    return {
        "check": asked.check,
        "options": dict(asked.options),
        "inputs": dict(asked.inputs),
        "outputs": dict(outputs),
        "startedOn": when.started,
        "finishedOn": when.finished,
        "environment": dict(when.environment),
    }


def _resource(name: str, sha256: str) -> dict[str, Json]:
    return {"name": name, "digest": {"sha256": sha256}}


def _link(blob: Blob) -> dict[str, Json]:
    return {"uri": blob.uri, "digest": {"sha256": blob.sha256}}


def _blob(link: Mapping[str, Json]) -> Blob:
    return Blob(_text(link["uri"]), _digests({"blob": link["digest"]["sha256"]})["blob"])


def _rule_result(entry: Mapping[str, Json]) -> RuleResult:
    if entry["severity"] not in ("block", "warn"):
        raise ValueError("severity")
    return RuleResult(
        rule=_text(entry["rule"]),
        measured=finite(entry["measured"]),
        passed=entry["passed"] is True,
        why=_text(entry["why"]),
        severity=entry["severity"],
        current=finite(entry["current"]),
    )


def _sworn(statement: Mapping[str, Json]) -> Sequence[Json]:
    predicate = {k: v for k, v in statement["predicate"].items() if k != "timeVerified"}
    said = predicate.get("modelwarden", {})
    predicate["modelwarden"] = {k: v for k, v in said.items() if k not in _UNSWORN}
    return [statement["predicateType"], statement["subject"], predicate]


def _digests(named: Mapping[str, Json]) -> dict[str, str]:
    for digest in named.values():
        if not _SHA256.fullmatch(digest):
            raise ValueError("not a SHA-256 digest")
    return {_text(name): digest for name, digest in named.items()}


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise TypeError("not text")
    return value


def _malformed(uri: str, expected: str, error: Exception) -> EvidenceError:
    return EvidenceError(uri, expected, f"a malformed one ({error})")
