"""Security keys: verify offline that a person touched one, and that it knew them, for one thing.

An assertion [1]_ is verified with the public key that the trust file names, nothing else: no
server, no account, no shared secret. Its challenge is the SHA-256 of what the person signed, so it
is worth nothing for anything else. The authenticator must have verified the person (PIN or
fingerprint), not only felt a touch: a key that was left plugged in is no second factor.

References
----------
.. [1] W3C, "Web Authentication: An API for accessing Public Key Credentials, Level 2", 2021,
   section 7.2.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from modelwarden.documents import read_json
from modelwarden.errors import EvidenceError
from modelwarden.keys import PublicKey, verifies
from modelwarden.report import Json

PRESENT, VERIFIED, ATTESTED, EXTENDED = 0x01, 0x04, 0x40, 0x80
"""Flags of an authenticator: touched, knows who, holds a new key, says more."""

_HEAD = 37  # bytes: SHA-256 of the relying party, flags, counter
_LONGEST = 4096  # bytes of any part; real ones have some hundred


@dataclass(frozen=True)
class SecurityKeys:
    """The security keys of one person.

    Parameters
    ----------
    rp_id : str
        The relying party that they were enrolled for: a host name.
    origin : str
        Where they are asked, such as ``https://approvals.example.com``.
    keys : mapping of str to PublicKey
        Public keys by credential id (base64url without padding).
    """

    rp_id: str
    origin: str
    keys: Mapping[str, PublicKey]


@dataclass(frozen=True)
class Assertion:
    """What a security key answered; the parts are bytes as they came.

    Parameters
    ----------
    credential : str
        Which key it says it is.
    client_data, authenticator_data, signature : bytes
        What was asked, what the authenticator says, and its signature over both.
    """

    credential: str
    client_data: bytes
    authenticator_data: bytes
    signature: bytes

    @classmethod
    def read(cls, body: bytes, where: str) -> "Assertion":
        """Read an assertion in WebAuthn's own JSON, as browsers and fido2 write it."""
        return cls.from_json(read_json(body, where), where)

    @classmethod
    def from_json(cls, value: Json, where: str) -> "Assertion":
        """Read an assertion; an EvidenceError if it is none."""
        try:
            response = value["response"]
            parts = ("clientDataJSON", "authenticatorData", "signature")
            credential = encode(_decode(value["id"]))
            return cls(credential, *(_decode(response[part]) for part in parts))
        except (KeyError, TypeError, ValueError) as error:
            raise EvidenceError(where, "an assertion of a security key", "another thing") from error

    def as_json(self) -> dict[str, Json]:
        """Return the assertion as WebAuthn's JSON; `from_json` undoes it."""
        return {
            "id": self.credential,
            "rawId": self.credential,
            "type": "public-key",
            "response": {
                "clientDataJSON": encode(self.client_data),
                "authenticatorData": encode(self.authenticator_data),
                "signature": encode(self.signature),
            },
        }


def verify_assertion(
    assertion: Assertion, challenge: bytes, known: SecurityKeys, where: str
) -> int:
    """Verify an assertion; return the authenticator's counter.

    Parameters
    ----------
    assertion : Assertion
        What a security key answered.
    challenge : bytes
        What it must have been asked to sign.
    known : SecurityKeys
        Whose key it must be.
    where : str
        What to call it in errors.

    Raises
    ------
    EvidenceError
        If anything is not as it must be; it says what.
    """
    key = known.keys.get(assertion.credential)
    if key is None:
        raise EvidenceError(where, "a security key of the trust file", "another one")
    _expect_client(assertion.client_data, challenge, known.origin, where)
    data = assertion.authenticator_data
    flags = data[32] if len(data) >= _HEAD else 0
    if data[:32] != hashlib.sha256(known.rp_id.encode()).digest():
        raise EvidenceError(where, f"the relying party {known.rp_id}", "another one")
    if not flags & PRESENT or not flags & VERIFIED:
        fix = "use a key with a PIN or a fingerprint"
        raise EvidenceError(where, "a person that the key verified", "a touch at most", fix)
    if flags & ATTESTED or (not flags & EXTENDED and len(data) != _HEAD):
        raise EvidenceError(where, "the data of an assertion", "more than that")
    signed = data + hashlib.sha256(assertion.client_data).digest()
    if not verifies(key, assertion.signature, signed):
        raise EvidenceError(where, "a signature of the security key", "another one")
    return int.from_bytes(data[33:_HEAD], "big")


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _expect_client(body: bytes, challenge: bytes, origin: str, where: str) -> None:
    """Refuse anything but a question of ours, asked where we ask."""
    said = read_json(body, where)
    wanted = {"type": "webauthn.get", "challenge": encode(challenge), "origin": origin}
    for name, value in wanted.items():
        if not isinstance(said, dict) or said.get(name) != value:
            raise EvidenceError(where, f"an assertion with the {name} {value}", "another one")
    if said.get("crossOrigin", False) is not False or "topOrigin" in said:
        raise EvidenceError(where, "an assertion that no other page asked for", "one inside a page")


def _decode(text: Json) -> bytes:
    """Decode base64url, which has one spelling here; a ValueError otherwise."""
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,6000}", text):
        raise ValueError("not base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64url") from error
    if encode(data) != text or len(data) > _LONGEST:
        raise ValueError("not base64url in its only spelling")
    return data
