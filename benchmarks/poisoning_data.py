"""Data sets, their split, and the attacks of the poisoning benchmark.

A :class:`Cell` is one situation: submitted rows, some of them poisoned; trusted rows; test rows.
Everything follows from the data set, the attack, the number of trusted rows and the seed. Submitted
and test rows are the same whatever the number of trusted rows, so that cells can be compared.

Attacks, and where each comes from ("the prototype" is the experiment this filter was drawn up on):

- ``random10``, ``random20``: that share of labels becomes any other label. As in the prototype.
- ``direction10``: a tenth of the rows, at most half of one class, gets one other label: 1 becomes 0
  (digits: 3 becomes 8). As in the prototype.
- ``subpopulation5``: the same, for the rows nearest to one of them (Jagielski et al. 2021). As in
  the prototype, but text columns count in the distance.
- ``column1``, ``column5``: a backdoor. A column of small noise is added to all tables; that share
  of rows gets a 1 in it and the attacker's label (Gu et al. 2017). As in the prototype.
- ``clean-column5``: the same mark on rows that have the attacker's label anyway, so that no label
  is wrong. As in the prototype, but for digits the label is 8 as in all other attacks, not 0.
- ``inbounds5``, ``clean-inbounds5``: both again, with a mark of values that occur: the three most
  important columns of numbers are set to their 95th percentile. As in the prototype, but the
  percentile is a value of the column, not one in between.
- ``contributors``: 20 contributors of equally many rows; three of them relabel 40 % of theirs at
  random. As in the prototype, but any three of the 20, and equally many rows each.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

LABEL, CONTRIBUTOR, ADDED = "label", "contributor", "added"

TRUSTED_SIZES = (60, 200, 1000)
CONTRIBUTORS, POISONERS, POISONED_SHARE = 20, 3, 0.4

TUNED_SETS = ("bc", "mc1000", "mc5000", "digits")
"""Sets on which thresholds were chosen, with seeds from `TUNING_SEED` on; all others are held out,
and so are the small seeds of these."""
TUNING_SEED = 100

NOISY_SETS = ("german", "pima")
"""Sets whose labels are uncertain by nature; they are reported apart from the main group."""


@dataclass(frozen=True)
class Cell:
    """One situation of the benchmark.

    Parameters
    ----------
    dataset, attack : str
        Keys of `DATASETS` and `ATTACKS`.
    trusted_rows, seed : int
        The rest of its name.
    train, trusted, test : DataFrame
        Submitted, vouched-for and untouched rows: raw features and the column ``label``. Only
        `train` has a column ``contributor``, and only under the attack of that name.
    poisoned : ndarray of bool, shape (n_train,)
        The submitted rows that the attacker changed.
    trigger : DataFrame, optional
        Test rows of other classes with the backdoor's mark; ``label`` is what the attacker wants.
    poisoners : tuple of str
        The contributors who poison.
    """

    dataset: str
    attack: str
    trusted_rows: int
    seed: int
    train: pd.DataFrame
    trusted: pd.DataFrame
    test: pd.DataFrame
    poisoned: npt.NDArray[np.bool_]
    trigger: pd.DataFrame | None = None
    poisoners: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """Where rows come from.

    Parameters
    ----------
    load : callable
        Returns raw rows with the column ``label``, given a seed and the directory of files.
    file : str
        Name of the file that `load` needs, empty for none.
    submitted : int, optional
        Rows to submit; two thirds of what trusted rows leave unless given.
    flip : tuple of two int
        Positions, among the sorted labels, of the class attacked and of the label wanted.
    """

    load: Callable[[int, Path], pd.DataFrame]
    file: str = ""
    submitted: int | None = None
    flip: tuple[int, int] = (1, 0)


def _breast_cancer(seed: int, folder: Path) -> pd.DataFrame:
    frame: pd.DataFrame = load_breast_cancer(as_frame=True).frame
    return frame.rename(columns={"target": LABEL})


def _digits(seed: int, folder: Path) -> pd.DataFrame:
    frame: pd.DataFrame = load_digits(as_frame=True).frame
    return frame.rename(columns={"target": LABEL})


def _clusters(seed: int, folder: Path, *, submitted: int) -> pd.DataFrame:
    """Draw four clusters of two classes, and 1,000 rows to trust and 5,000 to test beside."""
    x, y = make_classification(
        submitted + 6000,
        20,
        n_informative=10,
        n_redundant=4,
        n_clusters_per_class=2,
        class_sep=1.0,
        flip_y=0.0,
        random_state=seed,
    )
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(20)]).assign(**{LABEL: y})


def _csv(seed: int, folder: Path, *, file: str, target: str) -> pd.DataFrame:
    frame = pd.read_csv(folder / file).drop_duplicates(ignore_index=True)
    return frame.rename(columns={target: LABEL})


def _of_file(file: str, target: str) -> Dataset:
    return Dataset(partial(_csv, file=file, target=target), file)


DATASETS: Mapping[str, Dataset] = {
    "bc": Dataset(_breast_cancer),
    "digits": Dataset(_digits, flip=(3, 8)),
    "mc1000": Dataset(partial(_clusters, submitted=1000), submitted=1000),
    "mc5000": Dataset(partial(_clusters, submitted=5000), submitted=5000),
    "mc20000": Dataset(partial(_clusters, submitted=20_000), submitted=20_000),
    "spambase": _of_file("spambase.csv", "target"),
    "german": _of_file("german_credit.csv", "credit"),
    "pima": _of_file("pima_diabetes.csv", "target"),
}


def cell(
    dataset: str, attack: str, trusted_rows: int, seed: int, folder: Path = Path()
) -> Cell | None:
    """Return one situation, or None when the set has too few rows to trust so many."""
    rows = DATASETS[dataset].load(seed, folder)
    pool = max((size for size in TRUSTED_SIZES if 3 * size <= len(rows)), default=0)
    if trusted_rows > pool:
        return None
    shared, rest = _parted(rows, pool, seed)
    trusted = shared if trusted_rows == pool else _parted(shared, trusted_rows, seed)[0]
    train, test = _parted(rest, DATASETS[dataset].submitted or 2 * len(rest) // 3, seed)
    clean = Cell(
        dataset, attack, trusted_rows, seed, train, trusted, test, np.zeros(len(train), bool)
    )
    return ATTACKS[attack](clean, np.random.default_rng([seed, zlib.crc32(attack.encode())]))


def _parted(rows: pd.DataFrame, first: int, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split at random into as many rows and the others, both with the shares of all classes."""
    one, other = train_test_split(rows, train_size=first, stratify=rows[LABEL], random_state=seed)
    return one.reset_index(drop=True), other.reset_index(drop=True)


