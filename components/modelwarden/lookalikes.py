"""Names that read alike: what the eye takes for one name, though the bytes differ.

A column that is renamed by a letter of another alphabet, by a character that nobody sees, or by a
space, is another column to every program and the same one to every person. Two names read alike
when their skeletons are equal, as in Unicode's UTS #39 [1]_; the table of letters here is a part of
its own: those of Greek, Cyrillic, Armenian and Cherokee that stand for Latin ones in common fonts.

References
----------
.. [1] Davis and Suignard, "Unicode Technical Standard #39: Unicode Security Mechanisms", 2025.
"""

import unicodedata
from collections.abc import Iterable

_ALPHABETS = (  # letters, and the Latin ones that they are taken for
    ("АВЕЗКМНОРСТУХЅІЈԌԚԜӀ", "abe3kmhopctyxsljgqwl"),
    ("авекмнорстухѕіјһԁԛԝӏгпьѵ", "abekmhopctyxsljhdqwlrnbv"),
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹ", "abezhlkmnoptyxc"),
    ("αβεηικνορτυχγωϲϳ", "abenlkvoptuxywcj"),
    ("օոսհցզյՕՍՏԼ", "onuhgqjousl"),
    ("ᎪᏴᏟᎠᎬᏀᎻᎫᏦᏞᎷᏢᏚᎢᏙᎳᏃ", "abcdeghjklmpstvwz"),
    ("ıɑɡɩℓƖǀøđłħƅ", "lagllllodlhb"),
)
_ALIKE = {mark: letter for pair in _ALPHABETS for mark, letter in str.maketrans(*pair).items()}
# after folding: digits and letters that differ by a hair, and what joins words
_FOLDED = str.maketrans({"i": "l", "1": "l", "|": "l", "0": "o", "5": "s"})
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


def plain(name: str) -> str:
    """Return a name without case, width, spaces, and what cannot be seen."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(mark for mark in folded if unicodedata.category(mark)[0] not in "CZ")


def skeleton(name: str) -> str:
    """Return what a name looks like; names with equal skeletons read alike.

    Further than `plain`, letters of other alphabets become the Latin ones that they look like,
    accents and what joins words are left out, and ``l``, ``1``, ``I`` and the like are one.
    """
    compatible = unicodedata.normalize("NFKC", name).translate(_ALIKE)
    letters = [
        mark
        for mark in unicodedata.normalize("NFD", plain(compatible))
        if mark.isalnum() or mark == "|"
    ]
    alike = "".join(letters).translate(_ALIKE).translate(_FOLDED)
    for pair, letter in _PAIRS:
        alike = alike.replace(pair, letter)
    return alike or name  # of a name without letters, only itself reads alike


def difference(name: str, known: str) -> str:
    """Say how `name` differs from `known`, which reads alike.

    Returns
    -------
    str
        Such as ``by a letter of another alphabet (U+0430)``; the first of these reasons that is
        enough to make one of the other.
    """
    unseen = _codes(mark for mark in name if unicodedata.category(mark)[0] == "C")
    if unseen and _visible(name) == _visible(known):
        return f"by a character that cannot be seen ({unseen})"
    if "".join(name.split()) == "".join(known.split()):
        return "by spaces"
    if unicodedata.normalize("NFKC", name) == unicodedata.normalize("NFKC", known):
        return "by another form of the same characters"
    if name.casefold() == known.casefold():
        return "by case"
    foreign = _codes(mark for mark in name if not mark.isascii() and mark not in known)
    if foreign:
        return f"by characters that look alike ({foreign})"
    return "by characters that look alike"


def _visible(name: str) -> str:
    return "".join(mark for mark in name if unicodedata.category(mark)[0] != "C")


def _codes(marks: Iterable[str]) -> str:
    """Return the first characters as ``U+0430``."""
    codes = list(dict.fromkeys(f"U+{ord(mark):04X}" for mark in marks))
    return ", ".join(codes[:3])
