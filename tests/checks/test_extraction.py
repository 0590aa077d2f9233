"""Extraction: what a stolen copy is worth, and the budget that follows."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from attacked import InProcess, fitted, opened, stored
from modelwarden.checks.extraction import extraction
from modelwarden.errors import InputError
from modelwarden.limits import Budget
from modelwarden.models import Predictor
from modelwarden.report import canonical


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("extraction")


@pytest.fixture(scope="module")
def halves():
    """Training and evaluation rows of a problem that a forest does not learn from 300 rows."""
    x, y = make_classification(
        3000, 10, n_informative=6, n_redundant=2, class_sep=0.8, random_state=3
    )
    frame = pd.DataFrame(x, columns=[f"c{i}" for i in range(10)]).assign(target=y)
    return frame.iloc[:1200], frame.iloc[1200:]


def steal(model, frame, folder, **options):
    options = {"target": "target", "queries": 300, **options}
    return extraction(InProcess(model), opened(frame, folder), **options)


@pytest.fixture(scope="module")
def linear(halves, folder):
    model = fitted(make_pipeline(StandardScaler(), LogisticRegression()), halves[0])
    return steal(model, halves[1], folder, queries=100, public_rows=30)


@pytest.fixture(scope="module")
def forest(halves, folder):
    model = fitted(RandomForestClassifier(30, random_state=0), halves[0])
    return steal(model, halves[1], folder, limit=0.93, queries=1000, public_rows=30)


# what is measured --------------------------------------------------------------------------------


def test_a_linear_model_that_gives_probabilities_is_solved_by_its_equations(linear):
    report = linear.report

    assert report.metrics["fidelity"] == 1
    assert report.metrics["queries_to_99"] == 11
    assert dict(report.details["curves"]["natural, probabilities"])[11] == 1
    assert report.metrics["safe_queries"] == 0
    assert "No budget was found" in report.notes[0]


def test_a_forest_takes_more_queries_than_were_tried_and_nothing_is_extrapolated(forest):
    report = forest.report

    assert report.metrics["queries_to_99"] == 1001
    assert report.details["queries_to"]["99"] == "> 1000"
    assert report.metrics["fidelity_low"] < report.metrics["fidelity"]
    assert report.metrics["fidelity"] < report.metrics["fidelity_high"]


def test_queries_help_a_thief(forest):
    metrics = forest.report.metrics

    assert metrics["gain"] == pytest.approx(metrics["fidelity"] - metrics["unaided_fidelity"])
    assert metrics["gain"] > 0.05
    assert metrics["queries_to_90"] < 1000


def test_uniform_shares_add_up(forest):
    curves = forest.report.details["curves"]

    assert set(curves) == {
        f"{questions}, {outputs}"
        for questions in ("natural", "mixed", "active")
        for outputs in ("labels", "probabilities")
    }
    best = max(share for curve in curves.values() for _, share in curve)
    assert best == forest.report.metrics["fidelity"]


def test_the_budget_is_the_reports_and_the_models(forest):
    budget = Budget.read(forest.tables["budget"], "budget.json")

    assert budget.queries == forest.report.metrics["safe_queries"]
    assert 30 <= budget.queries < 1000
    assert (budget.days, budget.outputs, budget.fidelity) == (30, "probabilities", 0.93)
    assert budget.unaided == forest.report.metrics["unaided_fidelity"]


def test_what_is_crafted_on_the_copy_of_a_linear_model_fools_it_as_if_crafted_on_itself(
    halves, folder, linear
):
    rate = linear.report.metrics["transfer_success_rate"]
    model = fitted(make_pipeline(StandardScaler(), LogisticRegression()), halves[0])
    frame = halves[1].drop(columns="target")
    scales = frame.quantile(0.75) - frame.quantile(0.25)
    weights = model[1].coef_[0] / model[0].scale_
    margin = np.abs(model.decision_function(frame))
    right = (model.predict(frame) == halves[1]["target"]).to_numpy()
    exact = (margin[right] < 0.1 * (np.abs(weights) * scales).sum()).mean()

    assert rate == pytest.approx(exact, abs=0.08)


def test_where_public_rows_suffice_no_budget_helps(halves, folder):
    model = fitted(LogisticRegression(), halves[0])
    findings = steal(model, halves[1], folder, limit=0.8, outputs="labels", queries=100)
    report = findings.report

    assert report.metrics["unaided_fidelity"] > 0.9
    assert report.metrics["queries_to_90"] == report.details["queries_to"]["90"] == 0
    assert report.notes[0].startswith("No budget helps: without a single query, 300 labelled rows")
    assert Budget.read(findings.tables["budget"], "b").queries == 0
    assert "No budget helps" in findings.figures[0].caption


def test_a_limit_that_no_copy_reaches_gives_what_was_tried(halves, folder):
    model = fitted(RandomForestClassifier(10, random_state=0), halves[0])
    findings = steal(model, halves[1], folder, limit=1.0, queries=100)

    assert findings.report.metrics["safe_queries"] == 100
    assert "nothing is claimed about them" in findings.report.notes[0]


def test_the_figure_begins_without_a_query_and_shows_the_limit(forest):
    (figure,) = forest.figures

    assert figure.series[0].x[0] == "0"
    assert figure.threshold == 0.93
    assert {s.name for s in figure.series} == {
        "best copy from labels",
        "best copy from probabilities",
    }
    for series in figure.series:
        assert list(series.y[1:]) == sorted(series.y[1:])


# kinds of models ---------------------------------------------------------------------------------


def test_tables_with_categories_and_gaps(halves, folder):
    random = np.random.default_rng(0)

    def mixed(frame):
        city = np.where(frame["c0"] > 0, "Oslo", random.choice(["Rome", "Bern"], len(frame)))
        return frame.assign(city=city).assign(c1=frame["c1"].round().astype(int))

    train, evaluation = map(mixed, halves)
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder=StandardScaler()
    )
    model = fitted(make_pipeline(columns, LogisticRegression()), train)
    findings = steal(model, evaluation, folder, queries=100)

    assert findings.report.metrics["fidelity"] == 1
    assert findings.report.metrics["transfer_success_rate"] > 0


def test_a_model_that_gives_labels_only(halves, folder):
    model = fitted(LinearSVC(), halves[0])
    findings = steal(model, halves[1], folder, queries=300)
    metrics = findings.report.metrics

    assert metrics["fidelity_probabilities"] is None
    assert metrics["fidelity"] == metrics["fidelity_labels"] > 0.9
    assert Budget.read(findings.tables["budget"], "b").outputs == "labels"
    assert len(findings.figures[0].series) == 1


def test_a_model_of_texts(folder):
    random = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(60)])
    spam = random.random(600) < 0.5
    texts = [" ".join(random.choice(words[:40] if is_spam else words[20:], 12)) for is_spam in spam]
    frame = pd.DataFrame({"text": texts, "target": np.where(spam, "spam", "ham")})
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    model.fit(frame["text"].iloc[:200], frame["target"].iloc[:200])
    with Predictor(stored(model, folder, "model.joblib")) as predictor:
        evaluation = opened(frame.iloc[200:], folder)
        findings = extraction(predictor, evaluation, target="target", queries=300)
    metrics = findings.report.metrics

    assert metrics["fidelity"] > 0.9
    assert metrics["transfer_success_rate"] is None


# determinism and bad input -----------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(halves, folder):
    model = fitted(RandomForestClassifier(10, random_state=0), halves[0])
    first, again, other = (
        steal(model, halves[1], folder, queries=60, seed=seed) for seed in (1, 1, 2)
    )

    assert canonical(first.report.as_json()) == canonical(again.report.as_json())
    assert first.tables == again.tables
    assert canonical(first.report.as_json()) != canonical(other.report.as_json())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0.0}, "limit: expected a share above 0, at most 1, got 0.0"),
        ({"limit": float("nan")}, "limit"),
        ({"limit": 1.1}, "limit"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"queries": 29}, "queries: expected 30 to 1000000, got 29"),
        ({"days": 0}, "days"),
        ({"public_rows": 1}, "public_rows"),
        ({"seed": -1}, "seed"),
        ({"outputs": "logits"}, "outputs: expected auto, labels, probabilities, got 'logits'"),
        ({"target": "nothing"}, "a column 'nothing'"),
    ],
)
def test_refuses_what_cannot_be_asked(halves, folder, options, message):
    model = fitted(LogisticRegression(), halves[0])

    with pytest.raises(InputError, match=message):
        steal(model, halves[1].iloc[:100], folder, **options)


def test_refuses_probabilities_of_a_model_that_has_none(halves, folder):
    with pytest.raises(InputError, match="it has labels; leave it at auto"):
        steal(fitted(LinearSVC(), halves[0]), halves[1], folder, outputs="probabilities")


def test_refuses_a_table_that_cannot_be_split(halves, folder):
    with pytest.raises(InputError, match="expected 40 rows or more, got 39"):
        steal(fitted(LogisticRegression(), halves[0]), halves[1].iloc[:39], folder)


def test_refuses_labels_that_the_model_does_not_know(halves, folder):
    frame = halves[1].iloc[:100].replace({"target": {1: 7}})

    with pytest.raises(InputError, match="labels that the model knows: 0, 1, got 7"):
        steal(fitted(LogisticRegression(), halves[0]), frame, folder)


def test_a_model_in_its_own_process_is_named_in_the_budget_and_found_out_when_it_wavers(
    halves, folder
):
    file = stored(fitted(LogisticRegression(), halves[0]), folder, "model.joblib")
    with Predictor(file) as model:
        table = opened(halves[1].iloc[:100], folder)
        findings = extraction(model, table, target="target", queries=30)

    assert Budget.read(findings.tables["budget"], "b").model == file.sha256
    assert findings.report.failures == ()


def test_a_model_whose_answers_depend_on_the_order_of_rows_fails(halves, folder):
    class Wavering(LogisticRegression):
        def predict(self, frame):
            return np.where(np.arange(len(frame)) < len(frame) // 3, 0, super().predict(frame))

    findings = steal(fitted(Wavering(), halves[0]), halves[1].iloc[:200], folder, queries=30)

    assert "differently when it was asked again in reverse order" in findings.report.failures[0]
