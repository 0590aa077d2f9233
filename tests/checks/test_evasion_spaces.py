"""Evasion where a space file says what may change, on texts and on images; examples of it."""

import io

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler

from attacked import InProcess, fitted, line, opened, stored, stump
from modelwarden.checks.evasion import evasion
from modelwarden.errors import InputError

QUICK = {"distance_queries": 0, "nodes": 0}


@pytest.fixture(scope="module")
def attack(tmp_path_factory):
    """Return a function that runs the check on a frame, with the text of a space file."""
    folder = tmp_path_factory.mktemp("attacked")

    def run(model, frame, space="", **options):
        file = stored(space, folder, "space.yaml") if space else None
        model = model if isinstance(model, InProcess) else InProcess(model)
        return evasion(model, opened(frame, folder), file, **options)

    return run


def of(findings, metric):
    return findings.report.metrics[metric]


def read(findings, table="broken"):
    return pd.read_parquet(io.BytesIO(findings.tables[table]))


# space files -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("version: 1\nfixed: [z]\n", "expected columns of the table, got 'z'"),
        (
            "version: 1\nfixed: [x]\n",
            "expected a column with room to move at epsilon",
        ),
        ("version: 1\ncolumns: {x: {by: 0}}\n", "expected a column with room to move"),
        ("version: 1\ncolumns: {x: {values: [1]}}\n", "expected bounds for a column of numbers"),
        ("version: 1\nepsilon: 3\n", "the unknown key 'epsilon'"),
        ("[]", "expected keys with values"),
        ("version: 1\nimage: {height: 2, width: 2}\n", "expected 4 columns"),
    ],
)
def test_refuses_a_space_file_that_does_not_fit(attack, space, message):
    with pytest.raises(InputError, match=message):
        attack(stump(line()), line(), space, target="y")


def test_what_is_fixed_never_moves_and_the_report_says_so(attack):
    frame = line(80).assign(other=np.random.default_rng(0).normal(size=80))
    model = stump(frame)

    found = attack(model, frame, "version: 1\nfixed: [x]\n", target="y", epsilon=1, **QUICK)

    assert of(found, "robust_accuracy") == 1
    assert {*pd.concat(model.seen)["x"]} == {*frame["x"]}
    assert any("fixed by the space file: 'x'" in note for note in found.report.notes)
    assert found.report.details["movable_column_names"] == ["other"]
    assert found.report.details["space"] == {"version": 1, "fixed": ["x"]}


@pytest.mark.parametrize(
    ("rule", "broken"),
    # rows are 0.05 apart, the threshold is midway between two of them
    [("direction: up", 3), ("direction: down", 3), ("by: 0.06", 2), ("scale: 0.5", 2)],
)
def test_a_rule_of_a_column_is_obeyed(attack, rule, broken):
    space = f"version: 1\ncolumns: {{x: {{{rule}}}}}\n"

    found = attack(stump(line()), line(), space, target="y", epsilon=0.126, **QUICK)

    assert found.report.details["broken_rows"] == broken


def shop(n=240):
    """Orders: a category and an amount decide, a place of two columns does not."""
    random = np.random.default_rng(0)
    paid, amount = random.choice(["card", "cash", "bill"], n), random.normal(100, 30, n).round(2)
    risk = amount / 30 + (paid == "bill") * 3 - (paid == "card") + random.normal(0, 0.3, n)
    frame = pd.DataFrame({"paid": paid, "amount": amount, "total": amount + 5.0, "fee": 5.0})
    return frame.assign(y=np.where(risk > np.median(risk), "stop", "go"))


def clerk(frame):
    encoder = make_column_transformer((OneHotEncoder(), ["paid"]), (StandardScaler(), ["amount"]))
    return fitted(make_pipeline(encoder, LogisticRegression(C=10)), frame, "y")


def test_categories_move_only_where_the_space_file_says_so_and_to_what_it_names(attack):
    frame = shop()
    model = InProcess(clerk(frame))
    space = "version: 1\nothers: fixed\ncolumns: {paid: {values: [card, cash]}}\n"

    found = attack(model, frame, space, target="y", examples=500, **QUICK)

    assert of(found, "robust_accuracy") < of(found, "accuracy") - 0.1
    broken = read(found)
    assert {*broken["column"]} == {"paid"}
    assert {*broken["after"]} <= {"card", "cash"}
    assert {*broken["label"]} == {"go", "stop"}
    assert found.report.details["categories_that_move"] == 1


