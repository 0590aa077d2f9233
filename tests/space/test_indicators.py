"""Which columns of 0 and 1 say one thing."""

import numpy as np
import pandas as pd
import pytest

from modelwarden.space.indicators import one_hot_groups

HOT = np.eye(3, dtype=int)[[0, 1, 2, 1]]


def groups(names, cells=HOT):
    return one_hot_groups(pd.DataFrame(np.asarray(cells), columns=names))


@pytest.mark.parametrize(
    ("names", "prefix"),
    [
        (["home_OWN", "home_RENT", "home_NONE"], "home"),
        (["home=a", "home=b", "home=c"], "home"),
        (["home: a", "home: b", "home: c"], "home"),
        (["home a", "home b", "home c"], "home"),
        (["home__x_1", "home__x_2", "home__x_3"], "home"),
        (["größe.s", "größe.m", "größe.l"], "größe"),
    ],
)
def test_columns_with_a_prefix_of_which_one_is_1_are_a_group(names, prefix):
    assert groups(names) == {prefix: tuple(names)}


@pytest.mark.parametrize("kind", ["int8", "float32", "bool"])
def test_any_type_that_holds_0_and_1_will_do(kind):
    assert groups(["a_1", "a_2", "a_3"], HOT.astype(kind)) == {"a": ("a_1", "a_2", "a_3")}


@pytest.mark.parametrize(
    "cells",
    [
        [[1, 0, 0], [0, 0, 0]],
        [[1, 0, 0], [0, 1, 1]],
        [[1, 0, 0], [0, 2, -1]],
        [[1, 0, 0], [0, 0.5, 0.5]],
        [[1, 0, 0], [np.nan, 1, 0], [0, 0, 1]],
        [[1, 0, 0], [1, 0, 0]],
    ],
    ids=str,
)
def test_what_does_not_say_one_thing_in_each_row_or_always_the_same_is_none(cells):
    assert groups(["a_1", "a_2", "a_3"], cells) == {}


@pytest.mark.parametrize(
    "names", [["a", "b", "c"], ["_a", "_b", "_c"], ["a1", "a2", "a3"]], ids=str
)
def test_names_without_a_common_beginning_are_none(names):
    assert groups(names) == {}


def test_a_category_that_no_row_has_belongs_to_the_group():
    assert groups(["a_1", "a_2", "a_3"], [[1, 0, 0], [0, 1, 0]]) == {"a": ("a_1", "a_2", "a_3")}


def test_the_shortest_prefix_that_will_do_is_used():
    names = ["home_a_1", "home_a_2", "home_b"]

    assert groups(names, [[1, 0, 0], [0, 1, 0]]) == {"home": tuple(names)}


def test_longer_prefixes_tell_groups_apart_that_begin_alike():
    names = ["home_kind_a", "home_kind_b", "home_size_s", "home_size_l"]

    assert groups(names, [[1, 0, 0, 1], [0, 1, 1, 0]]) == {
        "home_kind": ("home_kind_a", "home_kind_b"),
        "home_size": ("home_size_s", "home_size_l"),
    }


def test_a_group_does_not_take_the_name_of_a_column():
    frame = pd.DataFrame(HOT, columns=["a_1", "a_2", "a_3"]).assign(a=1, a_group=2)

    assert [*one_hot_groups(frame)] == ["a_group_group"]


def test_a_table_without_such_columns_has_none():
    assert one_hot_groups(pd.DataFrame({"x": ["a"], "y": [1.5]})) == {}
