"""A folder of Parquet files is one table, for every check."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modelwarden import folders, table_files
from modelwarden.errors import InputError, NotFoundError
from modelwarden.folders import fetch_table
from modelwarden.jobs.check import check
from modelwarden.jobs.profile import profile
from modelwarden.jobs.trained import trained
from modelwarden.keys import new_key
from modelwarden.signing import Signer
from modelwarden.store import Connection, Store
from modelwarden.tables import Table

FRAME = pd.DataFrame({"a": [1, 2, 3, 4, 5, 6], "word": ["x", "y", "x", None, "z", "z"]})


@pytest.fixture
def folder(tmp_path):
    """Three files as Spark writes them, the last without rows, and what it writes beside them."""
    place = tmp_path / "train"
    place.mkdir()
    for number, rows in enumerate((slice(4), slice(4, 6), slice(0))):
        pq.write_table(pa.Table.from_pandas(FRAME)[rows], place / f"part-{number:04}.parquet")
    for name in ("_SUCCESS", ".part-0000.parquet.crc", "part-0003.parquet"):
        (place / name).touch()
    (place / "_temporary").mkdir()
    (place / "_temporary" / "part-9.parquet").write_bytes(b"half")
    (place / ".hidden.parquet").write_bytes((place / "part-0000.parquet").read_bytes())
    return place


def opened(uri):
    with Store() as store:
        return Table.open(fetch_table(str(uri), store))


def test_reads_files_in_the_order_of_their_names_and_leaves_out_what_spark_does(folder):
    table = opened(f"{folder}/")

    pd.testing.assert_frame_equal(table.frame(), opened_frame())
    assert table.n_rows == 6
    assert opened(folder).sha256 == table.sha256  # a local folder, as Kubeflow hands it out


def opened_frame():
    return FRAME.astype({"word": "str"})


def test_reads_a_prefix_of_a_bucket_with_the_same_digest(folder, s3):
    place = s3.bucket()
    for path in folder.glob("*"):
        if path.is_file():
            s3.overwrite(f"{place}/train/{path.name}", path.read_bytes())
    s3.overwrite(f"{place}/train/", b"")  # how consoles mark a folder
    s3.overwrite(f"{place}/train-of-others/part.parquet", b"not asked for")
    connection = Connection(endpoint_url=s3.endpoint)
    with Store(connection) as store:
        table = Table.open(fetch_table(f"{place}/train/", store))

    assert table.sha256 == opened(folder).sha256
    pd.testing.assert_frame_equal(table.frame(), opened_frame())
    place = f"{place}/train/"

    def swap():
        s3.overwrite(f"{place}part-0000.parquet", (folder / "part-0001.parquet").read_bytes())

    with (
        Meddled(swap, connection) as store,
        pytest.raises(InputError, match="files that stay as they are"),
    ):
        fetch_table(place, store)


@pytest.mark.parametrize("change", ["content", "name", "one more"])
def test_the_digest_changes_with(folder, change):
    before, last = opened(folder).sha256, folder / "part-0001.parquet"
    if change == "content":
        pq.write_table(pa.Table.from_pandas(FRAME)[3:6], last)
    elif change == "name":
        last.rename(folder / "part-0009.parquet")
    else:
        (folder / "part-0005.parquet").write_bytes(last.read_bytes())

    assert opened(folder).sha256 != before


def write(path, **columns):
    pq.write_table(pa.table(columns), path)


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"a": pa.array([1])}, "part-0007.parquet.*the same columns, got no 'word'"),
        ({"a": pa.array([1]), "word": ["x"], "b": [1]}, "the same columns, got also 'b'"),
        ({"word": ["x"], "a": pa.array([1])}, "column 'a' in place 1, got 'word'"),
        ({"a": pa.array([1.5]), "word": ["x"]}, "column 'a' as int64, got double"),
        ({"a": pa.array([1], pa.int32()), "word": ["x"]}, "column 'a' as int64, got int32"),
        ({"a": ["1"], "word": ["x"]}, "column 'a' as int64, got string"),
        ({"a": pa.array([1]), "word": [[1]]}, "column 'word': expected numbers, booleans"),
    ],
)
def test_names_the_file_with_another_schema_and_how_it_differs(folder, columns, match):
    write(folder / "part-0007.parquet", **columns)
    with pytest.raises(InputError, match=match):
        opened(folder)


@pytest.mark.parametrize(
    ("name", "body", "match"),
    [
        ("rows.csv", b"a,word\n1,x\n", "rows.csv: expected Parquet, as all files .* got text"),
        ("part-0008.parquet", b"PAR1 and nothing", "part-0008.parquet: .* got a damaged one"),
        ("rows.pkl", b"\x80\x04.", "rows.pkl: expected CSV or Parquet, got a Python pickle"),
        ("day=1/part.parquet", b"PAR1", "got a partition, 'day=1'; write the column into"),
        ("_day=1/part.parquet", b"PAR1", "got a partition, '_day=1'"),
        ("more/part.parquet", b"PAR1", "got a folder, 'more'; name the folder itself"),
        ("_delta_log/0.json", b"{}", "got a Delta table"),
        (".hoodie/x", b"{}", "got a Hudi table"),
    ],
)
def test_refuses_what_two_readers_would_read_differently(folder, name, body, match):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(body)
    with pytest.raises(InputError, match=match):
        opened(folder)


def test_refuses_a_prefix_with_nothing_in_it(tmp_path):
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "part-0.parquet").touch()
    for place in (f"{tmp_path}/", f"{tmp_path}/nowhere/"):
        with pytest.raises(InputError, match="expected Parquet files, got no file with anything"):
            opened(place)


def test_refuses_files_without_a_row(tmp_path):
    for number in range(2):
        write(tmp_path / f"{number}.parquet", a=pa.array([], pa.int64()))
    with pytest.raises(InputError, match="expected at least one row, got none"):
        opened(tmp_path)


class Meddled(Store):
    """A store where somebody writes while the files are read."""

    def __init__(self, meddle, connection=None):
        super().__init__(connection)
        self.meddle = meddle

    def get(self, uri, **given):
        file = super().get(uri, **given)
        if uri.endswith("part-0000.parquet"):
            self.meddle()
        return file


@pytest.mark.parametrize("when", ["before its turn", "after its turn"])
def test_refuses_files_that_change_while_they_are_read(folder, when):
    name = "part-0001.parquet" if when == "before its turn" else "part-0000.parquet"
    body = bytearray((folder / name).read_bytes())

    def rewrite():
        (folder / name).write_bytes(body)

    with (
        Meddled(rewrite) as store,
        pytest.raises(InputError, match="files that stay as they are, got others after reading"),
    ):
        fetch_table(f"{folder}/", store)


def test_refuses_a_file_that_comes_or_goes_while_others_are_read(folder):
    with (
        Meddled(lambda: (folder / "part-0006.parquet").write_bytes(b"PAR1")) as store,
        pytest.raises(InputError, match="files that stay as they are"),
    ):
        fetch_table(f"{folder}/", store)
    with Meddled((folder / "part-0001.parquet").unlink) as store, pytest.raises(NotFoundError):
        fetch_table(f"{folder}/", store)


@pytest.mark.parametrize(
    ("module", "bound", "most", "match"),
    [
        (folders, "MAX_FILES", 3, "at most 3 objects, got 4"),
        (folders, "MAX_BYTES", 2_000, "part-0000.parquet: expected at most 2000 bytes"),
        (table_files, "MAX_CELLS", 11, "train/: expected at most 11 rows x columns, got 12"),
        (table_files, "MAX_BYTES", 150, "train/: expected at most 150 bytes"),
    ],
)
def test_bounds_hold_for_all_files_together(folder, monkeypatch, module, bound, most, match):
    monkeypatch.setattr(module, bound, most)
    with pytest.raises(InputError, match=match):
        opened(folder)


def test_categories_of_all_files_are_put_together(tmp_path):
    for number, words in enumerate((["x", "y"], ["z", "x"])):
        pq.write_table(
            pa.table({"c": pa.array(words).dictionary_encode()}), tmp_path / f"{number}.parquet"
        )

    assert opened(tmp_path).frame()["c"].tolist() == ["x", "y", "z", "x"]


def test_selecting_rows_of_a_folder_gives_one_file(folder, tmp_path):
    table = opened(folder)
    for keep in (np.ones(6, dtype=bool), np.arange(6) % 2 == 0):
        (tmp_path / "out.parquet").write_bytes(table.select(keep))

        kept = opened(tmp_path / "out.parquet")
        expected = opened_frame()[keep].reset_index(drop=True)
        pd.testing.assert_frame_equal(kept.frame(), expected)
        assert table.is_same(table.select(keep)) == keep.all()


def test_a_profile_of_a_folder_is_that_of_its_rows(folder, tmp_path):
    FRAME.to_parquet(tmp_path / "one.parquet", index=False)
    texts = []
    for name, place in (("one", tmp_path / "one.parquet"), ("many", folder)):
        out = profile(
            str(place), out=str(tmp_path / f"{name}.json"), sample=str(tmp_path / f"{name}.sample")
        )
        assert out.digests["sample"]
        with Store() as store:
            digest = fetch_table(str(place), store).sha256
        said = json.loads(Path(out.profile).read_text())
        assert said.pop("source") == digest
        said.pop("sample")  # of a file, what pandas stored beside the columns stays in the sample
        texts.append((said, pd.read_parquet(out.sample).to_dict("list")))

    assert texts[0] == texts[1]
    with pytest.raises(InputError, match="expected at least one row"):
        profile(str(empty(tmp_path / "empty")), out=str(tmp_path / "x"), sample=str(tmp_path / "y"))


def empty(place):
    place.mkdir()
    write(place / "0.parquet", a=pa.array([], pa.int64()))
    return place


def test_statements_of_check_and_builder_speak_of_the_same_folder(folder, tmp_path):
    """So a gate, which goes by digests, holds what was trained against what was checked."""
    random = np.random.default_rng(0)
    for place, rows in ((folder, 60), (tmp_path / "trusted", 40)):
        place.mkdir(exist_ok=True)
        for path in place.glob("part*"):
            path.unlink()
        for number in range(3):
            x = random.normal(size=rows)
            pq.write_table(
                pa.table({"x": x, "y": (x > 0).astype(int)}), place / f"part-{number}.parquet"
            )
    (tmp_path / "key.pem").write_bytes(new_key()[0])
    (tmp_path / "model").write_bytes(b"model")
    signed = {"evidence": str(tmp_path / "evidence"), "key": str(tmp_path / "key.pem")}
    found = check(
        "roni",
        inputs={"train": f"{folder}/", "trusted": f"{tmp_path}/trusted/"},
        options={"target": "y"},
        tables={"kept": str(tmp_path / "kept.parquet")},
        **signed,
    )
    built = trained(str(tmp_path / "model"), data=f"{folder}/", **signed)

    digest = opened(folder).sha256
    said = [
        Signer.open(signed["key"]).unseal(Path(uri).read_bytes(), "statement")
        for uri in (found.statement.uri, built.uri)
    ]
    assert digest in str(said[0]["subject"])
    assert digest in str(said[1])
    assert found.report.metrics["rows"] == 180
