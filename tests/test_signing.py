"""Envelopes and trust files, attacked."""

import base64
import json
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden.errors import EvidenceError, PolicyError
from modelwarden.keys import LocalKey, new_key
from modelwarden.report import canonical
from modelwarden.signing import PAYLOAD_TYPE, STATEMENT_TYPE, Signer, Trust, sigstore_bundle

PRIVATE, PUBLIC = new_key()
OTHER_PRIVATE, OTHER_PUBLIC = new_key()
SIGNER = Signer(LocalKey(PRIVATE, "key"))
STATEMENT = {"_type": STATEMENT_TYPE, "subject": [], "predicate": {"n": 1}}


def trust(**roles):
    """Return a trust file in which each role has one key and one right."""
    signers = {name: {"may": [name], "keys": [key.decode()]} for name, key in roles.items()}
    return Trust.read(canonical({"signers": signers}), "trust.yaml", lambda _: b"")


TRUST = trust(roni=PUBLIC)
ED_PRIVATE, ED_PUBLIC = new_key("ed25519")


def people(**keys):
    """Return a trust file with the role `roni` and people, a key each."""
    named = {name: {"keys": [key.decode()]} for name, key in keys.items()}
    roni = {"may": ["x"], "keys": [OTHER_PUBLIC.decode()]}
    return {"signers": {"roni": roni}, "approvers": named}


def test_a_person_may_approve_in_that_name_and_nothing_else():
    roles = Trust.read(canonical(people(eve=PUBLIC)), "trust.yaml", lambda _: b"")
    _, signers = roles.open(SIGNER.seal(STATEMENT), "e")

    assert signers == {"eve"}
    assert roles.who_may("approve:eve", signers) == "eve"
    assert roles.who_may("approve:bob", signers) is None
    assert roles.roles["eve"].may == {"approve:eve"}


def test_opens_what_an_ed25519_key_signed():
    envelope = Signer(LocalKey(ED_PRIVATE, "key")).seal(STATEMENT)

    assert trust(roni=ED_PUBLIC).open(envelope, "e")[1] == {"roni"}
    with pytest.raises(EvidenceError, match="by none of them"):
        TRUST.open(envelope, "e")


def test_every_flipped_bit_of_an_ed25519_signature_is_refused():
    envelope = json.loads(Signer(LocalKey(ED_PRIVATE, "key")).seal(STATEMENT))
    raw = base64.b64decode(envelope["signatures"][0]["sig"])
    for bit in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << (bit % 8)
        envelope["signatures"][0]["sig"] = base64.b64encode(bytes(flipped)).decode()
        with pytest.raises(EvidenceError):
            trust(roni=ED_PUBLIC).open(canonical(envelope), "e")


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)]
)
def test_refuses_a_key_of_another_kind(key):
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(EvidenceError, match="P-256 or Ed25519"):
        LocalKey(pem, "key")
    with pytest.raises(PolicyError, match="P-256 or Ed25519"):
        trust(roni=key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def test_a_sigstore_bundle_holds_the_envelope_as_it_is():
    envelope = SIGNER.seal(STATEMENT)
    bundle = json.loads(sigstore_bundle(envelope))

    assert canonical(bundle["dsseEnvelope"]) + b"\n" == envelope
    assert bundle["mediaType"].endswith("v0.3+json")
    assert bundle["verificationMaterial"]["publicKey"]["hint"]


def test_opens_what_a_trusted_key_signed():
    assert TRUST.open(SIGNER.seal(STATEMENT), "e") == (STATEMENT, frozenset({"roni"}))


def test_refuses_what_another_key_signed():
    with pytest.raises(EvidenceError, match="by none of them"):
        TRUST.open(Signer(LocalKey(OTHER_PRIVATE, "key")).seal(STATEMENT), "e")


def test_the_key_id_decides_nothing():
    envelope = json.loads(Signer(LocalKey(OTHER_PRIVATE, "key")).seal(STATEMENT))
    envelope["signatures"][0]["keyid"] = json.loads(SIGNER.seal(STATEMENT))["signatures"][0][
        "keyid"
    ]

    with pytest.raises(EvidenceError, match="by none of them"):
        TRUST.open(canonical(envelope), "e")


def test_every_flipped_bit_of_payload_and_signature_is_refused():
    envelope = json.loads(SIGNER.seal(STATEMENT))
    places = {"payload": envelope["payload"], "sig": envelope["signatures"][0]["sig"]}
    for name, text in places.items():
        raw = base64.b64decode(text)
        for bit in range(len(raw) * 8):
            flipped = bytearray(raw)
            flipped[bit // 8] ^= 1 << (bit % 8)
            forged = json.loads(json.dumps(envelope))
            target = forged if name == "payload" else forged["signatures"][0]
            target[name] = base64.b64encode(bytes(flipped)).decode()
            with pytest.raises(EvidenceError):
                TRUST.open(canonical(forged), "e")


def test_refuses_another_payload_type():
    envelope = json.loads(SIGNER.seal(STATEMENT)) | {"payloadType": "text/plain"}

    with pytest.raises(EvidenceError, match="payloadType"):
        TRUST.open(canonical(envelope), "e")


def test_refuses_an_envelope_without_signatures():
    envelope = json.loads(SIGNER.seal(STATEMENT)) | {"signatures": []}

    with pytest.raises(EvidenceError, match="0 signature"):
        TRUST.open(canonical(envelope), "e")


def test_bounds_the_number_of_signatures():
    envelope = json.loads(SIGNER.seal(STATEMENT))
    envelope["signatures"] *= 100

    with pytest.raises(EvidenceError, match="at most 16"):
        TRUST.open(canonical(envelope), "e")


def test_refuses_a_signed_payload_that_is_no_statement():
    with pytest.raises(EvidenceError, match="in-toto Statement"):
        TRUST.open(SIGNER.seal({"_type": "x"}), "e")


def test_accepts_the_url_safe_alphabet():
    envelope = SIGNER.seal(STATEMENT).decode()
    translated = json.loads(envelope)
    translated["payload"] = translated["payload"].replace("+", "-").replace("/", "_")
    signature = translated["signatures"][0]
    signature["sig"] = signature["sig"].replace("+", "-").replace("/", "_")

    assert TRUST.open(canonical(translated), "e")[0] == STATEMENT


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["payload", "payloadType", "signatures", "sig", "keyid", "x"]),
                inner,
            )
        ),
        max_leaves=8,
    )
)
def test_any_json_as_an_envelope_is_only_ever_refused(value):
    with pytest.raises(EvidenceError):
        TRUST.open(json.dumps(value).encode(), "e")


