"""Operators: what a builder signs, and the way from a decision to a release."""

from collections.abc import Sequence
from typing import Any

from airflow.providers.common.compat.sdk import SkipMixin, TriggerRule

from modelwarden.airflow_links import EvidenceLink
from modelwarden.airflow_operators.operator import JobOperator, translated
from modelwarden.airflow_results import announce
from modelwarden.errors import InputError, Rejected


class RecordTrainingOperator(JobOperator):
    """Sign which table a model was trained on: :func:`modelwarden.jobs.trained.trained`."""

    template_fields: Sequence[str] = (
        *JobOperator.template_fields,
        "model",
        "data",
        "evidence",
        "key",
        "author",
    )

    def __init__(
        self, *, model: str, data: str, evidence: str, key: str, author: str = "", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.model, self.data, self.evidence, self.key = model, data, evidence, key
        self.author = author

    def execute(self, context: Any) -> str:
        """Return the URI of the statement."""
        from modelwarden.jobs.trained import trained

        with translated(self):
            return trained(
                self.model,
                data=self.data,
                evidence=self.evidence,
                key=self.key,
                author=self.author,
                connections=self._connections(),
            ).uri


class DeploymentGateOperator(JobOperator, SkipMixin):
    """Decide whether a model may be deployed: :func:`modelwarden.jobs.gate.gate`.

    Runs even when checks crashed (``trigger_rule="all_done"``): what is missing denies, and the
    denial is written down. Pushes ``return_value`` (allow, decision, reasons) and ``decision``.

    Parameters
    ----------
    model, policy, trust : str
        URIs of the model, the policy and the trust file.
    evidence : str
        Prefix below which statements lie and the decision goes.
    key : str
        The gate's key: a PEM file or ``env:NAME``.
    on_block : {"fail", "skip", "record"}, default="fail"
        Whether a denial fails the task, skips all that comes after it, or is left to
        ``VerifyDecisionOperator``. A mapped gate cannot skip.
    """

    template_fields: Sequence[str] = (
        *JobOperator.template_fields,
        "model",
        "policy",
        "evidence",
        "trust",
        "key",
        "on_block",
    )
    ui_color = "#ffe0b2"
    operator_extra_links = (EvidenceLink(),)
    inherits_from_skipmixin = True  # or a cleared task would run although it was skipped

    def __init__(
        self,
        *,
        model: str,
        policy: str,
        evidence: str,
        trust: str,
        key: str,
        on_block: str = "fail",
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("trigger_rule", TriggerRule.ALL_DONE)
        super().__init__(**kwargs)
        self.model, self.policy, self.trust = model, policy, trust
        self.evidence, self.key, self.on_block = evidence, key, on_block

    def execute(self, context: Any) -> dict[str, Any]:
        """Decide, push the decision, then block."""
        from modelwarden.jobs.gate import gate

        with translated(self):
            if self.on_block not in ("fail", "skip", "record"):
                raise InputError("on_block", "fail, skip or record", repr(self.on_block))
            if self.on_block == "skip" and context["ti"].map_index >= 0:
                raise InputError("on_block", "fail or record in a mapped gate", "'skip'")
            ruling = gate(
                self.model,
                policy=self.policy,
                evidence=self.evidence,
                trust=self.trust,
                key=self.key,
                connections=self._connections(),
            )
            result, self.page = ruling.as_json(), ruling.page_uri
            self._push(context, {"return_value": result, "decision": ruling.statement.uri})
            allowed, filed = ruling.decision.allowed, ruling.statement
            extra = {"decision": filed.uri, "sha256": filed.sha256, "model": self.model}
            announce(self, context, good=allowed, extra=extra)
            verdict = Rejected(self.model, ruling.decision.reasons, filed.uri)
            if self.on_block == "fail" and not allowed:
                raise verdict
            if self.on_block == "skip" and not allowed:
                self.log.warning("%s", verdict)
                after = self.get_flat_relatives(upstream=False)
                self.skip(ti=context["ti"], tasks=[t for t in after if not t.is_teardown])
        return result


class VerifyDecisionOperator(JobOperator):
    """Re-check a decision and all it rests on: :func:`modelwarden.jobs.verify.verify`.

    Put it right before every use of the model. A task marked green by hand does not help: the
    signed files are read again.
    """

    template_fields: Sequence[str] = (
        *JobOperator.template_fields,
        "decision",
        "model",
        "policy",
        "trust",
    )

    def __init__(
        self, *, decision: str, model: str, policy: str, trust: str, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.decision, self.model, self.policy, self.trust = decision, model, policy, trust

    def execute(self, context: Any) -> str:
        """Return the SHA-256 of the model that may be used."""
        from modelwarden.jobs.session import Session
        from modelwarden.jobs.verify import verify_in

        with translated(self), Session(self._connections()) as session:
            done = verify_in(
                session, self.decision, model=self.model, policy=self.policy, trust=self.trust
            )
            extra = {"decision": self.decision, "sha256": done.sha256, "model": self.model}
            announce(self, context, good=True, extra=extra)
            return done.verdict.model


class ReleaseOperator(JobOperator):
    """Publish a model whose decision holds, once: :func:`modelwarden.jobs.release.release`."""

    template_fields: Sequence[str] = (
        *JobOperator.template_fields,
        "decision",
        "model",
        "policy",
        "trust",
        "evidence",
        "to",
        "run_name",
        "key",
    )

    def __init__(
        self,
        *,
        decision: str,
        model: str,
        policy: str,
        trust: str,
        evidence: str,
        to: str,
        run_name: str = "{{ dag.dag_id }}/{{ run_id }}",
        key: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.decision, self.model, self.policy, self.trust = decision, model, policy, trust
        self.evidence, self.to, self.run_name, self.key = evidence, to, run_name, key

    def execute(self, context: Any) -> dict[str, Any]:
        """Return where the model was published."""
        from modelwarden.jobs.release import release

        with translated(self):
            released = release(
                self.decision,
                model=self.model,
                policy=self.policy,
                trust=self.trust,
                evidence=self.evidence,
                to=self.to,
                run=self.run_name,
                key=self.key,
                connections=self._connections(),
            )
            extra = {
                "decision": self.decision,
                "sha256": released.decision,
                "model": released.model,
            }
            announce(self, context, good=True, extra=extra)
            return released.as_json()
