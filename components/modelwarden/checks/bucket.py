"""Bucket: whether the store keeps what was written, from whom, and for how long."""

from typing import TYPE_CHECKING

from modelwarden.report import Findings, Report
from modelwarden.work import Work

if TYPE_CHECKING:
    from modelwarden.buckets import Bucket
    from modelwarden.store import File


def bucket(model: "File", bucket: "Bucket", *, work: Work | None = None) -> Findings:
    """Report how a bucket is kept.

    ModelWarden creates and never overwrites; whether somebody else can is up to the bucket.

    Parameters
    ----------
    model : File
        The model that the statement is about.
    bucket : Bucket
        What the store says of its bucket, or of the one with its data or its evidence.
    work : Work, optional
        Told at the end.

    Returns
    -------
    Findings
        ``versioned``, ``lock_days``, ``compliance_lock``, ``encrypted``, ``blocks_public_access``
        and ``public``, each undefined where the store would not say.
    """
    (work or Work()).step("asked how the bucket is kept", 1, 1)
    metrics = {
        "versioned": _flag(bucket.versioned),
        "lock_days": bucket.lock_days,
        "compliance_lock": None if bucket.lock_mode is None else bucket.lock_mode == "COMPLIANCE",
        "encrypted": None if bucket.encryption is None else bucket.encryption != "",
        "blocks_public_access": _flag(bucket.blocks_public),
        "public": _flag(bucket.public),
    }
    known = {name: value if value is None else float(value) for name, value in metrics.items()}
    return Findings(
        Report(
            check="bucket",
            metrics=known,
            notes=_notes(bucket),
            details={name: value for name, value in bucket.as_json().items() if name != "uri"},
        )
    )


def _flag(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _notes(bucket: "Bucket") -> tuple[str, ...]:
    notes = [
        "Settings of the bucket, at the moment of the check. Blocks that the account sets for all "
        "of its buckets, access points and policies of roles were not looked at."
    ]
    if bucket.lock_mode == "GOVERNANCE":
        notes.append("The lock is GOVERNANCE: whoever may bypass it can still delete.")
    silent = sorted(name for name, value in bucket.as_json().items() if value is None)
    if silent:
        notes.append(f"The store would not say: {', '.join(silent)}. That denies.")
    return tuple(notes)
