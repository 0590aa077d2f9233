"""What every job needs: two stores, the clock, and the policy and trust files."""

import os
import platform
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType

from modelwarden.checks import cards
from modelwarden.errors import InputError
from modelwarden.policy import Policy
from modelwarden.signing import Trust
from modelwarden.store import Connection, Store

_LIBRARIES = ("modelwarden", "great-expectations", "numpy", "pandas", "pyarrow", "scikit-learn")


@dataclass(frozen=True)
class Connections:
    """Where data and evidence are kept; they should be different buckets with different writers.

    Parameters
    ----------
    data : Connection, optional
        For tables, models and policies; boto3's own chain by default.
    evidence : Connection, optional
        For statements, reports and decisions. By default boto3's chain, with the profile named in
        ``MODELWARDEN_EVIDENCE_PROFILE`` and the KMS key in ``MODELWARDEN_EVIDENCE_KMS_KEY``.
    """

    data: Connection | None = None
    evidence: Connection | None = None


class Session:
    """The stores of one job; what they fetched is gone when the session ends.

    Parameters
    ----------
    connections : Connections, optional
        Where data and evidence are.
    offline : bool, default=False
        Whether only files may be read, and nothing over a network.
    """

    def __init__(self, connections: Connections | None = None, *, offline: bool = False) -> None:
        self.offline = offline
        given = connections or Connections()
        data, evidence = given.data or Connection(), given.evidence or _evidence_connection()
        self.data = Store(data)
        # a client costs more to make than most calls cost: one is enough for one connection
        self.records = self.data if evidence == data else Store(evidence)
        self._open = ExitStack()

    def __enter__(self) -> "Session":
        self._open.enter_context(self.data)
        self._open.enter_context(self.records)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def require_local(self, *uris: str) -> None:
        """Refuse what is not a file, if the session is offline."""
        for uri in uris:
            if self.offline and "://" in uri and not uri.startswith("file://"):
                fix = "copy it here first, or leave offline out"
                raise InputError(uri, "a local file", "a URI that needs a network", fix)

    def policy(self, uri: str) -> Policy:
        """Read a policy file."""
        return Policy.read(self.data.read(uri), uri, cards())

    def trust(self, uri: str) -> Trust:
        """Read a trust file and the keys beside it."""

        def fetch(name: str) -> bytes:
            self.require_local(name)
            absolute = "://" in name or name.startswith("/")
            return self.data.read(name if absolute else f"{uri.rpartition('/')[0] or '.'}/{name}")

        return Trust.read(self.data.read(uri), uri, fetch)


def now() -> datetime:
    """Return the time, in UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def environment() -> Mapping[str, str]:
    """Return the versions of what takes part in a check."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _evidence_connection() -> Connection:
    return Connection(
        profile_name=os.environ.get("MODELWARDEN_EVIDENCE_PROFILE"),
        sse_kms_key_id=os.environ.get("MODELWARDEN_EVIDENCE_KMS_KEY"),
    )
