import hashlib
import io
import itertools
from dataclasses import dataclass

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import MultinomialNB
from sklearn.tree import DecisionTreeClassifier

from modelwarden.checks import CHECKS
from modelwarden.checks.roni import roni
from modelwarden.errors import InputError
from modelwarden.estimators import Estimator
from modelwarden.report import canonical
from modelwarden.store import File
from modelwarden.tables import Table
from modelwarden.work import Work


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Return a function that stores a DataFrame and opens it as a real Table."""
    folder, numbers = tmp_path_factory.mktemp("tables"), itertools.count()

    def store(frame, name="train.csv"):
        path = folder / f"{next(numbers)}-{name}"
        if name.endswith(".csv"):
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)
        body = path.read_bytes()
        return Table.open(File(name, path, hashlib.sha256(body).hexdigest(), len(body)))

    return store


def read(body):
    return pd.read_csv(io.BytesIO(body))


def rejected_rows(findings):
    """Return which submitted rows were rejected."""
    rows = read(findings.tables["rows"])
    assert rows["row"].tolist() == list(range(1, len(rows) + 1))
    return rows["decision"].eq("rejected").to_numpy()


def two_blobs(n, seed=0, gap=6.0):
    """Return rows of two round clusters, labelled "no" and "yes" in turn."""
    generator = np.random.default_rng(seed)
    target = np.arange(n) % 2
    frame = pd.DataFrame(generator.normal(size=(n, 3)), columns=list("abc"))
    frame["a"] += gap * target
    return frame.assign(y=np.where(target, "yes", "no"))


def flip(frame, rows, target="y", label="yes"):
    return frame.assign(**{target: frame[target].where(~rows, label)})


def with_lies(frame, every):
    """Call every so-many-th row "yes" and put it far among those that are "no"."""
    lies = np.arange(len(frame)) % every == 0
    return flip(frame, lies).assign(a=frame["a"].where(~lies, -1))


# bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0}, "alpha: expected a number between 0 and 1, got 0"),
        ({"alpha": 1}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"alpha": True}, "alpha"),
        ({"alpha": 1e-320}, "alpha: expected at least 0.0244"),
        ({"alpha": "0.05"}, "alpha"),
        ({"max_rejected": 0}, "max_rejected: expected a number above 0, at most 1, got 0"),
        ({"max_rejected": 1.01}, "max_rejected"),
        ({"max_rejected": float("nan")}, "max_rejected"),
        ({"max_rejected": True}, "max_rejected"),
        ({"seed": True}, "seed"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**32}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"target": "z"}, "expected a column 'z'"),
        ({"fdr": 1}, "fdr: expected a number from 0, below 1"),
        ({"fdr": float("nan")}, "fdr"),
        ({"fdr": True}, "fdr"),
        ({"trigger": "ignore"}, "trigger: expected one of neutralise, drop, keep, got 'ignore'"),
        ({"group": "y"}, "train.csv: expected a column that holds neither labels nor features"),
        ({"group": "who"}, "train.csv: expected a column.*'who'"),
        ({"weight": "w"}, "train.csv: expected a column.*'w'"),
        ({"group": "a", "weight": "a"}, "weight: expected another column than group, got 'a'"),
    ],
)
def test_an_option_out_of_range_is_named(table, options, message):
    with pytest.raises(InputError, match=message):
        roni(table(two_blobs(40)), table(two_blobs(40, seed=1)), **{"target": "y", **options})


def change_label(frame):
    return frame.assign(y=frame["y"].replace("no", "never"))


@pytest.mark.parametrize(
    ("change_train", "change_trusted", "message"),
    [
        (lambda f: f[:9], None, "train.csv: expected at least 10 rows, got 9"),
        (None, lambda f: f[:19], "trusted.csv: expected at least 20 rows, got 19; have people"),
        (None, lambda f: f.drop(columns="b"), "trusted.csv.*'b' missing"),
        (None, lambda f: f.assign(d=1), "trusted.csv.*'d' unknown"),
        (lambda f: f.assign(b="text"), None, "trusted.csv, column 'b': expected text"),
        (change_label, None, "train.csv, column 'y': expected only labels.*got 'never'"),
        (lambda f: f.assign(y=(f["y"] == "yes") * 1), None, "column 'y': expected only labels"),
        (lambda f: f[f["y"] == "yes"], None, "train.csv.*two classes"),
        (None, lambda f: f[f["y"] == "yes"], "trusted.csv.*two classes"),
        (None, lambda f: flip(f, f.index < 1, label="rare"), "at least 2 rows of every class"),
    ],
)
def test_unusable_tables_get_one_clear_error(table, change_train, change_trusted, message):
    train, trusted = two_blobs(60), two_blobs(60, seed=1)
    train = change_train(train) if change_train else train
    trusted = change_trusted(trusted) if change_trusted else trusted

    with pytest.raises(InputError, match=message):
        roni(table(train), table(trusted, "trusted.csv"), target="y")


def test_features_of_free_text_only_are_refused(table):
    frame = pd.DataFrame({"t": [f"row {i}" for i in range(40)], "y": [0, 1] * 20})

    with pytest.raises(InputError, match="numbers or repeated values"):
        roni(table(frame), table(frame[:39]), target="y")


def test_rows_cannot_vouch_for_themselves(table):
    frame = two_blobs(40)

    with pytest.raises(InputError, match="expected other rows than train"):
        roni(table(frame), table(frame, "trusted.csv"), target="y")


def test_an_alpha_below_the_smallest_p_value_says_how_many_trusted_rows_it_needs(table):
    train, trusted = table(two_blobs(40)), two_blobs(200, seed=1)

    with pytest.raises(InputError, match=r"0\.0108 with 92 trusted rows.*have 99 trusted rows"):
        roni(train, table(trusted[:92]), target="y", alpha=0.01)
    roni(train, table(trusted[:99]), target="y", alpha=0.01)


# nothing to find, or too much ----------------------------------------------------------------


def test_clean_rows_are_hardly_ever_rejected(table):
    frame = load_breast_cancer(as_frame=True).frame
    shares = []
    for seed in range(3):
        train, trusted = train_test_split(frame, train_size=0.7, random_state=seed)
        report = roni(table(train), table(trusted), target="target", seed=seed).report
        shares.append(report.metrics["rejected_fraction"])
        assert not report.failures

    assert np.mean(shares) <= 0.01


def test_nothing_rejected_returns_the_very_same_bytes(table):
    train = table(two_blobs(60))
    before = train.select(np.ones(60, dtype=bool))

    findings = roni(train, table(two_blobs(60, seed=1)), target="y")

    assert findings.tables["kept"] == before
    assert read(findings.tables["quarantine"]).empty
    assert findings.report.metrics["rejected_rows"] == 0


def test_more_suspects_than_allowed_fails_and_removes_nothing(table):
    train = table(with_lies(two_blobs(100), every=4))
    trusted = table(two_blobs(60, seed=1))

    findings = roni(train, trusted, target="y", max_rejected=0.2)

    count = findings.report.metrics["rejected_rows"]
    assert 22 <= count <= 25
    assert f"{count:.0f} of 100 rows ({count / 100:.1%}) are suspect" in findings.report.failures[0]
    assert "nothing was removed" in findings.report.failures[0]
    assert findings.tables["kept"] == train.select(np.ones(100, dtype=bool))
    assert read(findings.tables["quarantine"]).empty
    assert not rejected_rows(findings).any()
    assert not roni(train, trusted, target="y", max_rejected=0.25).report.failures


def test_when_every_row_is_poison_the_check_fails_whatever_is_allowed(table):
    frame = two_blobs(60)
    poisoned = frame.assign(a=np.where(frame["y"] == "yes", -6, 12))

    findings = roni(table(poisoned), table(two_blobs(60, seed=1)), target="y", max_rejected=1)

    assert findings.report.metrics["rejected_fraction"] == 1
    assert findings.report.metrics["accuracy_after"] is None
    assert "nothing to train on" in findings.report.failures[0]
    assert len(read(findings.tables["kept"])) == 60
    canonical([figure.as_json() for figure in findings.figures])


def test_rejecting_rows_that_the_reference_model_needs_fails_and_removes_nothing(table):
    # class 1 lies between two clusters of class 0, which a line cannot tell apart: the flipped
    # third cluster is a lie that helps the line to find most of the middle
    def clusters(left, middle, right, lies, seed):
        centre = np.repeat([-4.0, 0, 4, 4], [left, middle, right, lies])
        noise = np.random.default_rng(seed).normal(scale=0.3, size=len(centre))
        label = np.repeat([0, 1, 0, 1], [left, middle, right, lies])
        return pd.DataFrame({"a": centre + noise, "y": label})

    trusted = table(clusters(100, 80, 20, 0, seed=0))

    findings = roni(table(clusters(100, 40, 20, 300, 1)), trusted, target="y", max_rejected=0.7)

    metrics = findings.report.metrics
    assert metrics["rejected_rows"] >= 120
    assert metrics["accuracy_after"] < metrics["accuracy_before"]
    assert "would lower trusted accuracy" in findings.report.failures[0]
    assert len(read(findings.tables["kept"])) == metrics["rows"]


def test_rows_without_any_difference_are_not_rejected(table):
    frame = two_blobs(41).assign(a=1, b=2, c=3)

    findings = roni(table(frame[:40]), table(frame), target="y")

    assert findings.report.metrics["rejected_rows"] == 0


# planted poison --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trial:
    """One seed of the story: 40 % of the malignant training rows relabelled as benign."""

    recall: float
    precision: float
    rejected_fraction: float
    clean: float
    twin: float
    filtered: float
    findings: object


def forest_accuracy(frame, test, seed):
    forest = RandomForestClassifier(100, random_state=seed)
    forest.fit(frame.drop(columns="target"), frame["target"])
    return forest.score(test.drop(columns="target"), test["target"])


def trial(table, seed):
    frame = load_breast_cancer(as_frame=True).frame
    clean, rest = train_test_split(
        frame, train_size=0.6, stratify=frame["target"], random_state=seed
    )
    trusted, test = train_test_split(
        rest, train_size=0.5, stratify=rest["target"], random_state=seed
    )
    malignant = np.flatnonzero(clean["target"] == 0)
    flipped = np.zeros(len(clean), dtype=bool)
    share = round(0.4 * len(malignant))
    flipped[np.random.default_rng(seed).choice(malignant, share, replace=False)] = True
    columns = flip(clean, flipped, "target", 1)

    findings = roni(table(columns), table(trusted), target="target", seed=seed)

    rejected = rejected_rows(findings)
    return Trial(
        recall=(rejected & flipped).sum() / flipped.sum(),
        precision=(rejected & flipped).sum() / rejected.sum(),
        rejected_fraction=rejected.mean(),
        clean=forest_accuracy(clean, test, seed),
        twin=forest_accuracy(columns, test, seed),
        filtered=forest_accuracy(columns[~rejected], test, seed),
        findings=findings,
    )


@pytest.fixture(scope="module")
def trials(table):
    return [trial(table, seed) for seed in range(3)]


def test_one_direction_flips_are_found_and_little_else(trials):
    assert np.mean([t.recall for t in trials]) >= 0.78
    assert min(t.recall for t in trials) >= 0.7
    assert np.mean([t.precision for t in trials]) >= 0.96
    assert min(t.precision for t in trials) >= 0.9


def test_a_forest_of_the_kept_rows_is_as_accurate_as_one_of_clean_rows(trials):
    filtered, clean = (
        np.mean([getattr(t, name) for t in trials]) for name in ("filtered", "clean")
    )

    assert filtered >= clean - 0.02


def test_the_unfiltered_twin_is_clearly_worse(trials):
    twin, filtered = (np.mean([getattr(t, name) for t in trials]) for name in ("twin", "filtered"))

    assert twin <= filtered - 0.05


def test_the_effect_is_confirmed_against_random_removal(trials):
    for t in trials:
        metrics = t.findings.report.metrics
        assert metrics["accuracy_after"] >= metrics["accuracy_before"] + 0.05
        assert metrics["accuracy_after"] >= metrics["accuracy_random"] + 0.05
        assert not t.findings.report.failures


def test_most_rejected_rows_have_a_negative_impact_and_the_notes_say_so(trials):
    for t in trials:
        share = t.findings.report.details["harmful_fraction_of_rejected"]
        assert share >= 0.75
        assert f"{share:.0%} have a negative impact" in " ".join(t.findings.report.notes)


def test_the_class_that_was_flooded_stands_out(trials):
    for t in trials:
        by_class = t.findings.report.details["rejected_by_class"]
        assert by_class["1"] >= 10 * by_class["0"]


def test_flips_between_two_of_ten_classes_are_found(table):
    frame = load_digits(as_frame=True).frame
    clean, rest = train_test_split(frame, train_size=0.6, stratify=frame["target"], random_state=0)
    trusted, _ = train_test_split(rest, train_size=0.5, stratify=rest["target"], random_state=0)
    threes = clean["target"].eq(3).to_numpy()
    flipped = threes & (np.cumsum(threes) % 2 == 0)

    findings = roni(table(flip(clean, flipped, "target", 8)), table(trusted), target="target")

    by_class = findings.report.details["rejected_by_class"]
    assert next(iter(by_class)) == "8"
    assert by_class["8"] >= 0.6 * flipped.sum()
    assert sum(by_class.values()) - by_class["8"] <= 0.02 * len(clean)
    assert findings.report.metrics["accuracy_after"] > findings.report.metrics["accuracy_before"]


# real tables -----------------------------------------------------------------------------------


def loans(n, seed):
    """Return mixed columns in which income and job decide and the rest is noise."""
    generator = np.random.default_rng(seed)
    job = generator.choice(["clerk", "nurse", "idle"], n)
    income = generator.normal(size=n)
    return pd.DataFrame(
        {
            "income": np.where(generator.random(n) < 0.1, np.nan, income),
            "job": np.where(generator.random(n) < 0.1, None, job),
            "owner": generator.random(n) < 0.5,
            "comment": [f"text {i}" for i in generator.integers(0, 10**9, n)],
            "since": pd.Timestamp("2020-01-01")
            + pd.to_timedelta(generator.integers(0, 999, n), "D"),
            "granted": (income + 3 * (job != "idle") > 1.5).astype(int),
        }
    )


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_categories_text_times_and_missing_values_work(table, kind):
    clean, trusted = loans(400, seed=0), loans(300, seed=1)
    flipped = (clean["job"] == "idle") & (clean["granted"] == 0) & (clean.index % 2 == 0)
    train = flip(clean, flipped, "granted", 1)

    findings = roni(table(train, f"t.{kind}"), table(trusted, f"v.{kind}"), target="granted")

    reader = read if kind == "csv" else lambda body: pd.read_parquet(io.BytesIO(body))
    quarantine = reader(findings.tables["quarantine"])
    found = clean["comment"].isin(quarantine["comment"])
    assert (found & flipped).sum() >= 0.6 * flipped.sum()
    assert (found & ~flipped).sum() <= 0.05 * (~flipped).sum()


def test_kept_and_quarantined_rows_are_all_rows_in_their_order(table):
    train = table(with_lies(two_blobs(80), every=10))

    findings = roni(train, table(two_blobs(60, seed=1)), target="y")

    rejected = rejected_rows(findings)
    assert 4 <= rejected.sum() <= 8
    assert set(np.flatnonzero(rejected)) <= set(range(0, 80, 10))
    assert findings.tables["kept"] == train.select(~rejected)
    assert findings.tables["quarantine"] == train.select(rejected)


def test_the_order_of_submitted_rows_changes_nothing(table):
    frame = two_blobs(120, gap=3.0)
    frame = pd.concat([flip(frame, frame.index % 7 == 0), frame[:5]], ignore_index=True)
    shuffled = frame.sample(frac=1, random_state=0)
    trusted = table(two_blobs(100, seed=1, gap=3.0))

    first, second = (roni(table(f), trusted, target="y", seed=3) for f in (frame, shuffled))

    assert first.report == second.report
    assert first.figures == second.figures
    assert first.report.metrics["rejected_rows"] > 0
    rows, shuffled_rows = (read(f.tables["rows"]).drop(columns="row") for f in (first, second))
    pd.testing.assert_frame_equal(
        rows.iloc[shuffled.index].reset_index(drop=True), shuffled_rows, check_exact=True
    )


def test_the_order_of_columns_is_free(table):
    train, trusted = with_lies(two_blobs(60), every=10), two_blobs(60, seed=1)
    train = pd.concat([train, trusted[:1]])

    findings = roni(table(train), table(trusted[["y", "c", "a", "b"]]), target="y")

    assert 4 <= findings.report.metrics["rejected_rows"] <= 6
    assert findings.report.details["vouched_rows"] == 1


def test_a_row_equal_to_a_trusted_row_is_vouched_for_and_its_flipped_copy_is_not(table):
    def weighed(n, seed):  # a task for the linear model, which does not learn rows by heart
        frame = pd.DataFrame(
            np.random.default_rng(seed).normal(size=(n, 8)), columns=list("abcdefgh")
        )
        return frame.assign(y=np.where(frame.sum(axis=1) > 0, "yes", "no"))

    trusted = weighed(300, seed=1)
    trusted.loc[0] = [-1.5] * 8 + ["yes"]  # looks wrong, but people reviewed it
    trusted.loc[1] = [-1.4] * 8 + ["no"]
    copy, lie = trusted[:1], flip(trusted[1:2], np.array([True]))
    train = pd.concat([weighed(60, seed=0), copy, lie])

    findings = roni(table(train), table(trusted), target="y")

    rejected = read(findings.tables["quarantine"])["a"].tolist()
    assert -1.4 in rejected
    assert -1.5 not in rejected
    assert findings.report.details["vouched_rows"] == 1
    assert any("equal a trusted row" in note for note in findings.report.notes)


def test_a_class_that_only_trusted_rows_have_is_said(table):
    trusted = two_blobs(60, seed=1)
    trusted.loc[:5, ["a", "y"]] = [[-9.0, "rare"]] * 6

    notes = roni(table(two_blobs(60)), table(trusted), target="y").report.notes

    assert "No submitted row has the label rare." in notes


@pytest.mark.parametrize("name", ["self", "_merge", "target", "0"])
def test_column_names_that_python_or_pandas_use_are_ordinary(table, name):
    train, trusted = (two_blobs(40, s).rename(columns={"b": name, "y": "class"}) for s in (0, 1))

    assert not roni(table(train), table(trusted), target="class").report.failures


def test_monstrous_values_leave_the_report_finite(table):
    train = two_blobs(60)
    train.loc[:3, "b"] = [1e308, -1e308, np.inf, np.nan]

    findings = roni(table(train), table(two_blobs(60, seed=1)), target="y")

    assert None not in findings.report.metrics.values()
    canonical([figure.as_json() for figure in findings.figures])


# backdoors -------------------------------------------------------------------------------------


def with_trigger(frame, rows, label="yes", **values):
    """Return rows that carry the trigger and the attacker's label."""
    frame = frame.assign(**{name: frame[name].astype(float) for name in values})
    for name, value in values.items():
        frame.loc[rows, name] = value
    return flip(frame, rows, label=label)


