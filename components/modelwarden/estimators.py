"""The user's own estimator, fitted where it can read no key.

It comes from a model file, which the allow-list loads, or from code that the platform trusts.
"""

import hashlib
import importlib
import os
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.errors import InputError
from modelwarden.model_messages import Head
from modelwarden.model_process import Limits, Process
from modelwarden.model_tables import arrow, checked_codes, listed

if TYPE_CHECKING:
    from modelwarden.store import File

ESTIMATORS = "MODELWARDEN_ESTIMATORS"
"""Environment variable that lists, by commas, the ``module:name`` of each trusted estimator."""

FIT_LIMITS = Limits(seconds=3600)
MAX_SOURCE_BYTES = 2**20
_CODE = re.compile(r"python:([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)", re.ASCII)


class Estimator:
    """An estimator or pipeline of the user's own, fitted in a process of its own.

    A context manager. A model file is loaded by the allow-list, and what it learned is forgotten.
    Code (``python:module:name``) runs there, and only there.

    Parameters
    ----------
    file : File
        The model file, or what `find_estimator` found.
    limits : Limits
        What it may use; one fit may take an hour by default.

    Attributes
    ----------
    uri, sha256 : str
        Which estimator it is; of code, the digest of the module's source.
    name : str
        Its class.

    Raises
    ------
    InputError
        On entering, if it is not an estimator that may be loaded.
    """

    name: str

    def __init__(self, file: "File", *, limits: Limits = FIT_LIMITS) -> None:
        self.uri, self.sha256 = file.uri, file.sha256
        job: Head = {"job": "fit"}
        if code := _CODE.fullmatch(file.uri):
            job |= {"module": code[1], "name": code[2], "paths": [str(path) for path in sys.path]}
        self._process = Process(file, limits, sys.executable, job=job, read=_estimator_name)

    def __enter__(self) -> "Estimator":
        self._process.__enter__()
        self.name = self._process.facts
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.close()

    def forecast(
        self,
        train: pd.DataFrame,
        labels: "pd.Series[Any] | npt.NDArray[Any]",
        rows: pd.DataFrame,
        *,
        sample_weight: npt.NDArray[np.float64] | None = None,
    ) -> npt.NDArray[Any]:
        """Fit an unfitted copy on `train` and return the labels it predicts for `rows`.

        Every fit begins alike: what was fitted before, and the global random state, change nothing.

        Parameters
        ----------
        train : DataFrame of shape (n_train, n_features)
            Rows to learn from; categories and missing values arrive as they are.
        labels : Series or ndarray of shape (n_train,)
            Their labels: booleans, numbers or text.
        rows : DataFrame of shape (n_rows, n_features)
            Rows to predict, with the same columns.
        sample_weight : ndarray of shape (n_train,), optional
            Weights of the rows; of a pipeline, its last step gets them.

        Returns
        -------
        ndarray of shape (n_rows,)

        Raises
        ------
        InputError
            If fitting or predicting raises, crashes or takes too long, or the tables do not fit.
        """
        codes, classes = pd.factorize(np.asarray(labels), sort=True)
        self._check(train, codes, rows, sample_weight)
        extra = [codes.astype(np.int64)]
        if sample_weight is not None:
            extra.append(np.asarray(sample_weight, dtype=np.float64))
        learn = {"call": "fit", "classes": classes.tolist(), "features": train.shape[1]}
        self._process.ask("fitting", learn, arrow(train, self.uri, *extra))
        request = {"call": "predict", "rows": len(rows)}
        expected = 8 * len(rows)
        _, block = self._process.ask("predicting", request, arrow(rows, self.uri), expected)
        return classes[checked_codes(block, len(rows), len(classes), self.uri)]

    def _check(
        self,
        train: pd.DataFrame,
        codes: npt.NDArray[np.intp],
        rows: pd.DataFrame,
        weight: npt.NDArray[np.float64] | None,
    ) -> None:
        if list(train.columns) != list(rows.columns):
            raise InputError(self.uri, "rows with the columns of train", listed(rows.columns))
        if codes.shape != (len(train),) or (codes < 0).any():
            raise InputError(self.uri, "one label for each row of train", "others, or missing ones")
        if weight is not None and not (
            np.shape(weight) == codes.shape and np.isfinite(weight).all() and (weight >= 0).all()
        ):
            raise InputError(self.uri, "one weight for each row, finite, 0 or more", "others")


def find_estimator(uri: str) -> "File | None":
    """Find code that the platform trusts, without running it; None if `uri` names no code.

    Parameters
    ----------
    uri : str
        ``python:module:name``: an estimator, or what makes one when it is called without arguments.

    Raises
    ------
    InputError
        If ``MODELWARDEN_ESTIMATORS`` does not list it, or there is no such source.
    """
    if not uri.startswith("python:"):
        return None
    code = _CODE.fullmatch(uri)
    if code is None:
        raise InputError(uri, "python:module:name", "something else", "name a function in a module")
    trusted = {name.strip() for name in os.environ.get(ESTIMATORS, "").split(",")}
    if uri.removeprefix("python:") not in trusted:
        expected, got = f"an estimator that {ESTIMATORS} lists", "one that it does not"
        raise InputError(uri, expected, got, "ask whoever runs the platform: it runs your code")
    path = _source(code[1])
    if path is None or path.stat().st_size > MAX_SOURCE_BYTES:
        fix = "install the package, or put it on PYTHONPATH"
        raise InputError(uri, "a module whose source is here", "none", fix)
    from modelwarden.store import File  # brings boto3, which fitting does not need

    source = path.read_bytes()
    return File(uri, path, hashlib.sha256(source).hexdigest(), len(source))


def _source(module: str) -> Path | None:
    """Find a module's source; unlike importlib's own search, this runs no package's code."""
    importlib.invalidate_caches()
    names = list(accumulate(module.split("."), "{}.{}".format))
    spec = _spec(names[0], None)
    for name in names[1:]:
        inside = spec.submodule_search_locations if spec else None
        spec = _spec(name, inside) if inside else None
    path = Path(spec.origin) if spec and spec.origin else None
    return path if path and path.suffix == ".py" and path.is_file() else None


def _spec(name: str, inside: Sequence[str] | None) -> ModuleSpec | None:
    finders = (finder for finder in sys.meta_path if hasattr(finder, "find_spec"))
    return next(filter(None, (finder.find_spec(name, inside) for finder in finders)), None)


def _estimator_name(head: Head) -> str:
    name = head["estimator"] if set(head) == {"estimator"} else None
    if not isinstance(name, str) or not name.isprintable():
        raise TypeError("an estimator without a name")
    return name
