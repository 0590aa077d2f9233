"""What is known about each alert, as numbered records that are created and never changed.

``<state>/keys/<digest of model, check, column>/000001.json`` and so on; the last one holds. Whoever
loses the race for a number reads again. With a key, records are signed, and one of a stranger is
no record. A record that cannot be read never silences: see :func:`modelwarden.alerts.lost`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from modelwarden.alerts import State, key_of
from modelwarden.documents import MAX_DOCUMENT, read_json
from modelwarden.errors import ConflictError, EvidenceError, ModelWardenError, StoreError
from modelwarden.report import Json, canonical
from modelwarden.signing import STATEMENT_TYPE, Signer
from modelwarden.store import Store

About = tuple[str, str, str]
"""Model, check and column."""

TRIES = 20  # for a number; so many runs at once are a loop
_NAME = re.compile(r"([0-9a-f]{64})/([0-9]{6,})\.json")
_KIND = "urn:modelwarden:alert-state:v1"


@dataclass(frozen=True)
class Entry:
    """The last record of one key.

    Parameters
    ----------
    about : tuple of (str, str, str) or None
        Model, check and column; None where that cannot be read.
    number : int
        0 where there is no record.
    state : State
        What is known; nothing, where it cannot be read.
    problem : str, default=""
        Why it cannot be read.
    """

    about: About | None
    number: int
    state: State
    problem: str = ""


class Logbook:
    """The records below a prefix.

    Parameters
    ----------
    store : Store
        Where evidence is.
    prefix : str
        The prefix of the state.
    signer : Signer or None
        Who signs records; without one, anybody who can write there may forge them.
    now : datetime
        The time, with a zone.
    """

    def __init__(self, store: Store, prefix: str, signer: Signer | None, now: datetime) -> None:
        self._store, self._signer, self._now = store, signer, now
        self._keys = f"{prefix.removesuffix('/')}/keys"
        self._known: dict[str, Entry] = {}

    def load(self) -> Mapping[str, Entry]:
        """Read the last record of every key, by digest."""
        last: dict[str, int] = {}
        for uri in self._store.list(f"{self._keys}/"):
            match = _NAME.fullmatch("/".join(uri.rsplit("/", 2)[1:]))
            if match and len(match[2]) < 100:  # more digits than anybody counts to
                last[match[1]] = max(last.get(match[1], 0), int(match[2]))
        self._known = {digest: self._read(digest, number) for digest, number in last.items()}
        return dict(self._known)

    def last(self, about: About) -> Entry:
        """Return what is known of a key, without asking the store again."""
        return self._known.get(key_of(*about)) or Entry(about, 0, State())

    def update(self, about: About, change: Callable[[Entry], State | None]) -> Entry:
        """Replace a state by what `change` makes of it, unless that is None or the same.

        Raises
        ------
        StoreError
            If nothing could be written.
        """
        digest = key_of(*about)
        for _ in range(TRIES):
            entry = self.last(about)
            state = change(entry)
            if state is None or (state == entry.state and not entry.problem):
                return entry
            number = entry.number + 1
            try:
                self._store.put_once(self._uri(digest, number), self._record(about, number, state))
            except ConflictError:  # another run was faster: what it knows counts, too
                self._known[digest] = self._newest(digest, number)
                continue
            self._known[digest] = Entry(about, number, state)
            return self._known[digest]
        fix = "run one at a time"
        raise StoreError(self._keys, "a free number", f"{TRIES} runs at once", fix, retryable=True)

    def _newest(self, digest: str, number: int) -> Entry:
        """Return the last record, which is `number` or a later one."""
        while self._store.head(self._uri(digest, number + 1)) is not None:
            number += 1
        return self._read(digest, number)

    def _uri(self, digest: str, number: int) -> str:
        return f"{self._keys}/{digest}/{number:06d}.json"

    def _record(self, about: About, number: int, state: State) -> bytes:
        predicate = {"about": list(about), "number": number, "state": state.as_json()}
        if self._signer is None:
            return canonical(predicate)
        subject = [{"name": "alert", "digest": {"sha256": key_of(*about)}}]
        statement = {"_type": STATEMENT_TYPE, "subject": subject, "predicateType": _KIND}
        return self._signer.seal({**statement, "predicate": predicate})

    def _read(self, digest: str, number: int) -> Entry:
        uri = self._uri(digest, number)
        try:
            about, state = self._parse(self._store.read(uri, max_bytes=MAX_DOCUMENT), uri)
            if key_of(*about[0]) != digest or about[1] != number:
                return Entry(None, number, State(), "it is the record of another key or number")
        except ModelWardenError as error:
            return Entry(None, number, State(), f"expected {error.expected}, got {error.got}"[:200])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return Entry(None, number, State(), "it is no record")
        return Entry(about[0], number, state)

    def _parse(self, body: bytes, uri: str) -> tuple[tuple[About, int], State]:
        if self._signer is None:
            value: Json = read_json(body, uri)
        else:
            statement = self._signer.unseal(body, uri)
            if statement.get("predicateType") != _KIND:
                raise EvidenceError(uri, "a state of alerts", "another statement")
            value = statement["predicate"]
        model, check, column = value["about"]
        if not all(isinstance(text, str) for text in (model, check, column)):
            raise ValueError("about is not text")
        state = State.from_json(value["state"], self._now)
        return ((model, check, column), value["number"]), state
