"""Models with code of their own: run only for a builder who signed for these very bytes."""

import os
from hashlib import sha256
from io import BytesIO

import joblib
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from modelwarden.errors import InputError, PolicyError
from modelwarden.jobs.check import check
from modelwarden.jobs.vouching import TRUST
from shop import make_table

CODE = """\
import pathlib
from sklearn.base import BaseEstimator, TransformerMixin

class Doubled(TransformerMixin, BaseEstimator):
    def __init__(self, mark=""):
        self.mark = mark

    def fit(self, rows, labels=None):
        self.fitted_ = True
        return self

    def transform(self, rows):
        return rows * 2

    def __setstate__(self, state):
        pathlib.Path(state["mark"]).touch()
        self.__dict__.update(state)
"""
REFUSED = "let a builder vouch for the model"


@pytest.fixture
def foreign(shop, tmp_path, monkeypatch):
    """Put a model into the shop whose class is code of a user; return the mark that it leaves."""
    folder, mark = tmp_path / "code", tmp_path / "mark"
    folder.mkdir()
    (folder / "steps_of_a_user.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ["PYTHONPATH"]]))
    from steps_of_a_user import Doubled

    for name, seed in (("train", 5), ("held-out", 6)):
        shop.put(f"{name}-rows.csv", make_table(150, seed).to_csv(index=False).encode())
    rows = make_table(150, 5)
    model = make_pipeline(Doubled(str(mark)), LogisticRegression())
    body = BytesIO()
    joblib.dump(model.fit(rows[["a", "b"]], rows["label"]), body)
    shop.put("model.joblib", body.getvalue())
    return mark


@pytest.fixture(autouse=True)
def children_find_the_package(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))


def asked(shop, **changes):
    inputs = {
        "model": f"{shop.uri}/model.joblib",
        "train": f"{shop.uri}/train-rows.csv",
        "evaluation": f"{shop.uri}/held-out-rows.csv",
    }
    given = {"evidence": shop.evidence, "key": shop.keys["model"], **changes}
    return check("membership", inputs=inputs, options={"target": "label"}, **given)


def trust(shop, monkeypatch):
    monkeypatch.setenv(TRUST, shop.judged_by["trust"])


def test_a_builder_who_signed_for_it_is_enough_and_is_named_in_the_statement(
    shop, foreign, monkeypatch
):
    trust(shop, monkeypatch)
    shop.say_trained("train-rows.csv")
    outcome = asked(shop)
    said = shop.payload(outcome.statement.uri)["predicate"]["modelwarden"]

    assert outcome.report.metrics["rows"] == 150
    assert foreign.exists()
    assert "builder" in str(said["environment"]["model as code of"])


def test_without_a_trust_file_of_the_platform_nobody_can_vouch(shop, foreign, monkeypatch):
    monkeypatch.delenv(TRUST, raising=False)
    shop.say_trained("train-rows.csv")

    with pytest.raises(InputError, match=REFUSED):
        asked(shop)
    assert not foreign.exists()


def test_a_check_of_the_model_is_no_builders_word(shop, foreign, monkeypatch):
    trust(shop, monkeypatch)
    shop.inspect()

    with pytest.raises(InputError, match=REFUSED):
        asked(shop)
    assert not foreign.exists()


def test_without_a_statement_nothing_runs(shop, foreign, monkeypatch):
    trust(shop, monkeypatch)

    with pytest.raises(InputError, match=REFUSED):
        asked(shop)
    assert not foreign.exists()


@pytest.mark.parametrize("key", ["data", "stranger", "model", "gate"])
def test_somebody_who_may_not_build_cannot_vouch(shop, foreign, monkeypatch, key):
    trust(shop, monkeypatch)
    shop.say_trained("train-rows.csv", key=key)

    with pytest.raises(InputError, match=REFUSED):
        asked(shop)
    assert not foreign.exists()


def test_a_builders_word_is_about_one_model_and_no_other_byte(shop, foreign, monkeypatch):
    trust(shop, monkeypatch)
    filed = shop.say_trained("train-rows.csv")
    uri = f"{shop.uri}/model.joblib"
    signed = shop.read(uri)
    model = joblib.load(BytesIO(signed))
    body = BytesIO()
    joblib.dump(model.set_params(logisticregression__C=2.0), body)
    shop.overwrite(uri, body.getvalue())
    foreign.unlink()

    with pytest.raises(InputError, match=REFUSED):
        asked(shop)
    before, after = (sha256(part).hexdigest() for part in (signed, body.getvalue()))
    moved = filed.uri.removeprefix(f"{shop.uri}/").replace(before, after)
    assert moved.count(after) == 1
    shop.put(moved, shop.read(filed.uri))
    with pytest.raises(InputError, match=REFUSED):
        asked(shop)
    assert not foreign.exists()


def test_a_statement_that_was_altered_vouches_for_nothing(shop, foreign, monkeypatch):
    trust(shop, monkeypatch)
    filed = shop.say_trained("train-rows.csv")
    shop.flip(filed.uri)

    with pytest.raises(InputError, match=REFUSED):
        asked(shop)
    assert not foreign.exists()


def test_without_a_place_for_evidence_nobody_can_vouch(shop, foreign, monkeypatch):
    trust(shop, monkeypatch)
    shop.say_trained("train-rows.csv")

    with pytest.raises(InputError, match=REFUSED):
        asked(shop, evidence="", key="")
    assert not foreign.exists()


def test_a_trust_file_that_cannot_be_used_stops_the_check(shop, foreign, monkeypatch):
    monkeypatch.setenv(TRUST, shop.put("broken.yaml", b"signers: 1"))

    with pytest.raises(PolicyError):
        asked(shop)
    assert not foreign.exists()


def test_a_model_that_the_allow_list_takes_is_not_called_foreign(shop, foreign, monkeypatch):
    trust(shop, monkeypatch)
    rows = make_table(150, 5)
    body = BytesIO()
    joblib.dump(LogisticRegression().fit(rows[["a", "b"]], rows["label"]), body)
    shop.overwrite(f"{shop.uri}/model.joblib", body.getvalue())
    shop.say_trained("train-rows.csv")
    outcome = asked(shop)
    said = shop.payload(outcome.statement.uri)["predicate"]["modelwarden"]

    assert "model as code of" not in said["environment"]
