"""The table of faults: complete, and about tests that exist."""

from pathlib import Path

import pytest

from faults import FAULTS, PAGE, functions, page

TESTS = Path(__file__).parent


def test_has_every_case_of_evidence_and_policy():
    wanted = [f"E{n}" for n in range(1, 31)] + [f"P{n}" for n in range(1, 9)]

    assert [fault.case for fault in FAULTS] == wanted


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.case)
def test_a_case_names_tests_that_exist(fault):
    for test in fault.tests:
        file, _, name = test.partition("::")
        assert name in functions(TESTS / file), test


def test_the_page_is_the_table_and_all_of_it_passes():
    """Write it again with `python tests/faults.py`."""
    passes = {test: True for fault in FAULTS for test in fault.tests}

    assert PAGE.read_text() == page(passes)