def test_relations_and_repairs_hold_in_every_example(attack):
    frame = shop()
    space = "version: 1\nrelations: ['total >= amount']\nrepairs: ['total = amount + fee']\n"
    space += "fixed: [paid]\n"

    found = attack(clerk(frame), frame, space, target="y", epsilon=0.3, examples=500, **QUICK)

    cells = read(found).pivot_table(index="row", columns="column", values="after", aggfunc="first")
    assert len(cells) == found.report.details["broken_rows"] > 5
    assert np.allclose(cells["total"].astype(float), cells["amount"].astype(float) + 5)


def test_at_most_k_columns_change(attack):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(200, 6)), columns=[*"abcdef"])
    frame["y"] = np.where(frame.sum(axis=1) > 0, "yes", "no")
    model = fitted(LogisticRegression(), frame, "y")

    free = attack(model, frame, target="y", epsilon=0.3, **QUICK)
    few = attack(
        model, frame, "version: 1\nmax_changed: 2\n", target="y", epsilon=0.3, examples=9, **QUICK
    )

    assert of(few, "robust_accuracy") > of(free, "robust_accuracy") + 0.1
    assert read(few).groupby("row").size().max() <= 2


# norms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("norm", "power"), [("linf", np.inf), ("l2", 2), ("l1", 1)])
def test_a_linear_model_is_broken_within_the_dual_distance(attack, norm, power):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(300, 5)), columns=[*"abcde"])
    weights = np.array([3.0, -2, 1, 0.5, 0.1])
    frame["y"] = np.where(frame @ weights + random.normal(0, 0.5, 300) > 0, "yes", "no")
    model = fitted(LogisticRegression(), frame, "y")
    space = "version: 1\ncolumns:\n"
    space += "".join(f"  {c}: {{scale: 1, least: -99, most: 99}}\n" for c in "abcde")

    found = attack(model, frame, space, target="y", epsilon=0.3, norm=norm)

    dual = {np.inf: 1, 2: 2, 1: np.inf}[power]
    lead = np.abs(model.decision_function(frame.drop(columns="y")))
    distance = lead / np.linalg.norm(model.coef_[0], dual)
    right = model.predict(frame.drop(columns="y")) == frame["y"]
    exact = float((right & (distance > 0.3)).mean())
    assert of(found, "certified_accuracy") == of(found, "robust_accuracy") == pytest.approx(exact)
    assert of(found, "unknown_fraction") == 0
    assert of(found, "median_distance") == pytest.approx(
        np.quantile(distance[right], 0.5, method="inverted_cdf"), rel=2e-3
    )


# images ----------------------------------------------------------------------------------------

IMAGE = "version: 1\nimage: {height: 8, width: 8, levels: 17}\n"


@pytest.fixture(scope="module")
def digits():
    frame = load_digits(as_frame=True).frame.rename(columns={"target": "y"})
    model = make_pipeline(MaxAbsScaler(), LogisticRegression(max_iter=500))
    return fitted(model, frame.iloc[:900], "y"), frame.iloc[900:940]


@pytest.fixture(scope="module")
def one_pixel(digits, attack):
    options = {"norm": "l0", "epsilon": 1.0, "examples": 3, "distance_queries": 0}
    return attack(digits[0], digits[1], IMAGE, target="y", **options)


