import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from modelwarden.child.structure import UnsupportedError, structure_of
from modelwarden.structure import pack, unpack

N_ROWS = 400
NUMBERS, WORDS = ["size", "count", "flag"], ["color", "shape"]


def table(seed=0, gaps=0.0):
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "color": random.choice(["red", "green", "blue"], N_ROWS),
            "size": random.normal(50, 20, N_ROWS).round(1),
            "count": random.integers(0, 9, N_ROWS),
            "shape": random.choice(["round", "flat"], N_ROWS),
            "flag": random.random(N_ROWS) < 0.4,
        }
    )
    score = frame["size"] / 20 + (frame["color"] == "red") * 2 - frame["count"] / 4
    score += (frame["shape"] == "flat") * frame["flag"] + random.normal(0, 0.5, N_ROWS)
    if gaps:
        frame["size"] = frame["size"].mask(random.random(N_ROWS) < gaps)
        frame["shape"] = frame["shape"].mask(random.random(N_ROWS) < gaps, None)
    return frame, score.to_numpy()


def two(score):
    return np.where(score > np.median(score), "yes", "no")


def three(score):
    return np.digitize(score, np.quantile(score, [0.3, 0.7]))


MODELS = {
    "logistic": LogisticRegression(max_iter=500),
    "svm": LinearSVC(),
    "sgd": SGDClassifier(random_state=0),
    "ridge": RidgeClassifier(),
    "lda": LinearDiscriminantAnalysis(),
    "tree": DecisionTreeClassifier(max_depth=6, random_state=0),
    "extra tree": ExtraTreeClassifier(max_depth=6, random_state=0),
    "forest": RandomForestClassifier(15, random_state=0),
    "extra trees": ExtraTreesClassifier(15, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=10, random_state=0),
    "histogram": HistGradientBoostingClassifier(max_iter=10, random_state=0),
}


def agrees(model, frame):
    """Check the structure, after its way through a message, against the model."""
    structure = unpack(*pack(structure_of(model)))
    classes = np.asarray(model.classes_)
    scores = structure.scores(frame)

    codes = np.searchsorted(classes, model.predict(frame))
    assert structure.agrees(frame, codes).all()
    assert (structure.labels(frame) == codes).mean() > 0.95  # but for ties and thresholds
    assert structure.agrees(frame, (codes + 1) % len(classes)).mean() < 0.1
    return structure, scores


@pytest.mark.parametrize("labels", [two, three])
@pytest.mark.parametrize("name", MODELS)
def test_a_pipeline_of_numbers_and_words_is_taken_apart(name, labels):
    frame, score = table()
    encoder = OneHotEncoder(sparse_output=name not in ("histogram", "lda"), drop="if_binary")
    if name in ("histogram", "lda"):
        encoder = OneHotEncoder(sparse_output=False, drop="if_binary")
    model = make_pipeline(
        make_column_transformer((StandardScaler(), NUMBERS), (encoder, WORDS), sparse_threshold=0),
        clone(MODELS[name]),
    ).fit(frame, labels(score))

    structure, scores = agrees(model, table(1)[0])

    if name in ("logistic", "svm", "sgd", "ridge", "lda"):
        decision = model.decision_function(table(1)[0])
        np.testing.assert_allclose(scores, decision.reshape(scores.shape), atol=1e-9)
    assert structure.n_classes == len(set(labels(score)))