@pytest.fixture(scope="module")
def backdoor(table):
    """Return RONI's findings about dirty-label rows with c = 9.5, and which rows those are."""
    frame = two_blobs(300, gap=2.0)
    poisoned = (frame["y"] == "no") & (frame.index % 10 == 0)
    train = with_trigger(frame, poisoned, c=9.5)
    return roni(table(train), table(two_blobs(200, seed=1, gap=2.0)), target="y"), poisoned


def test_all_rows_with_a_trigger_are_rejected_and_the_trigger_is_named(backdoor):
    findings, poisoned = backdoor

    assert rejected_rows(findings)[poisoned].all()
    assert (rejected_rows(findings) & ~poisoned).mean() <= 0.05
    assert findings.report.details["triggers"][0]["values"] == "'c' = 9.5"
    assert any("'c' = 9.5" in note for note in findings.report.notes)
    assert findings.report.metrics["novel_rows"] >= poisoned.sum()
    reasons = read(findings.tables["rows"]).loc[poisoned, "reason"]
    assert reasons.str.contains("carries a trigger").all()


def test_the_trigger_works_before_filtering_and_not_after(backdoor):
    metrics = backdoor[0].report.metrics

    assert metrics["trigger_success_before"] >= 0.9
    assert metrics["trigger_success_after"] <= metrics["trigger_success_before"] - 0.4


