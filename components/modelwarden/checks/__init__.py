"""The checks, as a table of contents that costs nothing to import.

A test holds every card against the signature of its function. Other packages add checks through the
entry-point group ``modelwarden.checks``: each entry point names a :class:`modelwarden.cards.Card`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from modelwarden.cards import Card
from modelwarden.errors import InputError
from modelwarden.report import Findings

CHECKS: Mapping[str, Card] = {
    "integrity": Card(
        function="modelwarden.checks.integrity:integrity",
        summary="Hold a table against a Great Expectations suite.",
        risks=("AML.T0059", "AML.T0010.002", "ML02:2023", "NISTAML.013"),
        inputs={"data": "table", "suite": "file"},
        options={},
        metrics={
            "rows": "rows of the table",
            "evaluated_expectations": "expectations that were evaluated",
            "failed_expectations": "expectations that do not hold, those that raised included",
        },
        words={"data": "table to check", "suite": "expectation suite (JSON)"},
        extra="gx",
    ),
    "roni": Card(
        function="modelwarden.checks.roni:roni",
        summary="Reject training rows with a negative impact (RONI).",
        risks=("AML.T0020", "AML.T0043.004", "ML02:2023", "NISTAML.013", "NISTAML.023"),
        inputs={"train": "table", "trusted": "table", "estimator": "estimator"},
        optional=("trusted", "estimator"),
        options={
            "target": str,
            "alpha": 0.05,
            "fdr": 0.0,
            "max_rejected": 0.25,
            "group": "",
            "weight": "",
            "trigger": "neutralise",
            "seed": 0,
        },
        metrics={
            "rows": "submitted rows",
            "rejected_rows": "rows that were rejected",
            "rejected_fraction": "rejected over submitted rows, 0 to 1",
            "novel_rows": "rejected rows that are unlike trusted rows or carry a trigger",
            "neutralised_values": "values of a trigger that were replaced in kept rows",
            "harmful_groups": "contributors whose rows harm beyond chance",
            "accuracy_before": "trusted accuracy with all rows, 0 to 1",
            "accuracy_after": "trusted accuracy without the rejected rows, 0 to 1",
            "accuracy_random": "trusted accuracy without as many random rows, 0 to 1",
            "trigger_success_before": "share of trusted rows that a found trigger turns, all rows",
            "trigger_success_after": "the same after filtering; both 0 without a trigger",
        },
        words={
            "train": "rows under suspicion",
            "trusted": "rows that people have reviewed",
            "estimator": "your own estimator, fitted again to confirm: a model file, or python:"
            "module:name",
            "target": "label column",
            "alpha": "share of clean rows that may be rejected on average",
            "fdr": "largest expected share of clean rows among the rejected; 0 to use alpha alone",
            "max_rejected": "share of rejected rows above which the check fails and keeps all",
            "group": "column that names who contributed a row; not a feature",
            "weight": "column of sample weights; not a feature",
            "trigger": "what to do with trigger values left in kept rows: neutralise, drop (the "
            "column) or keep",
            "seed": "seed of everything random",
            "kept": "rows that passed",
            "quarantine": "rows that were rejected",
            "rows": "what was measured of each row, and decided",
        },
        tables=("kept", "quarantine", "rows"),
    ),
    "restore": Card(
        function="modelwarden.checks.restore:restore",
        summary="Put rows back that RONI rejected and people found clean.",
        risks=("AML.T0020", "ML02:2023", "NISTAML.013"),
        inputs={"filtered": "table", "train": "table", "rows": "table"},
        chained=("train", "rows"),
        options={"restore": str},
        metrics={
            "restored_rows": "rows that were put back",
            "restored_fraction": "restored over submitted rows, 0 to 1",
        },
        words={
            "filtered": "rows that RONI kept",
            "train": "rows that RONI read",
            "rows": "RONI's table of rows and decisions",
            "restore": "numbers and ranges of rejected rows, such as 17,20-25",
            "kept": "kept and restored rows, in the order in which they were submitted",
        },
        tables=("kept",),
    ),
    "drift": Card(
        function="modelwarden.checks.drift:drift",
        summary="Hold a batch against the profile of trusted data.",
        risks=("AML.T0020", "AML.T0059", "ML02:2023", "ML08:2023", "NISTAML.013"),
        inputs={"batch": "table", "profile": "file", "sample": "table", "predictor": "model"},
        optional=("predictor",),
        options={"alpha": 0.05, "ignore": "", "seed": 0},
        metrics={
            "rows": "rows of the batch",
            "schema_changes": "columns that are missing, new, or of another kind",
            "quality_alerts": "columns whose distribution or gaps changed so much that it matters",
            "security_alerts": "tests that found rows which agree as poison does",
            "quality_p": "smallest p of the quality tests, false discoveries controlled",
            "security_p": "smallest p of the security tests, corrected for their number",
            "largest_change": "largest difference of a column's distribution, 0 to 1",
        },
        words={
            "batch": "rows to judge",
            "profile": "what modelwarden profile wrote",
            "sample": "the sample that it wrote beside it",
            "predictor": "model whose predictions are judged as one more column",
            "alpha": "share of unchanged batches that alert all the same",
            "ignore": "columns that always move, separated by commas",
            "seed": "seed of samples and classifiers",
            "tests": "each test with its p and its effect",
        },
        tables=("tests",),
    ),
    "evasion": Card(
        function="modelwarden.checks.evasion:evasion",
        summary="Attack a model with small perturbations.",
        risks=("AML.T0015", "AML.T0043.001", "ML01:2023", "NISTAML.022", "NISTAML.025"),
        inputs={"model": "model", "evaluation": "table", "space": "file"},
        optional=("space",),
        options={
            "target": str,
            "epsilon": 0.1,
            "norm": "auto",
            "rows": 300,
            "queries": 400,
            "distance_queries": 1000,
            "nodes": 10_000,
            "examples": 0,
            "seed": 0,
        },
        metrics={
            "rows": "rows that were evaluated",
            "accuracy": "accuracy on the rows as they are, 0 to 1",
            "accuracy_low": "lower end of its 95 % interval",
            "robust_accuracy": "accuracy under attack at epsilon, 0 to 1: an upper bound",
            "robust_accuracy_low": "lower end of its 95 % interval",
            "certified_accuracy": "share of rows that are right and provably stay so at epsilon",
            "certified_accuracy_low": "lower end of its 95 % interval",
            "unknown_fraction": "share of rows that are neither broken nor proved robust",
            "attack_success_rate": "broken rows over rows that are right, 0 to 1",
            "median_distance": "smallest change that breaks the median right row, in epsilon's "
            "units: an upper bound",
        },
        words={
            "model": "model file",
            "evaluation": "rows to attack; the training run should not know them",
            "space": "what an attacker may change (YAML or JSON)",
            "target": "label column",
            "epsilon": "largest change, in units of each column's scale; columns with l0, and of a "
            "text the share of words",
            "norm": "how changes of columns are joined: linf, l2, l1 or l0; auto is l0 for texts, "
            "linf for tables",
            "rows": "rows to attack, chosen by seed",
            "queries": "predictions that the attack may ask for, per row",
            "distance_queries": "the same for the smallest change that breaks a row; 0 to leave "
            "that out",
            "nodes": "steps of exact search per row, for linear models and trees; 0 to prove "
            "nothing",
            "examples": "broken rows to write to the tables broken and pictures",
            "seed": "seed of everything random",
            "broken": "examples of broken rows, before and after: rows of data",
            "pictures": "the same as a page of pictures, where the space file says that rows are "
            "images: rows of data",
        },
        tables=("broken", "pictures"),
    ),
    "extraction": Card(
        function="modelwarden.checks.extraction:extraction",
        summary="Steal the model, and derive a query budget per client.",
        risks=("AML.T0024.002", "AML.T0005.001", "ML05:2023", "NISTAML.031"),
        inputs={"model": "model", "evaluation": "table", "space": "file"},
        optional=("space",),
        options={
            "target": str,
            "limit": 0.95,
            "outputs": "auto",
            "queries": 10_000,
            "days": 30,
            "public_rows": 300,
            "epsilon": 0.1,
            "seed": 0,
        },
        metrics={
            "rows": "rows that copies were judged by",
            "fidelity": "share of them in which the best copy agrees, at the most queries tried",
            "fidelity_low": "lower end of its 95 % interval",
            "fidelity_high": "upper end of its 95 % interval",
            "fidelity_labels": "the same of the best copy from labels",
            "fidelity_probabilities": "the same from labels or probabilities",
            "unaided_fidelity": "the same of a copy made without a query",
            "gain": "fidelity minus unaided_fidelity",
            "safe_queries": "most queries tried whose best copy stays below the limit; 0 if none",
            "queries_to_90": "queries that a copy needs for 90 %; one more than tried if none got "
            "there",
            "queries_to_95": "the same for 95 %",
            "queries_to_99": "the same for 99 %",
            "transfer_success_rate": "share of right rows that a change crafted on the best copy "
            "turns, 0 to 1",
        },
        words={
            "model": "model file",
            "evaluation": "labelled rows like customers'; half are the thieves', half judge copies",
            "space": "what an attacker may change (YAML or JSON)",
            "target": "label column",
            "limit": "fidelity that a copy has to stay below",
            "outputs": "what the endpoint answers with: labels or probabilities; auto is all that "
            "the model can say",
            "queries": "the most that are tried",
            "days": "length of the budget's period",
            "public_rows": "labelled rows that a thief has without asking",
            "epsilon": "how far rows are moved against the copy, in units of each column's scale",
            "seed": "seed of everything random",
            "budget": "query budget per client (JSON)",
        },
        tables=("budget",),
    ),
    "membership": Card(
        function="modelwarden.checks.membership:membership",
        summary="Tell training rows from others by what the model says of them.",
        risks=("AML.T0024.000", "ML04:2023", "NISTAML.033"),
        inputs={"model": "model", "train": "table", "evaluation": "table"},
        options={"target": str, "rows": 5000, "seed": 0},
        metrics={
            "rows": "rows of each kind that were compared",
            "auc": "chance that a training row has a smaller loss than another, .5 is none",
            "auc_high": "upper end of its 95 % interval",
            "tpr_at_1_fpr": "share of training rows found while 1 % of others are taken for one",
            "tpr_at_1_fpr_high": "upper end of its 95 % interval",
            "accuracy_gap": "accuracy on training rows minus accuracy on others",
        },
        words={
            "model": "model file",
            "train": "rows that the model was trained on",
            "evaluation": "rows of the same kind that it was not trained on",
            "target": "label column",
            "rows": "rows of each kind at most, chosen by seed",
            "seed": "seed of the draw",
        },
    ),
    "endpoint": Card(
        function="modelwarden.checks.endpoint:endpoint",
        summary="Probe a staging endpoint: authentication, second factor, limits per client.",
        risks=("AML.T0024.002", "AML.T0034.000", "AML.T0040", "ML05:2023", "NISTAML.031"),
        inputs={"model": "file", "serving": "file", "budget": "file"},
        options={"requests": 200, "seconds": 120},
        metrics={
            "serves_clients": "1 when known credentials are served on every route, else 0",
            "refuses_anonymous": "1 when no credential means 401 or 403 on every path",
            "refuses_unknown_credentials": "1 when a made-up credential means 401 or 403",
            "demands_step_up": "1 when a second factor is demanded where the serving file says so",
            "limits_clients": "1 when one client is cut off at the burst",
            "answers_429": "1 when every refusal over the limit is a 429",
            "says_retry_after": "1 when every 429 says Retry-After",
            "resists_header_bypass": "1 when no forged header gets around the limit",
            "resists_path_bypass": "1 when no other path gets around the limit",
            "resists_new_connections": "1 when no new connection gets around the limit",
            "serves_other_clients": "1 when another client is served while one is refused",
            "limits_other_clients": "1 when the other client is cut off at the burst as well",
            "recovers": "1 when the first client is served again after Retry-After",
            "avoids_redirects": "1 when no path of the serving file answers with a redirect",
            "requests": "requests that were sent",
            "violations": "how many of these are 0",
        },
        words={
            "model": "model file that the endpoint serves",
            "serving": "where the endpoint is, who may ask, and how much at once (YAML)",
            "budget": "query budget of the model (JSON)",
            "requests": "requests in all, however the endpoint answers",
            "seconds": "seconds in all",
        },
    ),
    "model_file": Card(
        function="modelwarden.checks.model_file:model_file",
        summary="Refuse a model file that could execute code.",
        risks=("AML.T0011.000", "AML.T0018.002", "AML.T0010.003", "ML06:2023", "NISTAML.051"),
        inputs={"model": "file"},
        options={},
        metrics={
            "unsafe_globals": "names in the file that are not on the allow-list",
            "loads": "1 when the file loads as a classifier, else 0",
        },
        words={"model": "model file"},
    ),
    "traffic": Card(
        function="modelwarden.checks.traffic:traffic",
        summary="Hold query logs against a query budget.",
        risks=("AML.T0024.002", "AML.T0040", "AML.T0034.000", "ML05:2023", "NISTAML.031"),
        inputs={"model": "file", "logs": "log", "budget": "file", "reference": "table"},
        optional=("reference",),
        options={
            "target": "",
            "format": "auto",
            "client": "",
            "alpha": 0.01,
            "min_queries": 40,
            "seed": 0,
        },
        metrics={
            "lines": "lines of the log, blank ones left out; rows of tables",
            "unreadable_fraction": "lines that could not be read over all lines, 0 to 1",
            "queries": "rows that the model was asked about",
            "clients": "clients with a name",
            "unknown_client_fraction": "queries of clients without a name over all, 0 to 1",
            "error_fraction": "lines with a status from 400 over all that were read, 0 to 1",
            "skewed_fraction": "lines more than a period away from the middle 99 % of all",
            "span_days": "days that the middle 99 % of all lines spans",
            "peak_per_minute": "most queries of one client, from one address, in a minute",
            "max_budget_used": "most that a client may have asked in a window, over the budget",
            "clients_over_half": "clients that may have used more than half of the budget",
            "clients_over_budget": "clients that may have exceeded the budget",
            "max_pool_used": "as max_budget_used, of all clients in one network together",
            "pools_over_budget": "networks of two or more clients that may have exceeded it",
            "max_label_shift": "largest distance of a client's labels from all labels, 0 to 1",
            "duplicate_fraction": "logged rows that repeat one of the same client, 0 to 1",
            "misfit_fraction": "largest share of a client's rows with other columns, 0 to 1",
            "tested_clients": "clients that were judged by what they ask",
            "flagged_clients": "of those, clients that are unlike honest ones",
            "flagged_fraction": "flagged over tested clients, 0 to 1",
            "max_flagged_used": "as max_budget_used, of all flagged clients together",
        },
        words={
            "model": "the model that is judged",
            "logs": "query logs: a file, or with a / at its end a prefix of files",
            "budget": "query budget, as the check extraction writes it",
            "reference": "rows like those that honest clients ask about",
            "target": "label column of reference",
            "format": "format of text files: auto, kserve, sagemaker, envoy, apigateway, nginx or "
            "csv",
            "client": "column, JSON key or header that names the client; empty for the format's",
            "alpha": "share of honest clients that may be flagged by what they ask",
            "min_queries": "distinct rows below which a client is not judged by what it asks",
            "seed": "seed of which queries are looked at",
            "clients": "volumes of each client (CSV): names clients",
            "alerts": "alarms, the worst first (lines of JSON): names clients",
            "block": "clients that exceeded their budget (CSV): names clients",
        },
        tables=("clients", "alerts", "block"),
        extra="checks,logs",
    ),
    "access": Card(
        function="modelwarden.checks.access:access",
        summary="Count who read a model's file and who changed its training data.",
        risks=("AML.T0044", "AML.T0020", "AML.T0012", "ML05:2023", "ML02:2023", "NISTAML.031"),
        inputs={"model": "file", "logs": "log"},
        options={"model_prefix": str, "training_prefix": str, "readers": "", "writers": ""},
        metrics={
            "lines": "lines and records of the log; a copy counts twice",
            "unreadable_lines": "lines that could not be read",
            "model_reads": "granted requests that read an object below model_prefix",
            "model_readers": "clients that made them",
            "unexpected_model_reads": "of those requests, by clients that are not in readers",
            "unexpected_model_readers": "clients that made these",
            "training_changes": "granted requests that wrote or deleted below training_prefix",
            "training_writers": "clients that made them",
            "unexpected_training_changes": "of those requests, by clients not in writers",
            "unexpected_training_writers": "clients that made these",
            "denied_requests": "such requests that were denied",
        },
        words={
            "model": "the model that is judged",
            "logs": "S3 server access logs or CloudTrail: a file, or a prefix that ends with /",
            "model_prefix": "bucket and beginning of the key of the model's objects",
            "training_prefix": "bucket and beginning of the key of training data",
            "readers": "who may read the model: ARNs separated by commas, * stands for anything",
            "writers": "who may change training data: ARNs separated by commas",
            "access": "who did what (CSV): names clients",
        },
        tables=("access",),
        extra="checks,logs",
    ),
}


@cache
def cards() -> Mapping[str, Card]:
    """Return every check: ours, and those of installed packages. Ours cannot be replaced."""
    others = {point.name: point.load() for point in entry_points(group="modelwarden.checks")}
    return {**others, **CHECKS}


def card(name: str) -> Card:
    """Return the card of a check, or say which checks there are."""
    if name not in cards():
        known = ", ".join(sorted(cards()))
        raise InputError("check", f"one of {known}", repr(name), "correct the name")
    return cards()[name]


def load(name: str) -> Callable[..., Findings]:
    """Import a check's function."""
    module, _, function = card(name).function.partition(":")
    try:
        return getattr(import_module(module), function)  # type: ignore[no-any-return]
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("modelwarden"):
            raise
        extra = card(name).extra
        raise InputError(
            f"check {name}",
            f"the extra [{extra}] to be installed",
            f"no module {error.name}",
            f"pip install 'modelwarden[{extra}]'",
        ) from error
