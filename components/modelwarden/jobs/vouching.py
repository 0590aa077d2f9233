"""Models that only their own code can load, and who signed for them."""

import os

from modelwarden.jobs.filing import find_claims
from modelwarden.jobs.session import Session
from modelwarden.report import TRAINED

TRUST = "MODELWARDEN_TRUST"
"""The variable that names the trust file; it belongs to whoever runs the platform."""


def voucher(session: Session, evidence: str, sha256: str) -> str:
    """Return the role that signed that it trained a model; "" where none did that may.

    Parameters
    ----------
    session : Session
        Where evidence is.
    evidence : str
        Prefix of the statements; "" for none.
    sha256 : str
        Digest of the model.

    Raises
    ------
    PolicyError
        If the trust file cannot be used.
    """
    place = os.environ.get(TRUST, "")
    if not place or not evidence:
        return ""
    found = find_claims(session.records, evidence, [sha256], session.trust(place))
    signers = (
        claim.signer
        for claim in found.claims
        if claim.check == TRAINED and claim.subjects.get("model") == sha256
    )
    return next(signers, "")
