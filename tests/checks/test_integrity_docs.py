"""Great Expectations' own page, and its engine for Spark."""

import hashlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pandas as pd
import pytest

from attacked import opened, stored
from modelwarden.checks.integrity import integrity
from modelwarden.errors import InputError
from modelwarden.jobs.check import check
from modelwarden.report import REPORT_PAGE

FRAME = pd.DataFrame(
    {"name": ["Jane Doe", "John Roe", None], "age": [44.0, 987654.0, None], "<b>": [1, 2, 3]}
)
ASKED = [
    ("expect_column_values_to_be_between", {"column": "age", "max_value": 120}),
    ("expect_column_max_to_be_between", {"column": "age", "max_value": 120}),
    ("expect_column_distinct_values_to_be_in_set", {"column": "name", "value_set": ["Ann"]}),
    ("expect_column_values_to_match_regex", {"column": "name", "regex": "("}),
    ("expect_column_values_to_be_in_set", {"column": "<b>", "value_set": ["<script>x</script>"]}),
    ("expect_column_mean_to_be_between", {"column": "<b>", "max_value": 5}),
    ("expect_column_to_exist", {"column": "nowhere"}),
    ("expect_table_row_count_to_equal", {"value": 3}),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("docs")


@pytest.fixture(scope="module")
def suite(folder):
    entries = [{"type": kind, "kwargs": kwargs} for kind, kwargs in ASKED]
    return stored(json.dumps({"name": "s", "expectations": entries}), folder, "suite.json")


@pytest.fixture(scope="module")
def docs(folder, suite):
    return integrity(opened(FRAME, folder), suite).tables["data_docs"]


class Tags(HTMLParser):
    """Collects elements and their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def links(text):
    return [attrs["href"] for tag, attrs in Tags(text).found if tag == "a" and "href" in attrs]


def test_the_page_is_great_expectations_own_without_a_row(docs):
    text = docs.decode()

    assert "Great Expectations" in text
    assert "must be less than or equal to" in text
    assert not [word for word in ("Jane", "John", "987654", "44.0") if word in text]


def test_nothing_in_the_page_runs_or_is_fetched(docs):
    text = docs.decode()
    tags = {tag for tag, _ in Tags(text).found}

    assert not tags & {"script", "link", "img", "iframe", "object", "embed"}
    policy = next(a["content"] for t, a in Tags(text).found if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_the_same_validation_gives_the_same_bytes(folder, suite, docs):
    assert integrity(opened(FRAME, folder), suite).tables["data_docs"] == docs


def test_an_expectation_of_any_order_has_its_own_result(docs):
    text = re.sub(r"<[^>]+>|\s+", " ", docs.decode())

    assert "could not be evaluated" in text
    assert re.search(r"100%.*element|≈?50% unexpected|1 unexpected", text)


def test_a_validation_that_cannot_be_drawn_has_a_page_that_says_so():
    from modelwarden.checks.integrity.data_docs import page

    class Broken:
        results = ()

    text = page(Broken(), [], "suite").decode()
    assert "could not draw this suite" in text
    assert REPORT_PAGE in text


def test_both_pages_lead_to_each_other(folder, suite, docs):
    data = folder / "data.parquet"
    FRAME.to_parquet(data, index=False)
    place = folder / "out" / "docs.html"
    evidence = folder / "evidence"
    outcome = check(
        "integrity",
        inputs={"data": str(data), "suite": str(suite.path)},
        tables={"data_docs": str(place)},
        evidence=str(evidence),
    )
    page = next((evidence / "sha256").glob("*.html"))

    assert REPORT_PAGE not in place.read_text()
    way_back = [way for way in links(place.read_text()) if way.endswith(".html")]
    assert {(place.parent / way).resolve() for way in way_back} == {page.resolve()}
    assert (page.parent / links(outcome.page)[0]).resolve() == place.resolve()
    assert outcome.page_uri.endswith(f"{hashlib.sha256(page.read_bytes()).hexdigest()}.html")


def test_without_evidence_there_is_no_page_to_lead_to(folder, suite):
    data, place = folder / "alone.parquet", folder / "alone.html"
    FRAME.to_parquet(data, index=False)
    inputs = {"data": str(data), "suite": str(suite.path)}
    outcome = check("integrity", inputs=inputs, tables={"data_docs": str(place)})

    assert REPORT_PAGE not in place.read_text()
    assert links(outcome.page) == [str(place)]


@pytest.mark.parametrize(
    ("uri", "folder", "way"),
    [
        ("s3://b/docs/d.html", "s3://b/evidence/sha256", "../../docs/d.html"),
        ("s3://other/d.html", "s3://b/evidence/sha256", "s3://other/d.html"),
        ("docs/d.html", "s3://b/evidence/sha256", "docs/d.html"),
        ("docs/d.html", "evidence/sha256", "../../docs/d.html"),
        ("docs/d.html", "", "docs/d.html"),
    ],
)
def test_ways_are_relative_where_both_ends_are_in_one_place(uri, folder, way):
    from modelwarden.jobs.links import _way

    assert _way(uri, folder) == way
    assert urlsplit(way).scheme in ("", "s3")


def test_data_cannot_become_a_link(folder):
    """A table that is no page keeps its bytes, whatever they say."""
    from modelwarden.jobs.links import linked
    from modelwarden.report import Findings, Report

    body = f"a\n{REPORT_PAGE}\n".encode()
    found = Findings(Report("x", {}), tables={"kept": body})

    assert linked(found, {"kept": "k.csv"}, "e", "p.html")["kept"] == body


# engines


@pytest.mark.parametrize("engine", ["duckdb", "", "Spark"])
def test_refuses_an_engine_that_there_is_not(folder, suite, engine):
    with pytest.raises(InputError, match=f"engine: expected pandas or spark, got '{engine}'"):
        integrity(opened(FRAME, folder), suite, engine=engine)


@pytest.mark.skipif(importlib.util.find_spec("pyspark") is not None, reason="pyspark is there")
def test_spark_that_is_not_installed_is_named(folder, suite):
    with pytest.raises(InputError, match=r"expected pyspark, got none; pip install 'modelwarden\["):
        integrity(opened(FRAME, folder), suite, engine="spark")


SPARK = """
import json, sys
from pathlib import Path
from modelwarden.checks.integrity import integrity
from modelwarden.store import File
from modelwarden.tables import Table
data, suite = (File(p, Path(p), "ab" * 32, 1) for p in sys.argv[1:])
for engine in ("pandas", "spark"):
    print("REPORT", json.dumps(integrity(Table.open(data), suite, engine=engine).report.as_json()))
"""


@pytest.mark.spark
@pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="pyspark is not installed")
@pytest.mark.skipif(shutil.which("java") is None, reason="there is no Java")
def test_spark_says_what_pandas_says(folder):
    """In a process of its own, because Spark leaves a Java process behind until Python ends."""
    frame = pd.DataFrame(
        {
            "age": [44.0, 987654.0, None, float("nan")],
            "name": pd.Categorical(["a", "b", None, "a"]),
            "Name": [True, False, True, True],
            "when": pd.to_datetime(["2020-01-01", "2020-01-02", None, "2020-01-03"]),
        }
    )
    asked = [
        ("expect_column_values_to_be_between", {"column": "age", "max_value": 120}),
        ("expect_column_values_to_not_be_null", {"column": "age"}),
        ("expect_column_values_to_be_in_set", {"column": "name", "value_set": ["a"]}),
        ("expect_column_values_to_not_be_null", {"column": "when", "mostly": 0.5}),
        ("expect_column_to_exist", {"column": "nowhere"}),
        ("expect_table_columns_to_match_set", {"column_set": list(frame.columns)}),
        ("expect_table_row_count_to_equal", {"value": 4}),
    ]
    entries = [{"type": kind, "kwargs": kwargs} for kind, kwargs in asked]
    wanted = stored(json.dumps({"expectations": entries}), folder, "spark.json")
    data = stored(frame, folder, "spark.parquet")
    done = subprocess.run(
        [sys.executable, "-c", SPARK, str(data.path), str(wanted.path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    said = re.findall("REPORT (.*)", done.stdout)
    assert len(said) == 2
    assert json.loads(said[0]) == json.loads(said[1])
    assert json.loads(said[0])["metrics"]["failed_expectations"] == 4
