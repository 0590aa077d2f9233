"""Components: several tasks in one line of a pipeline."""

from collections import namedtuple
from typing import NamedTuple

from kfp import dsl
from kfp.dsl import Dataset, Input, Model

from modelwarden.kubeflow_components.data import backdoor, integrity, load_artifact, roni
from modelwarden.kubeflow_components.deployment import deployment_gate, require_allow


@dsl.pipeline(name="data-defence")
def data_defence(
    train: Input[Dataset],
    trusted: Input[Dataset],
    suite: str,
    profile: str,
    sample: str,
    target: str,
    max_rejected: float = 0.25,
    evidence: str = "",
    key: str = "",
) -> NamedTuple("Defended", kept=Dataset, quarantine=Dataset, rows=Dataset, triggers=Dataset):
    """Validate training rows, filter them (RONI), look for backdoors; never from cache.

    Checks record what they find and succeed; the gate is who refuses.

    Args:
        train: Rows under suspicion.
        trusted: Rows that people have reviewed.
        suite: URI of the suite.
        profile: URI of what modelwarden profile wrote about trusted rows.
        sample: URI of the sample that it wrote beside it.
        target: Label column.
        max_rejected: Share of rejected rows above which the filter fails and keeps all.
        evidence: Prefix for reports and signed statements.
        key: Signing key of the data checks, a PEM file or env:NAME; "" signs nothing.

    Returns:
        Rows to train on, rows that were rejected, what was measured of each row, and triggers that
        are left in the rows to train on.
    """
    asked = {"target": target, "evidence": evidence, "key": key}
    validate = integrity(data=train, suite=suite, profile=profile, sample=sample, **asked)
    filtered = roni(train=train, trusted=trusted, max_rejected=max_rejected, **asked)
    known, rows = load_artifact(uri=profile), load_artifact(uri=sample)
    searched = backdoor(
        train=filtered.outputs["kept"],
        profile=known.outputs["artifact"],
        sample=rows.outputs["artifact"],
        **asked,
    )
    for task in (validate, filtered, known, rows, searched):
        task.set_caching_options(False)  # the cache knows artifacts by their ids, not by bytes
    tables = [filtered.outputs[name] for name in ("kept", "quarantine", "rows")]
    tables.append(searched.outputs["triggers"])
    return namedtuple("Defended", ["kept", "quarantine", "rows", "triggers"])(*tables)


@dsl.pipeline(name="security-gate")
def security_gate(model: Input[Model], policy: str, evidence: str, trust: str, key: str) -> str:
    """Decide, and fail the run unless the decision allows; never from cache.

    Args:
        model: The model file.
        policy: URI of the policy.
        evidence: Prefix below which statements lie and the decision goes.
        trust: URI of the trust file.
        key: The gate's key, a PEM file or env:NAME.

    Returns:
        URI of the signed decision.
    """
    gate = deployment_gate(model=model, policy=policy, evidence=evidence, trust=trust, key=key)
    gate.set_caching_options(False)
    enforce = require_allow(
        model=model,
        decision=gate.outputs["decision"],
        policy=policy,
        trust=trust,
    )
    enforce.set_caching_options(False)
    decision: str = gate.outputs["decision"]
    return decision
