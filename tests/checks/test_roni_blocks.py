"""RONI block by block: who measures which rows changes nothing."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from attacked import opened
from modelwarden.blocks import pack, unpack
from modelwarden.checks.roni import roni, sieve, split
from modelwarden.errors import EvidenceError
from modelwarden.report import canonical
from modelwarden.suspicion import conflict
from modelwarden.suspicion.judgement import Signals

OPTIONS = {"target": "y", "alpha": 0.05, "fdr": 0.0, "max_rejected": 0.4, "group": "who"}
OPTIONS |= {"weight": "", "trigger": "neutralise", "seed": 0}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Ninety rows a block, so that few rows make many blocks."""
    monkeypatch.setattr(sieve, "BLOCK", 90)
    monkeypatch.setattr(conflict, "BLOCK", 90)


def rows(n, seed, poison=0):
    """Draw rows; the first of them are flipped, the next carry a trigger."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 4))
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    y[:poison] = 1 - y[:poison]
    x[poison : 2 * poison, 3], y[poison : 2 * poison] = 9.0, 1
    frame = pd.DataFrame(x.round(3), columns=[*"abcd"]).assign(y=y, who=np.arange(n) % 3)
    return frame.assign(t=np.where(frame.a > 0, "up", "down"))


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    train = rows(440, 0, poison=30).sample(frac=1, random_state=0)
    return opened(train, folder), opened(rows(150, 1).drop(columns="who"), folder)


@pytest.fixture(scope="module")
def parts(tables):
    """What each of five blocks comes to, on three machines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sieve, "BLOCK", 90)
        patch.setattr(conflict, "BLOCK", 90)
        return shared(tables, 3)


def shared(tables, count):
    done = {}
    for index in reversed(range(count)):
        cut = split(*tables, **OPTIONS)
        mine = range(index, cut.count, count)
        done |= dict(zip(mine, cut.blocks(mine), strict=True))
    return [done[number] for number in range(cut.count)]


def said(findings):
    figures = [figure.as_json() for figure in findings.figures]
    return canonical(findings.report.as_json()), canonical(figures), dict(findings.tables)


def test_one_three_and_eight_machines_say_the_same(tables, parts):
    alone = roni(*tables, **OPTIONS)

    assert len(parts) == 5
    assert shared(tables, 8) == parts
    assert said(split(*tables, **OPTIONS).join(parts)) == said(alone)
    assert alone.report.metrics["rejected_fraction"] == pytest.approx(60 / 440, abs=0.03)


def test_a_join_reads_from_the_parts_what_was_measured(tables, parts):
    """Alone or shared, a check goes through parts: here they are left out."""
    cut = split(*tables, **OPTIONS)
    joined, measured = cut._signals(parts), Signals.of(cut.rows, seed=0, work=None)

    for name in ("forest", "linear", "news"):
        told, known = getattr(joined, name), getattr(measured, name)
        for field in fields(known):
            assert np.array_equal(getattr(told, field.name), getattr(known, field.name)), name
    assert not np.array_equal(joined.forest.submitted, joined.linear.submitted)


def test_blocks_change_no_row(tables, monkeypatch):
    """A matrix product may round otherwise by its shape, and nothing more."""
    blocks = roni(*tables, **OPTIONS)
    monkeypatch.setattr(sieve, "BLOCK", 1000)
    monkeypatch.setattr(conflict, "BLOCK", 1000)
    whole = roni(*tables, **OPTIONS)

    assert blocks.tables["kept"] == whole.tables["kept"]
    assert blocks.report.metrics == pytest.approx(whole.report.metrics, rel=1e-9)


def test_without_trusted_rows_there_is_one_block(tables):
    cut = split(tables[0], **{**OPTIONS, "group": ""})
    told = [*cut.blocks([0])]

    assert cut.count == 1
    alone = roni(tables[0], **{**OPTIONS, "group": ""})
    assert said(cut.join(told)) == said(alone)


@pytest.mark.parametrize("name", ["folds", "forest_trusted", "linear_trusted", "novel_trusted"])
def test_a_machine_that_computes_otherwise_is_noticed(tables, parts, name):
    arrays = unpack(parts[3], "")
    arrays[name] = arrays[name] + np.array(1e-15 if name != "folds" else 1).astype(
        arrays[name].dtype
    )
    forged = [*parts[:3], pack(arrays), parts[4]]

    with pytest.raises(EvidenceError, match=r"block 3 of .* the same on every machine"):
        split(*tables, **OPTIONS).join(forged)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.update(forest=arrays["forest"][:-1]),
        lambda arrays: arrays.update(novel=arrays["novel"].T),
        lambda arrays: arrays.update(folds=arrays["folds"].astype(float)),
        lambda arrays: arrays.pop("linear"),
        lambda arrays: arrays.update(more=np.zeros(1)),
    ],
)
def test_a_part_that_says_something_else_is_refused(tables, parts, change):
    arrays = unpack(parts[1], "")
    change(arrays)

    with pytest.raises(EvidenceError, match="block 1 of "):
        split(*tables, **OPTIONS).join([parts[0], pack(arrays), *parts[2:]])
