import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelwarden.attacks.edits import HOMOGLYPHS, KINDS, Edits, split

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
FLAG = "\U0001f1e9\U0001f1ea"
WORDS = st.text(alphabet="abcxyzABC019_\u00e9\u0436\u05d0\u0301", min_size=1).filter(
    lambda word: word[0] != "\u0301"
)


def only(kind, word, seed=0):
    return Edits([kind], seed=seed).of(word)


@given(st.text())
def test_the_pieces_of_a_text_are_the_text(text):
    pieces = split(text)

    assert "".join(pieces) == text
    assert len(pieces) % 2 == 1
    assert all(pieces[1::2])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n\u00a0 ...!?", []),
        ("one", ["one"]),
        ("  two  words\n", ["two", "words"]),
        ("snake_case x2 3.14", ["snake_case", "x2", "3", "14"]),
        ("Don't 'quote' O\u2019Neil ends'", ["Don't", "quote", "O\u2019Neil", "ends"]),
        ("cafe\u0301 e\u0301te\u0301", ["cafe\u0301", "e\u0301te\u0301"]),
        ("\u05e9\u05b8\u05dc\u05d5\u05b9\u05dd \u05e2\u05d5\u05dc\u05dd", None),
        ("\u0645\u0631\u062d\u0628\u0627 \u064a\u0627", None),
        ("\u6f22\u5b57\u304b", ["\u6f22", "\u5b57", "\u304b"]),
        ("\u306f\u3099", ["\u306f\u3099"]),
        (f"a{FAMILY}b", ["a", FAMILY, "b"]),
        (f"{FLAG}{FLAG}", [FLAG, FLAG]),
        ("\U0001f44d\U0001f3fd\u2764\ufe0f", ["\U0001f44d\U0001f3fd", "\u2764\ufe0f"]),
        ("a\ud800b", ["a", "b"]),
    ],
)
def test_a_word_is_what_a_reader_would_take_for_one(text, words):
    assert split(text)[1::2] == (text.split(" ") if words is None else words)


def test_a_very_long_word_is_cut_out_in_time():
    word = "a\u0301'" * 50_000 + "b"

    assert split(word)[1] == word


@given(WORDS, st.integers(0, 3))
def test_a_word_never_becomes_itself_nor_the_same_twice(word, seed):
    forms = Edits(seed=seed).of(word)

    assert word not in forms
    assert len({*forms}) == len(forms)


@given(WORDS)
def test_a_swap_keeps_all_letters(word):
    for form in only("swap", word):
        assert sorted(form) == sorted(word)
        assert len(_differing(word, form)) >= 2


def test_neighbours_are_swapped():
    assert only("swap", "ab") == ("ba",)
    assert {only("swap", "abc", seed)[0] for seed in range(20)} == {"bac", "acb"}


@pytest.mark.parametrize("word", ["a", "aaa", "\u6f22", FAMILY])
def test_nothing_is_swapped_where_that_changes_nothing(word):
    assert only("swap", word) == ()


def test_only_neighbours_that_differ_are_swapped():
    assert {only("swap", "aab", seed) for seed in range(20)} == {("aba",)}


@given(st.text(alphabet="abcd", min_size=2))
def test_a_deletion_leaves_out_one_letter(word):
    (form,) = only("deletion", word)

    assert form in {word[:place] + word[place + 1 :] for place in range(len(word))}


def test_a_deletion_takes_the_marks_of_its_letter_along():
    forms = {only("deletion", "e\u0301a", seed)[0] for seed in range(20)}

    assert forms == {"e\u0301", "a"}


@pytest.mark.parametrize("word", ["a", "e\u0301", "\u6f22", FAMILY, FLAG])
def test_the_only_letter_is_never_left_out(word):
    assert only("deletion", word) == ()


@given(st.text(alphabet="abcd", min_size=1))
def test_an_insertion_puts_in_one_letter(word):
    (form,) = only("insertion", word)

    assert word in {form[:place] + form[place + 1 :] for place in range(len(form))}
    assert form.isalpha()


