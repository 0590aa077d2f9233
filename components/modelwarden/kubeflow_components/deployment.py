"""Components: what a builder signs, and the way from a decision to a release."""

from typing import NamedTuple

from kfp.dsl import HTML, Dataset, Input, Model, Output

from modelwarden.kubeflow_components.component import component


@component()
def record_training(
    model: Input[Model],
    data: Input[Dataset],
    evidence: str,
    key: str,
    author: str = "",
) -> str:
    """Sign which table a model was trained on.

    Args:
        model: The model file.
        data: The table.
        evidence: Prefix for the statement.
        key: The builder's key, a PEM file or env:NAME.
        author: Who built the model; must not be who approves it.

    Returns:
        URI of the statement.
    """
    from modelwarden.jobs.trained import trained

    return trained(model.path, data=data.path, evidence=evidence, key=key, author=author).uri


@component()
def deployment_gate(
    model: Input[Model],
    report: Output[HTML],
    policy: str,
    evidence: str,
    trust: str,
    key: str,
) -> NamedTuple("Ruling", decision=str, allow=bool):
    """Decide whether a model may be deployed; succeeds either way.

    Args:
        model: The model file.
        report: The decision as a page.
        policy: URI of the policy.
        evidence: Prefix below which statements lie and the decision goes.
        trust: URI of the trust file.
        key: The gate's key, a PEM file or env:NAME.

    Returns:
        URI of the signed decision, and whether it allows.
    """
    from pathlib import Path

    from modelwarden.jobs.gate import gate

    ruling = gate(model.path, policy=policy, evidence=evidence, trust=trust, key=key)
    Path(report.path).write_text(ruling.page, encoding="utf-8")
    return (ruling.statement.uri, ruling.decision.allowed)


@component()
def require_allow(model: Input[Model], decision: str, policy: str, trust: str) -> str:
    """Re-check a decision and all it rests on; fail unless it allows exactly this model.

    Args:
        model: The model file that is about to be used.
        decision: URI of the signed decision.
        policy: URI of the policy.
        trust: URI of the trust file.

    Returns:
        SHA-256 of the model that may be used.
    """
    from modelwarden.jobs.verify import verify

    return verify(decision, model=model.path, policy=policy, trust=trust).model


@component()
def release(
    model: Input[Model],
    decision: str,
    policy: str,
    trust: str,
    evidence: str,
    to: str,
    run: str,
    key: str = "",
) -> str:
    """Publish a model whose decision holds, once.

    Args:
        model: The model file.
        decision: URI of the signed decision.
        policy: URI of the policy.
        trust: URI of the trust file.
        evidence: Prefix where it is noted that the decision was used.
        to: Prefix of published models.
        run: Name of this run, such as dsl.PIPELINE_JOB_ID_PLACEHOLDER.
        key: A key that may release, which records it as the current one; "" for none.

    Returns:
        URI of the release's manifest.
    """
    from modelwarden.jobs.release import release

    return release(
        decision,
        model=model.path,
        policy=policy,
        trust=trust,
        evidence=evidence,
        to=to,
        run=run,
        key=key,
    ).uri
