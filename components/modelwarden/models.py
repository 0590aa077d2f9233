"""Ask a model that nobody has to trust: it lives in a process of its own.

See :mod:`modelwarden.model_process` for what that process may do, and what it cannot.
"""

import sys
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from modelwarden.errors import InputError
from modelwarden.model_messages import Head, printable
from modelwarden.model_process import DEFAULT_LIMITS, Limits, Process
from modelwarden.model_tables import arrow, checked_codes, checked_size, is_one_block, listed

if TYPE_CHECKING:
    from modelwarden.store import File
    from modelwarden.structure import Structure


ANSWER: Head = {"job": "answer"}
MAX_STRUCTURE_BYTES = 1 << 30


@dataclass(frozen=True)
class ModelFacts:
    """What a model file is.

    Parameters
    ----------
    format : str
        ``joblib``, ``pickle``, ``skops``, ``XGBoost``, ``LightGBM`` or ``ONNX``, with ``in tar`` or
        ``in MLflow`` behind it where it was packed; the name of a format that is not supported yet;
        ``archive`` for one that is not fit; or ``unknown``.
    loads : bool
        Whether it loads as a classifier.
    refused : tuple of str
        What it asks for that is not on the allow-list, such as ``posix.system``.
    why : str
        Why it does not load; empty when it does.
    estimator : str
        Name of its class.
    classes : tuple
        The labels that it can predict, in the order of its probabilities.
    n_features : int or None
        How many columns it was fitted on; None when it does not say.
    feature_names : tuple of str
        Their names; empty when it was fitted on an array.
    has_proba : bool
        Whether it gives probabilities.
    sklearn, sklearn_installed : str
        The scikit-learn that wrote the file, by its own word, and the one that read it.
    foreign : bool
        Whether it was loaded though the allow-list refuses it, because somebody vouched for it.
    """

    format: str
    loads: bool = False
    refused: tuple[str, ...] = ()
    why: str = ""
    estimator: str = ""
    classes: tuple[bool | int | float | str, ...] = ()
    n_features: int | None = None
    feature_names: tuple[str, ...] = ()
    has_proba: bool = False
    sklearn: str = ""
    sklearn_installed: str = ""
    foreign: bool = False


def inspect(
    file: "File", *, limits: Limits = DEFAULT_LIMITS, python: str = sys.executable
) -> ModelFacts:
    """Find out what a model file is, by its content and without trusting it.

    Parameters
    ----------
    file : File
        The model.
    limits : Limits
        What reading it may use.
    python : str, default=this one
        The interpreter that reads it; it needs ModelWarden and the model's scikit-learn.

    Raises
    ------
    InputError
        If reading it crashes, takes too long or too much memory, or other bytes are there by now.
    """
    with Process(file, limits, python, job=ANSWER, read=_facts) as process:
        return process.facts


