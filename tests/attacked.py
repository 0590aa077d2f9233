"""Models and tables for tests of attacks."""

import hashlib
import itertools
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from modelwarden.child.structure import UnsupportedError, structure_of
from modelwarden.models import ModelFacts
from modelwarden.store import File
from modelwarden.tables import Table

_NUMBERS = itertools.count()


class InProcess:
    """A scikit-learn model with the protocol of Predictor, without its process."""

    def __init__(self, model):
        self.model, self.classes, self.seen = model, model.classes_, []
        self.structure_why, self.sha256 = "", hashlib.sha256(repr(model).encode()).hexdigest()
        self.facts = ModelFacts("joblib", has_proba=hasattr(model, "predict_proba"))

    def predict(self, frame):
        self.seen.append(frame)
        return self.model.predict(frame)

    def predict_proba(self, frame):
        self.seen.append(frame)
        return self.model.predict_proba(frame) if hasattr(self.model, "predict_proba") else None

    def structure(self):
        try:
            return structure_of(self.model)
        except UnsupportedError as part:
            self.structure_why = str(part)
            return None


def stored(thing, folder: Path, name: str) -> File:
    """Return a DataFrame, a model or a text as a real File."""
    path = folder / f"{next(_NUMBERS)}-{name}"
    if name.endswith(".joblib"):
        joblib.dump(thing, path)
    elif name.endswith(".parquet"):
        thing.to_parquet(path, index=False)
    elif isinstance(thing, str):
        path.write_text(thing)
    else:
        thing.to_csv(path, index=False)
    body = path.read_bytes()
    return File(name, path, hashlib.sha256(body).hexdigest(), len(body))


def opened(frame: pd.DataFrame, folder: Path, name: str = "evaluation.parquet") -> Table:
    """Return a DataFrame as a Table."""
    return Table.open(stored(frame, folder, name))


def line(n=41, reach=1.0):
    """Return rows on a line, labelled by the sign; the interquartile range is `reach`."""
    x = np.linspace(-reach, reach, n)
    return pd.DataFrame({"x": x, "y": np.where(x > 0, "yes", "no")})


def fitted(model, frame, target="target"):
    """Return a model that was fitted on a table."""
    return model.fit(frame.drop(columns=target), frame[target])


def stump(frame, target="y"):
    """Return a tree with one threshold."""
    return InProcess(fitted(DecisionTreeClassifier(max_depth=1), frame, target))
