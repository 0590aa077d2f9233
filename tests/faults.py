"""The faults of storage and data and the attacks on evidence, models and policies that we know, and the tests that try them.

``python tests/faults.py`` runs those tests and writes ``docs/faults.md``.
"""

import ast
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from modelwarden import table_files

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/faults.md"
HEAD = """\
# Faults and attacks that are tried

Written by `python tests/faults.py`, which runs the tests that it names. F: storage and processes; E: evidence and approvals; M: model files; D: tables; P: policies.

A table has at most {cells:,} cells (rows x columns) and {columns:,} columns; CSV has at most {bytes:,} bytes, {row:,} in a row and 131,072 characters in a field; the values of a Parquet file have at most {bytes:,} bytes when decoded, repeated texts written out; the name of a column has at most {name} characters. The same holds for all files of a prefix together, at most 20,000 of them and 16 GiB as stored. `modelwarden profile` reads Parquet of any number of rows, one batch at a time.

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
STORE, DEATHS, UNPICKLING = "test_store.py", "jobs/test_model_faults.py", "child/test_unpickling.py"
MODELS, SKOPS, ONNX = "test_models.py", "child/test_skops_file.py", "child/test_onnx_model.py"
TABLES, BAD, CONTRACT = "test_tables.py", "test_bad_tables.py", "checks/test_integrity_contract.py"
RONI = "checks/test_roni.py"
FAULTS = (
    Fault("F1", "500 before a write", "retried", _at(STORE, "f1_a_500_before_the_write")),
    Fault("F2", "500 after a write", "found to be written; what somebody else wrote is a conflict", _at(STORE, "f2_a_500_after_the_write_is_found_to_be_written", "f2_a_500_after_the_write_of_another_is_a_conflict")),
    Fault("F3", "reset before a write", "retried", _at(STORE, "f3_a_reset_before_the_write")),
    Fault("F4", "reset after a write", "found to be written", _at(STORE, "f4_a_reset_after_the_write")),
    Fault("F5", "timeout after a write", "found to be written", _at(STORE, "f5_a_timeout_after_the_write")),
    Fault("F6", "a burst of 503", "retried; one that stays is a fault to try later", _at(STORE, "f6_a_burst_of_503", "f6_a_store_that_stays_overloaded_may_be_tried_later")),
    Fault("F7", "409", "retried; one that stays is a fault to try later", _at(STORE, "f7_a_409_is_tried_again", "f7_a_409_that_stays_may_be_tried_later")),
    Fault("F8", "403", "action and resource are named, no retry", _at(STORE, "f8_a_403_names_action_and_resource_and_is_not_retried")),
    Fault("F9", "404", "the object is named", _at(STORE, "f9_a_missing_object_is_named")),
    Fault("F10", "a body that is cut off", "read again, then refused", _at(STORE, "f10_f11_a_broken_body_is_read_again", "f10_f11_a_body_that_stays_broken_is_refused")),
    Fault("F11", "a bit that flips on the way", "read or sent again, then refused", _at(STORE, "f10_f11_a_broken_body_is_read_again", "f10_f11_a_body_that_stays_broken_is_refused", "f11_an_upload_that_was_damaged_is_sent_again")),
    Fault("F12", "an empty 200, a login page", "no answer", _at(STORE, "f12_an_empty_200_is_no_answer", "f12_a_login_page_is_no_store")),
    Fault("F13", "a request that arrives twice", "written once", _at(STORE, "f13_a_request_that_arrives_twice")),
    Fault("F14", "SIGKILL at each request and file operation", "a rerun ends the same", _at(STORE, "f14_killed_at_a_request_a_rerun_ends_the_same", "f14_killed_at_any_file_operation_a_rerun_ends_the_same")),
    Fault("F15", "two runs race on one decision", "one wins, the other is told", _at(STORE, "f15_of_two_runs_that_decide_one_wins")),
    Fault("F16", "an object overwritten between check and deploy", "refused by digest", _at(STORE, "f16_an_object_that_changed_is_refused", "f16_an_object_that_was_overwritten_between_check_and_deploy")),
    Fault("F17", "a full disk", "a fault that says so", _at(STORE, "a_full_disk_is_a_store_error")),
    Fault("F20", "a store without write-once", "refused before anything is decided", _at(STORE, "f20_a_store_that_ignores_write_once_is_refused", "f20_a_store_that_knows_write_once_now_and_then_is_refused", "f20_a_store_without_write_once_is_refused")),
    Fault("F22", "the kernel kills a model's process", "a fault, no evidence", _at(DEATHS, "f22_a_model_that_is_killed_has_not_passed") + _at(CHAIN, "denies_when_a_step_was_skipped")),
    Fault("F23", "a check crashes", "a fault, no evidence, the gate denies", _at(DEATHS, "f23_a_check_that_crashes_gives_no_evidence") + _at(CHAIN, "denies_when_a_step_was_skipped")),
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
    Fault("M1", "os.system, in a pickle", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M2", "subprocess, in a pickle", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M3", "eval, in a pickle", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M4", "exec, in a pickle", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M5", "a method by name (methodcaller), in a pickle", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M6", "a script (runpy, timeit), in a pickle", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M7", "joblib.load, in a pickle", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M8", "numpy.load, in a pickle", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M9", "pandas.read_pickle, in a pickle", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M10", "the same in joblib files", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M11", "the same in compressed joblib files", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M12", "a dotted name", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M13", "a file that runs before it breaks off", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M14", "protocol 0, opcodes INST and OBJ", "refused by name, nothing runs", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing")),
    Fault("M15", "a pickle in an array of objects; memory as objects", "refused", _at(UNPICKLING, "the_corpus_executes_when_loaded_without_care", "refuses_the_corpus_and_executes_nothing") + _at(UNPICKLING, "refuses_forgeries_that_need_no_forbidden_name")),
    Fault("M16", "memory bombs, zip bombs", "refused", _at(MODELS, "a_memory_bomb_is_stopped", "too_much_memory_is_named") + _at(SKOPS, "a_bomb_is_not_unpacked")),
    Fault("M17", "flipped bytes, children and features out of range", "refused, or the process dies alone", _at(MODELS, "the_parent_survives_damaged_forests", "a_crash_is_named") + _at("child/test_parts.py", "refuses") + _at(ONNX, "flipped_bytes_are_read_or_refused")),
    Fault("M18", "a prediction that never ends", "stopped, nothing is left behind", _at(MODELS, "a_model_that_hangs_is_stopped_and_leaves_nothing_behind")),
    Fault("M19", "a wrong extension", "the content counts", _at(MODELS, "a_file_is_what_its_content_says_whatever_its_name", "no_name_lets_a_pickle_pass_for_something_else")),
    Fault("M20", "other features, NaN, a wrong length, an unknown label, other answers when asked again", "a named fault", _at(MODELS, "a_wrong_number_of_columns_is_named", "probabilities_that_are_nan_are_refused", "another_number_of_rows_is_refused", "another_number_of_classes_is_refused", "a_label_outside_the_classes_is_refused") + _at("checks/test_evasion.py", "a_model_that_answers_differently_when_asked_again_fails")),
    Fault("M21", "skops: functions, calls, operators, mixed kinds, hidden members", "refused by name, nothing runs", _at(SKOPS, "refuses_by_name_and_executes_nothing", "refuses_a_file_that_skops_does_not_write")),
    Fault("M22", "ONNX: paths, addresses, operators and functions of its own", "refused", _at(ONNX, "refuses", "refuses_bytes_that_could_be_read_in_two_ways")),
    Fault("M23", "archives: links, devices, ways up, bombs, code, a second model, another loader", "refused", _at("child/test_archive.py", "refuses_a_tar_with", "bombs_are_not_unpacked", "refuses_what_is_not_one_model", "refuses_an_mlflow_folder_with", "refuses_an_mlflow_folder_with_a_second_model_or_description")),
    Fault("D1", "an empty file", "refused", _at(TABLES, "names_what_is_not_a_table")),
    Fault("D2", "a header without rows", "refused", _at(TABLES, "names_what_is_not_a_table")),
    Fault("D3", "one row", "read; refused as labels, which are of one class", _at(BAD, "d3_one_row_is_a_table_without_two_classes")),
    Fault("D4", "one class", "refused where labels are learnt; named where they are compared", _at(TABLES, "refuses_labels_that_are_no_classes") + _at(CONTRACT, "rows_that_are_all_one_row_and_constant_columns")),
    Fault("D5", "the label is missing, or renamed by a character that nobody sees", "refused, the name that looks alike is shown", _at(TABLES, "a_missing_target_is_compared_with_what_is_there") + _at(CONTRACT, "a_label_that_is_missing_is_a_finding_and_not_measured", "a_renamed_column_is_one_finding_that_shows_what_changed")),
    Fault("D6", "a label that is missing in a row", "refused, the row is named; a finding of `integrity`", _at(TABLES, "refuses_labels_that_are_no_classes") + _at(CONTRACT, "labels_that_are_missing")),
    Fault("D7", "inf, 1e400", "read as infinite; refused as labels", _at(TABLES, "a_column_gets_the_first_type_that_fits_all_of_it", "refuses_labels_that_are_no_classes")),
    Fault("D8", "several types in one column", "all of it is text, which is a finding against a profile", _at(TABLES, "one_late_word_makes_the_whole_column_text") + _at(CONTRACT, "another_type_is_named")),
    Fault("D9", "integers of more than 64 bits", "refused, because rounding would merge identifiers", _at(TABLES, "refuses_csv_that_leaves_open_what_it_says")),
    Fault("D10", "rows of different lengths", "refused, the line is named", _at(TABLES, "refuses_csv_that_leaves_open_what_it_says")),
    Fault("D11", "two columns of one name", "refused", _at(TABLES, "refuses_csv_that_leaves_open_what_it_says", "refuses_parquet_that_is_broken_or_no_table")),
    Fault("D12", "10,000 columns", "read; one more is refused", _at(BAD, "d12_ten_thousand_columns_are_read_and_one_more_is_not")),
    Fault("D13", "a field of 20 MB", "refused at once; the limit is read", _at(BAD, "d13_a_field_of_megabytes_is_refused_at_once", "d13_a_field_of_the_limit_is_read")),
    Fault("D14", "a byte-order mark, every kind of line end", "read", _at(TABLES, "reads_every_line_end_and_a_byte_order_mark")),
    Fault("D15", "UTF-16, Latin-1", "refused, what it is is named", _at(TABLES, "names_what_is_not_a_table")),
    Fault("D16", "NUL bytes", "refused, the line is named", _at(TABLES, "names_what_is_not_a_table")),
    Fault("D17", "homoglyphs, paths and spaces as names of columns", "read; never a place, shown as a look-alike against a profile", _at(TABLES, "columns_may_have_hostile_names") + _at(BAD, "d17_a_column_name_is_never_a_place") + _at(CONTRACT, "hostile_names_are_only_words", "a_second_column_that_reads_like_one_that_is_there")),
    Fault("D18", "formulas as values", "kept rows stay as they are; inert in tables that people open", _at(TABLES, "text_stays_as_it_stands") + _at(BAD, "d18_a_formula_is_inert_in_what_spreadsheets_open")),
    Fault("D19", "the country NA", "text, not missing", _at(TABLES, "text_stays_as_it_stands", "only_an_empty_field_is_missing_in_text")),
    Fault("D20", "leading zeros", "text, which keeps them", _at(TABLES, "text_stays_as_it_stands")),
    Fault("D21", "semicolons, tabs, decimal commas", "refused, what was found is named", _at(TABLES, "refuses_csv_that_leaves_open_what_it_says")),
    Fault("D22", "an error page saved as CSV", "refused", _at(TABLES, "names_what_is_not_a_table")),
    Fault("D23", "CSV that is cut off", "refused, or no label is made up; that the last word is short, only the digest tells", _at(BAD, "d23_wherever_a_table_is_cut_off_no_label_is_made_up")),
    Fault("D24", "a gzip bomb", "refused before it is unpacked, whatever its name", _at(BAD, "d24_a_bomb_is_refused_before_it_is_unpacked")),
    Fault("D25", "an npz bomb", "refused before it is unpacked", _at(BAD, "d25_d34_arrays_of_numpy_are_no_tables", "d25_a_zip_that_pretends_to_be_small_is_no_table")),
    Fault("D26", "a Parquet bomb, whose footer lies", "refused by what would be read", _at(TABLES, "counts_what_would_be_read_and_not_what_the_footer_sums_up", "refuses_text_that_a_dictionary_inflates_to", "refuses_values_that_the_footer_says_are_too_many")),
    Fault("D27", "Parquet that is cut off, without footer, or with a huge one", "refused", _at(TABLES, "refuses_parquet_that_is_broken_or_no_table")),
    Fault("D28", "a flipped byte of data", "refused by digest", _at(BAD, "d28_data_with_a_flipped_byte_is_not_what_was_agreed_on") + _at(TABLES, "a_flipped_byte_gives_a_table_or_a_clear_error")),
    Fault("D29", "a broken footer", "refused", _at(TABLES, "refuses_parquet_that_is_broken_or_no_table", "a_flipped_byte_gives_a_table_or_a_clear_error")),
    Fault("D30", "broken metadata of pandas", "ignored", _at(TABLES, "metadata_of_pandas_hides_no_column")),
    Fault("D31", "metadata that makes the label an index", "ignored: no column is hidden", _at(TABLES, "metadata_of_pandas_hides_no_column")),
    Fault("D32", "columns of lists, bytes, decimals", "refused, column and type are named", _at(TABLES, "refuses_parquet_that_is_broken_or_no_table")),
    Fault("D33", "a pickle in the schema", "not loaded", _at(TABLES, "a_pickle_in_the_schema_is_not_loaded")),
    Fault("D34", "an .npy of objects", "refused", _at(BAD, "d25_d34_arrays_of_numpy_are_no_tables")),
    Fault("D35", "an .npy that claims 10^12 rows", "refused, nothing is allocated", _at(BAD, "d35_an_array_that_claims_more_than_there_is_is_not_believed")),
    Fault("D36", "Parquet without rows", "refused", _at(TABLES, "refuses_parquet_that_is_broken_or_no_table")),
    Fault("D37", "all rows are one row, all columns constant", "read; a finding, unless it was always so", _at(CONTRACT, "rows_that_are_all_one_row_and_constant_columns", "a_profile_of_constant_columns_is_kept_by_constant_columns") + _at(RONI, "rows_without_any_difference_are_not_rejected")),
    Fault("D38", "data that RONI would reject altogether", "the check fails, all rows stay", _at(RONI, "more_suspects_than_allowed_fails_and_removes_nothing", "when_every_row_is_poison_the_check_fails_whatever_is_allowed")),
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
    limits = {
        "cells": table_files.MAX_CELLS,
        "columns": table_files.MAX_COLUMNS,
        "bytes": table_files.MAX_BYTES,
        "row": table_files.MAX_ROW,
        "name": table_files.MAX_NAME,
    }
    return HEAD.format(passed=good, whole=len(FAULTS), **limits) + "".join(rows)


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
