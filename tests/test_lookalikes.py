"""Names that read alike, and names that do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.lookalikes import difference, plain, skeleton


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("\u0430ge", "age"),  # Cyrillic
        ("\u03bfwner", "owner"),  # Greek
        ("\u0391GE", "age"),  # Greek capital
        ("\u057fotal".replace("\u057f", "t"), "total"),
        ("in\u0441ome", "income"),
        ("IABEL".replace("I", "l"), "label"),
        ("1abel", "label"),
        ("sc0re", "score"),
        ("rnean", "mean"),
        ("a\u200b\u2060ge", "age"),
        ("\ufeffage", "age"),
        ("\u2066age\u2069", "age"),
        ("\U0001d41a\U0001d420\U0001d41e", "age"),
        ("caf\u00e9", "cafe\u0301"),
        ("age\u0323", "age"),
        ("mean area", "mean_area"),
        ("mean\u2011area", "mean-area"),
        ("\u13aa\u13c0\u13ac", "age"),  # Cherokee
    ],
)
def test_read_alike(name, known):
    assert skeleton(name) == skeleton(known)
    assert difference(name, known).startswith("by ")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("age", "wage"),
        ("x1", "x2"),
        ("income", "outcome"),
        ("身長", "体重"),
        ("*", "+"),
        ("a", "ä b"),
    ],
)
def test_do_not_read_alike(one, other):
    assert skeleton(one) != skeleton(other)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a\u200bge", "by a character that cannot be seen (U+200B)"),
        ("a ge", "by spaces"),
        ("\uff41ge", "by another form of the same characters"),
        ("Age", "by case"),
        ("ag\u0435", "by characters that look alike (U+0435)"),
        ("a9e", "by characters that look alike"),
    ],
)
def test_the_difference_is_named(name, how):
    assert difference(name, "age") == how


@given(st.text(max_size=30))
def test_any_name_has_a_skeleton_that_is_its_own(name):
    assert skeleton(name) or not name
    assert plain(plain(name)) == plain(name) or not name.isascii()
