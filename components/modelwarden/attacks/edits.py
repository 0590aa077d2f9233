"""Words, and the small changes to them that a reader hardly notices."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import blake2b
from typing import TypeVar

KINDS = ("swap", "word deletion", "deletion", "typo", "homoglyph", "insertion")
"""Every kind of change: neighbouring letters swapped, the whole word left out, a letter left out,
mistyped, replaced by a look-alike, or put in. What helps most comes first: attacks that have few
questions ask about the first."""
TYPOS = ("swap", "insertion", "deletion", "typo")
"""Those that a person makes by mistake."""

_Thing = TypeVar("_Thing")

_APOSTROPHES = "'\u2019"
_JOINERS = "\u200c\u200d"
_FLAGS = "\U0001f1e6-\U0001f1ff"
_TONES = "\U0001f3fb-\U0001f3ff"
_PICTURES = "\u2600-\u27bf\u2b50\u2b55\U0001f300-\U0001faff"
# Thai, Lao, Tibetan, Burmese, Khmer, kana, Han: scripts that put no spaces between words
_UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
_MARK_BLOCKS = (range(0x300, 0x20000), range(0xE0100, 0xE01F0))

_LATIN = "aceiopsxyjhdqwvuABCEHIJKMNOPSTXYZ"
_ALIKE = (  # Cyrillic first, Greek where there is none
    "\u0430\u0441\u0435\u0456\u043e\u0440\u0455\u0445\u0443\u0458\u04bb\u0501\u051b\u051d\u03bd\u03c5"
    "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u039d\u041e\u0420\u0405\u0422\u0425\u03a5\u0396"
)
HOMOGLYPHS: Mapping[str, str] = {
    **dict(zip(_LATIN, _ALIKE, strict=True)),
    **dict(zip(_ALIKE, _LATIN, strict=True)),
}
"""Letters that look like another: Latin ones as Cyrillic or Greek, and back."""
ALPHABET = "abcdefghijklmnopqrstuvwxyz"
_KEYS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEIGHBOURS = {
    key: row[max(0, place - 1) : place] + row[place + 1 : place + 2]
    for row in _KEYS
    for place, key in enumerate(row)
}


class _Dice:
    """Numbers out of a seed and a word; `random` takes longer, and words are many."""

    def __init__(self, seed: int, word: str) -> None:
        # a text may hold half a surrogate pair, which has no UTF-8
        key = f"{seed} {word}".encode("utf-8", "surrogatepass")
        self._left = int.from_bytes(blake2b(key, digest_size=32).digest())

    def below(self, end: int) -> int:
        self._left, drawn = divmod(self._left, end)
        return drawn

    def among(self, things: Sequence[_Thing]) -> _Thing:
        return things[self.below(len(things))]


_Letters = Sequence[str]
_Edit = Callable[[_Letters, _Dice], str]


def split(text: str) -> list[str]:
    """Cut a text into what is between words, and words, in turn.

    A word is a run of letters, digits, underscores and their combining marks, apostrophes within it
    included. Scripts without spaces have words of one character, and an emoji is a word.

    Returns
    -------
    list of str
        Words at odd places; joined they are `text` again.

    Examples
    --------
    >>> split("Don't!")
    ['', "Don't", '!']
    """
    return _patterns()[0].split(text)


class Edits:
    """What may become of each word.

    Parameters
    ----------
    kinds : sequence of str, default=KINDS
        Which changes, the first tried first. Each makes one change, or none where a word has no
        room for it; an emoji is one letter.
    synonyms : mapping of str to sequence of str, optional
        What may stand for a word, given in lower case; it takes on the word's capitals. Synonyms
        come before other changes.
    seed : int, default=0
        Seeds letters and places. The same word always becomes the same.
    """

    def __init__(
        self,
        kinds: Sequence[str] = KINDS,
        *,
        synonyms: Mapping[str, Sequence[str]] | None = None,
        seed: int = 0,
    ) -> None:
        self._edits = [_EDITS[kind] for kind in kinds]
        self._synonyms = {_plain(word): list(others) for word, others in (synonyms or {}).items()}
        self._seed = seed
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, word: str) -> tuple[str, ...]:
        """Return what a word may become, without repetition and without the word itself."""
        if word not in self._known:
            others = [_dressed(other, word) for other in self._synonyms.get(_plain(word), ())]
            is_spelt = word[0].isalnum() or word[0] == "_"
            letters = _letters(word) if is_spelt else [word]
            dice = _Dice(self._seed, word)
            forms = dict.fromkeys([*others, *(edit(letters, dice) for edit in self._edits)])
            forms.pop(word, None)
            self._known[word] = tuple(forms)
        return self._known[word]


def _letters(word: str) -> _Letters:
    """Return the letters of a word, each with its combining marks."""
    return list(word) if word.isascii() else _patterns()[1].findall(word)


def _swap(letters: _Letters, dice: _Dice) -> str:
    """Swap two neighbours."""
    places = [p for p in range(len(letters) - 1) if letters[p] != letters[p + 1]]
    if not places:
        return "".join(letters)
    place = dice.among(places)
    return _replaced(letters, place, place + 2, letters[place + 1] + letters[place])


def _deletion(letters: _Letters, dice: _Dice) -> str:
    """Leave out a letter, not the only one."""
    if len(letters) < 2:
        return "".join(letters)
    place = dice.below(len(letters))
    return _replaced(letters, place, place + 1, "")


def _insertion(letters: _Letters, dice: _Dice) -> str:
    """Put in any letter, in other scripts than Latin one that the word has."""
    place = dice.below(len(letters) + 1)
    letter = dice.among(ALPHABET if "".join(letters).isascii() else letters)
    is_loud = len(letters) > 1 and "".join(letters).isupper()
    return _replaced(letters, place, place, letter.upper() if is_loud else letter)


def _typo(letters: _Letters, dice: _Dice) -> str:
    """Hit the key beside that of a letter or digit."""
    places = [p for p, letter in enumerate(letters) if letter.lower() in _NEIGHBOURS]
    if not places:
        return "".join(letters)
    place = dice.among(places)
    key = dice.among(_NEIGHBOURS[letters[place].lower()])
    return _replaced(letters, place, place + 1, key.upper() if letters[place].isupper() else key)


def _homoglyph(letters: _Letters, dice: _Dice) -> str:
    """Replace a letter by one that looks the same."""
    places = [p for p, letter in enumerate(letters) if letter in HOMOGLYPHS]
    if not places:
        return "".join(letters)
    place = dice.among(places)
    return _replaced(letters, place, place + 1, HOMOGLYPHS[letters[place]])


def _replaced(letters: _Letters, start: int, end: int, new: str) -> str:
    return "".join([*letters[:start], new, *letters[end:]])


_EDITS: Mapping[str, _Edit] = {
    "swap": _swap,
    "homoglyph": _homoglyph,
    "insertion": _insertion,
    "deletion": _deletion,
    "typo": _typo,
    "word deletion": lambda letters, dice: "",
}


def _plain(word: str) -> str:
    """Return a word as synonyms are looked up, however its accents are written."""
    return unicodedata.normalize("NFC", word.lower())


def _dressed(other: str, word: str) -> str:
    """Return a synonym with the capitals of the word that it stands for."""
    if len(word) > 1 and word.isupper():
        return other.upper()
    return other[:1].upper() + other[1:] if word[:1].isupper() else other


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return what a word is, and what one of its letters is, marks included."""
    marks = "".join(
        chr(code)
        for block in _MARK_BLOCKS
        for code in block
        if unicodedata.category(chr(code))[0] == "M"
    )
    marks += _JOINERS
    letters = rf"[^\W{_UNSPACED}]+"
    spaced = rf"{letters}(?:[{marks}](?:{letters})?|[{_APOSTROPHES}]{letters})*"
    unspaced = rf"[{_UNSPACED}][{marks}]*"
    emoji = rf"[{_PICTURES}](?:[{marks}{_TONES}]|(?<=\u200d)[{_PICTURES}])*"
    flag = rf"[{_FLAGS}]{{2}}"
    word = re.compile(f"({spaced}|{unspaced}|{emoji}|{flag})")
    return word, re.compile(rf"[^{marks}][{marks}]*", re.DOTALL)