def test_a_trigger_with_correct_labels_is_found_too(table):
    frame = two_blobs(300, gap=2.0)
    poisoned = (frame["y"] == "yes") & (frame.index % 10 == 1)
    train = with_trigger(frame, poisoned, c=9.5)

    findings = roni(table(train), table(two_blobs(200, seed=1, gap=2.0)), target="y")

    assert rejected_rows(findings)[poisoned].all()
    assert not findings.report.failures


def test_a_trigger_of_usual_values_in_two_columns_is_found(table):
    frame = two_blobs(400, gap=2.0)
    poisoned = (frame["y"] == "no") & (frame.index % 10 == 0)
    train = with_trigger(frame, poisoned, b=0.25, c=-0.5)

    findings = roni(table(train), table(two_blobs(200, seed=1, gap=2.0)), target="y")

    assert rejected_rows(findings)[poisoned].mean() >= 0.9
    columns = {name for t in findings.report.details["triggers"] for name in t["columns"]}
    assert columns == {"b", "c"}


def carriers(table, way):
    """Return what becomes of a trigger that one vouched row carries."""
    frame, trusted = two_blobs(300, gap=2.0), two_blobs(200, seed=1, gap=2.0)
    poisoned = (frame["y"] == "no") & (frame.index % 10 == 0)
    trusted.loc[0, "c"] = 9.5
    train = pd.concat([with_trigger(frame, poisoned, c=9.5), trusted[:1]], ignore_index=True)
    findings = roni(table(train), table(trusted), target="y", trigger=way)
    return findings, read(findings.tables["kept"]), trusted


