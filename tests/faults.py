"""The attacks on evidence, approvals and policies that we know, and the tests that try them.

``python tests/faults.py`` runs those tests and writes ``docs/faults.md``.
"""

import ast
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/faults.md"
HEAD = """\
# Faults and attacks that are tried

Written by `python tests/faults.py`, which runs the tests that it names. E: evidence and approvals; P: policies.

{passed} of {whole} cases pass.

| case | what is tried | expected | test | passes |
|---|---|---|---|---|
"""


class Fault(NamedTuple):
    """One way to cheat; ``tests`` are ``file::function``, below ``tests/``."""

    case: str
    what: str
    expected: str
    tests: tuple[str, ...]


def _at(file: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{file}::test_{name}" for name in names)


SIGNING, POLICY, CHAIN = "test_signing.py", "test_policy.py", "jobs/test_chain.py"
APPROVALS, EVIDENCE, FILE = "jobs/test_approvals.py", "test_evidence.py", "test_policy_file.py"
SECURITY_KEYS = "jobs/test_security_keys.py"
FAULTS = (
    Fault("E1", "each bit of the payload flipped", "refused", _at(SIGNING, "every_flipped_bit_of_payload_and_signature_is_refused")),
    Fault("E2", "each bit of the signature flipped", "refused", _at(SIGNING, "every_flipped_bit_of_payload_and_signature_is_refused", "every_flipped_bit_of_an_ed25519_signature_is_refused")),
    Fault("E3", "another payloadType", "refused", _at(SIGNING, "refuses_another_payload_type")),
    Fault("E4", "no signatures", "refused", _at(SIGNING, "refuses_an_envelope_without_signatures")),
    Fault("E5", "one approval filed twice, for two people", "counts once", _at(APPROVALS, "one_approval_filed_twice_is_one")),
    Fault("E6", "one key under two names", "trust file refused", _at(SIGNING, "refuses_one_key_in_two_roles", "refuses_a_malformed_trust_file")),
    Fault("E7", "evidence signed by the trainer", "denied", _at(CHAIN, "denies_a_check_signed_by_somebody_who_may_not")),
    Fault("E8", "a right key in the wrong role", "denied", _at(CHAIN, "denies_a_check_signed_by_somebody_who_may_not", "refuses_a_decision_signed_by_somebody_who_may_not")),
    Fault("E9", "evidence about another model", "denied", _at(POLICY, "denies_evidence_about_another_model")),
    Fault("E10", "evidence about another dataset", "denied", _at(POLICY, "denies_a_model_that_was_trained_on_the_unfiltered_rows", "denies_a_model_that_was_trained_on_rows_nobody_checked")),
    Fault("E11", "a decision by an older policy", "refused", _at(CHAIN, "a_policy_that_changed_by_a_comment_is_another_policy")),
    Fault("E12", "stale evidence", "denied", _at(POLICY, "denies_what_is_too_old_or_from_the_future")),
    Fault("E13", "two statements for one check, one of them lucky", "the worst counts, visibly", _at(POLICY, "the_worst_of_several_answers_counts") + _at(CHAIN, "another_answer_to_the_same_question_is_another_attempt")),
    Fault("E14", "a statement is missing", "denied", _at(POLICY, "denies_when_one_statement_is_missing") + _at(CHAIN, "denies_when_a_step_was_skipped")),
    Fault("E15", "a metric that is text, a bool or NaN", "denied", _at(EVIDENCE, "a_metric_that_is_no_finite_number_was_not_measured") + _at(POLICY, "denies_what_is_not_within_the_bound")),
    Fault("E16", "equal keys in a signed payload", "refused", _at(EVIDENCE, "equal_keys_in_a_signed_payload_are_refused")),
    Fault("E17", "an envelope of 10 MB, or with many signatures", "refused at once", _at(EVIDENCE, "ten_megabytes_are_refused_at_once") + _at(SIGNING, "bounds_the_number_of_signatures")),
    Fault("E18", "any JSON as an envelope, or as a statement", "only refused", _at(SIGNING, "any_json_as_an_envelope_is_only_ever_refused") + _at(EVIDENCE, "whatever_a_trusted_key_signed_is_read_or_refused", "whatever_is_changed_in_a_statement_is_read_or_refused")),
    Fault("E19", "approvals of another decision", "do not count", _at(APPROVALS, "an_approval_of_one_decision_is_none_of_another")),
    Fault("E20", "the author approves", "does not count", _at(APPROVALS, "the_author_does_not_count", "an_author_in_capitals_is_the_same_person", "without_an_author_nobody_can_be_another_person")),
    Fault("E21", "an approval that is late or old", "does not count", _at(APPROVALS, "an_approval_that_came_too_late_does_not_count", "an_old_approval_still_verifies_but_is_not_released")),
    Fault("E22", "an approval of another action", "does not count", _at(APPROVALS, "refuses_an_approval_that_is_about_something_else")),
    Fault("E23", "an approval of fewer subjects", "does not count", _at(APPROVALS, "refuses_an_approval_that_is_about_something_else")),
    Fault("E24", "a one-time code used again", "refused", _at(APPROVALS, "a_code_is_good_once")),
    Fault("E25", "one-time codes by brute force", "three tries", _at(APPROVALS, "three_wrong_codes_are_the_last", "a_try_is_taken_before_the_code_is_looked_at")),
    Fault("E26", "WebAuthn without user verification", "refused by the desk, and by everybody who verifies", _at(SECURITY_KEYS, "an_answer_of_another_kind_is_refused_by_the_desk_and_by_everybody_else") + _at("test_webauthn.py", "a_hostile_answer_is_refused_here_and_by_fido2") + _at(APPROVALS, "only_a_factor_that_is_known_is_accepted")),
    Fault("E27", "a denial signed by the gate", "not deployable", _at(CHAIN, "a_denial_is_written_down_and_final") + _at(APPROVALS, "a_denial_cannot_be_approved")),
    Fault("E28", "a revoked key", "counts no more", _at(APPROVALS, "what_a_revoked_key_signed_no_longer_counts", "a_person_who_left_the_trust_file_does_not_count")),
    Fault("E29", "a security key's answer, replayed for another decision", "refused", _at(SECURITY_KEYS, "an_answer_is_worth_nothing_for_another_decision")),
    Fault("E30", "the desk says that it saw a second factor that never was", "does not count where a security key is asked for", _at(SECURITY_KEYS, "the_desk_cannot_stand_in_for_a_security_key", "a_code_does_not_replace_an_answer")),
    Fault("P1", "an equal key in YAML", "refused", _at("test_documents.py", "yaml_refuses")),
    Fault("P2", "`1e-3` as text", "refused", _at(FILE, "refuses_a_fault_and_names_it")),
    Fault("P3", "a threshold of NaN", "refused", _at(FILE, "refuses_a_threshold_that_is_no_finite_number")),
    Fault("P4", "a misspelt key", "refused, the key that was meant is named", _at(FILE, "refuses_a_fault_and_names_it")),
    Fault("P5", "an unknown check or metric", "refused, the name that was meant is named", _at(FILE, "refuses_a_fault_and_names_it")),
    Fault("P6", "no rules", "refused", _at(FILE, "refuses_a_fault_and_names_it") + _at(EVIDENCE, "a_ruling_without_rules_never_allows")),
    Fault("P7", "aliases, which can explode", "refused", _at("test_documents.py", "yaml_refuses")),
    Fault("P8", "the policy changes after the evidence", "the decision no longer verifies", _at(CHAIN, "a_policy_that_changed_by_a_comment_is_another_policy", "an_easier_question_does_not_count")),
)  # fmt: skip


def functions(file: Path) -> set[str]:
    """Return the names of the functions in a file of tests."""
    tree = ast.parse(file.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def page(passes: dict[str, bool]) -> str:
    """Return the page; `passes` says so of each test."""
    rows, good = [], 0
    for fault in FAULTS:
        holds = all(passes.get(test, False) for test in fault.tests)
        good += holds
        tests = ", ".join(f"`{test}`" for test in fault.tests)
        mark = "yes" if holds else "NO"
        rows.append(f"| {fault.case} | {fault.what} | {fault.expected} | {tests} | {mark} |\n")
    return HEAD.format(passed=good, whole=len(FAULTS)) + "".join(rows)


def run() -> dict[str, bool]:
    """Run every test of the table; return which passed, with all of its parameters."""
    wanted = sorted({test for fault in FAULTS for test in fault.tests})
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}"]
        subprocess.run([*command, *(f"tests/{test}" for test in wanted)], cwd=ROOT)
        cases = list(ElementTree.parse(report).iter("testcase"))
    passes = dict.fromkeys(wanted, False)
    for test in wanted:
        module, _, name = test.removesuffix(".py").partition("::")
        dotted = f"tests.{module.removesuffix('.py').replace('/', '.')}"
        own = [
            case
            for case in cases
            if case.get("classname") == dotted and case.get("name", "").partition("[")[0] == name
        ]
        passes[test] = bool(own) and all(len(case) == 0 for case in own)
    return passes


if __name__ == "__main__":
    PAGE.write_text(page(run()))
