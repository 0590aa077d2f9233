"""Measure how often ``backdoor`` finds a planted trigger, and how often it alarms without one.

``python benchmarks/backdoor.py --data data`` prints the section of RESULTS.md; it takes a quarter
of an hour on one core, and ``--seeds 1 --clean 2`` a minute. With ``--cache FILE`` outcomes are
added to a file; ``--part none --cache FILES`` reports what such files hold.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from backdoor_data import KINDS, MODELS, REAL, SIZES, Planted, fitted, planted, split, success
from poisoning_data import DATASETS, LABEL
from threadpoolctl import threadpool_limits

from modelwarden.checks.backdoor import backdoor
from modelwarden.checks.backdoor.found import LEARNT
from modelwarden.jobs.profile import profile
from modelwarden.models import ModelFacts
from modelwarden.proportions import interval
from modelwarden.report import Report
from modelwarden.store import File
from modelwarden.tables import Table

SHARES = (0.005, 0.01, 0.05)
PROMISED = 15  # rows with a trigger
EFFECTIVE = 0.8  # success from which a model has learnt a trigger
EVERY = 5  # clean draws of which one asks the models as well
WORDS = {
    "outside": "a number beyond all others",
    "category": "a new word",
    "constant": "another value of a constant",
    "rare": "a rare number within the range",
    "pair": "two usual numbers",
}
SINGLE_NEW = ("outside", "category", "constant")


class Judge(Protocol):
    """What looks for triggers."""

    def __call__(
        self, train: pd.DataFrame, trusted: pd.DataFrame, model: Any, seed: int
    ) -> Report: ...


class Answers:
    """A model in this process, with what the check asks of a model file."""

    def __init__(self, model: Any, names: Sequence[str]) -> None:
        self.model, self.classes, self.uri, self.rows = model, model.classes_, "model", 0
        self.facts = ModelFacts("joblib", feature_names=tuple(names), has_proba=True)

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        """Return probabilities."""
        self.rows += len(frame)
        return self.model.predict_proba(frame)


class OurJudge:
    """The check, on files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0

    def __call__(self, train: pd.DataFrame, trusted: pd.DataFrame, model: Any, seed: int) -> Report:
        """Return the report."""
        self.count += 1
        paths = [self.folder / f"{self.count}-{n}" for n in ("train", "trusted", "out", "sample")]
        train.to_parquet(paths[0], index=False)
        trusted.to_parquet(paths[1], index=False)
        profile(str(paths[1]), out=str(paths[2]), sample=str(paths[3]))
        table, known, sample = (_file(paths[place]) for place in (0, 2, 3))
        asked: Any = Answers(model, train.columns.drop(LABEL)) if model is not None else None
        opened = Table.open(table), known, Table.open(sample), asked
        found = backdoor(*opened, target=LABEL, seed=seed).report
        for path in paths:
            path.unlink()
        return found


@dataclass(frozen=True)
class Outcome:
    """One question and its answer; `learnt` is the attack success that the model really has."""

    dataset: str
    kind: str
    share: float
    model: str
    data: bool
    by_model: bool
    learnt: float
    seconds: float


