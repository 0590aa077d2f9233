import inspect

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from attacked import InProcess, fitted, line, opened, stored, stump
from modelwarden.checks import CHECKS
from modelwarden.checks.evasion import evasion
from modelwarden.errors import InputError
from modelwarden.models import Predictor
from modelwarden.report import canonical
from modelwarden.work import Work


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    return lambda thing, name: stored(thing, folder, name)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    return lambda frame, name="evaluation.parquet": opened(frame, folder, name)


@pytest.fixture(scope="module")
def cancer():
    """Training and evaluation rows of breast cancer, as frames."""
    frame = load_breast_cancer(as_frame=True).frame
    return train_test_split(frame, train_size=0.6, stratify=frame["target"], random_state=0)


@pytest.fixture(scope="module")
def evaluation(cancer, table):
    return table(cancer[1])


@pytest.fixture(scope="module")
def regression(cancer):
    return fitted(make_pipeline(StandardScaler(), LogisticRegression()), cancer[0])


@pytest.fixture(scope="module")
def findings(regression, evaluation):
    return evasion(InProcess(regression), evaluation, target="target", epsilon=0.2)


def attack(model, evaluation, **options):
    """Run the check; the smallest changes have tests of their own."""
    return evasion(model, evaluation, **{"distance_queries": 0, **options})


def of(findings, metric):
    return findings.report.metrics[metric]


# bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": 0}, "epsilon: expected a number above 0, at most 1e[+]06, got 0"),
        ({"epsilon": -0.1}, "epsilon"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"epsilon": float("inf")}, "epsilon"),
        ({"epsilon": 1e7}, "epsilon"),
        ({"epsilon": True}, "epsilon"),
        ({"epsilon": "0.1"}, "epsilon"),
        ({"norm": "max"}, "norm: expected auto, linf, l2, l1, l0, got 'max'"),
        ({"norm": "l0"}, "epsilon: expected 1 or more with the norm l0, got 0.1"),
        ({"rows": 0}, "rows: expected a whole number, 1 or more, got 0"),
        ({"rows": True}, "rows"),
        ({"rows": 10.0}, "rows"),
        ({"queries": 0}, "queries: expected a whole number, 1 or more, got 0"),
        ({"distance_queries": -1}, "distance_queries"),
        ({"distance_queries": 1.5}, "distance_queries"),
        ({"nodes": -1}, "nodes"),
        ({"nodes": False}, "nodes"),
        ({"examples": -1}, "examples"),
        ({"queries": True}, "queries"),
        ({"queries": float("nan")}, "queries"),
        ({"seed": -1}, "seed"),
        ({"seed": True}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"target": "z"}, "expected a column 'z'"),
    ],
)
def test_refuses_options_that_mean_nothing(table, options, message):
    with pytest.raises(InputError, match=message):
        attack(stump(line()), table(line()), **{"target": "y", **options})


def test_refuses_labels_that_the_model_does_not_know(table):
    others = line().replace({"y": {"yes": "maybe"}})

    with pytest.raises(InputError, match=r"column 'y': expected labels that the model knows: 'no'"):
        attack(stump(line()), table(others), target="y")


@pytest.mark.parametrize(
    "values",
    [["a", "b"] * 20, [True, False] * 20, [7.0] * 40, [0, 1] * 20],
    ids=["text", "booleans", "a constant", "integers without room for a step"],
)
def test_refuses_a_table_in_which_nothing_can_move(table, values):
    frame = pd.DataFrame({"x": values, "y": ["no", "yes"] * 20})
    encoder = make_column_transformer((OneHotEncoder(), ["x"]))
    model = InProcess(fitted(make_pipeline(encoder, LogisticRegression()), frame, "y"))

    with pytest.raises(InputError, match="expected a column with room to move at epsilon"):
        attack(model, table(frame), target="y")


def test_columns_that_are_not_the_model_s_are_refused(cancer, file, table):
    model = fitted(DecisionTreeClassifier(random_state=0), cancer[0])
    other = table(cancer[1].drop(columns="mean radius"))

    with (
        Predictor(file(model, "tree.joblib")) as predictor,
        pytest.raises(InputError, match="'mean radius'"),
    ):
        attack(predictor, other, target="target")


