"""Who said it: DSSE envelopes, ECDSA P-256 keys, and the trust file that gives keys their roles.

An envelope is the Dead Simple Signing Envelope 1.0.2 around an in-toto Statement v1 [1]_ [2]_. A
key speaks in one role, and a role may speak for the checks that the trust file lists. The key id in
an envelope is a hint and decides nothing.

References
----------
.. [1] https://github.com/secure-systems-lab/dsse
.. [2] https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
"""

import base64
import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from modelwarden.documents import read_json, read_yaml
from modelwarden.errors import EvidenceError, PolicyError
from modelwarden.report import Json, canonical

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MAX_SIGNATURES = 16  # an envelope with more is refused unread
DECISION = "decision"
"""What the trust file calls the gate's right to decide."""

_ECDSA = ec.ECDSA(hashes.SHA256())


class Signer:
    """A private P-256 key.

    Parameters
    ----------
    pem : bytes
        Unencrypted PKCS #8 or SEC 1 PEM.
    where : str
        What to call the key in errors; the key itself is never shown.

    Raises
    ------
    EvidenceError
        If `pem` is not such a key.
    """

    def __init__(self, pem: bytes, where: str) -> None:
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _not_a_key(where, "private") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise _not_a_key(where, "private")
        self._key = key

    @classmethod
    def open(cls, reference: str) -> "Signer":
        """Open the key in a file, or in the variable of ``env:NAME``."""
        if reference.startswith("env:"):
            pem = os.environ.get(reference.removeprefix("env:"), "").encode()
            return cls(pem, reference)
        try:
            return cls(Path(reference).read_bytes(), reference)
        except OSError as error:
            reason = error.strerror or str(error)
            fix = "make one with `modelwarden keys new`"
            raise EvidenceError(f"key {reference}", "a readable PEM file", reason, fix) from error

    @property
    def public(self) -> bytes:
        """Return the public key as PEM."""
        return _pem(self._key.public_key())

    def seal(self, statement: Mapping[str, Json]) -> bytes:
        """Return the envelope of a signed statement: one line of JSON."""
        payload = canonical(statement)
        signature = self._key.sign(_pre_authentication(PAYLOAD_TYPE, payload), _ECDSA)
        envelope = {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {
                    "keyid": _key_id(self._key.public_key()),
                    "sig": base64.b64encode(signature).decode(),
                }
            ],
        }
        return canonical(envelope) + b"\n"

    def unseal(self, envelope: bytes, where: str) -> dict[str, Json]:
        """Return the statement in an envelope that this very key signed.

        Raises
        ------
        EvidenceError
            If it is anything else.
        """
        own = Trust({"own": Role(frozenset(), (self._key.public_key(),))})
        return own.open(envelope, where)[0]