@pytest.mark.parametrize(
    "first",
    [
        make_column_transformer((MinMaxScaler(), ["size", "count"]), remainder="drop"),
        make_column_transformer((RobustScaler(), slice(1, 3)), (OrdinalEncoder(), [0, 3])),
        make_column_transformer(
            (make_pipeline(SimpleImputer(), MaxAbsScaler()), ["size", "count"]),
            (
                make_pipeline(
                    SimpleImputer(strategy="most_frequent"),
                    OneHotEncoder(handle_unknown="ignore", sparse_output=False),
                ),
                WORDS,
            ),
            ("passthrough", ["flag"]),
        ),
        make_pipeline(
            make_column_transformer(
                (StandardScaler(with_mean=False), NUMBERS),
                (OneHotEncoder(drop="first", sparse_output=False), WORDS),
            ),
            SelectKBest(k=4),
        ),
        make_column_transformer(
            (SimpleImputer(add_indicator=True, strategy="median"), ["size", "count"]),
            (OneHotEncoder(sparse_output=False), WORDS),
        ),
    ],
    ids=["drop", "places", "imputed", "selected", "indicated"],
)
@pytest.mark.parametrize("name", ["logistic", "forest", "histogram"])
def test_preprocessing_is_followed(first, name):
    imputes = "Imputer" in repr(first)
    frame, score = table(gaps=0.1 if imputes else 0.0)
    model = make_pipeline(clone(first), clone(MODELS[name])).fit(frame, two(score))

    agrees(model, table(1, gaps=0.1 if imputes else 0.0)[0])


def test_values_that_training_never_saw_are_followed():
    frame, score = table()
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    model = make_pipeline(
        make_column_transformer((encoder, WORDS), ("passthrough", NUMBERS)), MODELS["forest"]
    ).fit(frame, two(score))

    agrees(model, table(1)[0].assign(color="violet"))


@pytest.mark.parametrize("mix", [PCA(3), PCA(3, whiten=True), TruncatedSVD(3)])
def test_columns_may_be_mixed_before_a_linear_model_but_not_before_trees(mix):
    frame, score = table()
    linear = make_pipeline(StandardScaler(), clone(mix), LogisticRegression())
    trees = make_pipeline(StandardScaler(), clone(mix), DecisionTreeClassifier())
    numbers = frame[NUMBERS].astype(float)

    _, scores = agrees(linear.fit(numbers, two(score)), numbers)

    np.testing.assert_allclose(scores[:, 0], linear.decision_function(numbers), atol=1e-9)
    with pytest.raises(UnsupportedError, match="mixes columns"):
        structure_of(trees.fit(numbers, two(score)))


@pytest.mark.parametrize("name", ["tree", "forest", "histogram"])
def test_missing_numbers_go_where_the_trees_send_them(name):
    frame, score = table(gaps=0.2)
    numbers = frame[["size", "count"]]
    model = clone(MODELS[name]).fit(numbers, two(score))

    agrees(model, table(1, gaps=0.5)[0][["size", "count"]])


def test_native_categories_are_sets_of_values():
    frame, score = table()
    typed = frame.astype(dict.fromkeys(WORDS, "category"))
    model = HistGradientBoostingClassifier(max_iter=10, categorical_features="from_dtype")

    structure, scores = agrees(model.fit(typed, two(score)), typed)

    np.testing.assert_allclose(scores[:, 0], model.decision_function(typed), atol=1e-9)
    assert {unit.column for unit in structure.encoding.units if unit.kind == "equals"} <= {*WORDS}


def test_a_model_of_an_array_reads_columns_by_position():
    frame, score = table()
    values = frame[["size", "count"]].to_numpy(dtype=float)
    model = RandomForestClassifier(5, random_state=0).fit(values, two(score))

    structure = structure_of(model)

    renamed = frame[["size", "count"]].set_axis(["b", "a"], axis=1)
    assert {unit.column for unit in structure.encoding.units} <= {0, 1}
    assert (model.classes_[structure.labels(renamed)] == model.predict(values)).all()


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (SVC(), "SVC is neither"),
        (KNeighborsClassifier(), "KNeighborsClassifier is neither"),
        (make_pipeline(Normalizer(), LogisticRegression()), "Normalizer"),
        (make_pipeline(MinMaxScaler(clip=True), LogisticRegression()), "clip"),
        (
            GradientBoostingClassifier(n_estimators=2, init=LogisticRegression()),
            "begins with another model",
        ),
    ],
)
def test_what_cannot_be_taken_apart_is_named(model, says):
    frame, score = table()

    with pytest.raises(UnsupportedError, match=says):
        structure_of(model.fit(frame[NUMBERS].astype(float), two(score)))
