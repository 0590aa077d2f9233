"""Texts: who wrote this docstring, and how many words have to change until a model errs."""

import ast
import importlib
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from robustness_cells import Record
from robustness_data import Asked
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from modelwarden.attacks.engine import Victim, run, shrink
from modelwarden.attacks.word_swap import Guided, word_swap
from modelwarden.space.points import Candidates, Mask, Positions
from modelwarden.space.text import TextSpace

PACKAGES = ("scipy", "sklearn")
"""Of whose docstrings the corpus is made; a docstring's class is its place here."""
DOCUMENTS, TRAINED = 4000, 0.7
"""Of each package at most, and the share that models are fitted on."""
ROWS, BLOCKS, QUERIES, EPSILONS = 200, 3, 400, (1.0, 0.1, 0.2, 0.3)
FEWEST = "fewest"
"""Where the attack goes on with its queries once it has broken a text, to change fewer words."""
FEW = 20
"""Documents that DeepWordBug attacked when it was recorded, and attacks here."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def corpus() -> tuple[list[str], Positions]:
    """Return paragraphs of docstrings, shuffled, and their packages; no name of one is left in."""
    draw = np.random.default_rng(0)
    texts: list[str] = []
    owners: list[int] = []
    for owner, package in enumerate(PACKAGES):
        found = _paragraphs(package)
        chosen = draw.permutation(len(found))[:DOCUMENTS]
        texts += [found[place] for place in chosen.tolist()]
        owners += [owner] * len(chosen)
    order = draw.permutation(len(texts))
    return [texts[place] for place in order.tolist()], np.array(owners, dtype=np.intp)[order]


def _paragraphs(package: str) -> list[str]:
    root = Path(str(importlib.import_module(package).__file__)).parent
    found: dict[str, None] = {}
    for path in sorted(root.rglob("*.py")):
        if "tests" not in path.parts:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                    found |= dict.fromkeys(paragraphs(ast.get_docstring(node) or ""))
    return [*found]


def paragraphs(docstring: str) -> list[str]:
    """Return the paragraphs of a docstring that are neither short, nor long, nor code."""
    parts = re.split(r"\n\s*\n", re.sub(r"(?i)scipy|sklearn|scikit-learn", "it", docstring))
    texts = [" ".join(part.split()) for part in parts]
    return [text for text in texts if 100 <= len(text) <= 800 and not text.startswith(">>>")]


def untrained(name: str) -> Any:
    """Return a pipeline on words, or on pieces of two to four letters."""
    pieces = {"analyzer": "char_wb", "ngram_range": (2, 4), "max_features": 30_000}
    return make_pipeline(
        TfidfVectorizer(**(pieces if name == "letters" else {})),
        LogisticRegression(C=10, max_iter=1000),
    )


def text(data: str, name: str, cap: float) -> Record:
    """Attack blocks of documents with ours, and a few with DeepWordBug."""
    texts, owners = corpus()
    cut = int(TRAINED * len(texts))
    model = untrained(name).fit(texts[:cut], owners[:cut])
    predicted = model.predict(texts[cut:])
    right = cut + np.flatnonzero(predicted == owners[cut:])
    blocks = [right[start : start + ROWS] for start in range(0, BLOCKS * ROWS, ROWS)]
    sizes = {
        str(epsilon): [
            ours(model, [texts[row] for row in block.tolist()], owners[block], epsilon)
            for block in blocks
        ]
        for epsilon in EPSILONS
    }
    sizes[FEWEST] = [
        ours(model, [texts[row] for row in block.tolist()], owners[block], 1.0, fewest=True)
        for block in blocks
    ]
    rivals = []
    for block in blocks:
        few = block[:FEW]
        rivals.append(deep_word_bug(model, [texts[row] for row in few.tolist()], owners[few]))
    return {
        "rows": ROWS,
        "documents": len(texts),
        "words": float(np.mean([len(one.split()) for one in texts])),
        "accuracy": float((predicted == owners[cut:]).mean()),
        "ours": sizes,
        "DeepWordBug": rivals,
    }


def ours(
    model: Any, texts: list[str], truth: Positions, epsilon: float, *, fewest: bool = False
) -> Record:
    """Attack texts; a share epsilon of each one's words may change, or as few as possible."""
    asked = Asked(model)
    begun = time.process_time()
    space = TextSpace(pd.DataFrame({"text": texts}), np.arange(len(texts)))
    box = space.box(epsilon)

    def shown(some: Candidates) -> list[str]:
        return space.present(some)["text"].tolist()

    victim = (Guided if fewest else Victim)(
        truth, lambda some: asked.labels(shown(some)), lambda some: asked.shares(shown(some))
    )
    rows = np.flatnonzero(box.movable.any(axis=1))
    attacks = {"word swap": word_swap(box, queries=QUERIES)}

    def allowed(some: Candidates) -> Mask:
        return space.allows(box, some.rows, space.present(some))

    if fewest:
        outcome = shrink(
            attacks,
            victim,
            space.origin,
            rows,
            budget=QUERIES,
            allowed=allowed,
            distance=box.distance,
        )
    else:
        outcome = run(attacks, victim, space.origin, rows, budget=QUERIES, allowed=allowed)
    seconds = time.process_time() - begun
    ends = shown(Candidates(np.arange(len(texts)), outcome.values))
    broken = outcome.broken & (model.predict(ends) != truth)
    changed = box.changed(np.arange(len(texts)), outcome.values)
    within = changed <= np.maximum(1, np.floor(epsilon * np.array([*map(_words, texts)]) + 1e-9))
    return _figures(broken, changed, seconds, asked) | {
        "confirmed": bool((broken == outcome.broken).all() and within[broken].all())
    }