def clean(sets: Sequence[str], seeds: range, folder: Path, judge: Judge) -> Iterator[Outcome]:
    """Yield what is said about clean rows, and about honest models of every fifth draw."""
    for name in sets:
        for seed in seeds:
            train, trusted = split(name, 1000 + seed, folder)
            model = list(MODELS)[seed // EVERY % len(MODELS)] if seed % EVERY == 0 else ""
            yield _asked(name, "clean", 0.0, train, trusted, model, seed, judge, None)


def attacked(sets: Sequence[str], seeds: range, folder: Path, judge: Judge) -> Iterator[Outcome]:
    """Yield what is said about planted triggers of 15 rows or more, each with one of the models."""
    for name in sets:
        for share in (share for share in SHARES if round(share * SIZES[name][0]) >= PROMISED):
            for kind in KINDS:
                for seed in seeds:
                    done = planted(kind, *split(name, seed, folder), share, seed)
                    model = list(MODELS)[seed % len(MODELS)]
                    rows = (done.train, done.trusted)
                    yield _asked(name, kind, share, *rows, model, seed, judge, done)


def _asked(
    name: str,
    kind: str,
    share: float,
    train: pd.DataFrame,
    trusted: pd.DataFrame,
    model: str,
    seed: int,
    judge: Judge,
    done: Planted | None,
) -> Outcome:
    learner = fitted(model, train) if model else None
    start = time.process_time()
    report = judge(train, trusted, learner, seed)
    seconds = time.process_time() - start
    if done is None:
        triggers = report.details["triggers"]
        by_data = any(one["p"] < 1 for one in triggers)
        return Outcome(name, kind, share, model, by_data, _silent(triggers), 0.0, seconds)
    return Outcome(
        name,
        kind,
        share,
        model,
        _hits(report, done),
        _in_model(report, done),
        success(learner, done),
        seconds,
    )


def _silent(triggers: Sequence[Mapping[str, Any]]) -> bool:
    return any(one["seen_by_model"] and one["p"] == 1 for one in triggers)


def _hits(report: Report, done: Planted) -> bool:
    """Whether a trigger of the data names only planted columns and the planted label."""
    return any(
        one["p"] < 1
        and set(one["columns"].split(", ")) <= set(done.cells)
        and one["target"] == str(done.target)
        for one in report.details["triggers"]
    )


def _in_model(report: Report, done: Planted) -> bool:
    """Whether stamping betrays a planted column, without knowing what labels betray."""
    return any(
        one["why"] != "suspect"
        and any(one["values"].startswith(f"{name!r} ") for name in map(str, done.cells))
        and one["attack_success"] - max(one["usual_success"], one["reference_success"]) >= LEARNT
        for one in report.details["stamped"]
    )


def section(outcomes: Sequence[Outcome]) -> str:
    """Return the section of RESULTS.md."""
    lines = [
        "# Backdoor\n",
        "Written from `benchmarks/backdoor.py`; README.md there says what each figure means. "
        "Shares with their 95 % intervals.\n",
        "| trigger | set | 0.5 % | 1 % | 5 % |" + "\n" + "|---" * 5 + "|",
    ]
    planted_ = [one for one in outcomes if one.kind != "clean"]
    for kind in KINDS:
        for name in dict.fromkeys(one.dataset for one in planted_):
            cells = [
                _share(
                    [o.data for o in planted_ if (o.kind, o.dataset, o.share) == (kind, name, s)]
                )
                for s in SHARES
            ]
            lines.append(f"| {WORDS[kind]} | {name} | {' | '.join(cells)} |")
    lines += ["", *_models(planted_), "", *_alarms(outcomes), "", *_goals(outcomes)]
    return "\n".join(lines)


def _models(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield (
        f"Models with a trigger that turns {EFFECTIVE:.0%} or more of the trusted rows, and how "
        "many of them the model side names (in a linear model a number beyond the usual ones is "
        "nothing but a slope):\n"
    )
    yield "| model | trigger | learnt | named |\n" + "|---" * 4 + "|"
    for model in MODELS:
        for kind in KINDS:
            of = [o for o in outcomes if (o.model, o.kind) == (model, kind)]
            learnt = [o.by_model for o in of if o.learnt >= EFFECTIVE]
            yield f"| {model} | {WORDS[kind]} | {len(learnt)} of {len(of)} | {_share(learnt)} |"


def _alarms(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield "| clean rows of | draws | data side | models | model side | CPU s, and with a model |"
    yield "|---" * 6 + "|"
    of_clean = [one for one in outcomes if one.kind == "clean"]
    for name in [*dict.fromkeys(one.dataset for one in of_clean), "all"]:
        here = [one for one in of_clean if name in (one.dataset, "all")]
        asked = [one for one in here if one.model]
        times = [
            np.mean([one.seconds for one in here if bool(one.model) == with_model] or [np.nan])
            for with_model in (False, True)
        ]
        yield (
            f"| {name} | {len(here)} | {_share([o.data for o in here])} | {len(asked)} | "
            f"{_share([o.by_model for o in asked])} | {times[0]:.2f}, {times[1]:.2f} |"
        )


def _goals(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield the goals, each with what was measured and whether it is met."""
    yield "| goal | measured | |\n" + "|---" * 3 + "|"
    for words, measured, met in goals(outcomes):
        yield f"| {words} | {measured} | {'met' if met else '**not met**'} |"


def goals(outcomes: Sequence[Outcome]) -> list[tuple[str, str, bool]]:
    """Return goals in words, what was measured, and whether each is met."""
    found, within = (
        [o.data for o in outcomes if o.kind in kinds and o.dataset in REAL]
        for kinds in (SINGLE_NEW, ("rare",))
    )
    alarms = [o.data for o in outcomes if o.kind == "clean"]
    honest = [o.by_model for o in outcomes if o.kind == "clean" and o.model]
    return [
        (
            "values that trusted rows lack, in 15 rows or more, real sets: >= 95 % found in data",
            _share(found),
            bool(found) and float(np.mean(found)) >= 0.95,
        ),
        (
            "the same of rare numbers within the range",
            _share(within),
            bool(within) and float(np.mean(within)) >= 0.95,
        ),
        (
            "clean rows, 300 draws or more: <= 1 % alarm",
            _share(alarms),
            len(alarms) >= 300 and float(np.mean(alarms)) <= 0.01,
        ),
        (
            "honest models: <= 1 % are said to have learnt a trigger",
            _share(honest),
            bool(honest) and float(np.mean(honest)) <= 0.01,
        ),
    ]


def _share(hits: Sequence[bool]) -> str:
    if not hits:
        return "-"
    low, high = interval(sum(hits), len(hits))
    return f"{sum(hits)} of {len(hits)} ({low:.3f}-{high:.3f})"


def _file(path: Path) -> File:
    body = path.read_bytes()
    return File(path.name, path, sha256(body).hexdigest(), len(body))


def main() -> None:
    """Print the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path())
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--clean", type=int, default=60)
    parser.add_argument("--sets", nargs="*", default=list(SIZES))
    parser.add_argument("--part", choices=["all", "clean", "attacked", "none"], default="all")
    parser.add_argument("--cache", type=Path, nargs="*", default=[])
    asked = parser.parse_args()
    there = [
        name
        for name in asked.sets
        if name not in DATASETS or (asked.data / DATASETS[name].file).exists()
    ]
    seeds = range(asked.first, asked.first + asked.seeds)
    draws = range(asked.first, asked.first + asked.clean)
    known = [
        Outcome(**json.loads(line))
        for path in asked.cache
        if path.exists()
        for line in path.read_text().splitlines()
    ]
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        judge, done = OurJudge(Path(folder)), list[Outcome]()
        parts = {
            "clean": lambda: clean(there, draws, asked.data, judge),
            "attacked": lambda: attacked(there, seeds, asked.data, judge),
        }
        for part, outcomes in parts.items():
            for one in outcomes() if asked.part in (part, "all") else ():
                done.append(one)
                if asked.cache:
                    with asked.cache[0].open("a") as file:
                        file.write(json.dumps(asdict(one)) + "\n")
    print(section([*known, *done]))


if __name__ == "__main__":
    main()
