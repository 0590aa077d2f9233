"""Evasion block by block: who does which block changes nothing, and a table's order little."""

import io

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from attacked import InProcess, fitted, opened
from modelwarden.blocks import pack, unpack
from modelwarden.checks.evasion import evasion, sieges, split
from modelwarden.errors import EvidenceError
from modelwarden.report import canonical

SMALL = {"target": "y", "rows": 40, "epsilon": 0.3, "queries": 15, "distance_queries": 5}
OPTIONS = {**SMALL, "norm": "auto", "nodes": 20, "examples": 3, "seed": 0}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Eight rows a block, so that few rows make many blocks."""
    monkeypatch.setattr(sieges, "BLOCK", 8)


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(0)
    x = random.normal(size=(150, 4))
    y = np.where(x[:, 0] + x[:, 1] + 0.5 * random.normal(size=150) > 0, "yes", "no")
    return pd.DataFrame(x, columns=[*"abcd"]).assign(y=y).sort_values("y", ignore_index=True)


@pytest.fixture(scope="module")
def table(rows, tmp_path_factory):
    return opened(rows, tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def forest(rows):
    return InProcess(fitted(RandomForestClassifier(5, random_state=0), rows, "y"))


def said(findings):
    """Return all bytes that findings come to."""
    figures = [figure.as_json() for figure in findings.figures]
    tables = dict(sorted(findings.tables.items()))
    return canonical(findings.report.as_json()), canonical(figures), tables


def shared(model, table, count, options=OPTIONS):
    """Do a check on `count` machines that know nothing of each other."""
    parts = {}
    for index in reversed(range(count)):
        cut = split(model(), table, **options)
        mine = range(index, cut.count, count)
        parts |= dict(zip(mine, cut.blocks(mine), strict=True))
    cut = split(model(), table, **options)
    return cut.join([parts[number] for number in range(cut.count)])


@pytest.mark.parametrize("kind", ["trees", "linear"])
def test_one_three_and_eight_machines_say_the_same(kind, rows, table):
    models = {
        "trees": RandomForestClassifier(3, random_state=0),
        "linear": LogisticRegression(),
    }
    model = fitted(models[kind], rows, "y")
    alone = said(evasion(InProcess(model), table, **OPTIONS))

    for count in (1, 3, 8):
        assert said(shared(lambda: InProcess(model), table, count)) == alone


def test_texts_of_many_lengths_are_put_together(tmp_path):
    words = ["good", "nice", "bad", "awful", "film", "very"]
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(words, 2 + n % 9)) + " film" for n in range(40)]
    labels = ["good" if "good" in t or "nice" in t else "bad" for t in texts]
    frame = pd.DataFrame({"t": texts, "y": labels})
    pipeline = make_pipeline(CountVectorizer(), LogisticRegression()).fit(frame["t"], labels)
    pipeline = make_pipeline(FirstColumn(), pipeline).fit(frame[["t"]], labels)
    options = {**OPTIONS, "rows": 30, "epsilon": 0.5}
    table = opened(frame, tmp_path)
    alone = evasion(InProcess(pipeline), table, **options)

    assert said(shared(lambda: InProcess(pipeline), table, 3, options)) == said(alone)
    assert alone.report.details["movable_columns"] == 11  # words of the longest text
    assert alone.report.metrics["attack_success_rate"] > 0


class FirstColumn:
    """Makes a series of a frame of one column."""

    def fit(self, frame, _=None):
        return self

    def transform(self, frame):
        return frame.iloc[:, 0]


def test_every_block_has_the_classes_of_a_sorted_table(forest, table):
    cut = split(forest, table, **OPTIONS)
    shares = [np.mean(cut.truth[places]) for places in cut.places]

    assert cut.count == 5
    assert max(shares) - min(shares) < 0.15
    assert sorted(np.concatenate(cut.places)) == [*range(40)]


def test_blocks_find_about_as_much_as_all_rows_at_once(forest, table, monkeypatch):
    blocks = evasion(forest, table, **OPTIONS).report.metrics
    monkeypatch.setattr(sieges, "BLOCK", 40)
    whole = evasion(forest, table, **OPTIONS).report.metrics

    assert blocks["accuracy"] == whole["accuracy"]
    assert blocks["certified_accuracy"] == whole["certified_accuracy"]
    assert blocks["robust_accuracy"] == pytest.approx(whole["robust_accuracy"], abs=0.04)


@pytest.fixture(scope="module")
def parts(forest, table):
    """What each of five blocks comes to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sieges, "BLOCK", 8)
        cut = split(forest, table, **OPTIONS)
        return [*cut.blocks(range(cut.count))]


def changed(parts, number, **arrays):
    """Return the parts, one of them with other arrays."""
    other = pack({**unpack(parts[number], ""), **arrays})
    return [*parts[:number], other, *parts[number + 1 :]]


