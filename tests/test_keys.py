"""Keys that stay in KMS, against a server that signs as KMS does."""

import boto3
import pytest

from modelwarden.errors import EvidenceError, StoreError
from modelwarden.keys import KmsKey, new_key, open_key, public_pem
from modelwarden.report import canonical
from modelwarden.signing import STATEMENT_TYPE, Signer, Trust

STATEMENT = {"_type": STATEMENT_TYPE, "subject": [], "predicate": {"n": 1}}


@pytest.fixture(scope="module")
def kms(s3):
    """A KMS that boto3 finds through the environment."""
    client = boto3.client("kms", region_name="us-east-1")

    def make(spec="ECC_NIST_P256", alias=""):
        made = client.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]
        if alias:
            client.create_alias(AliasName=alias, TargetKeyId=made["KeyId"])
        return made

    return make


def test_a_key_in_kms_signs_what_its_public_key_verifies(kms):
    kms(alias="alias/gate")
    signer = Signer.open("awskms:alias/gate")
    entry = {"may": ["decision"], "keys": [signer.public.decode()]}
    trust = Trust.read(canonical({"signers": {"gate": entry}}), "trust.yaml", lambda _: b"")

    assert trust.open(signer.seal(STATEMENT), "e") == (STATEMENT, frozenset({"gate"}))


def test_an_arn_says_its_region(kms, monkeypatch):
    arn = kms()["Arn"]
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    assert b"PUBLIC KEY" in Signer.open(f"awskms:{arn}").public


def test_a_long_message_is_sent_as_its_digest(kms, monkeypatch):
    """The server here hashes a digest again, so only what is sent can be held."""
    key = KmsKey(kms()["KeyId"])
    sent = []
    monkeypatch.setattr(
        key._client, "sign", lambda **asked: sent.append(asked) or {"Signature": b""}
    )
    key.sign(b"x" * 4096)
    key.sign(b"x" * 4097)

    assert [(asked["MessageType"], len(asked["Message"])) for asked in sent] == [
        ("RAW", 4096),
        ("DIGEST", 32),
    ]


def test_a_key_that_is_not_there_is_no_evidence(kms):
    with pytest.raises(EvidenceError, match="key awskms:alias/none: expected a P-256 signing key"):
        Signer.open("awskms:alias/none").seal(STATEMENT)


def test_a_key_of_another_kind_is_refused(kms):
    with pytest.raises(EvidenceError, match="P-256 or Ed25519"):
        _ = open_key(f"awskms:{kms('RSA_2048')['KeyId']}").public


def test_a_kms_that_does_not_answer_may_be_tried_again(kms, monkeypatch):
    name = kms()["KeyId"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StoreError) as caught:
        Signer.open(f"awskms:{name}").seal(STATEMENT)

    assert caught.value.retryable


def test_every_new_key_is_another():
    assert len({new_key()[0], new_key()[0], new_key("ed25519")[0], new_key("ed25519")[0]}) == 4


@pytest.mark.parametrize("kind", ["p256", "ed25519"])
def test_a_new_key_is_the_pair_of_its_public_key(kind, tmp_path):
    private, public = new_key(kind)
    (tmp_path / "k.pem").write_bytes(private)

    assert public_pem(open_key(str(tmp_path / "k.pem")).public) == public