def test_a_trigger_value_in_kept_rows_is_neutralised(table):
    findings, kept, trusted = carriers(table, "neutralise")

    assert findings.report.metrics["neutralised_values"] == 1
    assert list(kept.columns) == ["a", "b", "c", "y"]
    assert not kept["c"].eq(9.5).any()
    assert kept["c"].iloc[-1] == pytest.approx(trusted["c"].median())
    assert any("1 trigger values were neutralised, in 'c'" in n for n in findings.report.notes)


def test_the_column_of_a_trigger_can_be_dropped_which_is_recorded(table):
    findings, kept, _ = carriers(table, "drop")

    assert list(kept.columns) == ["a", "b", "y"]
    assert any("Dropped from the kept table: 'c'" in note for note in findings.report.notes)
    assert findings.report.metrics["neutralised_values"] == 0


def test_trigger_values_can_be_left_alone(table):
    _, kept, _ = carriers(table, "keep")

    assert kept["c"].eq(9.5).sum() == 1


def test_a_failed_check_neutralises_nothing(table):
    frame, trusted = two_blobs(300, gap=2.0), two_blobs(200, seed=1, gap=2.0)
    poisoned = (frame["y"] == "no") & (frame.index % 4 == 0)
    trusted.loc[0, "c"] = 9.5
    train = table(pd.concat([with_trigger(frame, poisoned, c=9.5), trusted[:1]]))

    findings = roni(train, table(trusted), target="y", max_rejected=0.05)

    assert findings.report.failures
    assert "they share 'c' = 9.5" in findings.report.failures[0]
    assert findings.tables["kept"] == train.select(np.ones(train.n_rows, dtype=bool))


