"""Security keys: what an assertion proves, held against fido2's own verification."""

import base64
import json
from dataclasses import replace

import pytest
from fido2.cose import CoseKey
from fido2.hid import CtapHidDevice
from fido2.server import Fido2Server
from fido2.utils import websafe_encode
from fido2.webauthn import AttestedCredentialData
from hypothesis import given, settings
from hypothesis import strategies as st

from authenticator import ORIGIN, PRESENT, RP_ID, VERIFIED, Authenticator
from modelwarden.errors import EvidenceError, InputError
from modelwarden.keys import read_public_key
from modelwarden.security_key import ask, enrol
from modelwarden.webauthn import Assertion, encode, verify_assertion

CHALLENGE = bytes(range(32))
KEY = Authenticator()


def verified(answer, challenge=CHALLENGE, known=None):
    return verify_assertion(Assertion.read(answer, "a.json"), challenge, known or KEY.known, "a")


def accepted_by_fido2(key, answer, challenge=CHALLENGE):
    """Ask another implementation, with the same public key."""
    server = Fido2Server({"id": RP_ID, "name": "x"}, verify_origin=lambda origin: origin == ORIGIN)
    public = CoseKey.for_alg(key.algorithm)
    credential = AttestedCredentialData.create(
        b"\0" * 16, key.credential, public.from_cryptography_key(key.key.public_key())
    )
    state = {"challenge": websafe_encode(challenge), "user_verification": "required"}
    try:
        server.authenticate_complete(state, [credential], json.loads(answer))
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("kind", ["p256", "ed25519"])
def test_a_right_answer_is_accepted_here_and_by_fido2(kind):
    key = Authenticator(kind)
    answer = key.answer(CHALLENGE)

    assert verified(answer, known=key.known) == 1
    assert accepted_by_fido2(key, answer)


HOSTILE = {
    "no user verification": ({"flags": PRESENT}, "a person that the key verified"),
    "no touch": ({"flags": VERIFIED}, "a person that the key verified"),
    "no flags": ({"flags": 0}, "a person that the key verified"),
    "another relying party": ({"rp_id": "example.com"}, "the relying party"),
    "another origin": ({"origin": "https://evil.example.com"}, "the origin"),
    "a registration": ({"type": "webauthn.create"}, "the type webauthn.get"),
    "another challenge": ({"challenge": encode(bytes(32))}, "the challenge"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_answer_is_refused_here_and_by_fido2(what):
    changes, says = HOSTILE[what]
    answer = KEY.answer(CHALLENGE, **changes)

    with pytest.raises(EvidenceError, match=says):
        verified(answer)
    assert not accepted_by_fido2(KEY, answer)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"crossOrigin": True}, "no other page"),
        ({"crossOrigin": "false"}, "no other page"),
        ({"topOrigin": "https://evil.example.com"}, "no other page"),
        ({"more": b"more"}, "the data of an assertion"),
        ({"flags": PRESENT | VERIFIED | 0x40, "more": b"key"}, "the data of an assertion"),
        ({"flags": PRESENT | VERIFIED | 0x40}, "the data of an assertion"),
        ({"flags": PRESENT | VERIFIED | 0xC0, "more": b"key"}, "the data of an assertion"),
    ],
)
def test_refuses_what_fido2_leaves_to_its_caller(changes, says):
    with pytest.raises(EvidenceError, match=says):
        verified(KEY.answer(CHALLENGE, **changes))


def test_extensions_may_follow():
    assert verified(KEY.answer(CHALLENGE, flags=PRESENT | VERIFIED | 0x80, more=b"\xa0")) > 0


def test_the_answer_of_another_key_is_refused_whatever_it_calls_itself():
    other = Authenticator()
    with pytest.raises(EvidenceError, match="a security key of the trust file"):
        verified(other.answer(CHALLENGE))
    other.credential = KEY.credential
    with pytest.raises(EvidenceError, match="a signature of the security key"):
        verified(other.answer(CHALLENGE))


@pytest.mark.parametrize("part", ["client_data", "authenticator_data", "signature"])
def test_every_flipped_bit_is_refused(part):
    answer = Assertion.read(KEY.answer(CHALLENGE), "a.json")
    body = getattr(answer, part)
    for bit in range(len(body) * 8):
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(EvidenceError):
            verify_assertion(replace(answer, **{part: bytes(flipped)}), CHALLENGE, KEY.known, "a")


def test_an_answer_comes_back_as_it_was_written():
    answer = Assertion.read(KEY.answer(CHALLENGE), "a.json")

    assert Assertion.from_json(answer.as_json(), "a") == answer


@pytest.mark.parametrize("length", [0, 1, 36, 38, 5000])
def test_data_of_another_length_is_refused(length):
    answer = json.loads(KEY.answer(CHALLENGE))
    data = base64.urlsafe_b64decode(answer["response"]["authenticatorData"] + "==") + bytes(5000)
    answer["response"]["authenticatorData"] = encode(data[:length])

    with pytest.raises(EvidenceError):
        verified(json.dumps(answer).encode())


@pytest.mark.parametrize("text", ["", "a", "AAAA=", "AA==", "AB", "A+/A", "Ä", 3, None, [], "A\n"])
def test_base64_has_one_spelling(text):
    answer = json.loads(KEY.answer(CHALLENGE))
    answer["response"]["signature"] = text

    with pytest.raises(EvidenceError, match="an assertion of a security key"):
        Assertion.read(json.dumps(answer).encode(), "a.json")


def test_equal_keys_in_what_the_client_said_are_refused():
    answer = Assertion.read(KEY.answer(CHALLENGE), "a.json")
    doubled = answer.client_data[:-1] + b', "type": "webauthn.get"}'

    with pytest.raises(EvidenceError, match="twice"):
        verify_assertion(replace(answer, client_data=doubled), CHALLENGE, KEY.known, "a")


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text().map(str.encode) | st.just(b"[]") | st.just(b"{}"))
def test_any_bytes_are_only_refused(body):
    with pytest.raises(EvidenceError):
        Assertion.read(body, "a.json")


@pytest.fixture
def plugged(monkeypatch):
    def plug(*devices):
        monkeypatch.setattr(CtapHidDevice, "list_devices", lambda: iter(devices))

    return plug


@pytest.mark.parametrize("kind", ["p256", "ed25519"])
def test_fido2s_client_gets_an_answer_that_verifies(plugged, kind):
    key = Authenticator(kind)
    plugged(key)

    assert verified(ask(key.known, CHALLENGE), known=key.known) == key.count


def test_fido2s_client_enrols_a_key(plugged):
    key = Authenticator()
    plugged(key)
    credential, public = enrol("alice", RP_ID, ORIGIN)

    assert credential == key.id
    assert read_public_key(public, "x") == key.key.public_key()


@pytest.mark.parametrize(
    ("devices", "says"),
    [
        ([], "one that is plugged in, got none"),
        ([Authenticator(verifies=False)], "CONFIGURATION_UNSUPPORTED"),
        ([Authenticator()], "DEVICE_INELIGIBLE"),  # plugged in, but not the one that is known
    ],
)
def test_says_why_there_is_no_answer(plugged, devices, says):
    plugged(*devices)

    with pytest.raises(InputError, match=says):
        ask(KEY.known, CHALLENGE)
