"""Access: who fetched the model from storage, and who wrote what it is trained on.

Stealing a file beats copying a model query by query, and so does writing the training data.
"""

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pandas as pd

from modelwarden.errors import InputError
from modelwarden.logs.deeds import MOST_CLIENTS, deeds, totals
from modelwarden.report import Findings, Report
from modelwarden.table_files import sheet
from modelwarden.work import Work

if TYPE_CHECKING:
    from modelwarden.logs.log import Log
    from modelwarden.store import File

ANONYMOUS = "(anonymous)"
CHANGES = ("write", "delete")


def access(
    model: "File",
    logs: "Log",
    *,
    model_prefix: str,
    training_prefix: str,
    readers: str = "",
    writers: str = "",
    work: Work | None = None,
) -> Findings:
    """Count who read a model's objects and who changed its training data.

    Parameters
    ----------
    model : File
        The model that the statement is about.
    logs : Log
        S3 server access logs or CloudTrail data events.
    model_prefix, training_prefix : str
        Bucket and beginning of the key, such as ``models/fraud/``.
    readers, writers : str, default=""
        Who may read the model, and who may change training data: ARNs separated by commas, in
        which ``*`` stands for anything. Nobody by default; anonymous clients never.
    work : Work, optional
        Told when it is done.

    Returns
    -------
    Findings
        Counts; the table ``access`` (CSV) names who it was. It fails when not a line could be read.

    Raises
    ------
    InputError
        If a prefix names no bucket.
    """
    work = work or Work()
    prefixes = {"model_prefix": model_prefix, "training_prefix": training_prefix}
    watched = {option: _prefix(option, prefix) for option, prefix in prefixes.items()}
    with logs.read() as reading:
        lines, unreadable = totals(reading)
        read = _judged(deeds(reading, watched["model_prefix"]), "model", ("read",), readers)
        changed = _judged(deeds(reading, watched["training_prefix"]), "training", CHANGES, writers)
        found = reading.formats
    work.step("log", 1, 1)
    report = Report(
        check="access",
        metrics={
            "lines": lines,
            "unreadable_lines": unreadable,
            **_counts(read, "model_reads", "model_readers"),
            **_counts(changed, "training_changes", "training_writers"),
            "denied_requests": int(read["denied"].sum() + changed["denied"].sum()),
        },
        failures=("not one line of the log could be read",) if 0 < lines == unreadable else (),
        notes=_notes(lines, max(len(read), len(changed))),
        details={"files": dict(found)},
    )
    return Findings(report, {"access": sheet(pd.concat([read, changed], ignore_index=True))})


def _prefix(option: str, prefix: str) -> str:
    prefix = prefix.removeprefix("s3://")
    bucket, slash, _ = prefix.partition("/")
    if not bucket or not slash:
        raise InputError(f"option {option}", "a bucket and a key's beginning", repr(prefix))
    return prefix


def _judged(frame: pd.DataFrame, what: str, kinds: tuple[str, ...], allowed: str) -> pd.DataFrame:
    """Return the deeds of some kinds, and whether each was expected of who did it."""
    patterns = [pattern.strip() for pattern in allowed.split(",") if pattern.strip()]
    mine = frame[frame["deed"].isin(kinds)].reset_index(drop=True)
    known = [
        isinstance(client, str) and any(fnmatchcase(client, pattern) for pattern in patterns)
        for client in mine["client"]
    ]
    mine["client"] = [c if isinstance(c, str) else ANONYMOUS for c in mine["client"]]
    return mine.assign(what=what, expected=pd.Series(known, dtype=object))


def _counts(frame: pd.DataFrame, requests: str, who: str) -> dict[str, float | None]:
    granted = frame[frame["granted"] > 0]
    strange = granted[~granted["expected"].astype(bool)]
    return {
        requests: int(granted["granted"].sum()),
        who: int(granted["client"].nunique()),
        f"unexpected_{requests}": int(strange["granted"].sum()),
        f"unexpected_{who}": int(strange["client"].nunique()),
    }


def _notes(lines: int, listed: int) -> tuple[str, ...]:
    said = [
        "S3 delivers server access logs on a best-effort basis; CloudTrail records objects only "
        "where data events are on. What is in neither was not seen.",
        "A role is whoever may assume it.",
    ]
    if not lines:
        said.insert(0, "The log is empty: a rule `lines >= 1` demands one.")
    if listed >= MOST_CLIENTS:
        said.append(f"Only the {MOST_CLIENTS:,} most frequent clients and deeds are counted.")
    return tuple(said)