# failed checks ---------------------------------------------------------------------------------


class Moody(DummyClassifier):
    """A classifier that tosses a coin at every call."""

    def predict(self, frame):
        return np.random.default_rng(len(self.tossed_)).choice(self.classes_, len(frame))

    def fit(self, x, y):
        self.tossed_ = []
        return super().fit(x, y)

    def predict_proba(self, frame):
        self.tossed_.append(1)
        return super().predict_proba(frame)


def test_a_model_that_answers_differently_when_asked_again_fails(table):
    found = attack(InProcess(fitted(Moody(), line(), "y")), table(line()), target="y")

    assert len(found.report.failures) == 1
    assert "differently when it was asked again" in found.report.failures[0]
    assert of(found, "robust_accuracy") is None
    assert of(found, "robust_accuracy_low") is None


class Positional(DummyClassifier):
    """A classifier that looks at the place of a row, not at the row."""

    def predict(self, frame):
        return self.classes_[(np.arange(len(frame)) > len(frame) / 3).astype(int)]


def test_a_model_that_looks_at_the_order_of_rows_fails(table):
    found = attack(InProcess(fitted(Positional(), line(), "y")), table(line()), target="y")

    assert "differently" in found.report.failures[0]


def test_a_model_that_is_always_wrong_fails_with_zero_robust_accuracy(table):
    frame = line()
    upside_down = frame.assign(y=np.where(frame["x"] > 0, "no", "yes"))

    found = attack(stump(upside_down), table(frame), target="y")

    assert "none of 41 rows was classified correctly" in found.report.failures[0]
    assert of(found, "accuracy") == of(found, "robust_accuracy") == 0
    assert of(found, "accuracy_low") == of(found, "robust_accuracy_low") == 0


# known answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("epsilon", "broken"), [(0.024, 0), (0.026, 2), (0.074, 2), (0.076, 4), (0.26, 10)]
)
def test_a_stump_is_broken_by_the_rows_within_epsilon_of_its_threshold(table, epsilon, broken):
    # rows are 0.05 apart, the threshold is midway between two of them, the scale is 1
    found = attack(stump(line()), table(line()), target="y", epsilon=epsilon)

    assert of(found, "accuracy") == 1
    assert of(found, "robust_accuracy") == pytest.approx((41 - broken) / 41)


def test_a_linear_model_comes_within_three_points_of_the_closed_form(regression, cancer, findings):
    x, y = cancer[1].drop(columns="target").to_numpy(), cancer[1]["target"].to_numpy()
    scaler, model = regression[0], regression[1]
    reach = 0.2 * np.subtract(*np.quantile(x, [0.75, 0.25], axis=0))
    low, high = np.maximum(x - reach, x.min(axis=0)), np.minimum(x + reach, x.max(axis=0))
    weights = np.where(y == 1, 1, -1)[:, None] * model.coef_[0]
    worst = np.where(weights > 0, low, high)
    left = (weights * (worst - scaler.mean_) / scaler.scale_).sum(axis=1)
    exact = (left + np.where(y == 1, 1, -1) * model.intercept_[0] > 0).mean()

    assert 0.5 < exact < 0.9
    assert exact <= of(findings, "robust_accuracy") <= exact + 0.03


def test_a_model_that_always_says_the_same_keeps_its_accuracy(table):
    frame = line(100)
    model = InProcess(fitted(DummyClassifier(strategy="constant", constant="yes"), frame, "y"))

    found = attack(model, table(frame), target="y", epsilon=10)

    assert of(found, "robust_accuracy") == of(found, "accuracy") == 0.5
    assert not found.report.failures
    assert [figure.kind for figure in found.figures] == ["lines"]


def test_a_model_with_labels_only_is_attacked_and_the_report_says_so(cancer, evaluation):
    model = make_pipeline(StandardScaler(), LinearSVC(random_state=0))

    found = attack(InProcess(fitted(model, cancer[0])), evaluation, target="target", epsilon=0.3)

    assert of(found, "robust_accuracy") < of(found, "accuracy") - 0.1
    assert any("labels only" in note for note in found.report.notes)
    assert found.report.details["probabilities"] is False


