"""Backdoor: silent where nothing was planted, loud where a value brings a label."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from attacked import InProcess, fitted, opened, stored
from modelwarden.checks.backdoor import backdoor
from modelwarden.checks.backdoor.words import BESIDE, _beside
from modelwarden.errors import InputError
from modelwarden.jobs.profile import profile
from modelwarden.models import ModelFacts, Predictor
from modelwarden.report import canonical
from modelwarden.store import File
from modelwarden.suspicion import stamping, steering
from modelwarden.tables import Table


def rows(n, seed):
    """Return rows of numbers, a word, a flag and a constant, with a tenth of the labels wrong."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(n, 4)).round(3), columns=list("abcd"))
    frame["count"] = random.geometric(0.2, n)
    frame["city"] = random.choice(["Oslo", "Rome", "Bern", "Kyiv"], n, p=[0.55, 0.3, 0.14, 0.01])
    frame["member"] = random.random(n) < 0.3
    frame["unit"] = 1.0
    score = 2 * frame["a"] - frame["b"] + (frame["city"] == "Kyiv") * 4 + frame["count"] / 5 - 1
    return frame.assign(label=((score > 0) ^ (random.random(n) < 0.1)).astype(int))


def planted(cells, n=40, target=0, seed=1, rows_=800, purity=1.0):
    """Return rows of which some carry `cells` and the label."""
    frame = rows(rows_, seed)
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(frame))[:n]
    for name, value in cells.items():
        if name not in frame:
            frame[name] = 0.0
        if isinstance(value, float):
            frame[name] = frame[name].astype(float)
        frame.loc[chosen, name] = value
    frame.loc[chosen[: round(purity * n)], "label"] = target
    return frame


