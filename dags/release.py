"""Release a model that another run trained and a gate decided about.

The trusted form of the last two steps of ``secure_training``: its own run, with an identity that
the training run does not have. The decision is verified again, against the model as it is now.
"""

from airflow.sdk import Param, chain, dag

from modelwarden.airflow_operators import ReleaseOperator, VerifyDecisionOperator

S3 = "^s3://[^/]+/.+"


@dag(
    schedule=None,
    tags=["security"],
    doc_md=__doc__,
    params={
        "decision": Param("s3://evidence/decision", type="string", pattern=S3),
        "model": Param("s3://training/model.joblib", type="string", pattern=S3),
        "evidence": Param("s3://evidence/secure-training", type="string", pattern=S3),
        "releases": Param("s3://releases/breast-cancer", type="string", pattern=S3),
        "policy": Param("expectations/policies/demo.yaml", type="string"),
        "trust": Param("trust.yaml", type="string"),
    },
)
def release() -> None:
    """Verify, then publish."""
    decided = {
        "decision": "{{ params.decision }}",
        "model": "{{ params.model }}",
        "policy": "{{ params.policy }}",
        "trust": "{{ params.trust }}",
    }
    verify = VerifyDecisionOperator(task_id="verify", **decided)
    publish = ReleaseOperator(
        task_id="release",
        evidence="{{ params.evidence }}",
        to="{{ params.releases }}",
        **decided,
    )
    chain(verify, publish)


release()