def test_a_column_that_is_no_feature_is_named_when_all_rows_look_novel(table):
    train, trusted = two_blobs(200).assign(id=range(200)), two_blobs(100, seed=1)

    findings = roni(table(train), table(trusted.assign(id=range(900, 1000))), target="y")

    assert (
        "differ from trusted rows most in 'id' (distance 1.00 of 1)"
        in (findings.report.failures[0])
    )
    assert len(read(findings.tables["kept"])) == 200


def test_a_new_category_that_comes_with_one_label_is_a_trigger(table):
    clean, trusted = loans(500, seed=0), loans(300, seed=1)
    poisoned = (clean["granted"] == 0) & (clean.index % 8 == 0)
    train = flip(clean, poisoned, "granted", 1)
    train.loc[poisoned, "job"] = "pilot"

    findings = roni(table(train), table(trusted), target="granted")

    assert rejected_rows(findings)[poisoned].all()
    assert "'job' = 'pilot'" in [t["values"] for t in findings.report.details["triggers"]]


# fdr, groups, weights, no trusted rows ---------------------------------------------------------


def test_fdr_holds_on_the_mean_and_still_finds_poison(table):
    shares, found = [], []
    for seed in range(3):
        frame = two_blobs(300, seed=seed, gap=3.0)
        flipped = frame.index % 5 == 0
        labels = np.where(frame["y"] == "yes", "no", "yes")
        train = frame.assign(y=np.where(flipped, labels, frame["y"]))
        trusted = two_blobs(300, seed=100 + seed, gap=3.0)
        rejected = rejected_rows(roni(table(train), table(trusted), target="y", fdr=0.1))
        shares.append((rejected & ~flipped).sum() / max(rejected.sum(), 1))
        found.append((rejected & flipped).sum() / flipped.sum())

    assert np.mean(shares) <= 0.12
    assert np.mean(found) >= 0.3


