"""The contract: silent on what is as it was, and one named finding for each thing that is not."""

import hashlib
import json
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from attacked import opened, stored
from modelwarden.checks.integrity import integrity
from modelwarden.errors import InputError
from modelwarden.jobs.profile import profile
from modelwarden.report import canonical
from modelwarden.store import File
from modelwarden.tables import Table


def rows(n, seed):
    """Return five columns and a label that depends on two of them."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(random.normal(size=(n, 3)), columns=["age", "income", "debt"])
    frame["city"] = random.choice(["Oslo", "Rome", "Bern"], n, p=[0.6, 0.3, 0.1])
    frame["member"] = random.random(n) < 0.3
    score = frame["age"] + frame["income"] + random.normal(size=n)
    return frame.assign(label=(score > 1).astype("int64"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("contract")


def made(frame, folder, name):
    """Return the profile of a frame, as a File, and its sample, as a Table."""
    (folder / name).mkdir()
    out, sample = (folder / name / part for part in ("profile.json", "sample.parquet"))
    source = stored(frame, folder, f"{name}.parquet")
    done = profile(str(source.path), out=str(out), sample=str(sample))
    files = [
        File(path.name, path, done.digests[part], path.stat().st_size)
        for part, path in (("profile", out), ("sample", sample))
    ]
    return files[0], Table.open(files[1])


@pytest.fixture(scope="module")
def reference(folder):
    return made(rows(5000, 0), folder, "reference")


@pytest.fixture
def held(reference, folder):
    """Return a function that holds a frame against the reference."""

    def report(frame, *, target="label", name="batch.parquet", **options):
        known, sample = reference
        return integrity(
            opened(frame, folder, name), None, known, sample, target=target, **options
        ).report

    return report


def changes(report):
    return [(c["column"], c["change"]) for c in report.details.get("contract", [])]


# silent ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["batch.parquet", "batch.csv"])
@pytest.mark.parametrize("n", [1, 2, 200, 3000])
def test_is_silent_where_nothing_changed(held, n, name):
    report = held(rows(n, 1), name=name)

    assert report.failures == ()
    assert report.metrics == {
        "rows": n,
        "contract_findings": 0,
        "schema_changes": 0,
        "duplicate_rows": 0,
        "burst_rows": 0,
        "label_changes": 0,
        "leaking_columns": 0,
    }


def test_the_trusted_rows_themselves_are_as_they_were(held):
    assert held(rows(5000, 0)).failures == ()


def test_an_ignored_column_may_change_as_it_likes(held):
    batch = rows(300, 1).assign(income="much", row=range(300)).drop(columns="debt")

    assert held(batch, ignore="income, row,debt").failures == ()


# columns -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("\u0430ge", r"looks? alike \(U\+0430\)|look alike \(U\+0430\)"),
        ("a\u200bge", r"cannot be seen \(U\+200B\)"),
        ("\u202eage", r"cannot be seen \(U\+202E\)"),
        ("\uff41ge", "another form of the same characters"),
        ("AGE", "by case"),
        (" age", "by spaces"),
        ("years", "'years' stands in its place"),
    ],
)
def test_a_renamed_column_is_one_finding_that_shows_what_changed(held, name, how):
    report = held(rows(300, 1).rename(columns={"age": name}))

    assert changes(report) == [("age", "renamed")]
    assert re.search(how, report.details["contract"][0]["words"])
    assert name.isascii() or name not in report.failures[0]


def test_of_two_columns_that_read_like_a_missing_one_one_is_its_new_name(held):
    batch = rows(300, 1).rename(columns={"age": "AGE"})
    batch["\u0430ge"] = 1.0

    assert changes(held(batch)) == [("age", "renamed"), ("\u0430ge", "unexpected")]


def test_a_second_column_that_reads_like_one_that_is_there(held):
    batch = rows(300, 1)
    batch["inc\u043eme"] = 1.0
    report = held(batch)

    assert changes(report) == [("inc\u043eme", "unexpected")]
    assert r"'inc\u043eme' reads like 'income'" in report.failures[0]


def test_missing_and_unexpected_columns_are_named(held):
    batch = rows(300, 1).drop(columns="debt").assign(trigger=0.0, more=1.0)

    assert sorted(changes(held(batch))) == [
        ("debt", "missing"),
        ("more", "unexpected"),
        ("trigger", "unexpected"),
    ]


def test_where_columns_are_added_no_place_says_what_was_renamed(held):
    batch = rows(300, 1).rename(columns={"debt": "trigger"}).assign(more=1.0)

    assert sorted(changes(held(batch))) == [
        ("debt", "missing"),
        ("more", "unexpected"),
        ("trigger", "unexpected"),
    ]


def test_of_moved_columns_the_fewest_are_named(held):
    batch = rows(300, 1)
    order = ["income", "debt", "city", "member", "age", "label"]

    assert changes(held(batch[order])) == [("age", "reordered")]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (lambda b: b["income"].round(3).astype(str) + " EUR", "text, not numbers"),
        (lambda b: b["income"] > 0, "true and false, not numbers"),
        (lambda b: pd.to_datetime(b["income"], unit="D"), "times, not numbers"),
        (lambda b: b["income"].astype("float32"), "is of type float, not double"),
    ],
)
def test_another_type_is_named(held, values, words):
    batch = rows(300, 1)
    report = held(batch.assign(income=values(batch)))

    assert ("income", "type") in changes(report)
    assert words in report.failures[0]


def test_whole_numbers_that_get_fractions_are_named_in_csv_as_well(held):
    batch = rows(300, 1)
    batch["label"] = batch["label"].astype(float)

    assert held(batch, name="b.csv").failures == ()
    batch.loc[0, "label"] = 0.5
    for name in ("b.csv", "b.parquet"):
        assert ("label", "type") in changes(held(batch, target="", name=name))


def test_a_column_without_values_has_no_type(held):
    assert held(rows(300, 1).assign(city=np.nan), name="b.csv").metrics["schema_changes"] == 0


def test_types_of_csv_are_what_they_look_like(held):
    """Whole incomes are integers in CSV, and floats in the profile of a Parquet file."""
    batch = rows(300, 1)

    assert held(batch.assign(income=batch["income"].round()), name="b.csv").failures == ()


# rows --------------------------------------------------------------------------------------------


def test_copies_are_counted(held):
    batch = rows(1000, 1)
    report = held(pd.concat([batch, batch.iloc[:12]], ignore_index=True))

    assert changes(report) == [("", "duplicates")]
    assert report.metrics["duplicate_rows"] == 12


def test_a_column_of_another_kind_cannot_make_copies_differ(held):
    batch = pd.concat([rows(1000, 1)] * 2, ignore_index=True).iloc[:1050]
    report = held(batch.assign(income=[f"{i} EUR" for i in range(1050)]))

    assert changes(report)[:2] == [("income", "type"), ("", "duplicates")]
    assert report.metrics["duplicate_rows"] == 50


def test_copies_that_are_usual_are_no_finding(folder):
    frame = rows(4000, 0)
    doubled = pd.concat([frame, frame.iloc[:200]], ignore_index=True)
    known, sample = made(doubled, folder, "doubled")
    batch = rows(1000, 1)
    few, many = (pd.concat([batch, batch.iloc[:n]], ignore_index=True) for n in (50, 150))

    assert integrity(opened(few, folder), None, known, sample).report.failures == ()
    assert changes(integrity(opened(many, folder), None, known, sample).report)[0] == (
        "",
        "duplicates",
    )


def test_what_is_usual_without_an_ignored_column_is_asked_of_the_sample(folder):
    """Row numbers make every trusted row differ; without them some were entered twice."""
    frame = rows(4000, 0)
    doubled = pd.concat([frame, frame.iloc[:200]], ignore_index=True)
    known, sample = made(doubled.assign(row=range(4200)), folder, "numbered")
    batch = rows(1000, 1)
    few = pd.concat([batch, batch.iloc[:50]], ignore_index=True).assign(row=range(1050))

    report = integrity(opened(few, folder), None, known, sample, ignore="row").report
    assert report.failures == ()
    assert report.metrics["duplicate_rows"] == 50


def test_rows_that_nearly_repeat_each_other_are_a_burst(held):
    batch, random = rows(2000, 1), np.random.default_rng(0)
    numbers = ["age", "income", "debt"]
    batch.loc[:59] = batch.loc[[0] * 60].to_numpy()
    batch = batch.astype(rows(1, 1).dtypes.to_dict())
    batch.loc[:59, numbers] = [2.5, -2.5, 2.5] + 0.01 * random.normal(size=(60, 3))
    report = held(batch)

    assert changes(report) == [("", "burst")]
    assert report.metrics["duplicate_rows"] == 0
    assert 20 <= report.metrics["burst_rows"] <= 60


# labels ------------------------------------------------------------------------------------------


def test_a_label_that_was_never_seen(held):
    batch = rows(300, 1)
    batch.loc[:3, "label"] = 7
    report = held(batch)

    assert changes(report) == [("label", "new labels")]
    assert "has 1 labels, in 4 rows" in report.failures[0]
    assert "7" not in report.failures[0]


def test_labels_that_are_missing(held):
    batch = rows(300, 1).astype({"label": "float64"})
    batch.loc[:4, "label"] = np.nan

    assert ("label", "unlabelled") in changes(held(batch, name="b.csv"))


def test_a_class_that_became_frequent(held):
    batch = rows(2000, 1)
    batch.loc[:199, "label"] = 1
    report = held(batch)

    assert ("label", "balance") in changes(report)
    assert "class '1' in 3" in report.failures[1]


def test_a_share_that_moved_for_sure_but_hardly_is_no_finding(folder):
    label = np.arange(200_000) % 100 < 50
    known, sample = made(pd.DataFrame({"x": 1.0, "label": label}), folder, "many")
    batch = pd.DataFrame({"x": 1.0, "label": np.arange(200_000) % 1000 < 515})
    moved = integrity(opened(batch, folder), None, known, sample, target="label").report
    more = batch.assign(label=np.arange(200_000) % 1000 < 525)

    assert ("label", "balance") not in changes(moved)
    assert ("label", "balance") in changes(
        integrity(opened(more, folder), None, known, sample, target="label").report
    )


def test_a_new_column_that_is_the_label(held):
    batch = rows(600, 1)
    noise = np.random.default_rng(0).normal(size=600)
    report = held(batch.assign(score=batch["label"] + 0.1 * noise, harmless=noise))

    assert ("score", "leakage") in changes(report)
    assert report.metrics["leaking_columns"] == 1


def test_a_known_column_that_became_the_label(held):
    batch = rows(600, 1)
    report = held(batch.assign(city=np.where(batch["label"] == 1, "Bern", "Oslo")))

    assert ("city", "leakage") in changes(report)


def test_a_column_that_always_was_the_label_is_no_news(folder):
    frame = rows(2000, 0).assign(grade=lambda f: f["label"] * 2.0)
    known, sample = made(frame, folder, "graded")
    batch = opened(rows(600, 1).assign(grade=lambda f: f["label"] * 2.0), folder)

    assert integrity(batch, None, known, sample, target="label").report.failures == ()


def test_of_more_rows_than_are_looked_at_each_keeps_its_label(held):
    batch = rows(22_000, 1)

    assert ("score", "leakage") in changes(held(batch.assign(score=batch["label"] * 1.0)))


def test_row_numbers_give_no_label_away(held):
    numbers = [f"r{i}" for i in range(600)]

    assert held(rows(600, 1).assign(row=numbers)).metrics["leaking_columns"] == 0


def test_a_label_that_is_missing_is_a_finding_and_not_measured(held):
    report = held(rows(300, 1).rename(columns={"label": "l\u200babel"}))

    assert changes(report) == [("label", "renamed")]
    assert report.metrics["label_changes"] is None
    assert report.metrics["leaking_columns"] is None
    assert "no column 'label'" in report.notes[0]


# bad tables --------------------------------------------------------------------------------------


def test_rows_that_are_all_one_row_and_constant_columns(held):
    """D37."""
    one = rows(1, 1)
    report = held(pd.concat([one] * 500, ignore_index=True))

    assert {("", "duplicates"), ("", "burst"), ("label", "balance")} <= set(changes(report))
    assert report.metrics["duplicate_rows"] == 499


def test_a_profile_of_constant_columns_is_kept_by_constant_columns(folder):
    frame = pd.DataFrame({"x": [1.0] * 50, "t": ["a"] * 50, "label": [0, 1] * 25})
    known, sample = made(frame, folder, "constant")

    found = integrity(opened(frame, folder), None, known, sample, target="label").report
    assert found.failures == ()


@pytest.mark.parametrize("name", ["../../etc/passwd", "cafe\u0301", "=cmd|' /C calc'!A0", "<b>"])
def test_hostile_names_are_only_words(held, folder, name):
    """D17: no name becomes a path."""
    before = sorted(folder.parent.rglob("*"))
    report = held(rows(300, 1).assign(**{name: 1.0}))

    assert changes(report) == [(name, "unexpected")]
    new = set(folder.parent.rglob("*")) - set(before)
    assert {path.suffix for path in new} == {".parquet"}


# what is asked -----------------------------------------------------------------------------------


def test_no_row_is_in_the_report(held):
    secret = "Jane Doe 987654"
    batch = rows(600, 1)
    batch.loc[:300, "city"] = secret
    batch["label"] = np.where(batch.index < 300, secret, "0")
    report = held(pd.concat([batch, batch.iloc[:50]], ignore_index=True))

    text = canonical(report.as_json()).decode()
    assert report.metrics["contract_findings"] >= 3
    assert not [word for word in ("Jane", "987654") if word in text]


def test_ten_findings_are_failures_and_a_hundred_are_listed(held):
    new = [f"new_{i}" for i in range(120)]
    report = held(pd.concat([rows(50, 1), pd.DataFrame(1.0, range(50), new)], axis=1))

    assert len(report.failures) == 11
    assert report.failures[-1] == "and 110 more"
    assert len(report.details["contract"]) == 100
    assert report.metrics["contract_findings"] == 120


def test_the_same_table_gives_the_same_report(held):
    batch = rows(400, 1).assign(extra=1.0)

    assert canonical(held(batch).as_json()) == canonical(held(batch).as_json())


def test_without_a_sample_rows_are_not_compared(reference, folder):
    report = integrity(opened(rows(300, 1), folder), None, reference[0], target="label").report

    assert report.failures == ()
    assert (report.metrics["burst_rows"], report.metrics["leaking_columns"]) == (None, None)
    assert report.metrics["duplicate_rows"] == 0
    assert report.notes == ("No sample was given: rows were not compared.",)


def test_a_profile_of_version_1_is_still_read(reference, folder):
    document = json.loads(reference[0].path.read_bytes())
    for name in ("typed", "repeated"):
        del document[name]
    for column in document["columns"]:
        if column["kind"] == "number":
            column["values"], column["distinct"] = {}, -1
    old = stored(json.dumps({**document, "version": 1}), folder, "old.json")
    batch = opened(rows(1000, 1), folder)

    assert integrity(batch, None, old, reference[1]).report.failures == ()
    with pytest.raises(InputError, match="target 'label': expected labels that the profile counts"):
        integrity(batch, None, old, reference[1], target="label")


def test_a_suite_and_a_profile_are_one_report(reference, folder):
    entry = {"type": "expect_column_to_exist", "kwargs": {"column": "nowhere"}}
    suite = stored(json.dumps({"expectations": [entry]}), folder, "suite.json")
    batch = opened(rows(300, 1).assign(extra=1.0), folder)
    report = integrity(batch, suite, *reference).report

    assert len(report.failures) == 2
    assert report.metrics["failed_expectations"] == report.metrics["contract_findings"] == 1


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "integrity: expected a suite or a profile, got neither"),
        ({"target": "label"}, "a profile to hold data against, got only a target"),
        ({"ignore": "age"}, "a profile to hold data against, got only ignore"),
        ({"sample": True}, "a profile to hold data against, got only a sample"),
        ({"profile": True, "target": "lable"}, "target: expected a column of the profile"),
        ({"profile": True, "target": "income"}, "expected labels that the profile counts"),
    ],
)
def test_a_question_without_its_answer_is_refused(reference, folder, asked, message):
    known, sample = reference
    given = {**asked, **({"profile": known} if "profile" in asked else {})}
    given |= {"sample": sample} if "sample" in asked else {}
    suite = (
        stored('{"expectations": []}', folder, "s.json")
        if asked and "profile" not in asked
        else None
    )

    with pytest.raises(InputError, match=message):
        integrity(opened(rows(50, 1), folder), suite, **given)


def test_the_sample_of_another_profile_is_refused(reference, folder):
    with pytest.raises(
        InputError, match=r"expected the sample of profile\.json, got another table"
    ):
        integrity(opened(rows(50, 1), folder), None, reference[0], opened(rows(50, 2), folder))


def test_a_target_with_too_many_numbers_is_no_label(held):
    batch = rows(300, 1).assign(label=range(300))

    with pytest.raises(InputError, match="class labels: text, or up to 100 whole numbers"):
        held(batch)


def test_labels_that_are_too_many_for_a_profile_are_refused(folder):
    frame = pd.DataFrame({"x": 1.0, "label": [f"name {i}" for i in range(10_001)]})
    known, _ = made(frame, folder, "names")

    with pytest.raises(InputError, match="labels that the profile counts"):
        integrity(opened(frame, folder), None, known, target="label")


def test_which_rows_are_looked_at_follows_from_the_file():
    from modelwarden.checks.integrity.contract import _some

    tables = []
    for word in ("a", "b", "a"):
        table = Table.__new__(Table)
        table.n_rows, table.sha256 = 1000, hashlib.sha256(word.encode()).hexdigest()
        tables.append(_some(table, 100))

    assert (tables[0] == tables[2]).all()
    assert (tables[0] != tables[1]).any()
    assert all(a < b for a, b in pairwise(tables[0].tolist()))
