"""Fixtures of the jobs: checks of another package, and a shop where nothing has happened yet."""

import sys

import pytest

import own_checks
from modelwarden.checks import cards
from shop import open_shop


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Install two cheap checks for the tests of a file."""
    folder = tmp_path_factory.mktemp("site")
    own_checks.install(folder)
    cards.cache_clear()
    yield
    sys.path.remove(str(folder))
    cards.cache_clear()


@pytest.fixture
def shop(own, s3, tmp_path):
    """A shop where nothing has happened yet."""
    return open_shop(s3, tmp_path)
