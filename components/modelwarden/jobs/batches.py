"""Which batches were analysed: one mark each, with the signature in its name.

``<state>/batches/<digest of the URI>.<signature>.json``: one listing tells what is new, however
many batches there are, and who can only write there cannot hide a batch.
"""

import hashlib
import re
from collections.abc import Sequence

from modelwarden.errors import ConflictError
from modelwarden.jobs.arguments import naming
from modelwarden.jobs.session import Connections, Session
from modelwarden.keys import Key, open_key, verifies
from modelwarden.report import canonical
from modelwarden.store import Store

_MARK = re.compile(r".*/([0-9a-f]{64})(?:\.([0-9a-f]{64,512}))?\.json")


@naming
def list_new(
    prefix: str,
    *,
    state: str,
    at_most: int,
    key: str = "",
    connections: Connections | None = None,
) -> list[str]:
    """Return the batches in a folder that were not analysed yet; see `new_batches`."""
    with Session(connections) as session:
        return new_batches(session, prefix, state, at_most, open_key(key) if key else None)


def new_batches(
    session: Session, prefix: str, state: str, at_most: int, key: Key | None
) -> list[str]:
    """Return the batches in a folder that were not analysed yet, in the order of their names.

    Parameters
    ----------
    session : Session
        Where data and state are.
    prefix, state : str
        The folder of the batches, and the prefix of the state.
    at_most : int
        How many to return.
    key : Key or None
        Whose marks count; without one all do.
    """
    marks: dict[str, list[str]] = {}
    for uri in session.records.list(f"{_folder(state)}/"):
        if match := _MARK.fullmatch(uri):
            marks.setdefault(match[1], []).append(match[2] or "")
    there = [uri for uri in session.data.list(prefix) if not uri.endswith("/")]
    return [u for u in there if not _is_marked(u, state, marks.get(_digest(u), []), key)][:at_most]


def mark(store: Store, state: str, batches: Sequence[str], run: str, key: Key | None) -> None:
    """Note that batches were analysed."""
    for uri in batches:
        seal = f".{key.sign(_message(state, uri)).hex()}" if key else ""
        try:
            body = canonical({"batch": uri, "run": run})
            store.put_once(f"{_folder(state)}/{_digest(uri)}{seal}.json", body)
        except ConflictError:
            continue  # by another run, too


def _is_marked(uri: str, state: str, seals: Sequence[str], key: Key | None) -> bool:
    if key is None:
        return bool(seals)
    message = _message(state, uri)
    return any(verifies(key.public, bytes.fromhex(s), message) for s in seals if len(s) % 2 == 0)


def _message(state: str, uri: str) -> bytes:
    return canonical(["a batch was analysed", state.removesuffix("/"), uri])


def _digest(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()


def _folder(state: str) -> str:
    return f"{state.removesuffix('/')}/batches"