@pytest.mark.parametrize(("right", "n_rows"), [(1, 20), (19, 20), (133, 300)])
def test_intervals_are_those_of_clopper_and_pearson(table, right, n_rows):
    model = InProcess(fitted(DummyClassifier(strategy="constant", constant="no"), line(), "y"))
    frame = pd.DataFrame({"x": np.arange(float(n_rows)), "y": np.arange(n_rows) < right})
    frame["y"] = frame["y"].map({True: "no", False: "yes"})

    found = attack(model, table(frame), target="y")

    exact = binomtest(right, n_rows).proportion_ci(0.95, method="exact")
    assert of(found, "accuracy_low") == pytest.approx(exact.low)
    assert of(found, "robust_accuracy_low") == pytest.approx(exact.low)
    assert found.report.details["accuracy_high"] == pytest.approx(exact.high)
    assert found.report.details["robust_accuracy_high"] == pytest.approx(exact.high)


def test_the_interval_of_a_model_without_errors_ends_at_one(table):
    found = attack(stump(line()), table(line()), target="y", epsilon=0.01)

    assert found.report.details["robust_accuracy_high"] == 1
    assert of(found, "robust_accuracy_low") == pytest.approx(0.025 ** (1 / 41))


def test_a_fragile_model_is_told_from_a_good_one_of_about_the_same_accuracy(cancer, evaluation):
    unpenalised = LogisticRegression(C=np.inf, solver="newton-cholesky", max_iter=1000)
    fragile = fitted(make_pipeline(StandardScaler(), unpenalised), cancer[0])
    good = fitted(RandomForestClassifier(30, random_state=0), cancer[0])

    fell = attack(InProcess(fragile), evaluation, target="target")
    stood = attack(InProcess(good), evaluation, target="target")

    assert of(fell, "accuracy") > of(stood, "accuracy") - 0.03
    assert of(stood, "robust_accuracy_low") > 0.8
    assert of(fell, "robust_accuracy") < 0.4


# what may change -------------------------------------------------------------------------------


def mixed(n=120):
    """Rows of every type, and a model that looks at all of them."""
    random = np.random.default_rng(0)
    age = random.integers(18, 80, n)
    income = random.normal(30, 10, n)
    frame = pd.DataFrame(
        {
            "age": age.astype("int16"),
            "income": income,
            "debt": np.where(random.random(n) < 0.3, np.nan, random.normal(5, 2, n)),
            "weight": random.normal(70, 9, n).astype("float32"),
            "member": random.random(n) < 0.5,
            "town": random.choice(["Delft", "Turin"], n),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 999, n), "D"),
            "grade": pd.Categorical(random.choice(["a", "b"], n)),
            "number": random.integers(0, 2**62, n),
        }
    )
    return frame.assign(y=np.where(income + 0.3 * age + random.normal(0, 4, n) > 45, "yes", "no"))


class Encoded(DecisionTreeClassifier):
    """A tree on every column as a number."""

    @staticmethod
    def numbers(frame):
        coded = frame.assign(
            town=frame["town"] == "Delft",
            since=frame["since"].astype("int64"),
            grade=frame["grade"].cat.codes,
        )
        return coded.astype(float).to_numpy()

    def fit(self, frame, y):
        return super().fit(self.numbers(frame), y)

    def predict(self, frame):
        return super().predict(self.numbers(frame))

    def predict_proba(self, frame):
        return 0.05 + 0.9 * super().predict_proba(self.numbers(frame))  # a slope everywhere


def test_only_numbers_move_and_only_as_far_as_they_may(table):
    frame, epsilon = mixed(), 0.2
    model = InProcess(fitted(Encoded(min_samples_leaf=8), frame, "y"))

    options = {"queries": 80, "distance_queries": 0}
    found = attack(model, table(frame), target="y", epsilon=epsilon, **options)

    original = frame.drop(columns="y")
    fixed = ["member", "town", "since", "grade", "number"]
    known = {tuple(row) for row in original[fixed].itertuples(index=False)}
    assert of(found, "robust_accuracy") < of(found, "accuracy")
    for seen in model.seen:
        assert seen.dtypes.to_dict() == original.dtypes.to_dict()
        assert list(seen.columns) == list(original.columns)
        assert {tuple(row) for row in seen[fixed].itertuples(index=False)} <= known
    seen = pd.concat(model.seen).merge(
        original.add_suffix(" before"), left_on="number", right_on="number before"
    )
    assert len(seen) == sum(map(len, model.seen))
    assert (seen["debt"].isna() == seen["debt before"].isna()).all()
    for name in ("age", "income", "debt", "weight"):
        values = original[name].dropna().astype(float)
        reach = 2 * epsilon * np.subtract(*np.quantile(values, [0.75, 0.25]))
        moved = (seen[name].astype(float) - seen[f"{name} before"].astype(float)).abs()
        assert moved.max() > 0
        assert moved.max() <= reach * (1 + 1e-6)
        assert seen[name].min() >= values.min()
        assert seen[name].max() <= values.max()


