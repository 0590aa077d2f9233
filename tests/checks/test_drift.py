"""Drift: silent where nothing changed, loud where a few rows agree."""

import hashlib

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from attacked import InProcess, fitted, opened, stored
from modelwarden.checks import drift as module
from modelwarden.checks.drift import drift
from modelwarden.errors import InputError
from modelwarden.jobs.profile import profile
from modelwarden.models import ModelFacts
from modelwarden.reference import findings as reported
from modelwarden.report import canonical
from modelwarden.store import File
from modelwarden.tables import Table


def rows(n, seed):
    """Return rows of eleven columns: correlated, skewed, whole, and of words."""
    random = np.random.default_rng(seed)
    mix = np.random.default_rng(7).normal(size=(8, 8)) * 0.3 + np.eye(8)
    frame = pd.DataFrame(random.normal(size=(n, 8)) @ mix, columns=[f"c{i}" for i in range(8)])
    return frame.assign(
        c6=np.exp(frame["c6"]),
        c7=frame["c7"].round(),
        city=random.choice(["Oslo", "Rome", "Bern", "Kyiv"], n, p=[0.5, 0.3, 0.15, 0.05]),
        member=random.random(n) < 0.3,
        note=np.where(random.random(n) < 0.2, None, "seen"),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("drift")


@pytest.fixture(scope="module")
def reference(folder):
    """The profile of 12,000 rows as a File, and its sample as a Table."""
    stored_rows = stored(rows(12_000, 0), folder, "trusted.parquet")
    done = profile(
        str(stored_rows.path), out=str(folder / "profile.json"), sample=str(folder / "sample")
    )
    return tuple(_file(done, name) for name in ("profile", "sample"))


def _file(done, name):
    path = getattr(done, name)
    from pathlib import Path

    size = Path(path).stat().st_size
    return File(path, Path(path), done.digests[name], size)


def judge(batch, reference, folder, **options):
    known, sample = reference
    predictor = options.pop("predictor", None)
    table = opened(batch, folder)
    return drift(table, known, Table.open(sample), predictor, **options)


def alerts(findings, channel):
    return {
        (a["test"], a["column"])
        for a in findings.report.details["alerts"]
        if a["channel"] == channel
    }


# silent ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [200, 2000])
def test_is_silent_where_nothing_changed(reference, folder, n):
    loud = 0
    for seed in range(1, 5):
        metrics = judge(rows(n, seed), reference, folder).report.metrics
        loud += bool(metrics["quality_alerts"] or metrics["security_alerts"])

    assert loud == 0


def test_a_difference_that_is_sure_but_small_is_no_alert_of_quality(reference, folder):
    batch = rows(12_000, 1)
    findings = judge(batch.assign(c0=batch["c0"] + 0.06), reference, folder)

    assert findings.report.metrics["quality_p"] < 0.025
    assert findings.report.metrics["quality_alerts"] == 0


# loud --------------------------------------------------------------------------------------------


def test_a_shift_of_a_quarter_deviation_is_found(reference, folder):
    batch = rows(1000, 1)
    findings = judge(batch.assign(c3=batch["c3"] + 0.3 * batch["c3"].std()), reference, folder)

    assert ("values", "c3") in alerts(findings, "quality")
    assert any("'c3'" in note for note in findings.report.notes)


def test_two_in_a_hundred_that_crowd_together_are_found_in_the_security_channel_only(
    reference, folder
):
    batch, random = rows(12_000, 1), np.random.default_rng(0)
    chosen = random.permutation(len(batch))[:240]
    for name in ("c1", "c2", "c4"):
        place = batch[name].quantile(0.8)
        batch.loc[chosen, name] = place + 0.02 * batch[name].std() * random.normal(size=240)
    findings = judge(batch, reference, folder)

    assert {("crowd", "c1"), ("crowd", "c2"), ("crowd", "c4")} <= alerts(findings, "security")
    assert findings.report.metrics["quality_alerts"] == 0


def test_a_value_beyond_all_that_was_seen(reference, folder):
    batch = rows(1000, 1)
    batch.loc[:4, "c0"] = 50.0

    assert ("beyond", "c0") in alerts(judge(batch, reference, folder), "security")


def test_a_word_that_was_never_seen(reference, folder):
    batch = rows(1000, 1)
    batch.loc[:9, "city"] = "Atlantis"

    assert ("beyond", "city") in alerts(judge(batch, reference, folder), "security")


def test_one_value_too_often(reference, folder):
    batch = rows(2000, 1)
    batch.loc[:99, "city"] = "Kyiv"

    assert ("crowd", "city") in alerts(judge(batch, reference, folder), "security")


def test_copies_of_rows(reference, folder):
    batch = rows(1000, 1)
    batch = pd.concat([batch, batch.iloc[:30]], ignore_index=True)

    assert ("copies", "") in alerts(judge(batch, reference, folder), "security")


def test_columns_that_no_longer_move_together(reference, folder):
    batch = rows(1000, 1)
    together = batch[[f"c{i}" for i in range(8)]].corr().abs().to_numpy(copy=True)
    np.fill_diagonal(together, 0)
    name = f"c{together.max(axis=0).argmax()}"
    shuffled = batch[name].sample(frac=1, random_state=0).to_numpy()
    found = alerts(judge(batch.assign(**{name: shuffled}), reference, folder), "security")

    assert any(test == "correlation" and name in columns for test, columns in found)


def test_rows_that_stand_apart_though_no_column_shows_it(reference, folder):
    """Each value of theirs is usual; all of them together are not."""
    batch = rows(1000, 1)
    names = [f"c{i}" for i in range(7)]
    ends = batch[names].quantile([0.004, 0.996]).to_numpy()
    chosen = np.random.default_rng(0).integers(2, size=(60, 7))
    batch.loc[:59, names] = ends[chosen, np.arange(7)]

    assert ("lone rows", "") in alerts(judge(batch, reference, folder), "security")


def test_gaps(reference, folder):
    batch = rows(1000, 1)
    batch.loc[:99, "c5"] = np.nan

    assert ("missing", "c5") in alerts(judge(batch, reference, folder), "quality")


def test_a_model_that_predicts_otherwise(reference, folder):
    names = ["c0", "c1", "c2"]
    train = rows(500, 3)[names].assign(target=lambda f: f["c0"] > 0)
    model = InProcess(fitted(LogisticRegression(), train))
    model.facts = ModelFacts("joblib", feature_names=tuple(names))
    batch = rows(1000, 1)
    moved = judge(batch.assign(c0=batch["c0"] + 1), reference, folder, predictor=model)
    same = judge(batch, reference, folder, predictor=model)

    assert ("values", "prediction of the model") in alerts(moved, "quality")
    assert same.report.metrics["quality_alerts"] == 0


# schema ------------------------------------------------------------------------------------------


def test_columns_that_are_missing_new_or_of_another_kind(reference, folder):
    batch = rows(500, 1).drop(columns="c1").assign(extra=1.0, c2="text")
    report = judge(batch, reference, folder).report

    assert report.metrics["schema_changes"] == 3
    assert report.details["schema"] == [
        "'c1' is missing",
        "'extra' is new",
        "'c2' holds another kind of values: text, not numbers",
    ]
    assert report.metrics["rows"] == 500


def test_a_column_without_any_value_is_no_other_kind(reference, folder):
    report = judge(
        rows(500, 1).assign(city=pd.Series([None] * 500, dtype="str")), reference, folder
    ).report

    assert report.metrics["schema_changes"] == 0
    assert report.metrics["quality_alerts"] == 1


def test_columns_that_always_move_can_be_left_out(reference, folder):
    batch = rows(500, 1)
    batch = batch.assign(c0=batch["c0"] + 5, row=range(500))
    report = judge(batch, reference, folder, ignore="c0, row").report

    assert report.metrics["schema_changes"] == 0
    assert report.metrics["quality_alerts"] == report.metrics["security_alerts"] == 0


# the rest ----------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_and_no_row_of_data(reference, folder):
    batch = rows(500, 1).assign(city="Atlantis")
    first, again = (judge(batch, reference, folder) for _ in range(2))

    assert canonical(first.report.as_json()) == canonical(again.report.as_json())
    assert first.tables == again.tables
    assert b"Atlantis" not in canonical(first.report.as_json())


def test_each_test_is_corrected_for_its_columns_and_for_the_kinds_of_tests():
    crowds = [reported.Tested("crowd", f"c{i}", 0.0004, 0.1, "") for i in range(10)]
    judged = module._security([*crowds, reported.Tested("copies", "", 0.004, 0.1, "")], 0.025)

    assert [one.p for one in judged] == pytest.approx([0.0004 * 10 * 6] * 10 + [0.004 * 6])
    assert all(one.alerts for one in judged)
    assert not any(one.alerts for one in module._security(crowds, 0.0239))


def test_the_table_of_tests_lists_every_test(reference, folder):
    findings = judge(rows(300, 1), reference, folder)
    body = findings.tables["tests"]
    path = folder / "tests.parquet"
    path.write_bytes(body)
    listed = pd.read_parquet(path)

    assert set(listed["channel"]) == {"quality", "security"}
    assert len(listed) == 2 * 11 + 2 * 11 - 1 + 4
    assert listed["alert"].sum() == len(findings.report.details["alerts"])


def test_a_batch_of_one_row(reference, folder):
    report = judge(rows(1, 1), reference, folder).report

    assert report.metrics["security_alerts"] == report.metrics["quality_alerts"] == 0


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, float("nan")])
def test_refuses_an_alpha_that_is_no_share(reference, folder, alpha):
    with pytest.raises(InputError, match="alpha: expected a share between 0 and 1"):
        judge(rows(10, 1), reference, folder, alpha=alpha)


def test_refuses_a_sample_of_another_profile(reference, folder):
    other = stored(rows(100, 5), folder, "other.parquet")

    with pytest.raises(InputError, match="expected the sample of"):
        judge(rows(10, 1), (reference[0], other), folder)


def test_refuses_a_batch_without_a_column_of_the_profile(reference, folder):
    with pytest.raises(InputError, match="columns of the profile, got none of them"):
        judge(pd.DataFrame({"other": [1.0, 2.0]}), reference, folder)


def test_the_profile_is_of_the_table_and_the_sample(reference, folder):
    assert hashlib.sha256(reference[1].path.read_bytes()).hexdigest() == reference[1].sha256
