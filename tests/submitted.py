"""Submitted and trusted rows as the checks see them: real tables, read from real files."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from modelwarden.store import File
from modelwarden.suspicion.submission import Submission
from modelwarden.tables import Table


def opened(frame, name="train"):
    """Return a DataFrame as a Table that keeps its types."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        frame.to_parquet(path, index=False)
        body = path.read_bytes()
        return Table.open(File(f"s3://b/{name}", path, hashlib.sha256(body).hexdigest(), len(body)))


def submission(frame, trusted=None, besides=()):
    """Return rows whose labels are in column ``y``."""
    vouched = None if trusted is None else opened(trusted, "trusted")
    return Submission.read(opened(frame), vouched, "y", besides)


def blobs(n, seed, gap=4.0):
    """Return rows of two round clusters, labelled 0 and 1 in turn."""
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame(generator.normal(size=(n, 3)), columns=list("abc"))
    y = np.arange(n) % 2
    return frame.assign(a=frame["a"] + gap * y, y=y)
