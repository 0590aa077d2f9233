"""Keys: P-256 and Ed25519 in PEM files or variables, and P-256 in AWS KMS.

Both algorithms sign the message itself; ECDSA hashes it with SHA-256. A key in KMS never leaves it:
``awskms:alias/NAME`` or ``awskms:ARN``.
"""

import hashlib
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from modelwarden.errors import EvidenceError, PolicyError, StoreError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey
KMS = "awskms:"
MAX_RAW = 4096  # bytes that KMS hashes itself; of a longer message it wants the digest

_ECDSA = ec.ECDSA(hashes.SHA256())
_FIX = "make a pair with `modelwarden keys new`"
_TEMPORARY = ("ThrottlingException", "KMSInternalException", "DependencyTimeoutException")


class Key(Protocol):
    """A private key, wherever it is kept."""

    @property
    def public(self) -> PublicKey:
        """Return the key that verifies."""

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""


class LocalKey:
    """A private key in memory.

    Parameters
    ----------
    pem : bytes
        Unencrypted PKCS #8 or SEC 1 PEM of a P-256 or Ed25519 key.
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
        if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
            raise _not_a_key(where, "private")
        if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name != "secp256r1":
            raise _not_a_key(where, "private")
        self._key = key

    @property
    def public(self) -> PublicKey:
        """Return the key that verifies."""
        return self._key.public_key()

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        return self._key.sign(message, _ECDSA)


class KmsKey:
    """A P-256 key that AWS KMS holds (``ECC_NIST_P256``, ``SIGN_VERIFY``).

    Parameters
    ----------
    name : str
        Id, ARN or alias of the key. Endpoint and credentials come from boto3's own chain; an ARN
        says its region.

    Raises
    ------
    EvidenceError
        From every use: there is no such key, or it may not be used.
    StoreError
        From every use: KMS did not answer; its ``retryable`` says whether to try again.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._where = f"key {KMS}{name}"

    @cached_property
    def public(self) -> PublicKey:
        """Return the key that verifies."""
        der = self._ask("get_public_key")["PublicKey"]
        pem = _pem_of_der(der)
        return read_public_key(pem, self._where, EvidenceError)

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        raw = len(message) <= MAX_RAW
        signature: bytes = self._ask(
            "sign",
            SigningAlgorithm="ECDSA_SHA_256",
            MessageType="RAW" if raw else "DIGEST",
            Message=message if raw else hashlib.sha256(message).digest(),
        )["Signature"]
        return signature

    @cached_property
    def _client(self) -> "KMSClient":
        from modelwarden.aws import session

        region = self._name.split(":")[3] if self._name.startswith("arn:") else None
        return session().client("kms", region_name=region)

    def _ask(self, verb: str, **arguments: object) -> dict[str, bytes]:
        from botocore.exceptions import BotoCoreError, ClientError

        expected = "a P-256 signing key that may be used"
        try:
            answer: dict[str, bytes] = getattr(self._client, verb)(KeyId=self._name, **arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "an error"))
            if code in _TEMPORARY:
                raise StoreError(self._where, "an answer of KMS", code, retryable=True) from error
            fix = f"allow kms:{'Sign' if verb == 'sign' else 'GetPublicKey'} on it"
            raise EvidenceError(self._where, expected, code, fix) from error
        except (BotoCoreError, IndexError) as error:
            got = str(error).splitlines()[0]
            raise StoreError(self._where, "an answer of KMS", got, retryable=True) from error
        return answer


def open_key(reference: str) -> Key:
    """Open the key in a file, in the variable of ``env:NAME``, or in KMS (``awskms:NAME``)."""
    if reference.startswith(KMS):
        return KmsKey(reference.removeprefix(KMS))
    return LocalKey(read_secret(reference), reference)


def read_secret(reference: str) -> bytes:
    """Return what is in a file, or in the variable of ``env:NAME``; b"" for no such variable."""
    if reference.startswith("env:"):
        return os.environ.get(reference.removeprefix("env:"), "").encode()
    try:
        return Path(reference).read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise EvidenceError(f"key {reference}", "a readable PEM file", reason, _FIX) from error


def new_key(kind: Literal["p256", "ed25519"] = "p256") -> tuple[bytes, bytes]:
    """Return a new private key and its public key, both as PEM."""
    key = (
        ec.generate_private_key(ec.SECP256R1())
        if kind == "p256"
        else ed25519.Ed25519PrivateKey.generate()
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private, public_pem(key.public_key())


def read_public_key(
    pem: bytes, where: str, error: type[EvidenceError | PolicyError] = PolicyError
) -> PublicKey:
    """Read a public key on P-256 or Ed25519; raise `error` for anything else."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as cause:
        raise _not_a_key(where, "public", error) from cause
    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1":
        return key
    raise _not_a_key(where, "public", error)


def verifies(key: PublicKey, signature: bytes, message: bytes) -> bool:
    """Whether `signature` was made by `key` over `message`."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        else:
            key.verify(signature, message, _ECDSA)
    except InvalidSignature:
        return False
    return True


def public_pem(key: PublicKey) -> bytes:
    """Return a public key as PEM."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def key_id(key: PublicKey) -> str:
    """Return the SHA-256 of a public key's DER form."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(der).hexdigest()


def _pem_of_der(der: bytes) -> bytes:
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return b""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _not_a_key(
    where: str, kind: str, error: type[EvidenceError | PolicyError] = EvidenceError
) -> EvidenceError | PolicyError:
    expected = f"an unencrypted PEM {kind} key on P-256 or Ed25519"
    return error(
        where if where.startswith("key ") else f"key {where}", expected, "something else", _FIX
    )
