"""An Airflow task that asks people for their one-time codes, and releases nothing by itself.

Each approver signs first, on their own machine: ``modelwarden approve DECISION --as NAME``. Here
they answer with a one-time code, which the worker compares and confirms with the desk's key. What
counts afterwards are the two signed files: whoever marks this task green has approved nothing, and
``VerifyDecisionOperator`` says so. Airflow's user names must be the names in the trust file.
"""

from collections.abc import Sequence
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, BaseHook
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Param

from modelwarden.airflow_operators import JobOperator, translated
from modelwarden.errors import InputError

APPROVE, REJECT = "Approve", "Reject"
_CODE = Param(
    None,
    type=["null", "string"],
    title="One-time code",
    description="Six digits from your authenticator; each is good once.",
)


class ApprovalGateOperator(JobOperator, HITLOperator):
    """Wait until as many people as the policy wants have confirmed their approval of a decision.

    A wrong or used code asks again; the third try of a person is the last. Returns who approved.

    Parameters
    ----------
    decision, policy, trust : str
        URIs of the signed decision, the policy and the trust file.
    key : str
        The desk's key, whose role may confirm a ``second_factor``: a PEM file or ``env:NAME``.
    totp_conn_prefix : str, default="totp_"
        Airflow connections with the shared secrets: this and the person's name; the password.
    """

    template_fields: Sequence[str] = (
        *JobOperator.template_fields,
        "subject",
        "body",
        "decision",
        "policy",
        "trust",
        "key",
    )
    ui_color = "#ffe0b2"

    def __init__(
        self,
        *,
        decision: str,
        policy: str,
        trust: str,
        key: str,
        totp_conn_prefix: str = "totp_",
        **kwargs: Any,
    ) -> None:
        for name in ("defaults", "options", "params", "multiple"):
            if kwargs.get(name):
                fix = "only people who answer may approve"
                raise InputError(f"ApprovalGateOperator.{name}", "nothing", "a value", fix)
        kwargs.setdefault("subject", "Approve this release?")
        kwargs["options"], kwargs["params"] = [APPROVE, REJECT], {"code": _CODE}
        super().__init__(**kwargs)
        self.decision, self.policy, self.trust, self.key = decision, policy, trust, key
        self.totp_conn_prefix = totp_conn_prefix

    def execute(self, context: Any) -> Any:
        """Show the decision rule by rule, and wait for an answer."""
        from modelwarden.jobs.approve import describe

        with translated(self):
            said = describe(self.decision, trust=self.trust, connections=self._connections())
        self.body = f"{said}\n\nSign first: `modelwarden approve {self.decision} --as YOU`."
        return HITLOperator.execute(self, context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Judge an answer: confirm it, ask again, or fail for good."""
        if "error" in event:
            raise AirflowFailException(f"nobody approved: {event.get('error_type', 'an error')}")
        person = str((event.get("responded_by_user") or {}).get("id") or "").casefold()
        if event.get("chosen_options") != [APPROVE]:
            raise AirflowFailException(f"rejected by {person or 'somebody unknown'}")
        code = str((event.get("params_input") or {}).get("code") or "")
        with translated(self):
            people, wanted = self._confirm(person, code)
        if len(people) < wanted:
            self.log.info("%d of %d people approved", len(people), wanted)
            return self.execute(context)
        return {"approvers": list(people), "decision": self.decision}

    def _confirm(self, person: str, code: str) -> tuple[tuple[str, ...], int]:
        from modelwarden.jobs.approve import approvers_of
        from modelwarden.jobs.confirm import confirm

        connections = self._connections()
        try:
            done = confirm(
                self.decision,
                approver=person,
                code=code,
                secret=self._secret(person),
                key=self.key,
                trust=self.trust,
                connections=connections,
            )
        except InputError as error:  # not signed yet, or unknown here: ask again
            self.log.warning("%s", error)
        else:
            if not done.accepted:
                self.log.warning("%s: %s, %d tries left", person, done.why, done.left)
            if not done.accepted and not done.left:
                raise AirflowFailException(f"{person}: {done.why}, and it was the last try")
        return approvers_of(
            self.decision, policy=self.policy, trust=self.trust, connections=connections
        )

    def _secret(self, person: str) -> str:
        name = f"{self.totp_conn_prefix}{person}"
        try:
            return str(BaseHook.get_connection(name).password or "")
        except Exception as error:
            raise InputError(f"connection {name}", "a shared secret", "nothing") from error
