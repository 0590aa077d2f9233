import hashlib
import io
import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from modelwarden.checks import CHECKS
from modelwarden.checks.roni import roni
from modelwarden.errors import InputError
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
    return flip(frame, lies).assign(a=frame["a"].where(~lies, -6))


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
    for seed in range(5):
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

    assert findings.report.metrics["rejected_rows"] == 25
    assert "25 of 100 rows (25.0%) are suspect" in findings.report.failures[0]
    assert "nothing was removed" in findings.report.failures[0]
    assert findings.tables["kept"] == train.select(np.ones(100, dtype=bool))
    assert read(findings.tables["quarantine"]).empty
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
    poisoned = flip(clean, flipped, "target", 1).assign(row=np.arange(len(clean)) * 1e-9)

    findings = roni(table(poisoned), table(trusted.assign(row=0.0)), target="target", seed=seed)

    rejected = ~poisoned["row"].round(9).isin(read(findings.tables["kept"])["row"].round(9))
    rejected = rejected.to_numpy()
    columns = poisoned.drop(columns="row")
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
    return [trial(table, seed) for seed in range(5)]


def test_one_direction_flips_are_found_and_little_else(trials):
    assert np.mean([t.recall for t in trials]) >= 0.78
    assert min(t.recall for t in trials) >= 0.7
    assert np.mean([t.precision for t in trials]) >= 0.96
    assert min(t.precision for t in trials) >= 0.93


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
    train = with_lies(two_blobs(80).assign(row=range(80)), every=10)

    tables = roni(table(train), table(two_blobs(60, seed=1).assign(row=0)), target="y").tables

    kept, quarantine = read(tables["kept"]), read(tables["quarantine"])
    assert set(quarantine["row"]) <= set(range(0, 80, 10))
    assert len(quarantine) >= 4
    assert sorted([*kept["row"], *quarantine["row"]]) == list(range(80))
    assert kept["row"].is_monotonic_increasing
    assert quarantine["row"].is_monotonic_increasing


def test_the_order_of_submitted_rows_changes_nothing(table):
    frame = two_blobs(120, gap=2.0).assign(row=range(120))
    frame = pd.concat([flip(frame, frame.index % 7 == 0), frame[:5]])
    shuffled = frame.sample(frac=1, random_state=0)
    trusted = table(two_blobs(100, seed=1, gap=2.0).assign(row=0))

    first, second = (roni(table(f), trusted, target="y", seed=3) for f in (frame, shuffled))

    assert first.report == second.report
    assert first.figures == second.figures
    assert first.report.metrics["rejected_rows"] > 0
    kept = [sorted(read(f.tables["kept"])["row"]) for f in (first, second)]
    assert kept[0] == kept[1]


def test_the_order_of_columns_is_free(table):
    train, trusted = with_lies(two_blobs(60), every=10), two_blobs(60, seed=1)
    train = pd.concat([train, trusted[:1]])

    findings = roni(table(train), table(trusted[["y", "c", "a", "b"]]), target="y")

    assert findings.report.metrics["rejected_rows"] == 6
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
        "backdoors",
        "draw them",
    ):
        assert words in notes


def test_details_count_every_row_once_and_name_none(trials):
    for t in trials:
        report = t.findings.report
        assert sum(report.details["p_value_histogram"]) == report.metrics["rows"]
        assert sum(report.details["rejected_by_class"].values()) == report.metrics["rejected_rows"]
        assert len(canonical(report.details)) < 2000


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
    _, accuracy, classes = trials[0].findings.figures
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
