"""Release a model that another run trained and a gate decided about.

The trusted form of the last two steps of ``secure_training``: its own run, with a service account
that the training run does not have. The decision is verified again, against the model as it is now.
"""

from kfp import dsl

from modelwarden.kubeflow_components import load_artifact, release, require_allow


@dsl.pipeline(name="release")
def release_model(
    decision: str, model: str, policy: str, trust: str, evidence: str, releases: str
) -> str:
    """Verify, then publish."""
    file = load_artifact(uri=model).set_caching_options(False)
    verify = require_allow(
        model=file.outputs["artifact"], decision=decision, policy=policy, trust=trust
    ).set_caching_options(False)
    published = (
        release(
            model=file.outputs["artifact"],
            decision=decision,
            policy=policy,
            trust=trust,
            evidence=evidence,
            to=releases,
            run=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
        )
        .after(verify)
        .set_caching_options(False)
    )
    return published.output