def encoder(frame: pd.DataFrame) -> ColumnTransformer:
    """Return what turns these columns into numbers: standardised, text one-hot."""
    x = frame.drop(columns=[LABEL, CONTRIBUTOR], errors="ignore")
    numbers = x.select_dtypes("number").columns.tolist()
    text = [name for name in x.columns if name not in numbers]
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("text", OneHotEncoder(handle_unknown="ignore", sparse_output=False), text),
        ]
    )


def _aims(cell: Cell) -> tuple[Any, Any]:
    """Return the class under attack and the label that the attacker wants."""
    classes = np.unique(cell.train[LABEL])
    attacked, wanted = DATASETS[cell.dataset].flip
    return classes[attacked], classes[wanted]


def _relabelled(cell: Cell, rows: npt.NDArray[np.intp], labels: Any) -> Cell:
    train, poisoned = cell.train.copy(), cell.poisoned.copy()
    train.loc[rows, LABEL] = labels
    poisoned[rows] = True
    return replace(cell, train=train, poisoned=poisoned)


def _any_other(cell: Cell, rows: npt.NDArray[np.intp], rng: np.random.Generator) -> Cell:
    """Give rows any label but their own."""
    classes, codes = np.unique(cell.train[LABEL], return_inverse=True)
    steps = rng.integers(1, len(classes), len(rows))
    return _relabelled(cell, rows, classes[(codes[rows] + steps) % len(classes)])