def test_what_is_put_in_is_as_loud_as_the_word_and_of_its_script():
    assert only("insertion", "LOUD")[0].isupper()
    assert not any(only("insertion", "A", seed)[0].isupper() for seed in range(5))
    assert {*only("insertion", "\u05e9\u05dc\u05d5\u05dd")[0]} == {*"\u05e9\u05dc\u05d5\u05dd"}
    assert only("insertion", FAMILY) == (FAMILY * 2,)


def test_every_letter_may_be_put_in_anywhere():
    forms = {only("insertion", "0", seed)[0] for seed in range(400)}

    assert forms == {a + "0" for a in "abcdefghijklmnopqrstuvwxyz"} | {
        "0" + a for a in "abcdefghijklmnopqrstuvwxyz"
    }


def test_a_typo_hits_the_key_beside():
    assert {only("typo", "a", seed)[0] for seed in range(20)} == {"s"}
    assert {only("typo", "s", seed)[0] for seed in range(20)} == {"a", "d"}
    assert {only("typo", "0", seed)[0] for seed in range(20)} == {"9"}
    assert only("typo", "P") == ("O",)
    assert only("typo", "\u05d0_") == ()


@given(WORDS)
def test_a_homoglyph_replaces_one_letter_by_one_that_looks_the_same(word):
    for form in only("homoglyph", word):
        (place,) = _differing(word, form)
        assert form[place] == HOMOGLYPHS[word[place]]


def test_look_alikes_are_of_another_script_and_lead_back():
    for letter, other in HOMOGLYPHS.items():
        assert HOMOGLYPHS[other] == letter
        assert unicodedata.name(letter).split()[0] != unicodedata.name(other).split()[0]
        assert letter.isupper() == other.isupper()


def test_a_word_without_look_alikes_stays():
    assert only("homoglyph", "\u6f22") == ()


@given(WORDS)
def test_a_whole_word_may_be_left_out(word):
    assert only("word deletion", word) == ("",)


def test_kinds_come_in_the_order_given():
    assert Edits(["word deletion", "swap"]).of("ab") == ("", "ba")
    assert Edits(["swap", "word deletion"]).of("ab") == ("ba", "")


def test_every_kind_is_used_unless_told_otherwise():
    assert len(Edits().of("model")) == len(KINDS)


def test_the_same_word_always_becomes_the_same():
    words = ["model", "warden", "attack"]
    forwards, backwards = Edits(seed=7), Edits(seed=7)

    assert [forwards.of(word) for word in words] == [
        backwards.of(word) for word in reversed(words)
    ][::-1]


def test_words_of_one_length_change_in_different_places():
    words = ["abcdefgh", "bcdefgha", "cdefghab", "defghabc", "efghabcd", "fghabcde"]

    left_out = {word.index(*({*word} - {*only("deletion", word)[0]})) for word in words}

    assert len(left_out) > 1


def test_a_word_may_begin_with_an_underscore():
    assert only("deletion", "_a")[0] in ("a", "_")


def test_seeds_differ():
    assert len({Edits(seed=seed).of("robustness") for seed in range(5)}) == 5


def test_synonyms_come_first_and_take_on_capitals():
    edits = Edits(["word deletion"], synonyms={"good": ["fine", "all right"]})

    assert edits.of("good") == ("fine", "all right", "")
    assert edits.of("Good") == ("Fine", "All right", "")
    assert edits.of("GOOD") == ("FINE", "ALL RIGHT", "")
    assert edits.of("bad") == ("",)


def test_a_capital_letter_by_itself_does_not_shout():
    assert Edits([], synonyms={"i": ["myself"]}).of("I") == ("Myself",)


def test_synonyms_are_found_however_accents_are_written():
    edits = Edits([], synonyms={"caf\u00e9": ["bar"]})

    assert edits.of("cafe\u0301") == edits.of("caf\u00e9") == ("bar",)


def test_a_synonym_that_is_the_word_changes_nothing():
    assert Edits([], synonyms={"good": ["good", "fine", "fine"]}).of("good") == ("fine",)


def test_without_kinds_and_synonyms_nothing_changes():
    assert Edits([]).of("word") == ()


def test_half_a_surrogate_pair_does_no_harm():
    assert Edits().of("\ud800") == Edits().of("\ud800")


def _differing(word, form):
    assert len(word) == len(form)
    return [place for place, letter in enumerate(word) if form[place] != letter]