def _words(text: str) -> int:
    """Return how many words a text has, of letters or digits."""
    return len(re.findall(r"\w+(?:['\u2019]\w+)*", text))


def deep_word_bug(model: Any, texts: list[str], truth: Positions) -> Record:
    """Attack texts one by one as TextAttack's recipe does, written anew from the paper.

    Words are ranked by what the model says without them; then word after word becomes whichever of
    a swap, a replaced, a lost and an added letter hurts most, until the label changes.
    """
    asked, draw = Asked(model), np.random.default_rng(0)
    begun = time.process_time()
    broken, changed = np.zeros(len(texts), dtype=bool), np.zeros(len(texts), dtype=np.intp)
    for row, (whole, own) in enumerate(zip(texts, truth.tolist(), strict=True)):
        pieces = re.split(r"(\w+)", whole)
        places = range(1, len(pieces), 2)
        blanked = ["".join([*pieces[:p], "[UNK]", *pieces[p + 1 :]]) for p in places]
        share = asked.shares([whole, *blanked])[:, own]
        order = np.argsort(share[1:], kind="stable")
        best = share[0]
        for place in (2 * order + 1).tolist():
            forms = _misspelt(pieces[place], draw)
            tried = ["".join([*pieces[:place], form, *pieces[place + 1 :]]) for form in forms]
            shares = asked.shares(tried)
            chosen = int(shares[:, own].argmin())
            if shares[chosen, own] < best:
                best, pieces[place] = shares[chosen, own], forms[chosen]
                changed[row] += 1
            if shares[chosen].argmax() != own:
                broken[row] = True
                break
    return _figures(broken, changed, time.process_time() - begun, asked)


def _misspelt(word: str, draw: np.random.Generator) -> list[str]:
    place, other = (int(draw.integers(n)) for n in (len(word), max(1, len(word) - 1)))
    letter = LETTERS[int(draw.integers(26))]
    return [
        word[:other] + word[other + 1 : other + 2] + word[other : other + 1] + word[other + 2 :],
        word[:place] + letter + word[place + 1 :],
        word[:place] + word[place + 1 :],
        word[:place] + letter + word[place:],
    ]


def _figures(broken: Mask, changed: Positions, seconds: float, asked: Asked) -> Record:
    n_rows = len(broken)
    return {
        "broken": broken.astype(int).tolist(),
        "changed": np.where(broken, changed, 0).tolist(),
        "seconds": seconds / n_rows,
        "calls": asked.calls,
        "queries": asked.rows / n_rows,
    }
