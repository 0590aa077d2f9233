"""Who said it: DSSE envelopes, and the trust file that gives keys their roles.

An envelope is the Dead Simple Signing Envelope 1.0.2 around an in-toto Statement v1 [1]_ [2]_. A
key speaks in one role, and a role may speak for the checks that the trust file lists. The key id in
an envelope is a hint and decides nothing. People who approve are listed apart, each with own keys.

References
----------
.. [1] https://github.com/secure-systems-lab/dsse
.. [2] https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
.. [3] https://github.com/sigstore/protobuf-specs, bundle v0.3
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from modelwarden.documents import read_json, read_yaml
from modelwarden.errors import EvidenceError, PolicyError
from modelwarden.keys import (
    Key,
    PublicKey,
    key_id,
    open_key,
    public_pem,
    read_public_key,
    verifies,
)
from modelwarden.report import Json, canonical
from modelwarden.webauthn import SecurityKeys

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MAX_SIGNATURES = 16  # an envelope with more is refused unread
DECISION = "decision"
"""What the trust file calls the gate's right to decide."""

APPROVE = "approve:"
"""What a person's right to approve starts with; the name follows. No role can be given it."""

_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_CredentialId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,1400}$")]
_Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class Signer:
    """Whoever holds a private key.

    Parameters
    ----------
    key : Key
        The key, in memory or in KMS.
    """

    def __init__(self, key: Key) -> None:
        self._key = key

    @classmethod
    def open(cls, reference: str) -> "Signer":
        """Open the key in a file, in the variable of ``env:NAME``, or in KMS (``awskms:NAME``)."""
        return cls(open_key(reference))

    @property
    def public(self) -> bytes:
        """Return the public key as PEM."""
        return public_pem(self._key.public)

    def seal(self, statement: Mapping[str, Json]) -> bytes:
        """Return the envelope of a signed statement: one line of JSON."""
        payload = canonical(statement)
        signature = self._key.sign(_pre_authentication(PAYLOAD_TYPE, payload))
        envelope = {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {
                    "keyid": key_id(self._key.public),
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
        own = Trust({"own": Role(frozenset(), (self._key.public,))})
        return own.open(envelope, where)[0]


def sigstore_bundle(envelope: bytes) -> bytes:
    """Return an envelope of ours as a sigstore bundle v0.3 with a key and no transparency log [3]_.

    The key id is a hint to the verifier, who must have the key from elsewhere.
    """
    parsed = read_json(envelope, "an envelope")
    material = {"publicKey": {"hint": parsed["signatures"][0]["keyid"]}, "tlogEntries": []}
    bundle = {"mediaType": _BUNDLE, "verificationMaterial": material, "dsseEnvelope": parsed}
    return canonical(bundle) + b"\n"


@dataclass(frozen=True)
class Role:
    """What the keys of a role may speak for.

    Parameters
    ----------
    may : frozenset of str
        Names of checks, ``trained`` or ``decision``.
    keys : tuple of PublicKey
        The keys that speak.
    """

    may: frozenset[str]
    keys: tuple[PublicKey, ...]


@dataclass(frozen=True)
class Trust:
    """Roles and people by name, read from a trust file.

    A person is a role that may approve in that name and nothing else. Keep the file where the
    training run cannot write: in git, a ConfigMap or the image.

    Parameters
    ----------
    roles : mapping of str to Role
        Roles and people.
    security_keys : mapping of str to SecurityKeys
        People whose second factor is a security key; that of all others is a one-time code.
    """

    roles: Mapping[str, Role]
    security_keys: Mapping[str, SecurityKeys] = field(default_factory=dict)

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
            If the file is malformed, names no key, or gives one key or one name to two.
        """
        try:
            parsed = _TrustFile.model_validate(read_yaml(body, where))
        except ValidationError as error:
            raise PolicyError(where, "a trust file", first_problem(error)) from error
        roles: dict[str, Role] = {}
        owners: dict[str, str] = {}
        for name, entry in parsed.entries(where):
            keys = tuple(_public_key(text, where, fetch) for text in entry.keys)
            for key in keys:
                owner = owners.setdefault(key_id(key), name)
                if owner != name:
                    raise PolicyError(where, "one role per key", f"a key of {owner} and of {name}")
            roles[name] = Role(frozenset(entry.may), keys)
        return cls(roles, _security_keys(parsed, owners, where, fetch))

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
        found = (self._signer(signature, hint, message) for signature, hint in signatures)
        signers = frozenset(name for name in found if name is not None)
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

    @cached_property
    def _ring(self) -> list[tuple[str, PublicKey, str]]:
        return [(key_id(key), key, name) for name, role in self.roles.items() for key in role.keys]

    def _signer(self, signature: bytes, hint: str, message: bytes) -> str | None:
        """Return the role whose key made a signature; the hint only says where to look first."""
        for _, key, name in sorted(self._ring, key=lambda entry: entry[0] != hint):
            if verifies(key, signature, message):
                return name
        return None

    def who_may(self, right: str, signers: frozenset[str]) -> str | None:
        """Return the role among `signers` that may speak for `right`, or None."""
        return next((name for name in sorted(signers) if right in self.roles[name].may), None)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    may: Annotated[list[str], Field(min_length=1)]
    keys: Annotated[list[str], Field(min_length=1)]


class _Person(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    keys: Annotated[list[str], Field(min_length=1)]
    second_factor: Literal["totp", "webauthn"] = "totp"
    security_keys: dict[_CredentialId, str] = {}

    @model_validator(mode="after")
    def _has_keys_for_its_factor(self) -> "_Person":
        if (self.second_factor == "webauthn") is not bool(self.security_keys):
            raise ValueError("second_factor: webauthn and security_keys belong together")
        return self


class _RelyingParty(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    rp_id: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
    origin: Annotated[str, Field(pattern=r"^https://[a-z0-9.-]{1,253}(:[0-9]{1,5})?$")]

    @model_validator(mode="after")
    def _is_within(self) -> "_RelyingParty":
        host = self.origin.removeprefix("https://").partition(":")[0]
        if host != self.rp_id and not host.endswith(f".{self.rp_id}"):
            raise ValueError(f"the origin is not within {self.rp_id}")
        return self


class _TrustFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    signers: Annotated[dict[str, _Entry], Field(min_length=1)]
    approvers: dict[_Name, _Person] = {}
    webauthn: _RelyingParty | None = None

    def entries(self, where: str) -> list[tuple[str, _Entry]]:
        """Return roles and people alike: the right to approve is a person's alone."""
        for name, entry in self.signers.items():
            if name in self.approvers:
                raise PolicyError(where, "one meaning for each name", f"two for {name}")
            if any(right.startswith(APPROVE) for right in entry.may):
                fix = "list people under approvers"
                raise PolicyError(where, "roles that do not approve", name, fix)
        people = [
            (name, _Entry(may=[f"{APPROVE}{name}"], keys=person.keys))
            for name, person in self.approvers.items()
        ]
        return [*self.signers.items(), *people]


def first_problem(error: ValidationError) -> str:
    """Return the first complaint of a pydantic error in one line, with its place."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}" if place else str(problem["msg"])


def _security_keys(
    parsed: _TrustFile, owners: dict[str, str], where: str, fetch: Callable[[str], bytes]
) -> dict[str, SecurityKeys]:
    """Return the security keys of people; none of them may sign anything else."""
    found = {}
    for name, person in parsed.approvers.items():
        if not person.security_keys:
            continue
        if parsed.webauthn is None:
            got = f"security_keys of {name} alone"
            raise PolicyError(where, "webauthn: with rp_id and origin", got)
        keys = {id_: _public_key(t, where, fetch) for id_, t in person.security_keys.items()}
        for key in keys.values():
            owner = owners.setdefault(key_id(key), f"a security key of {name}")
            if owner != f"a security key of {name}":
                raise PolicyError(where, "one role per key", f"a key of {owner} and of {name}")
        found[name] = SecurityKeys(parsed.webauthn.rp_id, parsed.webauthn.origin, keys)
    return found


def _public_key(text: str, where: str, fetch: Callable[[str], bytes]) -> PublicKey:
    inline = text.lstrip().startswith("-----BEGIN")
    name = "an inline key" if inline else text
    pem = text.encode() if inline else fetch(text)
    return read_public_key(pem, f"{where}: {name}")


def _take_apart(envelope: bytes, where: str) -> tuple[bytes, list[tuple[bytes, str]]]:
    parsed = read_json(envelope, where)
    try:
        if parsed["payloadType"] != PAYLOAD_TYPE:
            raise EvidenceError(where, f"payloadType {PAYLOAD_TYPE}", repr(parsed["payloadType"]))
        signatures = parsed["signatures"]
        if len(signatures) > MAX_SIGNATURES:
            got = f"{len(signatures)} signatures"
            raise EvidenceError(where, f"at most {MAX_SIGNATURES} signatures", got)
        signed = [(_decode(entry["sig"]), str(entry.get("keyid"))) for entry in signatures]
        return _decode(parsed["payload"]), signed
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvidenceError(where, "a DSSE envelope", "another JSON document") from error


def _decode(text: str) -> bytes:
    """Decode either base64 alphabet, as DSSE asks of a verifier."""
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


def _pre_authentication(kind: str, body: bytes) -> bytes:
    """Return DSSE's PAE: what is signed instead of the bare body."""
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(body), body)
