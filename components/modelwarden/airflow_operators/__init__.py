"""Airflow operators: they assign, call a job, and translate its verdict.

Every argument is templated. Nothing heavier than Airflow is imported before ``execute``. A verdict
is final and never retried; trouble with storage is retried as the task says. What is pushed to XCom
is small and for people: the gate and ``VerifyDecisionOperator`` read signed files, never XCom.
"""

from modelwarden.airflow_operators.data import (
    BackdoorOperator,
    DriftOperator,
    IntegrityOperator,
    RestoreOperator,
    RoniOperator,
)
from modelwarden.airflow_operators.deployment import (
    DeploymentGateOperator,
    RecordTrainingOperator,
    ReleaseOperator,
    VerifyDecisionOperator,
)
from modelwarden.airflow_operators.models import (
    EvasionOperator,
    ExtractionOperator,
    MembershipOperator,
    ModelFileOperator,
)
from modelwarden.airflow_operators.operator import (
    CheckOperator,
    JobOperator,
    ReportOperator,
    translated,
)
from modelwarden.airflow_operators.serving import (
    AccessOperator,
    BucketOperator,
    EndpointOperator,
    TrafficOperator,
)

__all__ = [
    "AccessOperator",
    "BackdoorOperator",
    "BucketOperator",
    "CheckOperator",
    "DeploymentGateOperator",
    "DriftOperator",
    "EndpointOperator",
    "EvasionOperator",
    "ExtractionOperator",
    "IntegrityOperator",
    "JobOperator",
    "MembershipOperator",
    "ModelFileOperator",
    "RecordTrainingOperator",
    "ReleaseOperator",
    "ReportOperator",
    "RestoreOperator",
    "RoniOperator",
    "TrafficOperator",
    "VerifyDecisionOperator",
    "translated",
]