def new_key() -> tuple[bytes, bytes]:
    """Return a new private key and its public key, both as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private, _pem(key.public_key())


@dataclass(frozen=True)
class Role:
    """What the keys of a role may speak for.

    Parameters
    ----------
    may : frozenset of str
        Names of checks, ``trained`` or ``decision``.
    keys : tuple of EllipticCurvePublicKey
        The keys that speak.
    """

    may: frozenset[str]
    keys: tuple[ec.EllipticCurvePublicKey, ...]


@dataclass(frozen=True)
class Trust:
    """Roles by name, read from a trust file.

    Keep the file where the training run cannot write: in git, a ConfigMap or the image.
    """

    roles: Mapping[str, Role]

    @classmethod
    def read(cls, body: bytes, where: str, fetch: Callable[[str], bytes]) -> "Trust":
        """Read a trust file.

        Parameters
        ----------
        body : bytes
            The YAML text.
        where : str
            Its URI, for errors.
        fetch : callable
            Returns the PEM behind a key's name as it stands in the file.

        Raises
        ------
        PolicyError
            If the file is malformed, names no key, or gives one key two roles.
        """
        try:
            parsed = _TrustFile.model_validate(read_yaml(body, where))
        except ValidationError as error:
            raise PolicyError(where, "a trust file", first_problem(error)) from error
        roles: dict[str, Role] = {}
        owners: dict[str, str] = {}
        for name, entry in parsed.signers.items():
            keys = tuple(_public_key(text, where, fetch) for text in entry.keys)
            for key in keys:
                owner = owners.setdefault(_key_id(key), name)
                if owner != name:
                    raise PolicyError(where, "one role per key", f"a key of {owner} and of {name}")
            roles[name] = Role(frozenset(entry.may), keys)
        return cls(roles)

    def open(self, envelope: bytes, where: str) -> tuple[dict[str, Json], frozenset[str]]:
        """Return the statement in an envelope and the roles that signed it.

        The statement is parsed from the very bytes whose signature was verified.

        Raises
        ------
        EvidenceError
            If the envelope is malformed, or no key of the trust file signed it.
        """
        payload, signatures = _take_apart(envelope, where)
        message = _pre_authentication(PAYLOAD_TYPE, payload)
        signers = frozenset(
            name
            for name, role in self.roles.items()
            if any(_verifies(key, sig, message) for key in role.keys for sig in signatures)
        )
        if not signers:
            raise EvidenceError(
                where,
                "a signature by a key of the trust file",
                f"{len(signatures)} signature(s) by none of them",
                "the statement was altered, or its signer is missing in the trust file",
            )
        statement = read_json(payload, where)
        if not isinstance(statement, dict) or statement.get("_type") != STATEMENT_TYPE:
            raise EvidenceError(where, "an in-toto Statement v1", "another payload")
        return statement, signers

    def who_may(self, right: str, signers: frozenset[str]) -> str | None:
        """Return the role among `signers` that may speak for `right`, or None."""
        return next((name for name in sorted(signers) if right in self.roles[name].may), None)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    may: Annotated[list[str], Field(min_length=1)]
    keys: Annotated[list[str], Field(min_length=1)]


class _TrustFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    signers: Annotated[dict[str, _Entry], Field(min_length=1)]


def first_problem(error: ValidationError) -> str:
    """Return the first complaint of a pydantic error in one line, with its place."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])


def _public_key(text: str, where: str, fetch: Callable[[str], bytes]) -> ec.EllipticCurvePublicKey:
    inline = text.lstrip().startswith("-----BEGIN")
    name = "an inline key" if inline else text
    pem = text.encode() if inline else fetch(text)
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _not_a_key(f"{where}: {name}", "public", PolicyError) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise _not_a_key(f"{where}: {name}", "public", PolicyError)
    return key


def _take_apart(envelope: bytes, where: str) -> tuple[bytes, list[bytes]]:
    parsed = read_json(envelope, where)
    try:
        if parsed["payloadType"] != PAYLOAD_TYPE:
            raise EvidenceError(where, f"payloadType {PAYLOAD_TYPE}", repr(parsed["payloadType"]))
        signatures = parsed["signatures"]
        if len(signatures) > MAX_SIGNATURES:
            got = f"{len(signatures)} signatures"
            raise EvidenceError(where, f"at most {MAX_SIGNATURES} signatures", got)
        return _decode(parsed["payload"]), [_decode(entry["sig"]) for entry in signatures]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvidenceError(where, "a DSSE envelope", "another JSON document") from error


def _decode(text: str) -> bytes:
    """Decode either base64 alphabet, as DSSE asks of a verifier."""
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def _pre_authentication(kind: str, body: bytes) -> bytes:
    """Return DSSE's PAE: what is signed instead of the bare body."""
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(body), body)


def _verifies(key: ec.EllipticCurvePublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message, _ECDSA)
    except InvalidSignature:
        return False
    return True


def _pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _key_id(key: ec.EllipticCurvePublicKey) -> str:
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def _not_a_key(
    where: str, kind: str, error: type[EvidenceError | PolicyError] = EvidenceError
) -> EvidenceError | PolicyError:
    fix = "make a pair with `modelwarden keys new`"
    return error(f"key {where}", f"an unencrypted PEM {kind} key on P-256", "something else", fix)