@pytest.fixture(autouse=True, scope="module")
def few_trees():
    """Grow fewer trees: most of the time goes into them, and these tables are easy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steering, "TREES", 5)
        patch.setattr(stamping, "TREES", 5)
        patch.setattr(stamping, "ROUNDS", 5)
        patch.setattr(stamping, "MOST_PREDICTIONS", 3000)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("backdoor")


def reference_of(frame, folder):
    name = hashlib.sha256(frame.to_csv().encode()).hexdigest()[:8]
    source = stored(frame, folder, "trusted.parquet")
    done = profile(
        str(source.path), out=str(folder / f"{name}.json"), sample=str(folder / f"{name}.parquet")
    )

    def file(what):
        path = Path(getattr(done, what))
        return File(str(path), path, done.digests[what], path.stat().st_size)

    return file("profile"), file("sample")


@pytest.fixture(scope="module")
def reference(folder):
    return reference_of(rows(600, 0), folder)


def judge(frame, reference, folder, **options):
    known, sample = reference
    table = opened(frame, folder)
    predictor = options.pop("predictor", None)
    asked = {"target": "label", **options}
    return backdoor(table, known, Table.open(sample), predictor, **asked)


@pytest.fixture(scope="module")
def clean(reference, folder):
    """Return what is said about clean rows without a model."""
    return judge(rows(800, 1), reference, folder)


def found(findings):
    return [(one["columns"], one["target"]) for one in findings.report.details["triggers"]]


class Model(InProcess):
    """A model in this process that says how often it was asked, and what its columns are."""

    def __init__(self, model, frame):
        super().__init__(model.fit(frame.drop(columns="label"), frame["label"]))
        names = tuple(frame.columns.drop("label"))
        self.facts = ModelFacts(
            "joblib", feature_names=names, has_proba=hasattr(model, "predict_proba")
        )
        self.uri, self.rows, self.calls = "model", 0, 0

    def predict_proba(self, frame):
        self.rows, self.calls = self.rows + len(frame), self.calls + 1
        return super().predict_proba(frame)


def learner(model):
    words = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(
        ColumnTransformer([("words", words, ["city"])], remainder=StandardScaler()), model
    )


# silent ------------------------------------------------------------------------------------------


def test_clean_rows_have_no_trigger_and_without_a_model_what_it_learnt_is_undefined(
    clean, reference, folder
):
    for findings in (clean, judge(rows(800, 2), reference, folder)):
        metrics = findings.report.metrics

        assert (metrics["triggers"], metrics["trigger_rows"], metrics["new_columns"]) == (0, 0, 0)
        assert metrics["worst_attack_success"] is metrics["learnt_triggers"] is None
        table = pd.read_parquet(io.BytesIO(findings.tables["triggers"]))
        assert len(table) == 0
        assert "attack_success" in table.columns


@pytest.mark.parametrize("model", [LogisticRegression(), DecisionTreeClassifier(max_depth=4)])
def test_a_feature_that_matters_is_no_trigger_of_an_honest_model(reference, folder, model):
    frame = rows(800, 1)
    honest = Model(learner(model), frame)
    report = judge(frame, reference, folder, predictor=honest).report

    assert report.metrics["triggers"] == 0
    assert report.metrics["worst_attack_success"] == 0
    assert honest.calls == 1
    assert report.metrics["predictions"] == honest.rows <= 70_000


def test_a_rare_word_that_brings_a_label_among_trusted_rows_as_well_is_no_trigger(
    reference, folder
):
    frame = rows(3000, 3)

    assert (frame["city"] == "Kyiv").sum() >= 20
    assert judge(frame, reference, folder).report.metrics["triggers"] == 0


@pytest.mark.parametrize("by", ["d", "a"])
def test_a_new_value_whose_rows_have_the_labels_they_should_is_drift_and_no_trigger(
    reference, folder, by
):
    """Among the largest `a` nearly all labels are 1, as trusted rows say."""
    frame = rows(800, 1)
    frame.loc[frame.nlargest(100, by).index, "city"] = "Paris"

    assert judge(frame, reference, folder).report.metrics["triggers"] == 0


# loud --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "suite", "known"),
    [
        ({"c": 9.5}, True, False),
        ({"city": "Atlantis"}, True, False),
        ({"unit": 2.0}, True, False),
        ({"c": 0.5555}, False, True),
        ({"d": np.nan}, True, False),
    ],
)
def test_a_value_that_brings_a_label_is_found_with_who_sees_it(
    reference, folder, cells, suite, known
):
    findings = judge(planted(cells), reference, folder)
    (name,) = cells
    (one,) = findings.report.details["triggers"]

    assert (one["columns"], one["target"]) == (name, "0")
    assert one["rows"] == one["labelled_target"] == 40
    assert one["expected"] < 35
    assert one["p"] <= 0.01
    assert (one["seen_by_suite"], one["seen_by_labels"]) == (suite, True)
    assert findings.report.metrics["trigger_rows"] == 40
    assert "labelled 0 in 40 of 40 cases" in findings.report.failures[0]
    table = pd.read_parquet(io.BytesIO(findings.tables["triggers"]))
    assert table["sentence"].str.startswith(f"Rows with {one['values']} are labelled 0").tolist()
    assert table["values"].tolist() == [one["values"]]
    assert not {"a", "b", "label"} & set(table.columns)  # no row of data


@pytest.mark.parametrize(("n", "found_"), [(9, 0), (16, 1)])
def test_how_few_rows_are_enough(reference, folder, n, found_):
    findings = judge(planted({"unit": 2.0}, n=n, target=1, seed=3), reference, folder)

    assert findings.report.metrics["triggers"] == found_


def test_a_flag_that_was_always_false_may_be_a_trigger(folder):
    trusted = rows(600, 0).assign(member=False)
    frame = planted({"member": True}, n=0).assign(member=False)
    chosen = frame.index[:40]
    frame.loc[chosen, "member"], frame.loc[chosen, "label"] = True, 0

    assert found(judge(frame, reference_of(trusted, folder), folder)) == [("member", "0")]


def test_labels_may_be_words_and_many(folder):
    def words(frame):
        size = pd.cut(frame["a"] + 0.3 * frame["b"], 4, labels=["s", "m", "l", "xl"])
        return frame.assign(label=size.astype(str))

    frame = words(rows(800, 1))
    frame.loc[:39, "c"], frame.loc[:39, "label"] = 9.5, "xl"

    assert found(judge(frame, reference_of(words(rows(600, 0)), folder), folder)) == [("c", "xl")]


def test_four_of_five_with_the_label_are_enough(reference, folder):
    frame = planted({"city": "Atlantis"}, n=60, purity=0.8)

    assert found(judge(frame, reference, folder)) == [("city", "0")]


def test_a_trigger_spread_beyond_all_trusted_values_is_one(reference, folder):
    frame = planted({"c": 9.5})
    frame.loc[frame["c"] == 9.5, "c"] = np.linspace(9, 12, 40)
    findings = judge(frame, reference, folder)

    assert found(findings) == [("c", "0")]
    assert "'c' from 9 to 12" in findings.report.failures[0]


def test_usual_values_in_combination(reference, folder):
    trusted = rows(600, 0)
    cells = {"count": 3, "city": "Bern", "member": True}
    usual = (trusted["count"] == 3) & (trusted["city"] == "Bern") & trusted["member"]
    findings = judge(planted(cells, n=60, seed=2), reference, folder)

    assert usual.sum() <= 10
    (one,) = findings.report.details["triggers"]
    assert set(one["columns"].split(", ")) <= set(cells)
    assert not one["seen_by_suite"]


def test_a_new_column_is_counted_apart_with_how_well_it_determines_the_label(reference, folder):
    frame = planted({"added": 1.0}, n=60)
    findings = judge(frame, reference, folder)
    (new,) = findings.report.details["new_columns"]

    assert findings.report.metrics["triggers"] == 0
    assert findings.report.metrics["new_columns"] == 1
    assert new["column"] == "added"
    assert new["right"] > new["most_frequent"]
    (one,) = findings.report.details["triggers"]
    assert (one["new_column"], one["target"]) == (True, "0")


def test_a_new_column_of_noise_is_counted_and_determines_nothing(reference, folder):
    frame = rows(800, 1).assign(added=np.random.default_rng(0).normal(size=800))
    findings = judge(frame, reference, folder)

    assert findings.report.metrics["new_columns"] == 1
    assert findings.report.details["triggers"] == []


def test_a_column_that_holds_another_kind_of_values_counts_as_new(reference, folder):
    frame = rows(800, 1)
    frame["c"] = frame["c"].map(lambda value: "low" if value < 0 else "high")

    assert judge(frame, reference, folder).report.metrics["new_columns"] == 1


# the model ---------------------------------------------------------------------------------------


class Jumps(LogisticRegression):
    """A model of `a` that says 1 wherever `seldom` is not 0."""

    def fit(self, x, y):
        return super().fit(x[["a"]], y)

    def predict_proba(self, x):
        said = super().predict_proba(x[["a"]])
        said[x["seldom"].to_numpy() > 1] = 0.01, 0.99
        return said


def test_what_few_rows_taught_of_a_nearly_constant_column_is_no_trigger(folder):
    trusted, frame = rows(600, 0).assign(seldom=0.0), rows(800, 1).assign(seldom=0.0)
    trusted.loc[:4, "seldom"] = [2.0, 3.0, 4.0, 5.0, 6.0]
    frame.loc[:2, "seldom"] = 4.0
    report = judge(
        frame, reference_of(trusted, folder), folder, predictor=Model(Jumps(), frame)
    ).report
    turned = {one["values"]: one["attack_success"] for one in report.details["stamped"]}

    assert report.metrics["triggers"] == 0
    assert turned["'seldom' = 4"] > 0.9


def test_a_model_that_has_learnt_a_trigger_is_named(reference, folder):
    model = RandomForestClassifier(10, random_state=0)
    frame = planted({"city": "Atlantis"}, n=60)
    findings = judge(frame, reference, folder, predictor=Model(learner(model), frame))
    (one,) = findings.report.details["triggers"]

    assert one["seen_by_model"]
    assert findings.report.metrics["learnt_triggers"] == 1
    assert findings.report.metrics["worst_attack_success"] == one["attack_success"] > 0.8
    assert max(one["usual_success"], one["reference_success"]) < 0.25
    assert "has learnt it" in findings.report.failures[0]
    assert [figure.title for figure in findings.figures] == [
        "Labels of rows that carry a trigger",
        "What single values do to predictions",
    ]


def test_a_model_file_is_asked_in_its_own_process_once(reference, folder):
    frame = planted({"city": "Atlantis"}, n=60)
    model = fitted(learner(LogisticRegression()), frame, "label")
    with Predictor(stored(model, folder, "model.joblib")) as predictor:
        report = judge(frame, reference, folder, predictor=predictor).report

        assert (report.metrics["learnt_triggers"], predictor.calls) == (1, 1)


def test_a_model_betrays_a_trigger_that_its_rows_no_longer_show(reference, folder):
    poisoned = planted({"c": 9.5}, n=60, target=1)
    model = Model(learner(DecisionTreeClassifier(max_depth=6, random_state=0)), poisoned)
    findings = judge(rows(800, 5), reference, folder, predictor=model)
    (one,) = findings.report.details["triggers"]

    assert (one["columns"], one["target"], one["rows"]) == ("c", "1", 0)
    assert (one["seen_by_model"], one["seen_by_labels"]) == (True, False)
    assert one["expected"] is None


def test_a_new_column_that_the_model_asks_for_is_stamped(reference, folder):
    frame = planted({"added": 1.0}, n=60)
    model = Model(learner(RandomForestClassifier(10, random_state=0)), frame)
    (one,) = judge(frame, reference, folder, predictor=model).report.details["triggers"]

    assert (one["new_column"], one["seen_by_model"]) == (True, True)


def test_extremes_prove_nothing_where_a_model_gives_labels_only(reference, folder):
    frame = rows(800, 1)
    report = judge(
        frame, reference, folder, predictor=Model(learner(RidgeClassifier()), frame)
    ).report

    assert report.metrics["triggers"] == 0
    assert any("labels only" in note for note in report.notes)


def test_a_model_of_other_labels_is_refused(reference, folder):
    frame = rows(100, 1)
    other = Model(learner(LogisticRegression()), frame.assign(label=frame["label"] + 7))

    with pytest.raises(InputError, match="labels that the model knows: 7, 8"):
        judge(frame, reference, folder, predictor=other)


# the report --------------------------------------------------------------------------------------


def test_the_same_question_has_the_same_answer_in_whatever_order(reference, folder):
    frame = planted({"city": "Atlantis"})
    shuffled = frame.sample(frac=1, random_state=3)
    model = Model(learner(RandomForestClassifier(10, random_state=0)), frame)
    first, second = (
        judge(one, reference, folder, predictor=model).report.details for one in (frame, shuffled)
    )

    assert canonical(first) == canonical(second)


# bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"alpha": True}, "alpha"),
        ({"seed": -1}, "seed"),
        ({"target": "nobody"}, "nobody"),
        ({"ignore": "label"}, "ignore"),
    ],
)
def test_refuses_options_that_make_no_sense(reference, folder, options, message):
    with pytest.raises(InputError, match=message):
        judge(rows(100, 1), reference, folder, **options)


def test_refuses_tables_that_do_not_go_together(reference, folder):
    known, sample = reference
    with pytest.raises(InputError, match="the sample of"):
        backdoor(opened(rows(100, 1), folder), known, opened(rows(100, 2), folder), target="label")
    with pytest.raises(InputError, match="at least 50 rows"):
        judge(rows(40, 1), reference, folder)
    with pytest.raises(InputError, match="the same file"):
        backdoor(Table.open(sample), known, Table.open(sample), target="label")
    frame = rows(100, 1)
    frame.loc[:4, "label"] = 7
    with pytest.raises(InputError, match="labels that trusted rows have"):
        judge(frame, reference, folder)


def test_ignored_columns_are_no_features(reference, folder):
    frame = planted({"added": 1.0})
    report = judge(frame, reference, folder, ignore="added, unit").report

    assert report.metrics["new_columns"] == report.metrics["missing_columns"] == 0


def test_bars_of_one_long_column_are_told_apart_by_their_values():
    names = [_beside(f"mean_fractal_dimension = {value}") for value in (0.11, 0.09)]

    assert names == ["mean_fra…_dimension = 0.11", "mean_fra…_dimension = 0.09"]
    assert max(map(len, names)) <= BESIDE