def test_openssl_verifies_our_signature(tmp_path):
    """An implementation that is not ours agrees on what was signed."""
    envelope = json.loads(SIGNER.seal(STATEMENT))
    payload = base64.b64decode(envelope["payload"])
    (tmp_path / "pub").write_bytes(PUBLIC)
    (tmp_path / "sig").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
    head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode()
    (tmp_path / "message").write_bytes(head + payload)
    command = ["openssl", "dgst", "-sha256", "-verify", "pub", "-signature", "sig", "message"]

    assert b"Verified OK" in subprocess.run(command, cwd=tmp_path, capture_output=True).stdout


def test_a_role_may_speak_only_for_what_the_file_lists():
    roles = trust(roni=PUBLIC, decision=OTHER_PUBLIC)

    assert roles.who_may("roni", frozenset({"roni"})) == "roni"
    assert roles.who_may("decision", frozenset({"roni"})) is None


def test_refuses_one_key_in_two_roles():
    with pytest.raises(PolicyError, match="one role per key"):
        trust(roni=PUBLIC, decision=PUBLIC)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "signers"),
        ({"signers": {}}, "signers"),
        ({"signers": {"a": {"may": ["x"], "keys": []}}}, "keys"),
        ({"signers": {"a": {"may": [], "keys": ["k"]}}}, "may"),
        ({"signers": {"a": {"may": ["x"], "keys": ["k"], "more": 1}}}, "more"),
        ({"signers": {"a": {"may": ["x"], "keys": ["-----BEGIN nonsense"]}}}, "inline key"),
        ({"signers": {"a": {"may": ["x"], "keys": [PRIVATE.decode()]}}}, "public key"),
        ({"signers": {"a": {"may": ["approve:eve"], "keys": [PUBLIC.decode()]}}}, "do not approve"),
        (people(Eve=PUBLIC), "approvers"),
        (people(eve=PUBLIC, bob=PUBLIC), "one role per key"),
        (people(roni=PUBLIC), "one meaning for each name"),
        (people(eve=OTHER_PUBLIC), "one role per key"),
    ],
)
def test_refuses_a_malformed_trust_file(document, problem):
    with pytest.raises(PolicyError, match=problem):
        Trust.read(canonical(document), "trust.yaml", lambda _: b"nothing")


def test_reads_a_key_from_a_file_or_a_variable(tmp_path, monkeypatch):
    (tmp_path / "k.pem").write_bytes(PRIVATE)
    monkeypatch.setenv("MW_TEST_KEY", PRIVATE.decode())

    assert Signer.open(str(tmp_path / "k.pem")).public == PUBLIC
    assert Signer.open("env:MW_TEST_KEY").public == PUBLIC


@pytest.mark.parametrize("reference", ["env:MW_ABSENT_KEY", "/nowhere/key.pem"])
def test_names_a_missing_key_and_the_way_out(reference):
    with pytest.raises(EvidenceError, match="modelwarden keys new") as caught:
        Signer.open(reference)

    assert reference in str(caught.value)


@pytest.mark.parametrize("pem", [b"", PUBLIC, b"secret words"])
def test_never_shows_the_bytes_of_a_wrong_key(pem):
    with pytest.raises(EvidenceError) as caught:
        LocalKey(pem, "env:KEY")

    assert "secret words" not in str(caught.value)
    assert "private key on P-256" in str(caught.value)