class Predictor:
    """A classifier in a process of its own; a context manager.

    Parameters
    ----------
    file : File
        The model.
    limits : Limits
        What it may use.
    python : str, default=this one
        The interpreter that runs it; it needs ModelWarden and the model's scikit-learn.
    vouched : bool, default=False
        Whether its code may run, in its own process: somebody trusted signed for these very bytes.

    Attributes
    ----------
    uri, sha256 : str
        Which model it is.
    facts : ModelFacts
        What the model says of itself.
    classes : ndarray of shape (n_classes,)
        The labels, in the order of the probabilities.
    calls, rows : int
        How often it was asked, and about how many rows in all.
    structure_why : str
        Why `structure` found none, such as "SVC is neither linear nor made of trees".

    Raises
    ------
    InputError
        On entering, if the file is not a classifier that may be loaded.
    """

    facts: ModelFacts
    classes: npt.NDArray[Any]
    structure_why: str = ""

    def __init__(
        self,
        file: "File",
        *,
        limits: Limits = DEFAULT_LIMITS,
        python: str = sys.executable,
        vouched: bool = False,
    ) -> None:
        self.uri, self.sha256 = file.uri, file.sha256
        self.calls = self.rows = 0
        job = {**ANSWER, "vouched": vouched}
        self._process = Process(file, limits, python, job=job, read=_facts)

    def __enter__(self) -> "Predictor":
        self._process.__enter__()
        self.facts = self._process.facts
        if not self.facts.loads:
            self._process.close()
            way_out = (
                "leave out classes of your own, or let a builder vouch for the model (see "
                "docs/checks.md)"
                if self.facts.refused
                else "fit a scikit-learn classifier and save it with joblib.dump"
            )
            raise InputError(self.uri, "a classifier that loads", self.facts.why, way_out)
        self.classes = np.asarray(self.facts.classes)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.close()

    def predict(self, frame: pd.DataFrame) -> npt.NDArray[Any]:
        """Return the predicted labels, shape (n_rows,).

        Raises
        ------
        InputError
            If the columns are not the model's, or the model crashes, hangs or answers nonsense.
        """
        block = self._ask("predict", frame, width=1)
        return self.classes[checked_codes(block, len(frame), len(self.classes), self.uri)]

    def predict_proba(self, frame: pd.DataFrame) -> npt.NDArray[np.float64] | None:
        """Return the probabilities, shape (n_rows, n_classes); None when the model has none.

        Raises
        ------
        InputError
            As `predict` does, and if a probability is not between 0 and 1.
        """
        if not self.facts.has_proba:
            return None
        block = self._ask("predict_proba", frame, width=len(self.classes))
        values = np.frombuffer(block, np.float64).reshape(len(frame), len(self.classes))
        if not ((values >= -1e-9) & (values <= 1 + 1e-9)).all():
            got = "NaN" if np.isnan(values).any() else "others"
            raise InputError(self.uri, "probabilities from 0 to 1", got, "retrain the model")
        return values

    def structure(self) -> "Structure | None":
        """Return what the model is made of; None, and `structure_why`, where nobody can tell.

        Raises
        ------
        InputError
            If the model crashes, hangs or answers nonsense.
        """
        from modelwarden.structure import unpack

        request = {"call": "structure"}
        head, block = self._process.ask("being taken apart", request, b"", MAX_STRUCTURE_BYTES)
        why = head.get("why")
        if why is not None:
            self.structure_why = printable(str(why))
            return None
        try:
            return unpack(head, block)
        except InputError as error:
            raise InputError(self.uri, error.expected, error.got, error.fix) from error
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(self.uri, "a structure", "nonsense", "do not trust it") from error

    def _ask(self, call: str, frame: pd.DataFrame, width: int) -> bytearray:
        request, body = self._encoded(frame)
        self.calls, self.rows = self.calls + 1, self.rows + len(frame)
        expected = 8 * width * len(frame)
        _, block = self._process.ask("predicting", {"call": call, **request}, body, expected)
        return checked_size(block, expected, self.uri)

    def _encoded(self, frame: pd.DataFrame) -> tuple[Head, Any]:
        """Return `frame` as a message: one block where all is float64, else an Arrow stream."""
        self._check_columns(frame)
        names = self.facts.feature_names
        if names and tuple(frame.columns) != names:
            frame = frame[list(names)]
        in_one = is_one_block(frame, by_name=bool(names))
        request: Head = {"shape": frame.shape, "arrow": not in_one}
        if not in_one:
            return request, arrow(frame, self.uri)
        values = frame.to_numpy(dtype=np.float64, na_value=np.nan)
        return request, np.ascontiguousarray(values.T)  # no copy: a frame keeps columns together

    def _check_columns(self, frame: pd.DataFrame) -> None:
        names, wanted = self.facts.feature_names, self.facts.n_features
        expected = f"the {wanted} features that the model was fitted on"
        if names and set(names) != set(frame.columns):
            missing = [name for name in names if name not in frame.columns]
            unknown = [str(name) for name in frame.columns if name not in names]
            got = f"missing: {listed(missing)}; unknown: {listed(unknown)}"
            raise InputError(self.uri, expected, got, "give the table that the model was made for")
        if wanted not in (None, frame.shape[1]):
            got = f"{frame.shape[1]} columns ({listed(map(str, frame.columns))})"
            raise InputError(self.uri, expected, got, "give the table that the model was made for")


def _facts(head: Head) -> ModelFacts:
    """Return the facts with every type checked: a broken child may say anything."""
    fields: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in head.items()}
    facts = ModelFacts(**fields)
    for value, kind in (
        ((facts.format, facts.why, facts.estimator, facts.sklearn, facts.sklearn_installed), str),
        ((*facts.refused, *facts.feature_names), str),
        ((facts.loads, facts.has_proba, facts.foreign), bool),
        ((facts.n_features,), (int, type(None))),
        (facts.classes, (bool, int, float, str)),
    ):
        if not all(isinstance(part, kind) for part in value):
            raise TypeError(f"facts of the wrong type: {value!r:.200}")
    said = (facts.format, facts.why, facts.estimator, facts.sklearn, *facts.refused)
    if not "".join(said).isprintable() or facts.loads != bool(facts.classes):
        raise ValueError("facts that contradict themselves")
    return facts