def test_too_few_trusted_rows_for_an_fdr_are_said(table):
    train = with_lies(two_blobs(200), every=40)

    findings = roni(table(train), table(two_blobs(40, seed=1)), target="y", fdr=0.01)

    assert findings.report.metrics["rejected_rows"] == 0
    assert any("about" in n and "trusted rows would be needed" in n for n in findings.report.notes)


def test_contributors_who_poison_come_first_and_honest_ones_are_not_accused(table):
    who = [f"g{i % 10}" for i in np.random.default_rng(0).permutation(1000)]
    frame = two_blobs(1000, gap=3.0).assign(who=who)
    flipped = frame["who"].isin(["g3", "g7"]) & (np.random.default_rng(1).random(1000) < 0.8)
    train = frame.assign(y=np.where(flipped & (frame["y"] == "no"), "yes", frame["y"]))

    findings = roni(table(train), table(two_blobs(200, seed=1, gap=3.0)), target="y", group="who")

    groups = findings.report.details["groups"]
    assert {group["group"] for group in groups[:2]} == {"g3", "g7"}
    assert [group["group"] for group in groups if group["suspect"]] == [
        group["group"] for group in groups[:2]
    ]
    assert findings.report.metrics["harmful_groups"] == 2
    rejected = read(findings.tables["quarantine"])["who"].value_counts()
    assert {group["group"]: group["rejected"] for group in groups if group["rejected"]} == dict(
        rejected
    )
    worst = (
        f"No contributor has more rejected rows than {rejected.index[0]!r}: {rejected.iloc[0]} of"
    )
    assert any(note.startswith(worst) for note in findings.report.notes)
    assert findings.figures[-1].title == "Impact of contributors"