def test_the_report_names_what_never_moved(table):
    frame = mixed()
    model = InProcess(fitted(Encoded(max_depth=6), frame, "y"))

    found = attack(model, table(frame), target="y", queries=8)

    said = " ".join(found.report.notes)
    assert all(f"'{name}'" in said for name in ["member", "town", "since", "grade", "number"])
    assert "'income'" not in said
    assert "Missing and infinite cells stayed as they are." in said
    assert found.report.details["movable_column_names"] == ["age", "debt", "income", "weight"]


def test_columns_without_an_interquartile_range_are_scaled_by_standard_deviation(table):
    frame = line(40).assign(rare=[0.0] * 36 + [4.0] * 4, constant=1.0)

    found = attack(stump(frame), table(frame), target="y")

    assert found.report.details["columns_scaled_by_standard_deviation"] == 1
    assert found.report.details["columns_scaled_by_interquartile_range"] == 1


def test_the_column_that_the_model_looks_at_is_the_one_attacked(table):
    random = np.random.default_rng(0)
    frame = line(200).assign(**{f"noise{i}": random.normal(size=200) for i in range(5)})

    found = attack(stump(frame), table(frame), target="y")

    assert found.report.details["moved_columns"] == {"x": 1.0}
    bars = found.figures[1]
    assert (bars.kind, bars.series[0].x, bars.series[0].y) == ("bars", ("x",), (1.0,))


# sampling, order, progress ---------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 7, 50])
def test_a_sample_has_the_table_s_shares_of_classes(table, rows):
    frame = line(200)
    frame["y"] = np.where(np.arange(200) < 160, "no", "yes")
    model = stump(frame)

    found = attack(model, table(frame), target="y", rows=rows, queries=8)

    labels = model.model.predict(model.seen[0])
    assert of(found, "rows") == rows
    assert abs((labels == "no").sum() - 0.8 * rows) < 1
    assert model.seen[0]["x"].is_monotonic_increasing
    assert model.seen[0]["x"].is_unique


def test_all_rows_are_attacked_when_there_are_fewer_than_asked_for(table):
    assert of(attack(stump(line()), table(line()), target="y"), "rows") == 41


def test_the_same_seed_gives_the_same_report_and_figures(regression, evaluation, findings):
    again = evasion(InProcess(regression), evaluation, target="target", epsilon=0.2)

    assert canonical(again.report.as_json()) == canonical(findings.report.as_json())
    assert again.figures == findings.figures


def test_another_seed_samples_other_rows(regression, evaluation):
    first, second = InProcess(regression), InProcess(regression)

    attack(first, evaluation, target="target", rows=50, queries=8, seed=0)
    attack(second, evaluation, target="target", rows=50, queries=8, seed=1)

    assert not first.seen[0].equals(second.seen[0])


def test_another_seed_searches_otherwise(table):
    first, second = stump(line()), stump(line())

    attack(first, table(line()), target="y", seed=0)
    attack(second, table(line()), target="y", seed=1)

    assert first.seen[0].equals(second.seen[0])
    assert not all(one.equals(two) for one, two in zip(first.seen, second.seen, strict=False))


def test_the_order_of_columns_changes_nothing(regression, cancer, table, findings):
    class ByName(InProcess):
        def predict(self, frame):
            return self.model.predict(frame[self.model.feature_names_in_])

        def predict_proba(self, frame):
            return self.model.predict_proba(frame[self.model.feature_names_in_])

    turned = table(cancer[1][cancer[1].columns[::-1]])

    found = evasion(ByName(regression), turned, target="target", epsilon=0.2)

    assert found.report == findings.report


