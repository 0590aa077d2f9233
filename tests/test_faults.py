"""The table of faults: complete, and about tests that exist."""

from pathlib import Path

import pytest

from faults import FAULTS, PAGE, functions, page

ENDS = {"E": 30, "M": 23, "D": 38, "P": 8}
TESTS = Path(__file__).parent


def test_has_every_case_of_storage_evidence_models_data_and_policy():
    stored = [f"F{n}" for n in (*range(1, 18), 20, 22, 23)]
    wanted = stored + [f"{kind}{n}" for kind, end in ENDS.items() for n in range(1, end + 1)]

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
