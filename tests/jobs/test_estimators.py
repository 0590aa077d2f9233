"""An estimator as an input: from storage or from code, by digest, or left out."""

from hashlib import sha256
from io import BytesIO

import joblib
import pytest
from sklearn.naive_bayes import GaussianNB

from modelwarden.errors import InputError, NotFoundError
from modelwarden.estimators import ESTIMATORS
from modelwarden.jobs.check import check

CODE = b"from sklearn.naive_bayes import GaussianNB as make"
ADDRESS = "python:estimator_of_a_user:make"


def refit(shop, estimator):
    return check(
        "refit",
        inputs={"train": f"{shop.uri}/train.csv", "estimator": estimator},
        options={"target": "label"},
        evidence=shop.evidence,
        key=shop.keys["data"],
    )


def said(shop):
    return shop.payload(shop.statement("refit"))["predicate"]["modelwarden"]["inputs"]


@pytest.fixture
def code(tmp_path, monkeypatch):
    (tmp_path / "estimator_of_a_user.py").write_bytes(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return ADDRESS


def test_an_estimator_from_storage_is_fitted_and_named_by_its_digest(shop):
    body = BytesIO()
    joblib.dump(GaussianNB(), body)
    uri = shop.put("estimator.joblib", body.getvalue())

    assert refit(shop, uri).report.metrics["right"] > 90
    assert said(shop)["estimator"] == sha256(body.getvalue()).hexdigest()


def test_code_that_is_listed_is_fitted_and_named_by_the_digest_of_its_source(
    shop, code, monkeypatch
):
    monkeypatch.setenv(ESTIMATORS, "other:make, estimator_of_a_user:make")

    assert refit(shop, code).report.metrics["right"] > 90
    assert said(shop)["estimator"] == sha256(CODE).hexdigest()


def test_code_that_is_not_listed_is_refused_and_nothing_is_recorded(shop, code):
    with pytest.raises(InputError, match="an estimator that MODELWARDEN_ESTIMATORS lists"):
        refit(shop, code)
    with pytest.raises(StopIteration):
        said(shop)


def test_without_one_the_check_gets_none(shop):
    assert refit(shop, "").report.metrics["right"] == 0
    assert set(said(shop)) == {"train"}


def test_code_is_no_table(shop, code):
    with pytest.raises(NotFoundError, match="python:estimator_of_a_user:make"):
        check("refit", inputs={"train": code}, options={"target": "label"})
