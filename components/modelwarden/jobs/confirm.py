"""Confirm an approval: a desk sees the person's second factor, and signs that it did."""

import secrets
from dataclasses import dataclass

from modelwarden.approval import Approval, confirmation_statement
from modelwarden.documents import MAX_DOCUMENT
from modelwarden.errors import ConflictError, EvidenceError, InputError, Rejected
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.ballot import Case, open_case, papers
from modelwarden.jobs.filing import file_statement
from modelwarden.jobs.session import Connections, Session, now
from modelwarden.one_time_code import matching_step
from modelwarden.report import Json
from modelwarden.signing import Signer
from modelwarden.store import Store
from modelwarden.webauthn import Assertion, verify_assertion

MAX_TRIES = 3
"""Codes that the desk takes from one person about one decision, right ones included."""


@dataclass(frozen=True)
class Confirmed:
    """What became of a one-time code.

    Parameters
    ----------
    accepted : bool
        Whether the code was right and the approval is now confirmed.
    left : int
        Tries that are left about this decision.
    why : str
        The reason when it was not accepted.
    """

    accepted: bool
    left: int
    why: str = ""


@naming
def confirm(
    decision: str,
    *,
    approver: str,
    code: str,
    secret: str,
    key: str,
    trust: str,
    connections: Connections | None = None,
) -> Confirmed:
    """Compare a person's one-time code, and sign that it was right.

    Run it where the approver is not the administrator: whoever holds the desk's key and the shared
    secrets is one of the two factors. A try is noted before the code is looked at, so that nobody
    can try more than three; a code is good once.

    Parameters
    ----------
    decision : str
        URI of the decision.
    approver : str
        The person, who must have signed an approval before.
    code : str
        Six digits.
    secret : str
        The person's shared secret, in base32.
    key : str
        The desk's key, whose role may confirm a ``second_factor``.
    trust : str
        URI of the trust file.
    connections : Connections, optional
        Where data and evidence are.

    Raises
    ------
    InputError
        If the person has not signed an approval, or there is no secret.
    """
    signer = Signer.open(key)
    with Session(connections) as session:
        case = open_case(session, decision, trust)
        if approver in case.roles.security_keys:
            fix = f"give the file that `modelwarden approve --as {approver} --assertion FILE` wrote"
            raise InputError(f"approver {approver}", "their security key's answer", "a code", fix)
        waiting = _waiting(case, approver)
        if not waiting:
            return Confirmed(accepted=True, left=0, why="it was confirmed before")
        left = _take_a_try(session.records, f"{case.folder}/{approver}")
        why = _use_code(session.records, case, waiting[-1], secret, code)
        if why:
            return Confirmed(accepted=False, left=left, why=why)
        statement = confirmation_statement(waiting[-1], at=now().isoformat())
        _file_confirmation(session.records, signer, case, waiting[-1], statement)
        return Confirmed(accepted=True, left=left)


@naming
def confirm_assertion(
    decision: str,
    *,
    approver: str,
    assertion: str,
    key: str,
    trust: str,
    connections: Connections | None = None,
) -> Confirmed:
    """Verify what a person's security key answered, and sign when that was seen.

    The answer goes into the statement: whoever verifies the decision later verifies it again, with
    the public key of the trust file. The desk adds its clock, and cannot make an answer up.

    Parameters
    ----------
    decision : str
        URI of the decision.
    approver : str
        The person, who must have signed an approval before.
    assertion : str
        URI of the answer, in WebAuthn's JSON.
    key : str
        The desk's key, whose role may confirm a ``second_factor``.
    trust : str
        URI of the trust file.
    connections : Connections, optional
        Where data and evidence are.

    Raises
    ------
    InputError
        If the person has no security key in the trust file, or has not signed an approval.
    """
    signer = Signer.open(key)
    with Session(connections) as session:
        case = open_case(session, decision, trust)
        known = case.roles.security_keys.get(approver)
        if known is None:
            got = "none in the trust file"
            raise InputError(f"approver {approver}", "a security key", got, "give --code")
        answer = Assertion.read(session.data.read(assertion, max_bytes=MAX_DOCUMENT), assertion)
        waiting = _waiting(case, approver)
        if not waiting:
            return Confirmed(accepted=True, left=0, why="it was confirmed before")
        why = ""
        for approval in reversed(waiting):
            try:
                counted = verify_assertion(answer, bytes.fromhex(approval.sha256), known, assertion)
            except EvidenceError as error:
                why = why or str(error)
                continue
            statement = confirmation_statement(
                approval, at=now().isoformat(), assertion=answer, count=counted
            )
            _file_confirmation(session.records, signer, case, approval, statement)
            return Confirmed(accepted=True, left=0)
        return Confirmed(accepted=False, left=0, why=why)


def _waiting(case: Case, approver: str) -> list[Approval]:
    """Return a person's approvals that nobody has confirmed; an InputError if there is none."""
    approvals, confirmations = papers(case.shelf, case.roles, case.sha256)
    own = [entry for entry in approvals if entry.approver == approver]
    if not own:
        fix = f"{approver} runs `modelwarden approve` first"
        raise InputError(f"approver {approver}", "a signed approval", "none", fix)
    done = {entry.approval for entry in confirmations if entry.approver == approver}
    return [entry for entry in own if entry.sha256 not in done]


def _file_confirmation(
    store: Store, signer: Signer, case: Case, approval: Approval, statement: dict[str, Json]
) -> None:
    folder, name = f"{case.folder}/{approval.approver}", f"confirmed-{approval.sha256[:16]}"
    file_statement(store, signer, statement, [folder], name)


def _take_a_try(store: Store, folder: str) -> int:
    """Note that a code is tried, before it is looked at; return how many tries are left."""
    for number in range(1, MAX_TRIES + 1):
        try:
            store.put_once(f"{folder}/try-{number}", secrets.token_hex(16).encode())
        except ConflictError:
            continue
        return MAX_TRIES - number
    why = f"{MAX_TRIES} codes were tried; ask for a new decision"
    raise Rejected(folder, (why,))


def _use_code(store: Store, case: Case, approval: Approval, secret: str, code: str) -> str:
    """Return why a code does not count, or nothing; a code that counts is used up."""
    step = matching_step(secret, code, now(), f"secret of {approval.approver}")
    if step is None:
        return "the code is wrong"
    try:
        marker = f"{case.shelf.place}/consumed/codes/{approval.approver}/{step}"
        store.put_once(marker, secrets.token_hex(16).encode())
    except ConflictError:
        return "the code was used before; wait for the next one"
    return ""
