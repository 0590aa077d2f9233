"""What evasion proves, and what happens when a proof and an attack contradict each other."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from attacked import InProcess, fitted, line, opened, stump
from modelwarden.checks.evasion import evasion

NEAR = {"target": "y", "distance_queries": 0}


@pytest.fixture(scope="module")
def attack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proved")
    return lambda model, frame, **options: evasion(model, opened(frame, folder), **options)


def of(findings, metric):
    return findings.report.metrics[metric]


def said(findings):
    return " ".join(findings.report.notes)


@pytest.fixture(scope="module")
def points():
    x, y = make_classification(700, 6, n_informative=4, class_sep=1.2, random_state=3)
    frame = pd.DataFrame(x, columns=[*"abcdef"]).assign(y=np.where(y == 1, "yes", "no"))
    return frame.iloc[:500], frame.iloc[500:600]


MODELS = {
    "regression": make_pipeline(StandardScaler(), LogisticRegression()),
    "tree": DecisionTreeClassifier(max_depth=5, random_state=0),
    "forest": RandomForestClassifier(15, random_state=0),
    "extra trees": ExtraTreesClassifier(15, max_depth=7, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=20, random_state=0),
    "histogram": HistGradientBoostingClassifier(max_iter=20, random_state=0),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_truth_lies_between_what_is_proved_and_what_is_broken(attack, points, name):
    model = fitted(MODELS[name], points[0], "y")

    found = attack(InProcess(model), points[1], epsilon=0.15, **NEAR)

    certified, robust = of(found, "certified_accuracy"), of(found, "robust_accuracy")
    assert not found.report.failures
    assert 0.1 < certified <= robust < of(found, "accuracy")
    assert of(found, "certified_accuracy_low") < certified
    assert of(found, "unknown_fraction") == pytest.approx(robust - certified)
    assert of(found, "unknown_fraction") <= 0.05
    assert "Certified accuracy is a lower bound" in said(found)
    curves = [found.report.details[name] for name in ("certified_curve", "curve")]
    assert all(low[:1] == high[:1] and low[1] <= high[1] for low, high in zip(*curves, strict=True))
    assert [series.name for series in found.figures[0].series] == ["under attack", "proved"]


@pytest.mark.parametrize(("epsilon", "broken"), [(0.024, 0), (0.026, 2), (0.126, 6)])
def test_a_stump_is_proved_exactly(attack, epsilon, broken):
    found = attack(stump(line()), line(), epsilon=epsilon, **NEAR)

    exact = pytest.approx((41 - broken) / 41)
    assert of(found, "certified_accuracy") == of(found, "robust_accuracy") == exact
    assert of(found, "attack_success_rate") == pytest.approx(broken / 41)


def test_the_smallest_change_of_a_stump_is_exact(attack):
    found = attack(stump(line()), line(), target="y", distance_queries=200)

    distance = found.report.details["distance"]
    assert of(found, "median_distance") == pytest.approx(0.525, rel=2e-3)
    assert distance["exact_rows"] == 41
    assert distance["rows_without"] == 0
    assert distance["quantiles"]["10%"] == pytest.approx(0.125, rel=2e-3)


def test_what_no_attack_breaks_a_proof_may_break(attack):
    """The only way out is a corner in which no row is, and one query does not find it."""
    random = np.random.default_rng(0)
    rows = random.uniform(0.15, 0.3, (60, 8))
    rows[np.arange(8), np.arange(8)] = 0.0  # the table shows that columns go down to 0
    frame = pd.DataFrame(np.vstack([rows, np.full((9, 8), 0.97)]), columns=[*"abcdefgh"])
    frame["y"] = np.where(frame["a"] > 0.9, "in", "out")
    corner = pd.DataFrame(np.full((9, 8), 0.05), columns=[*"abcdefgh"]).assign(y="in")
    train = pd.concat([frame, corner], ignore_index=True)
    model = fitted(DecisionTreeClassifier(random_state=0), train, "y")

    found = attack(InProcess(model), frame, epsilon=3.0, queries=1, **NEAR)

    assert found.report.details["broken_by"]["exact search"] > 20
    assert of(found, "unknown_fraction") == 0


def test_a_model_that_is_no_sum_of_parts_is_attacked_but_not_certified(attack, points):
    model = fitted(KNeighborsClassifier(3), points[0], "y")

    found = attack(InProcess(model), points[1], **NEAR)

    assert of(found, "certified_accuracy") is None
    assert of(found, "certified_accuracy_low") is None
    assert of(found, "unknown_fraction") == of(found, "robust_accuracy")
    assert "KNeighborsClassifier is neither linear nor made of trees" in said(found)
    assert [series.name for series in found.figures[0].series] == ["under attack"]
    assert found.report.details["certified_curve"] == []


def test_without_nodes_nothing_is_proved(attack):
    found = attack(stump(line()), line(), nodes=0, **NEAR)

    assert of(found, "certified_accuracy") is None
    assert "nodes is 0" in said(found)


class Lying(InProcess):
    """A model that sends the parts of another."""

    def __init__(self, model, other):
        super().__init__(model)
        self.other = other

    def structure(self):
        return self.other.structure()


def test_parts_that_label_rows_otherwise_prove_nothing(attack):
    other = line().assign(y=lambda frame: np.where(frame["x"] > 0.5, "yes", "no"))
    model = Lying(stump(line()).model, stump(other))

    found = attack(model, line(), **NEAR)

    assert of(found, "certified_accuracy") is None
    assert "rows otherwise than the model does" in said(found)
    assert of(found, "robust_accuracy") is not None


class Trapdoor(DecisionTreeClassifier):
    """A tree that errs where no row is and no random one will be: at 0.02 beside each row."""

    def predict(self, frame):
        labels = super().predict(frame)
        place = np.abs(frame["x"].to_numpy() / 0.05 % 1 - 0.5)
        return np.where(np.isclose(place, 0.1, atol=1e-6), labels[::-1].max(), labels)

    def predict_proba(self, frame):
        yes = self.predict(frame) == "yes"
        return np.column_stack([~yes, yes]).astype(float)


def test_a_row_that_is_proved_robust_and_broken_fails_the_check(attack):
    model = Lying(fitted(Trapdoor(max_depth=1), line(), "y"), stump(line()))

    found = attack(model, line(), epsilon=0.02, **NEAR)

    assert "were proved to withstand them" in found.report.failures[0]
    assert of(found, "accuracy") == 1
    for metric in ("robust_accuracy_low", "certified_accuracy_low", "attack_success_rate"):
        assert of(found, metric) is None