def test_robust_accuracy_never_rises_with_epsilon(evaluation, cancer):
    model = fitted(KNeighborsClassifier(1), cancer[0])

    found = attack(InProcess(model), evaluation, target="target", epsilon=0.1, queries=40)

    curve = found.report.details["curve"]
    assert [epsilon for epsilon, *_ in curve] == [0.025, 0.05, 0.1, 0.2]
    shares = [share for _, share, *_ in curve]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] < of(found, "accuracy")
    assert shares[2] == of(found, "robust_accuracy")
    assert len(set(shares)) == 4
    assert all(low < share < high for _, share, low, high in curve)


def test_a_row_is_never_asked_about_more_often_than_the_budget(table):
    model = stump(line())

    found = attack(model, table(line()), target="y", epsilon=0.01, queries=50)

    assert found.report.details["queries"] == 41 * 50


def test_progress_reaches_its_total_at_every_epsilon(table):
    seen = []

    attack(
        stump(line()),
        table(line()),
        target="y",
        queries=20,
        distance_queries=40,
        work=Work(lambda *step: seen.append(step)),
    )

    last = {label: done / total for label, done, total in seen if total}
    labels = [f"evasion at epsilon {e}" for e in ("0.025", "0.05", "0.1", "0.2")]
    assert last == dict.fromkeys([*labels, "smallest change"], 1)


@pytest.mark.parametrize(("epsilon", "idle"), [(0.01, "0.005"), (3, "6")])
def test_a_row_is_not_attacked_where_the_answer_is_known(table, epsilon, idle):
    seen = {}

    attack(
        stump(line()),
        table(line()),
        target="y",
        epsilon=epsilon,
        queries=20,
        work=Work(lambda label, _, total: seen.update({label: total})),
    )

    assert seen[f"evasion at epsilon {idle}"] == 0
    assert seen[f"evasion at epsilon {epsilon:g}"] == 41 * 20


# the shape of the report -----------------------------------------------------------------------


def test_the_signature_and_the_metrics_are_those_of_the_card(findings):
    card = CHECKS["evasion"]
    options = inspect.signature(evasion).parameters
    names = [name for name, p in options.items() if p.kind is p.KEYWORD_ONLY and name != "work"]

    assert names == list(card.options)
    assert all(options[n].default == card.options[n] for n in names if n != "target")
    assert list(findings.report.metrics) == list(card.metrics)


def test_the_report_holds_no_rows_and_says_what_its_numbers_promise(findings):
    report = findings.report

    assert len(canonical(report.as_json())) < 10_000
    assert any("Robust accuracy is an upper bound" in note for note in report.notes)
    assert any("Certified accuracy is a lower bound" in note for note in report.notes)
    assert not findings.tables


def test_figures_show_the_curve_and_the_columns(findings):
    lines, bars = findings.figures

    assert (lines.kind, bars.kind) == ("lines", "bars")
    assert lines.series[0].x == pytest.approx((0, 0.05, 0.1, 0.2, 0.4))
    assert lines.series[0].y[3] == of(findings, "robust_accuracy")
    assert len(bars.series[0].x) == 10
    assert list(bars.series[0].y) == sorted(bars.series[0].y, reverse=True)
    assert 0 < bars.series[0].y[-1] < bars.series[0].y[0] <= 1


def test_a_model_in_its_own_process_gives_the_same_report(cancer, evaluation, file):
    model = fitted(RandomForestClassifier(10, random_state=0), cancer[0])
    options = {"target": "target", "rows": 40, "queries": 100}

    with Predictor(file(model, "forest.joblib")) as predictor:
        found = attack(predictor, evaluation, **options)

    assert found.report == attack(InProcess(model), evaluation, **options).report
    assert predictor.calls > found.report.details["predict_calls"]


def test_a_thousand_rows_cost_no_more_calls_than_ten(table):
    frame = line(1000)
    many, few = stump(frame), stump(frame)

    attack(many, table(frame), target="y", rows=1000, distance_queries=0)
    attack(few, table(frame), target="y", rows=10, distance_queries=0)

    assert len(many.seen) <= 4 * 60
    assert len(many.seen) <= len(few.seen) + 120
