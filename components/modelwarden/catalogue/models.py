"""Checks of models."""

from collections.abc import Mapping

from modelwarden.cards import Card

MODELS: Mapping[str, Card] = {
    "evasion": Card(
        function="modelwarden.checks.evasion:evasion",
        split="modelwarden.checks.evasion:split",
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
}
