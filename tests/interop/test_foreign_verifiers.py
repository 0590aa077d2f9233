"""Two implementations that are not ours accept our envelopes, and refuse one flipped bit."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from modelwarden.evidence import SUMMARY
from modelwarden.keys import LocalKey, new_key
from modelwarden.report import canonical
from modelwarden.signing import STATEMENT_TYPE, Signer, sigstore_bundle

STATEMENT = {
    "_type": STATEMENT_TYPE,
    "subject": [{"name": "model", "digest": {"sha256": "0" * 64}}],
    "predicateType": SUMMARY,
    "predicate": {"verificationResult": "PASSED", "modelwarden": {"measured": 0.1 + 0.2}},
}
SCRIPT = Path(__file__).with_name("verify.js")
PACKAGES = ("@sigstore/verify@3.1.1", "@sigstore/bundle@4.0.0")


def sealed(kind):
    """Return an envelope and the public key of whoever signed it."""
    private, public = new_key(kind)
    return Signer(LocalKey(private, "key")).seal(STATEMENT), load_pem_public_key(public)


def flipped(envelope, where, bit):
    """Return the envelope with one bit of payload or signature flipped."""
    parsed = json.loads(envelope)
    place = parsed if where == "payload" else parsed["signatures"][0]
    raw = bytearray(base64.b64decode(place[where]))
    raw[bit // 8 % len(raw)] ^= 1 << bit % 8
    place[where] = base64.b64encode(bytes(raw)).decode()
    return canonical(parsed) + b"\n"


def variants(envelope):
    places = [(where, bit) for where in ("payload", "sig") for bit in (0, 77, 300, 511)]
    return [flipped(envelope, where, bit) for where, bit in places]


@pytest.mark.parametrize("kind", ["p256", "ed25519"])
def test_securesystemslib_accepts_ours_and_refuses_one_flipped_bit(kind):
    envelope, public = sealed(kind)
    key_id = json.loads(envelope)["signatures"][0]["keyid"]
    key = SSlibKey.from_crypto(public, keyid=key_id)

    assert Envelope.from_dict(json.loads(envelope)).verify([key], 1)
    for forged in variants(envelope):
        with pytest.raises(VerificationError):
            Envelope.from_dict(json.loads(forged)).verify([key], 1)


@pytest.fixture(scope="module")
def sigstore(tmp_path_factory):
    """A folder with sigstore's own verifier, as npm installs it."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed: sigstore's verifier was not asked")
    folder = tmp_path_factory.mktemp("sigstore")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *PACKAGES]
    try:
        subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=120)
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"npm could not install {PACKAGES[0]} ({type(error).__name__})")
    return folder


@pytest.mark.network
@pytest.mark.parametrize("kind", ["p256", "ed25519"])
def test_sigstore_accepts_ours_and_refuses_one_flipped_bit(kind, sigstore, tmp_path):
    envelope, public = sealed(kind)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.der").write_bytes(der)
    files = []
    for number, body in enumerate([envelope, *variants(envelope)]):
        files.append(str(tmp_path / f"{number}.sigstore.json"))
        Path(files[-1]).write_bytes(sigstore_bundle(body))
    command = ["node", str(SCRIPT), str(tmp_path / "key.der"), *files]
    environment = {**os.environ, "NODE_PATH": str(sigstore / "node_modules")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    answers = done.stdout.splitlines()

    assert answers[0] == "accepted", done.stderr
    assert [line.split(":")[0] for line in answers[1:]] == ["refused"] * 8