def test_one_pixel_is_answered_exactly_for_every_model(digits, one_pixel):
    model, frame = digits
    images, truth = frame.drop(columns="y"), frame["y"].to_numpy()
    stays = []
    for image, label in zip(images.to_numpy(), truth, strict=True):
        changed = np.repeat(image[None], 64 * 17, axis=0)
        changed[np.arange(64 * 17), np.arange(64 * 17) // 17] = np.arange(64 * 17) % 17
        changed = pd.DataFrame(np.vstack([image, changed]), columns=images.columns)
        stays.append((model.predict(changed) == label).all())

    assert 0.2 < np.mean(stays) < 0.9
    assert of(one_pixel, "robust_accuracy") == of(one_pixel, "certified_accuracy")
    assert of(one_pixel, "robust_accuracy") == np.mean(stays)
    assert of(one_pixel, "unknown_fraction") == 0
    assert any("Every change of a single" in note for note in one_pixel.report.notes)


def test_pictures_frame_the_one_pixel_that_changed(one_pixel):
    page = one_pixel.tables["pictures"].decode()

    assert page.count("<figure") == 3
    assert page.count("<image") == 6
    assert page.count("<rect") == 3
    assert len(read(one_pixel)) == 3


# texts -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mail():
    """Two hundred mails of eight words, of which one, in spam three, decide."""
    random = np.random.default_rng(0)
    plain = ["the", "of", "and", "meeting", "monday", "notes", "lunch", "report", "team"]
    loud = ["winner", "prize", "cash"]
    texts = []
    for i in range(200):
        words = [*random.choice(plain, 5), *(random.permutation(loud) if i % 2 else ["ok"] * 3)]
        texts.append(" ".join(random.permutation(words)))
    frame = pd.DataFrame({"text": texts, "y": ["spam" if i % 2 else "ham" for i in range(200)]})
    model = make_pipeline(CountVectorizer(), LogisticRegression())
    return model.fit(frame["text"], frame["y"]), frame


class OfTexts(InProcess):
    """A model that is given texts, not a table of them."""

    def predict(self, frame):
        return self.model.predict(frame["text"])

    def predict_proba(self, frame):
        return self.model.predict_proba(frame["text"])


def test_a_column_of_text_is_attacked_word_by_word(mail, attack):
    model, frame = mail

    found = attack(
        OfTexts(model), frame, target="y", epsilon=0.4, rows=60, examples=2, distance_queries=200
    )

    assert found.report.details["norm"] == "l0"
    assert of(found, "accuracy") == 1
    assert of(found, "robust_accuracy") == 0.5  # nothing makes spam of a mail
    assert of(found, "certified_accuracy") is None
    assert of(found, "median_distance") in (1 / 8, 2 / 8, 3 / 8)
    assert [figure.kind for figure in found.figures] == ["lines"]
    before, after = read(found)[["before", "after"]].to_numpy()[0]
    changed = sum(a != b for a, b in zip(before.split(), after.split(), strict=True))
    assert 1 <= changed <= 3


def test_texts_have_no_other_norm(mail, attack):
    with pytest.raises(InputError, match="norm: expected l0 for a column of text, got 'l2'"):
        attack(OfTexts(mail[0]), mail[1], target="y", norm="l2")


def test_synonyms_of_a_space_file_are_used(mail, attack):
    model, frame = mail
    space = "version: 1\ntext:\n  synonyms: {winner: [champion], prize: [trophy], cash: [money]}\n"

    found = attack(OfTexts(model), frame, space, target="y", epsilon=0.4, rows=60, **QUICK)

    assert of(found, "robust_accuracy") == 0.5


# examples --------------------------------------------------------------------------------------


def test_no_row_is_written_unless_it_is_asked_for(attack):
    assert not attack(stump(line()), line(), target="y", **QUICK).tables


def test_examples_are_the_nearest_broken_rows_cell_by_cell(attack):
    frame = line().assign(noise=np.random.default_rng(0).normal(size=41))
    frame = frame[["x", "noise", "y"]]
    space = "version: 1\nfixed: [noise]\n"

    found = attack(stump(frame), frame, space, target="y", epsilon=0.076, examples=2)

    broken = read(found)
    assert list(broken.columns) == [
        "row", "label", "predicted", "attack", "distance", "column", "before", "after",
    ]  # fmt: skip
    assert {*broken["row"]} == {21, 22}
    assert broken["distance"].between(0.0249, 0.026).all()
    assert {*broken["column"]} == {"x"}
    assert (broken["before"].astype(float).sub(broken["after"].astype(float)).abs() <= 0.0761).all()
    assert {*(broken["label"] + broken["predicted"])} == {"noyes", "yesno"}


def test_examples_of_a_model_that_nobody_breaks_are_an_empty_table(attack):
    found = attack(stump(line()), line(), target="y", epsilon=0.01, examples=2, **QUICK)

    assert read(found).empty


def test_rows_of_data_are_in_no_report_and_no_figure(attack):
    frame = shop().assign(name=[f"secret-{i}" for i in range(240)])
    model = InProcess(clerk(frame.drop(columns="name")))

    found = attack(model, frame, target="y", epsilon=0.3, examples=5)

    said = str(found.report.as_json()) + str([figure.as_json() for figure in found.figures])
    assert "secret-" not in said
    assert b"secret-" not in found.tables["broken"]


# forests on tables -----------------------------------------------------------------------------


def test_a_forest_of_categories_is_bounded_from_both_sides(attack):
    frame = shop()
    encoder = make_column_transformer((OneHotEncoder(), ["paid"]), remainder="passthrough")
    forest = RandomForestClassifier(20, min_samples_leaf=4, random_state=0)
    model = fitted(make_pipeline(encoder, forest), frame, "y")
    space = "version: 1\ncolumns: {paid: {values: [card, cash, bill]}}\n"

    found = attack(model, frame, space, target="y", epsilon=0.05, rows=80, distance_queries=0)

    certified, robust = of(found, "certified_accuracy"), of(found, "robust_accuracy")
    assert not found.report.failures
    assert 0 < certified <= robust < of(found, "accuracy")
    assert of(found, "unknown_fraction") == pytest.approx(robust - certified)
    assert of(found, "unknown_fraction") <= 0.05
