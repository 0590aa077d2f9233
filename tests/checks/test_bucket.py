"""Buckets: what a store says of how it keeps things, and what it will not say."""

import json
import uuid

import pytest

from modelwarden.buckets import Bucket
from modelwarden.checks.bucket import bucket as check_bucket
from modelwarden.errors import InputError, StoreError
from modelwarden.jobs.check import check
from modelwarden.store import Connection, Store
from s3 import Answer

PUBLIC = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::*/*",
        }
    ],
}
DENIED = (
    "<?xml version='1.0'?><Error><Code>{}</Code><Message>no</Message>"
    "<RequestId>1</RequestId></Error>"
)


def settings(s3, name):
    with Store() as store:
        return store.settings(f"s3://{name}/any/key")


@pytest.fixture
def plain(s3):
    return s3.bucket().removeprefix("s3://")


@pytest.fixture
def kept(s3):
    """A bucket with everything on."""
    name = f"test-{uuid.uuid4().hex}"
    s3.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    s3.client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.client.put_object_lock_configuration(
        Bucket=name,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 2}},
        },
    )
    s3.client.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]
        },
    )
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    s3.client.put_public_access_block(
        Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(names, True)
    )
    return name


def test_a_bucket_with_everything_on(s3, kept):
    found = settings(s3, kept)

    assert (found.versioned, found.lock_days, found.lock_mode) == (True, 730.0, "COMPLIANCE")
    assert (found.encryption, found.blocks_public) == ("aws:kms", True)


def test_a_bucket_with_nothing_on(s3, plain):
    found = settings(s3, plain)

    assert (found.versioned, found.lock_days, found.lock_mode) == (False, 0.0, "")
    assert (found.encryption, found.blocks_public) == ("", False)


def test_one_block_less_is_not_all(s3, kept):
    s3.client.put_public_access_block(
        Bucket=kept,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": False,
        },
    )

    assert settings(s3, kept).blocks_public is False


def test_versions_that_were_suspended_are_none(s3, plain):
    for status in ("Enabled", "Suspended"):
        s3.client.put_bucket_versioning(Bucket=plain, VersioningConfiguration={"Status": status})

    assert settings(s3, plain).versioned is False


def test_everybody_in_the_access_control_list_is_public(s3, plain):
    s3.client.put_bucket_acl(Bucket=plain, ACL="public-read")

    assert settings(s3, plain).public is True


@pytest.mark.parametrize(("public", "expected"), [("true", True), ("false", False)])
def test_the_stores_own_word_on_the_policy_counts(s3, plain, proxy, public, expected):
    s3.client.put_bucket_policy(Bucket=plain, Policy=json.dumps(PUBLIC))
    status = f"<PolicyStatus><IsPublic>{public}</IsPublic></PolicyStatus>".encode()
    proxy.plan("", "", "", "", Answer(200, body=status))
    with Store(Connection(endpoint_url=proxy.endpoint)) as store:
        found = store.settings(f"s3://{plain}/")

    assert found.public is expected


@pytest.mark.parametrize(
    ("code", "status"), [("AccessDenied", 403), ("NotImplemented", 501), ("MethodNotAllowed", 405)]
)
def test_what_a_store_would_not_say_is_unknown_and_denies(plain, proxy, tmp_path, code, status):
    proxy.always = Answer(status, body=DENIED.format(code).encode())
    with Store(Connection(endpoint_url=proxy.endpoint)) as store:
        found = store.settings(f"s3://{plain}/")
        (tmp_path / "model").write_bytes(b"model")
        report = check_bucket(store.get(str(tmp_path / "model")), found).report

    assert set(report.metrics.values()) == {None}
    assert "That denies" in report.notes[-1]


def test_a_list_that_is_open_is_public_whatever_else_is_unknown(s3, plain, proxy):
    s3.client.put_bucket_acl(Bucket=plain, ACL="public-read")
    proxy.plan("", "", "", "", Answer(403, body=DENIED.format("AccessDenied").encode()))
    with Store(Connection(endpoint_url=proxy.endpoint)) as store:
        assert store.settings(f"s3://{plain}/").public is True


def test_a_bucket_that_is_not_there(s3):
    with pytest.raises(StoreError, match="a bucket 'nowhere-at-all'"):
        settings(s3, "nowhere-at-all")


def test_refuses_a_local_path(tmp_path):
    with Store() as store, pytest.raises(InputError, match="a bucket, such as s3://name/"):
        store.settings(str(tmp_path))


def test_the_check_reports_numbers_and_is_about_the_model(s3, kept, tmp_path):
    model = tmp_path / "model"
    model.write_bytes(b"model")
    outcome = check("bucket", inputs={"model": str(model), "bucket": f"s3://{kept}/"})

    assert outcome.report.metrics["versioned"] == 1
    assert outcome.report.metrics["lock_days"] == 730
    assert outcome.report.metrics["compliance_lock"] == 1
    assert outcome.report.metrics["encrypted"] == 1
    assert outcome.report.metrics["blocks_public_access"] == 1


def test_the_digest_is_of_the_settings():
    one = Bucket("s3://b/", True, 0.0, "", "", False, False)
    other = Bucket("s3://b/", False, 0.0, "", "", False, False)

    assert one.sha256 == Bucket(*one.as_json().values()).sha256 != other.sha256


def test_governance_is_named_for_what_it_is(tmp_path):
    (tmp_path / "model").write_bytes(b"model")
    governed = Bucket("s3://b/", True, 30.0, "GOVERNANCE", "AES256", True, False)
    with Store() as store:
        report = check_bucket(store.get(str(tmp_path / "model")), governed).report

    assert report.metrics["compliance_lock"] == 0
    assert any("can still delete" in note for note in report.notes)
