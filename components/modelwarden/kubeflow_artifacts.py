"""What runs inside a Kubeflow task besides the job: copies for the user interface."""

from pathlib import Path
from typing import Any

from modelwarden.jobs.check import Outcome


def show(outcome: Outcome, *, report: Any, metrics: Any) -> None:
    """Copy a check's outcome into its HTML and Metrics artifacts.

    Metadata holds text and finite floats only: the metadata store refuses None and NaN.
    """
    Path(report.path).write_text(outcome.page, encoding="utf-8")
    report.metadata["success"] = str(outcome.success).lower()
    report.metadata["report"] = outcome.report_uri
    report.metadata["page"] = outcome.page_uri
    report.metadata["statement"] = outcome.statement.uri if outcome.statement else ""
    for name, value in outcome.report.metrics.items():
        if value is not None:
            metrics.log_metric(name, value)
