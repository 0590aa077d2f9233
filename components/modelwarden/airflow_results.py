"""What a task leaves behind: a small XCom, an asset's event, one line in its log."""

from collections.abc import Mapping
from typing import Any

from modelwarden.report import Json, finite

ON_FAIL = ("record", "fail", "warn")
MAX_METRICS, MAX_NAME = 50, 100


def summary(outcome: Mapping[str, Json], on_fail: str) -> dict[str, Json]:
    """Return what goes to XCom about a check: small, and finite numbers only.

    Parameters
    ----------
    outcome : mapping
        :meth:`modelwarden.jobs.check.Outcome.as_json`.
    on_fail : {"record", "fail", "warn"}
        What a failed check means to the task.

    Returns
    -------
    dict
        The outcome with ``severity`` (info: it succeeded; warn; error) and ``evidence``, the URI of
        what was written, whose digest is ``sha256``: the signed statement, else the report.
    """
    failed = "warn" if on_fail == "warn" else "error"
    evidence, sha256 = outcome["statement"], outcome["sha256"]
    if not evidence:
        evidence = outcome["report"]
        sha256 = evidence.rpartition("/sha256/")[2]
    return {
        **outcome,
        "metrics": _bounded(outcome["metrics"]),
        "severity": "info" if outcome["success"] else failed,
        "evidence": evidence,
        "sha256": sha256,
    }


def announce(operator: Any, context: Any, *, good: bool, extra: Mapping[str, str]) -> None:
    """Let the events of the operator's assets say what they rest on; without a good end, no events.

    Airflow emits an event whenever a task succeeds, also a task that only recorded a denial.
    """
    from airflow.providers.common.compat.sdk import Asset

    if not good:
        operator.outlets = []
    for outlet in operator.outlets:
        if isinstance(outlet, Asset):
            context["outlet_events"][outlet].extra = dict(extra)


def _bounded(metrics: Mapping[str, Json]) -> dict[str, float | None]:
    first = list(metrics.items())[:MAX_METRICS]
    return {str(name)[:MAX_NAME]: finite(value) for name, value in first}
