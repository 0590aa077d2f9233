"""A security key made of software: it answers fido2's client, and lies when it is told to."""

import hashlib
import json
import secrets

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from fido2 import cbor
from fido2.cose import CoseKey
from fido2.ctap import CtapDevice, CtapError
from fido2.hid import CTAPHID

from modelwarden.keys import public_pem
from modelwarden.webauthn import SecurityKeys, encode

RP_ID = "approvals.example.com"
ORIGIN = "https://approvals.example.com"
PRESENT, VERIFIED = 1, 4


class Authenticator(CtapDevice):
    """A key with one credential, which knows its person unless `verifies` is false."""

    def __init__(self, kind="p256", verifies=True):
        self.algorithm = -7 if kind == "p256" else -8
        self.key = (
            ec.generate_private_key(ec.SECP256R1())
            if kind == "p256"
            else ed25519.Ed25519PrivateKey.generate()
        )
        self.credential = secrets.token_bytes(16)
        self.verifies, self.count = verifies, 0

    @property
    def id(self):
        """The credential's id as the trust file has it."""
        return encode(self.credential)

    @property
    def public(self):
        """The public key as PEM."""
        return public_pem(self.key.public_key()).decode()

    @property
    def known(self):
        """What a trust file makes of it."""
        return SecurityKeys(RP_ID, ORIGIN, {self.id: self.key.public_key()})

    def sign(self, message):
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(message)
        return self.key.sign(message, ec.ECDSA(hashes.SHA256()))

    def data(self, rp_id, flags, more=b""):
        self.count += 1
        digest = hashlib.sha256(rp_id.encode()).digest()
        return digest + bytes([flags]) + self.count.to_bytes(4, "big") + more

    def answer(self, asked, /, *, rp_id=RP_ID, flags=PRESENT | VERIFIED, more=b"", **client):
        """Return an assertion as a browser would write it, with whatever is asked for."""
        said = {"type": "webauthn.get", "challenge": encode(asked), "origin": ORIGIN}
        body = json.dumps({**said, "crossOrigin": False, **client}).encode()
        data = self.data(rp_id, flags, more)
        signature = self.sign(data + hashlib.sha256(body).digest())
        response = {"clientDataJSON": body, "authenticatorData": data, "signature": signature}
        parts = {name: encode(part) for name, part in response.items()}
        document = {"id": self.id, "rawId": self.id, "type": "public-key", "response": parts}
        return json.dumps({**document, "clientExtensionResults": {}}).encode()

    # what fido2's client asks of a device

    @property
    def capabilities(self):
        return 4

    @classmethod
    def list_devices(cls):
        return iter([cls()])

    def call(self, cmd, data=b"", event=None, on_keepalive=None):
        assert cmd == CTAPHID.CBOR
        asked = cbor.decode(data[1:]) if data[1:] else {}
        answers = {1: self._made, 2: self._asserted, 4: self._info}
        try:
            return b"\x00" + cbor.encode(answers[data[0]](asked))
        except CtapError as error:
            return bytes([error.code])

    def _info(self, _):
        options = {"rk": False, "up": True, "uv": self.verifies}
        return {1: ["FIDO_2_0"], 3: bytes(16), 4: options, 6: [2]}

    def _flags(self, options):
        return options.get("up", True) * PRESENT | options.get("uv", False) * VERIFIED

    def _made(self, asked):
        public = CoseKey.for_alg(asked[4][0]["alg"]).from_cryptography_key(self.key.public_key())
        more = bytes(16) + len(self.credential).to_bytes(2, "big") + self.credential
        flags = self._flags(asked.get(7, {})) | PRESENT | 0x40
        return {1: "none", 2: self.data(asked[2]["id"], flags, more + cbor.encode(public)), 3: {}}

    def _asserted(self, asked):
        if self.credential not in [entry["id"] for entry in asked[3]]:
            raise CtapError(CtapError.ERR.NO_CREDENTIALS)
        data = self.data(asked[1], self._flags(asked.get(5, {})))
        credential = {"id": self.credential, "type": "public-key"}
        return {1: credential, 2: data, 3: self.sign(data + asked[2])}
