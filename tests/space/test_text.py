import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelwarden.attacks.edits import Edits, split
from modelwarden.errors import InputError
from modelwarden.space.points import Candidates
from modelwarden.space.text import MOST_WORDS, TextSpace

TEXTS = st.text(alphabet="ab \n'.\u0301\u05d0\u6f22\U0001f44d", max_size=12)


def space(*cells, dtype=object, **options):
    frame = pd.DataFrame({"text": pd.Series([*cells], dtype=dtype)})
    return TextSpace(frame, np.arange(len(cells)), **options)


def at(rows, values):
    return Candidates(np.array(rows, np.intp), np.array(values, float))


def shown(texts, rows, *values):
    return texts.present(at(rows, values))["text"].tolist()


def allowed(texts, epsilon, *cells):
    frame = pd.DataFrame({"text": [*cells]})
    return texts.allows(texts.box(epsilon), np.zeros(len(cells), np.intp), frame).tolist()


@pytest.mark.parametrize(
    ("frame", "problem"),
    [
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "one column, of text.*2 columns"),
        (pd.DataFrame(index=[0]), "one column, of text.*0 columns"),
        (pd.DataFrame({"a": [1.5]}), "column 'a': expected text"),
        (pd.DataFrame({"a": ["x", 3]}), "column 'a': expected text"),
        (pd.DataFrame({"a": [b"x"]}), "column 'a': expected text"),
        (pd.DataFrame({"a": ["x"]}, dtype="category"), "column 'a': expected text.*category"),
    ],
)
def test_refuses_what_is_not_one_column_of_text(frame, problem):
    with pytest.raises(InputError, match=problem):
        TextSpace(frame, np.arange(len(frame)))


def test_refuses_other_norms():
    with pytest.raises(InputError, match=r"'l0' for a column of text.*'linf'"):
        space("a b").box(0.1, "linf")


@pytest.mark.parametrize("cell", ["", "  \n\t", "?!...", None, np.nan])
def test_what_has_no_words_stays(cell):
    texts = space(cell, "two words")
    box = texts.box(1.0)

    assert not box.movable[0].any()
    (first, _) = shown(texts, [0, 1], *texts.origin)
    assert first == cell or (pd.isna(first) and pd.isna(cell))
    assert box.contains(at([0], texts.origin[:1])).all()


def test_texts_without_any_words_have_a_coordinate_that_never_moves():
    texts = space("", None)

    assert texts.origin.shape == (2, 1)
    assert not texts.box(1.0).movable.any()
    assert not texts.box(1.0).contains(at([0, 1], [[1], [0]])).any()


def test_the_only_word_is_the_whole_text():
    box = space("a", "...").box(1.0)

    assert box.distance(np.array([0, 1]), np.array([[1], [np.nan]])).tolist() == [1.0, 0.0]


def test_without_rows_nothing_is_there():
    texts = TextSpace(pd.DataFrame({"text": ["a"]}), np.arange(0))

    assert texts.present(at([], np.empty((0, 1))))["text"].tolist() == []
    assert texts.box(0.1).fewest == 0


def test_only_sampled_texts_are_taken():
    frame = pd.DataFrame({"text": ["first one", 7, "third"]})

    texts = TextSpace(frame, np.array([2, 0]))

    assert shown(texts, [0, 1], *texts.origin) == ["third", "first one"]
    assert texts.frame.index.tolist() == [0, 1]


def test_coordinates_are_words_in_order():
    texts = space("one", "one two three")

    assert texts.columns == {"word 1": 0, "word 2": 1, "word 3": 2}
    assert np.isnan(texts.origin).tolist() == [[False, True, True], [False] * 3]


@pytest.mark.parametrize("dtype", [object, "string", "str"])
def test_texts_come_back_as_they_were_in_their_type(dtype):
    cells = ["  a\t b\r\n\n c ", "caf\u00e9 cafe\u0301", "\U0001f44d\U0001f3fd ok", "", None]
    texts = space(*cells, dtype=dtype)

    presented = texts.present(at(range(5), texts.origin))

    pd.testing.assert_frame_equal(presented, texts.frame)