def test_every_row_goes_back_to_its_place(forest, table, rows, parts):
    found = split(forest, table, **{**OPTIONS, "examples": 3}).join(parts)
    shown = pd.read_parquet(io.BytesIO(found.tables["broken"]))

    assert shown["row"].nunique() == 3
    for line in shown.itertuples():
        assert line.before == str(rows[line.column][line.row - 1])
        assert line.label == rows.y[line.row - 1] != line.predicted


def test_what_blocks_count_is_added_up(forest, table, parts):
    report = split(forest, table, **OPTIONS).join(parts).report
    each = [unpack(part, "") for part in parts]

    assert report.details["predict_calls"] == sum(int(one["counts"][1]) for one in each)
    assert report.details["predicted_rows"] == sum(int(one["counts"][2]) for one in each)
    assert report.details["broken_rows"] == sum(int(one["broken"][:, 2].sum()) for one in each)
    left = sum(int(one["right"].sum()) for one in each) - report.details["broken_rows"]
    assert report.metrics["robust_accuracy"] == left / 40  # only right rows are ever broken
    moved = dict.fromkeys("abcd", 0)
    for one in each:
        for name, count in zip(one["moved"].tolist(), one["moves"].tolist(), strict=True):
            moved[name] += count
    shares = {name: count / report.details["broken_rows"] for name, count in moved.items() if count}
    assert report.details["moved_columns"] == shares
    assert [*shares.values()] != sorted(shares.values())


def test_one_block_without_a_proof_leaves_all_rows_without(forest, table, parts):
    cut = split(forest, table, **OPTIONS)
    known = cut.join(parts).report.metrics
    lost = cut.join(changed(parts, 3, uncertified=np.array("of some reason"))).report

    assert known["certified_accuracy"] > 0
    assert lost.metrics["certified_accuracy"] is None
    assert lost.metrics["unknown_fraction"] == lost.metrics["robust_accuracy"]
    assert any("of some reason" in note for note in lost.notes)


def test_one_contradiction_in_any_block_is_a_failure(forest, table, parts):
    counts = unpack(parts[4], "")["counts"] + np.array([1, 0, 0])
    report = split(forest, table, **OPTIONS).join(changed(parts, 4, counts=counts)).report

    assert "1 changes break rows that were proved" in report.failures[0]


def test_a_model_that_changes_its_mind_in_any_block_is_a_failure(forest, table, parts):
    right = unpack(parts[2], "")["right"]
    told = pack({"right": right, "differing": np.array(2), "has_scores": np.array(True)})
    report = split(forest, table, **OPTIONS).join([*parts[:2], told, *parts[3:]]).report

    assert "labelled 2 of 40 rows differently" in report.failures[0]
    assert report.metrics["robust_accuracy"] is None


def test_a_block_without_a_right_row_says_nothing(rows, tmp_path):
    """Of the class that the model never names, no row can be broken."""
    frame = pd.concat([rows[rows.y == "yes"][:9], rows[rows.y == "no"][:9]])
    model = InProcess(fitted(RandomForestClassifier(3, random_state=0), frame, "y"))
    others = np.where(frame.y == "yes", "no", "yes")
    flipped = frame.assign(y=np.where(np.arange(18) < 17, others, frame.y))
    found = evasion(model, opened(flipped, tmp_path), **{**OPTIONS, "rows": 18})

    assert found.report.metrics["accuracy"] == pytest.approx(1 / 18)
    assert found.report.metrics["robust_accuracy"] in (0.0, pytest.approx(1 / 18))


def test_no_block_with_a_right_row_is_a_failure(rows, tmp_path):
    model = InProcess(fitted(RandomForestClassifier(3, random_state=0), rows, "y"))
    labels = model.predict(rows.drop(columns="y"))
    wrong = rows.assign(y=np.where(labels == "yes", "no", "yes"))
    found = evasion(model, opened(wrong, tmp_path), **OPTIONS)

    assert found.report.failures == (
        "none of 40 rows was classified correctly: nothing is left to attack",
    )


def test_rows_of_data_are_in_no_part_unless_asked_for(forest, table):
    cut = split(forest, table, **{**OPTIONS, "examples": 0})
    with_examples = split(forest, table, **OPTIONS)

    assert "points" not in unpack(next(cut.blocks([0])), "")
    assert "points" in unpack(next(with_examples.blocks([0])), "")


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.update(right=arrays["right"][:-1]),
        lambda arrays: arrays.update(right=arrays["right"].astype(float)),
        lambda arrays: arrays.update(broken=arrays["broken"].T),
        lambda arrays: arrays.pop("robust"),
        lambda arrays: arrays.update(more=np.zeros(1)),
        lambda arrays: arrays.update(uncertified=np.array(["a", "b"])),
    ],
)
def test_a_part_that_says_something_else_is_refused(forest, table, parts, change):
    arrays = unpack(parts[1], "")
    change(arrays)

    with pytest.raises(EvidenceError, match="block 1 of "):
        split(forest, table, **OPTIONS).join([parts[0], pack(arrays), *parts[2:]])