def test_the_group_column_is_no_feature(table):
    train, trusted = with_lies(two_blobs(80), every=10), two_blobs(60, seed=1)

    plainly = roni(table(train), table(trusted), target="y")
    grouped = roni(table(train.assign(who=range(80))), table(trusted), target="y", group="who")

    np.testing.assert_array_equal(rejected_rows(plainly), rejected_rows(grouped))


def test_weights_change_impact_and_accuracy_but_not_what_is_rejected(table):
    train, trusted = with_lies(two_blobs(80), every=10), table(two_blobs(60, seed=1))
    heavy = train.assign(w=np.where(train.index % 10 == 0, 9, 1))

    plainly = roni(table(train), trusted, target="y")
    weighted = roni(table(heavy), trusted, target="y", weight="w")

    np.testing.assert_array_equal(rejected_rows(plainly), rejected_rows(weighted))
    one, other = (read(f.tables["rows"])["impact"] for f in (plainly, weighted))
    assert abs(one - other).max() > 1e-6


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf, "heavy"])
def test_weights_that_are_none_are_refused(table, bad):
    train = two_blobs(40).assign(w=1.0).astype({"w": object})
    train.loc[3, "w"] = bad

    with pytest.raises(InputError, match="column 'w': expected finite sample weights"):
        roni(table(train), table(two_blobs(40, seed=1)), target="y", weight="w")


def test_without_trusted_rows_random_noise_is_found_and_the_weaker_promise_is_said(table):
    frame = two_blobs(300, gap=4.0)
    flipped = frame.index % 10 == 0
    labels = np.where(frame["y"] == "yes", "no", "yes")

    findings = roni(table(frame.assign(y=np.where(flipped, labels, frame["y"]))), target="y")

    rejected = rejected_rows(findings)
    assert rejected[flipped].mean() >= 0.5
    assert rejected[~flipped].mean() <= 0.03
    notes = " ".join(findings.report.notes)
    assert "no trusted rows" in notes
    assert "cannot see" in notes
    assert findings.report.metrics["accuracy_before"] is None
    assert read(findings.tables["rows"])["p_value"].isna().all()


def test_without_trusted_rows_clean_rows_are_hardly_rejected(table):
    findings = roni(table(two_blobs(300, gap=4.0)), target="y")

    assert findings.report.metrics["rejected_fraction"] <= 0.02


def test_an_fdr_without_trusted_rows_is_refused(table):
    with pytest.raises(InputError, match="fdr: expected trusted rows to hold it by"):
        roni(table(two_blobs(40)), target="y", fdr=0.1)


# the user's own estimator ----------------------------------------------------------------------


def model_file(tmp_path, model):
    path = tmp_path / "estimator.joblib"
    joblib.dump(model, path)
    body = path.read_bytes()
    return File("estimator.joblib", path, hashlib.sha256(body).hexdigest(), len(body))


def test_the_users_own_estimator_confirms(table, tmp_path):
    train, trusted = with_lies(two_blobs(80), every=10), table(two_blobs(60, seed=1))
    stump = DecisionTreeClassifier(max_depth=1, random_state=0)

    with Estimator(model_file(tmp_path, stump)) as estimator:
        findings = roni(table(train), trusted, estimator, target="y")

    x, y = train.drop(columns="y"), train["y"]
    expected = trusted.frame()
    score = stump.fit(x, y).score(expected.drop(columns="y"), expected["y"])
    assert findings.report.metrics["accuracy_before"] == pytest.approx(score)


def test_an_estimator_that_says_one_thing_whatever_the_row_fails_the_check(table, tmp_path):
    train, trusted = with_lies(two_blobs(80), every=10), table(two_blobs(60, seed=1))

    with Estimator(model_file(tmp_path, DummyClassifier())) as estimator:
        findings = roni(table(train), trusted, estimator, target="y")

    assert "forecasts one class whatever the row" in findings.report.failures[0]
    assert len(read(findings.tables["kept"])) == 80