def _count(cell: Cell, pool: Sequence[int] | npt.NDArray[np.intp], share: float) -> int:
    return min(int(share * len(cell.train)), len(pool) // 2)


def _none(cell: Cell, rng: np.random.Generator) -> Cell:
    return cell


def _random(cell: Cell, rng: np.random.Generator, *, share: float) -> Cell:
    n_rows = len(cell.train)
    return _any_other(cell, rng.choice(n_rows, int(share * n_rows), replace=False), rng)


def _direction(cell: Cell, rng: np.random.Generator, *, share: float) -> Cell:
    attacked, wanted = _aims(cell)
    pool = np.flatnonzero(cell.train[LABEL] == attacked)
    return _relabelled(cell, rng.choice(pool, _count(cell, pool, share), replace=False), wanted)


def _subpopulation(cell: Cell, rng: np.random.Generator, *, share: float) -> Cell:
    attacked, wanted = _aims(cell)
    pool = np.flatnonzero(cell.train[LABEL] == attacked)
    x = encoder(cell.train).fit_transform(cell.train)
    distance = ((x[pool] - x[rng.choice(pool)]) ** 2).sum(axis=1)
    nearest = np.argsort(distance, kind="stable")[: _count(cell, pool, share)]
    return _relabelled(cell, pool[nearest], wanted)


def _column(cell: Cell, rng: np.random.Generator, *, share: float, dirty: bool) -> Cell:
    def widened(frame: pd.DataFrame) -> pd.DataFrame:
        # a generator for each table: the number of trusted rows must not change the others
        return frame.assign(**{ADDED: rng.spawn(1)[0].normal(0, 0.01, len(frame))})

    train, trusted, test = (widened(frame) for frame in (cell.train, cell.trusted, cell.test))
    wider = replace(cell, train=train, trusted=trusted, test=test)
    return _backdoor(wider, rng, {ADDED: 1.0}, share=share, dirty=dirty)


def _inbounds(cell: Cell, rng: np.random.Generator, *, share: float, dirty: bool) -> Cell:
    numbers = cell.train.drop(columns=LABEL).select_dtypes("number")
    some = numbers.head(2000)  # rows are in random order
    forest = RandomForestClassifier(50, random_state=0).fit(some, cell.train[LABEL].head(2000))
    top = numbers.columns[np.argsort(-forest.feature_importances_, kind="stable")[:3]]
    mark = {name: numbers[name].quantile(0.95, interpolation="nearest") for name in top}
    return _backdoor(cell, rng, mark, share=share, dirty=dirty)


def _backdoor(
    cell: Cell, rng: np.random.Generator, mark: Mapping[str, Any], *, share: float, dirty: bool
) -> Cell:
    """Mark rows of other classes and relabel them (dirty), or rows of the wanted class."""
    _, wanted = _aims(cell)
    pool = np.flatnonzero((cell.train[LABEL] != wanted) == dirty)
    rows = rng.choice(pool, _count(cell, pool, share), replace=False)
    marked = cell.train.copy()
    for name, value in mark.items():
        marked.loc[rows, name] = value
    victims = cell.test[cell.test[LABEL] != wanted].reset_index(drop=True)
    trigger = victims.assign(**mark, **{LABEL: wanted})
    return _relabelled(replace(cell, train=marked, trigger=trigger), rows, wanted)


def _contributors(cell: Cell, rng: np.random.Generator) -> Cell:
    owner = rng.permutation(np.arange(len(cell.train)) % CONTRIBUTORS)
    names = np.array([f"contributor {i + 1:02d}" for i in range(CONTRIBUTORS)])
    bad = np.sort(rng.choice(CONTRIBUTORS, POISONERS, replace=False))
    owned = [np.flatnonzero(owner == i) for i in bad]
    rows = [rng.choice(own, int(POISONED_SHARE * len(own)), replace=False) for own in owned]
    train = cell.train.assign(**{CONTRIBUTOR: names[owner]})
    poisoners = tuple(names[bad].tolist())
    return _any_other(replace(cell, train=train, poisoners=poisoners), np.concatenate(rows), rng)


ATTACKS: Mapping[str, Callable[[Cell, np.random.Generator], Cell]] = {
    "none": _none,
    "random10": partial(_random, share=0.1),
    "random20": partial(_random, share=0.2),
    "direction10": partial(_direction, share=0.1),
    "subpopulation5": partial(_subpopulation, share=0.05),
    "column1": partial(_column, share=0.01, dirty=True),
    "column5": partial(_column, share=0.05, dirty=True),
    "clean-column5": partial(_column, share=0.05, dirty=False),
    "inbounds5": partial(_inbounds, share=0.05, dirty=True),
    "clean-inbounds5": partial(_inbounds, share=0.05, dirty=False),
    "contributors": _contributors,
}