def test_only_the_words_change():
    texts = space("  a\t bb,\n(ccc)  ", kinds=["word deletion"])

    assert shown(texts, [0, 0], [1, 0, 0], [0, 1, 1]) == ["  \t bb,\n(ccc)  ", "  a\t ,\n()  "]


def test_codes_are_the_edits_of_a_word_in_order():
    texts = space("good", kinds=["swap", "word deletion"], synonyms={"good": ["fine"]}, seed=1)
    edits = Edits(["swap", "word deletion"], synonyms={"good": ["fine"]}, seed=1).of("good")

    assert shown(texts, [0] * 4, [0], [1], [2], [3]) == ["good", *edits]


def test_right_to_left_text_is_edited_word_by_word():
    texts = space("\u05d0\u05d1 \u05d2\u05d3", kinds=["word deletion"])

    assert shown(texts, [0], [1, 0]) == [" \u05d2\u05d3"]


@pytest.mark.parametrize(
    ("epsilon", "words", "most"),
    [
        (0.1, 10, 1),
        (0.19, 10, 1),
        (0.2, 10, 2),
        (0.3, 10, 3),  # 0.3 * 10 is less than 3 in floats
        (0.29, 100, 29),
        (0.1, 3, 1),
        (1e-9, 3, 1),
        (1.0, 3, 3),
        (7.0, 3, 3),
        (np.inf, 3, 3),
        (0.0, 3, 0),
    ],
)
def test_epsilon_is_the_share_of_words_that_may_change_but_at_least_one(epsilon, words, most):
    texts = space(" ".join(["word"] * words))
    box = texts.box(epsilon)

    counts = np.arange(words + 1)
    values = (np.arange(words) < counts[:, None]).astype(float)
    assert box.contains(at([0] * (words + 1), values)).tolist() == (counts <= most).tolist()
    assert box.fewest == most


def test_every_text_has_its_own_share():
    texts = space("a b", "a b c d e f g h i j")

    box = texts.box(0.2)

    two = [[1, 1, *[np.nan] * 8], [1, 1, *[0] * 8]]
    assert box.contains(at([0, 1], two)).tolist() == [False, True]
    assert box.take(np.array([1])).contains(at([0], two[1:])).all()
    assert box.distance(np.array([0, 1]), np.array(two)).tolist() == [1.0, 0.2]


@pytest.mark.parametrize("code", [-1, 0.5, 7, np.nan, np.inf])
def test_refuses_codes_that_no_edit_has(code):
    assert not space("abc").box(1.0).contains(at([0], [[code]])).any()


def test_refuses_a_word_that_is_not_there():
    texts = space("a", "a b")

    assert not texts.box(1.0).contains(at([0], [[0, 0]])).any()


def test_words_beyond_the_first_thousands_stay_and_still_count():
    texts = space(" ".join(["word"] * 3000), kinds=["word deletion"])
    box = texts.box(1.0)

    assert texts.origin.shape == (1, MOST_WORDS)
    (all_changed,) = shown(texts, [0], np.ones(MOST_WORDS))
    assert split(all_changed)[1::2] == ["word"] * 1000
    assert box.distance(np.zeros(1, np.intp), np.ones((1, MOST_WORDS))) == [2 / 3]
    assert allowed(texts, 1.0, all_changed, "word " * 2999 + "wird") == [True, False]


def test_fitting_puts_the_last_words_back():
    texts = space("a b c d", "a")
    box = texts.box(0.5)

    fitted = box.fit(np.array([0, 1]), np.array([[1, 0.4, 99, 1], [-3, 1, 1, 1.0]]))

    assert fitted[0].tolist() == [1, 0, box.high[0, 2], 0]
    assert fitted[1, 0] == 0


