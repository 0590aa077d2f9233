"""The link to the evidence: an address that a browser can open, and rights for nobody."""

from types import SimpleNamespace

import pytest

from modelwarden.airflow_links import EvidenceLink, address

PAGE = "s3://evidence/churn v2/sha256/ab.html"
NAMES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_amazons_console_opens_the_object():
    assert address(PAGE, region="eu-west-1") == (
        "https://console.aws.amazon.com/s3/object/evidence"
        "?region=eu-west-1&prefix=churn%20v2%2Fsha256%2Fab.html"
    )


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("cn-north-1", "console.amazonaws.cn"),
        ("us-gov-west-1", "console.amazonaws-us-gov.com"),
        ("", "console.aws.amazon.com"),
    ],
)
def test_each_part_of_amazon_has_its_console(region, host):
    assert address(PAGE, region=region).startswith(f"https://{host}/s3/object/evidence?")


def test_another_store_is_asked_below_its_endpoint(monkeypatch):
    found = "http://minio:9000/evidence/churn%20v2/sha256/ab.html"

    assert address(PAGE, endpoint="http://minio:9000/") == found
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    assert address(PAGE) == found


def test_the_configuration_wins():
    template = "https://console.example.com/{bucket}/{key}"

    found = "https://console.example.com/evidence/churn%20v2/sha256/ab.html"
    assert address(PAGE, endpoint="http://minio", template=template) == found


@pytest.mark.parametrize("page", ["", "/local/page.html", "file:///page.html", "s3://", "s3://b/"])
def test_what_no_browser_can_open_gives_no_link(page):
    assert address(page, endpoint="http://minio") == ""


def test_a_link_leads_to_the_web_or_nowhere():
    assert address(PAGE, template="javascript:alert('{key}')") == ""
    assert address("javascript:alert(1)") == ""


def test_the_link_asks_the_connection_of_the_evidence(monkeypatch):
    place = SimpleNamespace(endpoint_url="http://ceph", region_name="")
    operator = SimpleNamespace(page=PAGE, evidence_place=place)

    assert EvidenceLink().get_link(operator, ti_key=None).startswith("http://ceph/evidence/")
    monkeypatch.setenv("AIRFLOW__MODELWARDEN__EVIDENCE_URL", "https://ours/{bucket}")
    assert EvidenceLink().get_link(operator, ti_key=None) == "https://ours/evidence"
    assert EvidenceLink().get_link(SimpleNamespace(page="", evidence_place=None), ti_key=None) == ""
