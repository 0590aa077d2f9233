"""Ask a security key that is plugged into this machine (CTAP 2, through fido2).

Browsers do the same with ``navigator.credentials.get`` and ``toJSON()``, which gives the same JSON.
"""

import getpass
import json
from collections.abc import Callable
from typing import Any

from modelwarden.errors import InputError
from modelwarden.keys import public_pem
from modelwarden.webauthn import SecurityKeys, encode

SECONDS = 60
"""How long the key waits for its person."""

_WHERE = "security key"


def ask(known: SecurityKeys, challenge: bytes) -> bytes:
    """Let a person's security key answer a challenge, once it has verified the person.

    Parameters
    ----------
    known : SecurityKeys
        The keys that may answer.
    challenge : bytes
        What is asked.

    Returns
    -------
    bytes
        The assertion in WebAuthn's JSON.

    Raises
    ------
    InputError
        If fido2 is not installed, no key is plugged in, or it does not answer.
    """
    fido2 = _library()
    options = fido2.webauthn.PublicKeyCredentialRequestOptions(
        challenge=challenge,
        timeout=SECONDS * 1000,
        rp_id=known.rp_id,
        allow_credentials=[
            fido2.webauthn.PublicKeyCredentialDescriptor(
                type="public-key", id=fido2.utils.websafe_decode(credential)
            )
            for credential in known.keys
        ],
        user_verification="required",
    )
    client = _client(fido2, known.origin)
    answer = _answered(fido2, lambda: client.get_assertion(options).get_response(0))
    return json.dumps(dict(answer)).encode()


def enrol(name: str, rp_id: str, origin: str) -> tuple[str, bytes]:
    """Make a credential on the security key; return its id and its public key as PEM.

    Parameters
    ----------
    name : str
        Whose it is.
    rp_id, origin : str
        What stands under ``webauthn`` in the trust file.

    Raises
    ------
    InputError
        If fido2 is not installed, no key is plugged in, or it does not answer.
    """
    fido2 = _library()
    kinds = [fido2.cose.ES256.ALGORITHM, fido2.cose.EdDSA.ALGORITHM]
    options = fido2.webauthn.PublicKeyCredentialCreationOptions(
        rp=fido2.webauthn.PublicKeyCredentialRpEntity(name="ModelWarden", id=rp_id),
        user=fido2.webauthn.PublicKeyCredentialUserEntity(name=name, id=name.encode()),
        challenge=bytes(32),  # the trust file is what says whose key it is
        pub_key_cred_params=[
            fido2.webauthn.PublicKeyCredentialParameters(type="public-key", alg=kind)
            for kind in kinds
        ],
        timeout=SECONDS * 1000,
        authenticator_selection=fido2.webauthn.AuthenticatorSelectionCriteria(
            user_verification="required"
        ),
    )
    client = _client(fido2, origin)
    made = _answered(fido2, lambda: client.make_credential(options))
    data = made.response.attestation_object.auth_data.credential_data
    return encode(data.credential_id), public_pem(_public(data.public_key))


def _public(key: Any) -> Any:
    """Return a COSE key as a public key."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if key[1] == 1:  # an octet key pair: Ed25519
        return ed25519.Ed25519PublicKey.from_public_bytes(key[-2])
    point = b"\x04" + key[-2] + key[-3]
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def _library() -> Any:
    try:
        import fido2.client
        import fido2.cose
        import fido2.hid
        import fido2.utils
        import fido2.webauthn
    except ModuleNotFoundError as error:
        fix = "pip install 'modelwarden[webauthn]'"
        raise InputError(_WHERE, "fido2 to be installed", f"no module {error.name}", fix) from error
    return fido2


def _client(fido2: Any, origin: str) -> Any:
    """Return a client for the first key that is plugged in."""

    class Person(fido2.client.UserInteraction):  # type: ignore[misc, name-defined, unused-ignore]
        def prompt_up(self) -> None:
            print("Touch your security key.", flush=True)  # noqa: T201 - it has no other screen

        def request_pin(self, permissions: Any, rp_id: str | None) -> str:
            return getpass.getpass("PIN of your security key: ")

    try:
        device = next(iter(fido2.hid.CtapHidDevice.list_devices()), None)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(_WHERE, "one that can be reached", reason) from error
    if device is None:
        raise InputError(_WHERE, "one that is plugged in", "none", "plug it in, and try again")
    collector = fido2.client.DefaultClientDataCollector(origin)
    return fido2.client.Fido2Client(device, collector, user_interaction=Person())


def _answered(fido2: Any, question: Callable[[], Any]) -> Any:
    try:
        return question()
    except (fido2.client.ClientError, OSError) as error:
        code = getattr(getattr(error, "code", None), "name", type(error).__name__)
        fix = "it needs a PIN or a fingerprint, and the credential that was enrolled"
        raise InputError(_WHERE, "an answer", code, fix) from error