@given(st.lists(TEXTS, min_size=1, max_size=3), st.data())
@settings(max_examples=60, deadline=None)
def test_all_that_edits_make_within_the_share_is_allowed_and_read_back(cells, data):
    texts = space(*cells, synonyms={"a": ["b", "ab"]})
    box = texts.box(data.draw(st.sampled_from([0.1, 0.5, 1.0])))
    row = data.draw(st.integers(0, len(cells) - 1))
    drawn = [data.draw(st.integers(0, int(high))) for high in np.nan_to_num(box.high[row])]
    values = box.fit(np.array([row]), np.array([drawn], float))
    values[np.isnan(texts.origin[[row]])] = np.nan

    presented = texts.present(Candidates(np.array([row]), values))
    read = texts.encode(presented, np.array([row]))

    assert box.contains(Candidates(np.array([row]), values)).all()
    assert texts.allows(box, np.array([row]), presented).all()
    again = texts.present(Candidates(np.array([row]), read))
    assert again["text"].tolist() == presented["text"].tolist()
    assert box.changed(np.array([row]), read) <= box.changed(np.array([row]), values)


@given(TEXTS, TEXTS)
@settings(max_examples=150, deadline=None)
def test_nothing_is_allowed_but_what_edits_make(before, after):
    kinds, pieces = ("word deletion", "swap"), split(before)
    edits = Edits(kinds)
    made = {""}
    for place, piece in enumerate(pieces):
        forms = [piece, *edits.of(piece)] if place % 2 else [piece]
        made = {text + form for text in made for form in forms}

    assert allowed(space(before, kinds=kinds), 1.0, after) == [after in made]


@pytest.mark.parametrize(
    "cell",
    [
        "good  film",
        " good film",
        "good film ",
        "good\tfilm",
        "Good film",
        "good film film",
        "good",
        "",
        None,
        np.nan,
        7,
        b"good film",
    ],
)
def test_refuses_any_other_text(cell):
    texts = space("good film", kinds=["swap"])

    assert allowed(texts, 1.0, cell) == [False]


def test_what_stands_before_the_first_word_stays():
    texts = space("(good film", kinds=["swap"])

    assert allowed(texts, 1.0, "(good film", "[good film", "good film") == [True, False, False]


def test_the_text_of_another_row_is_not_allowed():
    texts = space("good film", "bad film")

    assert allowed(texts, 1.0, "bad film") == [False]


@pytest.mark.parametrize("dtype", [object, "string"])
def test_a_missing_text_stays_missing(dtype):
    texts = space(None, "a", dtype=dtype)

    box, rows = texts.box(1.0), np.zeros(2, np.intp)
    for cell in ("a", ""):
        frame = pd.DataFrame({"text": pd.Series([None, cell], dtype=dtype)})
        assert texts.allows(box, rows, frame).tolist() == [True, False]


def test_a_text_that_can_be_read_in_two_ways_counts_the_fewest_changes():
    synonyms = {"\u6f22": ["\u6f22\u5b57"], "\u5b57": ["\u5b57\u5b57\u56fd"], "\u56fd": [""]}
    texts = space("\u6f22\u5b57\u56fd", kinds=[], synonyms=synonyms)
    read_twice = "\u6f22\u5b57\u5b57\u56fd"  # by the first word changed, or by both others

    assert shown(texts, [0, 0], [1, 0, 0], [0, 1, 1]) == [read_twice] * 2
    assert texts.encode(pd.DataFrame({"text": [read_twice]}), np.zeros(1, np.intp)).tolist() == [
        [1, 0, 0]
    ]
    assert allowed(texts, 0.34, read_twice) == [True]


def test_a_text_of_one_letter_repeated_is_read_in_time():
    texts = space("\u6f22" * 150)

    assert allowed(texts, 1.0, "\u6f22" * 200, "\u6f22" * 301) == [True, False]


def test_seeds_decide_the_edits():
    first, second = (shown(space("robustness", seed=seed), [0], [1]) for seed in (0, 1))

    assert first == shown(space("robustness", seed=0), [0], [1])
    assert first != second


def test_nothing_can_be_proved_about_a_text():
    texts = space("a b")

    assert texts.reach(texts.box(0.1)) is None
