"""Models in archives: one model and notes about it, and nothing that deploys as something else."""

import gzip
import io
import pickle
import stat
import tarfile
import zipfile

import lightgbm
import numpy as np
import pandas as pd
import pytest
import skops.io
import xgboost
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from malicious import MARKER, corpus_file, joblib_bytes, stored
from modelwarden.child import archive
from modelwarden.child.formats import examine
from modelwarden.models import Predictor

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)
MODEL = LogisticRegression().fit(X, Y)
MODELS = {
    "joblib": joblib_bytes(MODEL),
    "compressed": joblib_bytes(MODEL, compress=("gzip", 3)),
    "pickle": pickle.dumps(MODEL),
    "skops": skops.io.dumps(MODEL),
    "ONNX": to_onnx(MODEL, X[:1].astype(np.float32)).SerializeToString(),
    "XGBoost": bytes(
        xgboost.train(
            {"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(X, Y), 1
        ).save_raw("ubj")
    ),
    "LightGBM": lightgbm.train(
        {"objective": "binary", "num_threads": 1, "verbose": -1}, lightgbm.Dataset(X, Y), 2
    )
    .model_to_string()
    .encode(),
}


def info(name, **fields):
    member = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(member, field, value)
    return member


def tarred(*members, compress=True):
    """Return a tar of ``(name or TarInfo, content)``."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in members:
            member = info(name) if isinstance(name, str) else name
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(stream.getvalue()) if compress else stream.getvalue()


def zipped(*members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def described(flavor="sklearn", place="model.pkl", key="pickled_model", own="", python=""):
    return f"""\
artifact_path: model
flavors:
  python_function:
    env: {{conda: conda.yaml, virtualenv: python_env.yaml}}
    loader_module: mlflow.{flavor}
    python_version: 3.11.2
{python}
  {flavor}:
    code: null
    {key}: {place}
{own}
mlflow_version: 2.20.0
model_uuid: 0e1
utc_time_created: '2026-11-01 10:00:00.1'
""".encode()


def why(data):
    facts, model = examine(data)
    assert model is None
    assert not facts.get("loads")
    return facts["why"]


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_a_tar_with_one_model_is_that_model(name, compress):
    readme = ("./README.md", b"A model.")

    facts, model = examine(tarred(("./model.bin", MODELS[name]), readme, compress=compress))

    assert facts["loads"]
    assert facts["format"].endswith(" in tar")
    assert len(model.predict(X)) == 60


FOLDERS = {
    "sklearn": (described(), "model.pkl", MODELS["pickle"]),
    "xgboost": (described("xgboost", "model.ubj", "data"), "model.ubj", MODELS["XGBoost"]),
    "lightgbm": (described("lightgbm", "model.lgb", "data"), "model.lgb", MODELS["LightGBM"]),
    "onnx": (described("onnx", "model.onnx", "data"), "model.onnx", MODELS["ONNX"]),
}


@pytest.mark.parametrize("folder", ["", "model/"])
@pytest.mark.parametrize("archive", [tarred, zipped])
@pytest.mark.parametrize("flavor", FOLDERS)
def test_an_mlflow_folder_is_the_model_that_it_describes(flavor, archive, folder):
    description, place, data = FOLDERS[flavor]
    notes = [(f"{folder}{name}", b"numpy") for name in ("requirements.txt", "conda.yaml")]

    facts, _ = examine(
        archive((f"{folder}MLmodel", description), (f"{folder}{place}", data), *notes)
    )

    assert facts.get("loads"), facts["why"]
    assert facts["format"].endswith(" in MLflow")


def test_the_digest_is_that_of_the_archive(tmp_path):
    file = stored(tmp_path, tarred(("model.joblib", MODELS["joblib"])), "model.tar.gz")

    with Predictor(file) as predictor:
        assert predictor.sha256 == file.sha256
        assert predictor.facts.format == "joblib in tar"
        np.testing.assert_array_equal(predictor.predict(pd.DataFrame(X)), MODEL.predict(X))


def test_a_compressed_joblib_file_is_no_archive():
    assert examine(MODELS["compressed"])[0]["format"] == "joblib"


def test_malicious_models_are_refused_by_name_in_archives_too(tmp_path):
    evil = corpus_file("eval in joblib", tmp_path)

    for data in (
        tarred(("model.joblib", evil)),
        zipped(("MLmodel", described()), ("model.pkl", evil)),
    ):
        assert examine(data)[0]["refused"] == ("builtins.eval",)

    assert not (tmp_path / MARKER).exists()


GOOD = ("model.joblib", MODELS["joblib"])
TARS = {
    "a link": (info("x.txt", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "no plain file"),
    "a hard link": (info("x.txt", type=tarfile.LNKTYPE, linkname="model.joblib"), "no plain file"),
    "a device": (info("x.txt", type=tarfile.CHRTYPE), "no plain file"),
    "a pipe": (info("x.txt", type=tarfile.FIFOTYPE), "no plain file"),
    "an unknown type": (info("x.txt", type=b"Z"), "no plain file"),
    "a way up": (info("../x.txt"), "leads elsewhere"),
    "a way up inside": (info("a/../../x.txt"), "leads elsewhere"),
    "an absolute path": (info("/x.txt"), "leads elsewhere"),
    "a drive": (info("C:x.txt"), "leads elsewhere"),
    "a backslash": (info("..\\x.txt"), "leads elsewhere"),
    "a folder above": (info("../up", type=tarfile.DIRTYPE), "leads elsewhere"),
    "a name that moves the cursor": (info("\x1b[2J.txt"), "leads elsewhere"),
    "a sparse file": (
        info("x.txt", pax_headers={"GNU.sparse.map": "0,9", "GNU.sparse.size": "9"}),
        "no plain file",
    ),
    "code": (info("code/inference.py"), "neither its model nor a note"),
    "a library": (info("lib.so"), "neither its model nor a note"),
}


@pytest.mark.parametrize("name", TARS)
def test_refuses_a_tar_with(name):
    member, expected = TARS[name]

    assert expected in why(tarred(GOOD, (member, b"")))


def test_refuses_what_is_not_one_model():
    assert "but none" in why(tarred(("notes.txt", b"It is a text.")))
    assert "but 'a', 'b'" in why(tarred(("a", MODELS["joblib"]), ("b", MODELS["ONNX"])))
    assert "twice" in why(tarred(GOOD, GOOD))


def test_refuses_a_tar_with_something_behind_its_end():
    tar = tarred(GOOD, compress=False)

    assert "behind its end" in why(tar + tarred(GOOD, compress=False))


def test_refuses_a_tar_that_is_cut_off():
    assert "cannot be read" in why(tarred(GOOD, compress=False)[:600])
    assert "cannot be read" in why(tarred(("notes.txt", bytes(9999)), GOOD)[:-20])


def test_bombs_are_not_unpacked(monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 1 << 16)
    monkeypatch.setattr(archive, "MAX_MEMBERS", 5)
    big, many = ("a.txt", bytes(1 << 17)), [(f"{n}.txt", b"") for n in range(6)]

    assert "a tar of more than" in why(tarred(GOOD, big))
    assert "more than 5 members" in why(tarred(*many))
    assert "a zip with 3 members" in why(zipped(("MLmodel", described()), ("model.pkl", b""), big))
    assert "a zip with 7 members" in why(zipped(("MLmodel", described()), *many))


FOLDER = {
    "code": (described(own="    code: code"), "cannot be read: the key 'code' twice"),
    "code of Python": (described(python="    code: code"), "the code 'code'"),
    "a loader": (described("pyspark"), "flavour ['pyspark']"),
    "another loader": (
        described().replace(b"mlflow.sklearn", b"os"), "the loader_module 'os'"),
    "another path": (described(python="    model_path: notes.txt"), "the model_path 'notes.txt'"),
    "other data": (described(python="    data: notes.txt"), "the data 'notes.txt'"),
    "another pickle": (
        described(python="    pickled_model: notes.txt"), "the pickled_model 'notes.txt'"),
    "another class": (described(own="    model_class: os.abort"), "of the class 'os.abort'"),
    "no model": (described(place="other.pkl"), "without its pickled_model, 'other.pkl'"),
    "a way up": (described(place="../../model.pkl"), "without its pickled_model"),
    "a list": (described(place="[model.pkl]"), "without its pickled_model"),
    "two flavours": (
        described(own="  xgboost: {data: model.pkl}"), "flavour ['sklearn', 'xgboost']"),
    "no flavour": (b"flavors: {}", "flavour []"),
    "text": (b"nothing", "flavour []"),
    "an alias": (b"a: &a [1]\nb: *a", "cannot be read: "),
    "a flavour that is none": (
        described().replace(b"mlflow_version", b"  other: x\nmlflow_version"), "'other'"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLDER)
def test_refuses_an_mlflow_folder_with(name):
    description, expected = FOLDER[name]

    assert expected in why(zipped(("MLmodel", description), ("model.pkl", MODELS["pickle"])))


def test_refuses_an_mlflow_folder_with_another_format_than_it_says():
    data = zipped(("MLmodel", described()), ("model.pkl", MODELS["ONNX"]))

    assert why(data) == "the format ONNX where MLflow says pickle or joblib or skops"


def test_refuses_an_mlflow_folder_with_a_second_model_or_description():
    model = ("model.pkl", MODELS["pickle"])

    assert "model alone" in why(zipped(("MLmodel", described()), model, ("b.txt", model[1])))
    assert "2 MLflow models" in why(
        zipped(("MLmodel", described()), ("a/MLmodel", described()), model)
    )


def test_refuses_an_mlflow_folder_that_describes_something_else():
    described_note = ("MLmodel", described(place="notes.txt"))
    data = zipped(described_note, ("notes.txt", b"a"), ("model.pkl", MODELS["pickle"]))

    assert "does not hold its model alone" in why(data)


def test_refuses_a_zip_with_a_link():
    link = zipfile.ZipInfo("model.pkl")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16

    assert "no plain file" in why(zipped(("MLmodel", described()), (link, b"/etc/passwd")))