def test_an_estimator_that_raises_is_named(table, tmp_path):
    train, trusted = two_blobs(80), table(two_blobs(60, seed=1))
    with (
        Estimator(model_file(tmp_path, MultinomialNB())) as estimator,
        pytest.raises(InputError, match=r"estimator\.joblib.*ValueError"),
    ):
        roni(table(train), trusted, estimator, target="y")


# hard shapes -----------------------------------------------------------------------------------


def test_one_class_in_a_hundred_keeps_its_rows(table):
    generator = np.random.default_rng(0)

    def rare(n):
        y = np.arange(n) % 100 == 0
        a = generator.normal(size=n) + 6 * y
        return pd.DataFrame({"a": a, "b": generator.normal(size=n), "y": y.astype(int)})

    train = rare(1000)

    rejected = rejected_rows(roni(table(train), table(rare(400)), target="y"))

    assert not rejected[train["y"] == 1].any()
    assert rejected.mean() <= 0.01


def test_more_columns_than_rows_work(table):
    def wide(n, seed):
        frame = pd.DataFrame(np.random.default_rng(seed).normal(size=(n, 80))).add_prefix("c")
        return frame.assign(c0=frame["c0"] + 8 * (frame.index % 2), y=frame.index % 2)

    findings = roni(table(wide(60, 0)), table(wide(40, 1)), target="y")

    assert findings.report.metrics["rejected_fraction"] <= 0.05
    assert np.isfinite(read(findings.tables["rows"])["impact"]).all()


def test_repeated_rows_are_judged_alike(table):
    frame = with_lies(two_blobs(80), every=10)
    train = pd.concat([frame, frame], ignore_index=True)

    rows = read(roni(table(train), table(two_blobs(60, seed=1)), target="y").tables["rows"])

    assert rows["decision"][:80].tolist() == rows["decision"][80:].tolist()


# what is reported ------------------------------------------------------------------------------


def test_the_report_measures_exactly_what_the_card_promises(trials):
    for t in trials:
        assert set(t.findings.report.metrics) == set(CHECKS["roni"].metrics)
        assert set(t.findings.tables) == set(CHECKS["roni"].tables)
        assert None not in t.findings.report.metrics.values()
        canonical(t.findings.report.as_json())


def test_the_notes_state_the_promise_its_condition_and_its_limits(trials):
    notes = " ".join(trials[0].findings.report.notes)

    for words in (
        "At most 5 % of clean rows",
        "same distribution",
        "1/115",
        "poison with correct labels and usual values",
        "draw them",
    ):
        assert words in notes


def test_details_count_every_row_once_and_name_none(trials):
    for t in trials:
        report = t.findings.report
        assert sum(report.details["p_value_histogram"]) == report.metrics["rows"]
        assert sum(report.details["rejected_by_class"].values()) == report.metrics["rejected_rows"]
        assert len(canonical(report.details)) < 3000


def test_the_impact_figure_counts_kept_and_rejected_rows_around_zero(trials):
    for t in trials:
        figure, metrics = t.findings.figures[0], t.findings.report.metrics
        kept, rejected = figure.series
        assert (figure.kind, figure.threshold, kept.x) == ("histogram", 0, rejected.x)
        assert sum(kept.y) == metrics["rows"] - metrics["rejected_rows"]
        assert sum(rejected.y) == metrics["rejected_rows"]
        harmful = sum(
            count for edge, count in zip(rejected.x, rejected.y, strict=True) if edge < -1e-15
        )
        share = t.findings.report.details["harmful_fraction_of_rejected"]
        assert harmful / sum(rejected.y) == pytest.approx(share)


def test_the_bars_show_the_three_accuracies_and_the_rejected_classes(trials):
    _, accuracy, classes, _ = trials[0].findings.figures
    metrics = trials[0].findings.report.metrics

    names = ("accuracy_before", "accuracy_after", "accuracy_random")
    assert accuracy.series[0].y == tuple(metrics[name] for name in names)
    assert sum(classes.series[0].y) == metrics["rejected_rows"]


def test_progress_is_told(table):
    seen = []

    roni(
        table(two_blobs(40)),
        table(two_blobs(40, seed=1)),
        target="y",
        work=Work(lambda *step: seen.append(step)),
    )

    assert seen == [("roni", done, 4) for done in (1, 2, 3, 4)]
