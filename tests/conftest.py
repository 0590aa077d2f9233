"""Fixtures for every test: an S3 server per process, a bucket per test, a proxy with faults."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from s3 import ENVIRONMENT, S3, FaultProxy, serve

# read when kubeflow_components is imported: no component of a test installs anything
os.environ["MODELWARDEN_IMAGE"] = "modelwarden:0.1.0-python3.11"

LONG = (
    "test_demo.py",
    "test_monitor_dag.py",
    "test_theft_loop.py",
    "test_docs.py",
    "test_roni.py",
    "test_models.py",
    "test_estimators.py",
    "test_evasion.py",
    "test_vouching.py",
)
"""Files that take minutes: begun first, they do not end last."""

# how long an example takes says more about the machine than about the code
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

STRANGERS = ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files; pytest-xdist hands files out in this order."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """An S3 server that boto3 finds through the environment."""
    with pytest.MonkeyPatch.context() as environment:
        for name in STRANGERS:
            environment.delenv(name, raising=False)
        for name, value in ENVIRONMENT.items():
            environment.setenv(name, value)
        with serve() as server:
            environment.setenv("AWS_ENDPOINT_URL", server.endpoint)
            yield server


@pytest.fixture
def bucket(s3: S3) -> str:
    """The URI of a new bucket, such as ``s3://test-0f3a``."""
    return s3.bucket()


@pytest.fixture
def proxy(s3: S3) -> Iterator[FaultProxy]:
    """A proxy in front of the S3 server; without faults until it is told."""
    proxy = FaultProxy(s3.endpoint)
    yield proxy
    proxy.close()
