"""Access to the model's file and to training data, from both kinds of log."""

import gzip
import hashlib
import json

import pytest

from modelwarden.checks.access import access
from modelwarden.errors import InputError
from modelwarden.report import canonical
from modelwarden.store import File
from querylogs import EVE, ROLE, cloudtrail, log_of, nginx, server_access


@pytest.fixture
def audit(tmp_path):
    """Return a function that audits lines, or a file of CloudTrail records."""

    def run(*lines, **options):
        (tmp_path / "model").write_bytes(b"m")
        model = File("m", tmp_path / "model", hashlib.sha256(b"m").hexdigest(), 1)
        if lines and isinstance(lines[0], dict):
            files = {"a.json.gz": gzip.compress(json.dumps({"Records": lines}).encode())}
        else:
            files = {"a": "\n".join(lines)}
        given = {"model_prefix": "models/fraud/", "training_prefix": "s3://train/fraud/", **options}
        with log_of(tmp_path, files) as log:
            return access(model, log, **given)

    return run


def reads(findings):
    metrics = findings.report.metrics
    names = ("model_reads", "model_readers", "unexpected_model_reads", "unexpected_model_readers")
    return tuple(metrics[name] for name in names)


def changes(findings):
    metrics = findings.report.metrics
    return metrics["training_changes"], metrics["unexpected_training_writers"]


@pytest.mark.parametrize("line", [server_access, cloudtrail])
def test_who_read_the_model_is_counted_and_named(audit, line):
    findings = audit(line(), line(), line(ROLE), readers=f"someone, {ROLE[:-2]}*")

    assert reads(findings) == (3, 2, 2, 1)
    assert changes(findings) == (0, 0)
    rows = findings.tables["access"].decode().splitlines()
    assert rows[1] == f"{EVE},read,2,0,2026-03-01T12:00:00Z,2026-03-01T12:00:00Z,model,False"
    assert EVE not in canonical(findings.report.as_json()).decode()


@pytest.mark.parametrize("line", [server_access, cloudtrail])
def test_nobody_is_expected_by_default(audit, line):
    assert reads(audit(line(ROLE)))[3] == 1


@pytest.mark.parametrize(
    "line",
    [
        server_access(key="fraud/other", bucket="models2"),
        server_access(key="fraude/model"),
        server_access(operation="REST.HEAD.OBJECT"),
        server_access(operation="REST.GET.BUCKET", key="-"),
        cloudtrail(name="HeadObject"),
        cloudtrail(key="other/model"),
    ],
)
def test_other_objects_and_deeds_are_left_alone(audit, line):
    assert reads(audit(line)) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    "line",
    [
        server_access(operation="REST.COPY.OBJECT_GET"),
        server_access(operation="REST.SELECT.OBJECT"),
        server_access(key="fraud/model%20%2B.joblib"),
        cloudtrail(name="SelectObjectContent"),
        cloudtrail(
            name="CopyObject",
            bucket="loot",
            key="x",
            parameters={"x-amz-copy-source": "/models/fraud%2Fmodel.joblib"},
        ),
    ],
)
def test_copies_and_queries_read_too(audit, line):
    assert reads(audit(line)) == (1, 1, 1, 1)


@pytest.mark.parametrize(
    "line",
    [
        server_access(operation="REST.PUT.OBJECT", bucket="train"),
        server_access(operation="REST.POST.UPLOAD", bucket="train"),
        server_access(operation="REST.DELETE.OBJECT", bucket="train"),
        server_access(operation="REST.COPY.OBJECT", bucket="train"),
        cloudtrail(name="PutObject", bucket="train"),
        cloudtrail(name="DeleteObject", bucket="train"),
        cloudtrail(name="CompleteMultipartUpload", bucket="train"),
        cloudtrail(name="DeleteObjects", bucket="train", key=None),
    ],
)
def test_every_way_to_change_training_data_counts(audit, line):
    assert changes(audit(line)) == (1, 1)
    assert changes(audit(line, writers=EVE)) == (1, 0)
    assert changes(audit(line, readers="*")) == (1, 1)


@pytest.mark.parametrize(
    "line",
    [
        server_access("-"),
        cloudtrail(
            userIdentity={"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS"}
        ),
    ],
)
def test_no_list_expects_anonymous_clients(audit, line):
    findings = audit(line, readers="*,-,(anonymous)")

    assert reads(findings) == (1, 1, 1, 1)
    assert findings.tables["access"].decode().splitlines()[1].startswith("(anonymous),read")


@pytest.mark.parametrize(
    "line", [server_access(status="403"), cloudtrail(errorCode="AccessDenied")]
)
def test_what_was_denied_is_no_read(audit, line):
    findings = audit(line)

    assert reads(findings) == (0, 0, 0, 0)
    assert findings.report.metrics["denied_requests"] == 1


def test_a_status_that_is_missing_is_not_denied(audit):
    assert reads(audit(server_access(status="-")))[0] == 1


def test_unreadable_lines_are_counted(audit):
    findings = audit(server_access(), server_access()[:60], "x")

    assert findings.report.metrics["unreadable_lines"] == 2
    assert audit(nginx()[:20]).report.failures == ("not one line of the log could be read",)


def test_an_empty_log_says_so(audit):
    report = audit().report

    assert report.metrics["lines"] == 0
    assert "The log is empty" in report.notes[0]


@pytest.mark.parametrize("prefix", ["models", "", "s3://models", "/x"])
def test_refuses_a_prefix_without_a_bucket(audit, prefix):
    with pytest.raises(InputError, match="option model_prefix"):
        audit(server_access(), model_prefix=prefix)


@pytest.mark.parametrize("line", [server_access(), json.dumps(cloudtrail())])
def test_logs_of_storage_are_no_queries(tmp_path, line):
    from querylogs import volumes_of

    with log_of(tmp_path, {"a": line}) as log, log.read() as reading:
        found = volumes_of(reading, 1)
    assert (found.lines, found.unreadable, found.queries) == (1, 0, 0)
