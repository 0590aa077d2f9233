"""Kubeflow components: a typed signature and one call each.

Sources and evidence are URIs that go through the store; artifacts are read at their path, and
outputs are copies for the user interface. A task that fails loses its outputs, so checks and the
gate always succeed and record; ``require_allow`` is the task that turns a run red.

Set ``MODELWARDEN_IMAGE`` to an image that holds this package and kfp, and nothing is installed when
a task starts. Signatures follow what the compiler can read: no ``X | None``, no tuples, literal
defaults; ``""``, and None for an artifact, stands for "not given".
"""

from modelwarden.kubeflow_components.data import (
    backdoor,
    drift,
    integrity,
    load_artifact,
    restore,
    roni,
)
from modelwarden.kubeflow_components.deployment import (
    deployment_gate,
    record_training,
    release,
    require_allow,
)
from modelwarden.kubeflow_components.graphs import (
    data_defence,
    security_gate,
)
from modelwarden.kubeflow_components.models import (
    evasion,
    extraction,
    membership,
    model_file,
)
from modelwarden.kubeflow_components.serving import (
    access,
    bucket,
    endpoint,
    traffic,
)
from modelwarden.kubeflow_components.sharding import (
    join,
    shard,
)
from modelwarden.kubeflow_components.watching import (
    alert,
    alert_findings,
    monitor,
)

__all__ = [
    "access",
    "alert",
    "alert_findings",
    "backdoor",
    "bucket",
    "data_defence",
    "deployment_gate",
    "drift",
    "endpoint",
    "evasion",
    "extraction",
    "integrity",
    "join",
    "load_artifact",
    "membership",
    "model_file",
    "monitor",
    "record_training",
    "release",
    "require_allow",
    "restore",
    "roni",
    "security_gate",
    "shard",
    "traffic",
]
