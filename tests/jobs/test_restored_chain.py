"""Rows put back after a filter: what the gate accepts, and every way to put back too much."""

import pytest

from modelwarden.errors import InputError
from shop import POLICY, make_table, open_shop

RULE = """\
  - {check: restore, metric: restored_rows, op: "<=", value: 2, options: {restore: any}}
"""


@pytest.fixture
def shop(own, s3, tmp_path):
    """A shop whose policy allows to put two rows back."""
    shop = open_shop(s3, tmp_path)
    shop.s3.overwrite(f"{shop.uri}/policy.yaml", (POLICY + RULE).encode())
    return shop


def rejected(shop, rows="rows-of-kept.csv"):
    lines = shop.read(f"{shop.uri}/{rows}").decode().splitlines()[1:]
    return [line.split(",")[0] for line in lines if line.endswith(",rejected")]


def finish(shop, rows="restored.csv"):
    """Train on `rows`, and decide."""
    shop.fit(rows)
    shop.say_trained(rows)
    shop.inspect()
    return shop.gate()


def test_a_model_of_restored_rows_is_allowed_and_verified(shop):
    shop.filter()
    first, second, *_ = rejected(shop)
    report = shop.restore(f"{first},{second}").report
    ruling = finish(shop)

    assert report.metrics["restored_rows"] == 2
    assert ruling.decision.allowed, ruling.decision.reasons
    assert shop.verify(ruling.statement.uri).decision.allowed


def test_the_filters_own_rules_still_judge_its_statement(shop):
    shop.filter(alpha=0.5)
    shop.restore(rejected(shop)[0])

    assert "asked otherwise: alpha=0.5" in " ".join(finish(shop).decision.reasons)


def test_more_rows_than_the_policy_allows_deny(shop):
    shop.filter()
    shop.restore(",".join(rejected(shop)[:3]))

    (reason,) = finish(shop).decision.reasons
    assert reason == "restore.restored_rows <= 2: measured 3"


def test_without_a_rule_of_its_own_a_restore_denies(shop):
    shop.s3.overwrite(f"{shop.uri}/policy.yaml", POLICY.encode())
    shop.filter()
    shop.restore(rejected(shop)[0])
    decision = finish(shop).decision

    assert "not trained on the rows that sift kept" in " ".join(decision.reasons)
    assert "restore filtered the data, but no blocking rule speaks about it" in decision.notes


def test_rows_of_another_table_than_the_filter_read_deny(shop):
    shop.filter()
    number = rejected(shop)[0]
    evil = shop.read(f"{shop.uri}/train.csv").decode().splitlines(keepends=True)
    evil[int(number)] = "9,9,0\n"
    shop.put("evil.csv", "".join(evil).encode())
    shop.restore(number, train="evil.csv")

    assert "asked otherwise: train=" in " ".join(finish(shop).decision.reasons)


def test_a_second_restore_needs_decisions_that_no_filter_wrote(shop):
    shop.filter()
    first, second, third, fourth, *_ = rejected(shop)
    shop.restore(f"{first},{second}")
    again = {"filtered": "restored.csv", "name": "twice.csv"}
    with pytest.raises(InputError, match="says were kept, got others"):
        shop.restore(f"{third},{fourth}", **again)
    forged = shop.read(f"{shop.uri}/rows-of-kept.csv").decode()
    for number in (first, second):
        forged = forged.replace(f"\n{number},rejected", f"\n{number},kept")
    shop.put("forged.csv", forged.encode())
    shop.restore(f"{third},{fourth}", rows="forged.csv", **again)

    assert "asked otherwise: rows=" in " ".join(finish(shop, "twice.csv").decision.reasons)


def test_a_restore_over_rows_that_no_filter_wrote_denies(shop):
    table = make_table(20, 5).to_csv(index=False).splitlines(keepends=True)
    shop.put("mine.csv", "".join(table).encode())
    shop.put("mine-kept.csv", "".join(table[:-1]).encode())
    rows = "".join(f"{n},{'kept' if n < 20 else 'rejected'}\n" for n in range(1, 21))
    shop.put("mine-rows.csv", f"row,decision\n{rows}".encode())
    shop.filter()
    shop.restore("20", filtered="mine-kept.csv", train="mine.csv", rows="mine-rows.csv")

    assert not finish(shop).decision.allowed
