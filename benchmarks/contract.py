"""Measure how often integrity's contract checks find something, with and without cause, and what
they cost beside the suite.

``python benchmarks/contract.py quality`` and ``... speed`` print sections of RESULTS.md; ten and
two minutes on one core.
"""

import argparse
import json
import logging
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from modelwarden.checks.integrity import integrity
from modelwarden.checks.integrity.contract import Contract, keeps
from modelwarden.jobs.profile import profile
from modelwarden.proportions import interval
from modelwarden.reference.profile import Profile
from modelwarden.store import File
from modelwarden.tables import Table

REFERENCE = 20_000
SMOOTH = 12
MIX = np.random.default_rng(7).normal(size=(SMOOTH, SMOOTH)) * 0.3 + np.eye(SMOOTH)
Rows = Callable[[int, np.random.Generator], pd.DataFrame]


def smooth(n: int, random: np.random.Generator) -> pd.DataFrame:
    """Return correlated numbers, some whole or skewed, a text, a flag, and labels of 30 %."""
    values = random.normal(size=(n, SMOOTH)) @ MIX
    values[:, :2] = np.round(values[:, :2])
    values[:, 2] = np.exp(values[:, 2])
    frame = pd.DataFrame(values, columns=[f"c{i}" for i in range(SMOOTH)])
    frame["city"] = random.choice(["Oslo", "Rome", "Bern", "Kyiv"], n, p=[0.5, 0.3, 0.15, 0.05])
    frame["member"] = random.random(n) < 0.3
    score = values[:, 5] + values[:, 6] + random.normal(size=n)
    return frame.assign(label=(score > 1.5).astype(int))


def discrete(n: int, random: np.random.Generator) -> pd.DataFrame:
    """Return six codes, most of whose combinations come again, and rare labels."""
    codes = {f"q{i}": random.integers(0, 3 + i, n) for i in range(6)}
    return pd.DataFrame(codes).assign(label=np.where(random.random(n) < 0.02, "bad", "good"))


def doubled(n: int, random: np.random.Generator) -> pd.DataFrame:
    """Return smooth rows of which 3 % were entered twice, one after the other."""
    frame = smooth(n, random)
    twice = np.repeat(np.arange(n), 1 + (random.random(n) < 0.03))[:n]
    return frame.iloc[twice].reset_index(drop=True)


def clean(batch: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Change nothing."""
    return batch


def _chosen(batch: pd.DataFrame, share: float, random: np.random.Generator) -> np.ndarray:
    return random.permutation(len(batch))[: round(share * len(batch))]


def copied(batch: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Make 1 % of the rows copies of ten others."""
    rows, order = _chosen(batch, 0.01, random), np.arange(len(batch))
    order[rows] = random.choice(rows[:10], len(rows))
    return batch.iloc[order].reset_index(drop=True)


def nearly(batch: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Make 2 % of the rows nearly one row, apart from each other by 1 % of a deviation."""
    rows, numbers = _chosen(batch, 0.02, random), [f"c{i}" for i in range(3, SMOOTH)]
    changed, spread = batch.copy(), batch[numbers].std().to_numpy()
    changed.loc[rows] = changed.loc[[rows[0]] * len(rows)].to_numpy()
    noise = 0.01 * spread * random.normal(size=(len(rows), len(numbers)))
    changed.loc[rows, numbers] = changed.loc[rows, numbers].to_numpy(dtype=float) + noise
    return changed.astype(batch.dtypes.to_dict())


def flipped(batch: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Label 6 % of the rows as the rarer class."""
    changed = batch.copy()
    changed.loc[_chosen(batch, 0.06, random), "label"] = 1
    return changed


def leaking(batch: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Add a column that is the label, but for noise and 0.5 % of the rows."""
    wrong = random.random(len(batch)) < 0.005
    said = batch["label"].to_numpy() ^ wrong
    return batch.assign(score=said + 0.1 * random.normal(size=len(batch)))


def steered(batch: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """Move a column that was there by the label."""
    return batch.assign(c4=batch["c4"] + 12 * batch["label"])


class Reference:
    """The contract that rows of one kind make."""

    def __init__(self, rows: Rows, folder: Path) -> None:
        source, name = folder / f"{rows.__name__}.parquet", rows.__name__
        rows(REFERENCE, np.random.default_rng(1)).to_parquet(source, index=False)
        out, sample = folder / f"{name}.json", folder / f"{name}-sample.parquet"
        profile(str(source), out=str(out), sample=str(sample))
        known = Table.open(stored(sample))
        self.contract = Contract.of(Profile.open(stored(out), known), known, "label", "")

    def kinds(self, batch: pd.DataFrame, seed: int) -> set[str]:
        """Return the kinds of changes that a batch is said to have."""
        cells = pa.Table.from_pandas(batch, preserve_index=False)
        digest = sha256(str(seed).encode()).hexdigest()
        table = Table(File("batch", Path("batch"), digest, 1), cells, is_csv=False)
        kept = keeps(table, self.contract)
        return {change.change for change in kept.changes}


def stored(path: Path) -> File:
    """Return a file of this machine as the store would."""
    body = path.read_bytes()
    return File(path.name, path, sha256(body).hexdigest(), len(body))


PLAN = [
    *((rows, clean, n, "") for rows in (smooth, discrete, doubled) for n in (200, 1000, 20_000)),
    *((smooth, copied, n, "duplicates") for n in (1000, 20_000)),
    (doubled, copied, 20_000, "duplicates"),
    *((smooth, nearly, n, "burst") for n in (1000, 20_000)),
    *((smooth, flipped, n, "balance") for n in (1000, 20_000)),
    *((smooth, leaking, n, "leakage") for n in (200, 1000, 20_000)),
    *((smooth, steered, n, "leakage") for n in (200, 1000, 20_000)),
]


def quality(batches: int) -> Iterator[str]:
    """Yield the section: shares of batches with any finding, and with the planted one."""
    yield (
        f"Rows of three kinds, a reference of {REFERENCE} rows of each. Share of batches with any "
        "finding, and with the finding that was planted, with 95 % intervals.\n\n"
        "| rows are | change | n | batches | any finding | the planted one | others |"
        "\n" + "|---" * 7 + "|"
    )
    with tempfile.TemporaryDirectory() as folder:
        known = {rows: Reference(rows, Path(folder)) for rows in (smooth, discrete, doubled)}
        for rows, change, n, wanted in PLAN:
            count = batches if n < 20_000 else max(10, batches // 3)
            count = count if change is clean else max(10, count // 4)
            hits: Counter[str] = Counter()
            for seed in range(count):
                random = np.random.default_rng([n, seed, len(wanted)])
                found = known[rows].kinds(change(rows(n, random), random), seed)
                hits.update(found | ({"any"} if found else set()))
            planted = _share(hits[wanted], count) if wanted else ""
            others = {k: v for k, v in sorted(hits.items()) if k not in ("any", wanted)}
            said = ", ".join(f"{kind} {n}" for kind, n in others.items())
            cells = (rows.__name__, change.__name__, n, count, _share(hits["any"], count))
            yield "| " + " | ".join(map(str, (*cells, planted, said))) + " |"


def _share(hits: int, count: int) -> str:
    low, high = interval(hits, count)
    return f"{hits / count:.3f} ({low:.3f}-{high:.3f})"


def speed(n_rows: int, times: int) -> Iterator[str]:
    """Yield what integrity costs beside bare Great Expectations."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        random = np.random.default_rng(0)
        for part, n in (("trusted", 200_000), ("batch", n_rows)):
            frame = smooth(n, random)
            more = pd.DataFrame(random.normal(size=(n, 8)), columns=[f"d{i}" for i in range(8)])
            pd.concat([more, frame], axis=1).to_parquet(folder / f"{part}.parquet", index=False)
        out, sample = folder / "profile.json", folder / "sample.parquet"
        profile(str(folder / "trusted.parquet"), out=str(out), sample=str(sample))
        (folder / "suite.json").write_text(json.dumps({"name": "suite", "expectations": _suite()}))
        program = (
            f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
            f"from contract import measured\nmeasured({name!r}, {times})"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr)
    yield from _costs(json.loads(done.stdout), n_rows, times)


def measured(folder: str, times: int) -> None:
    """Print CPU seconds of each way, in turn, and those of importing Great Expectations."""
    place = Path(folder)
    data = Table.open(stored(place / "batch.parquet"))
    suite, known = stored(place / "suite.json"), stored(place / "profile.json")
    sample = Table.open(stored(place / "sample.parquet"))
    start = time.process_time()
    import great_expectations  # noqa: F401

    spent = {"import": [time.process_time() - start]}
    ways = {
        "bare": lambda: bare(data.frame(), suite.path),
        "suite": lambda: integrity(data, suite),
        "both": lambda: integrity(data, suite, known, sample, target="label"),
        "contract": lambda: integrity(data, None, known, sample, target="label"),
    }
    bare(sample.frame(), suite.path)  # what is loaded at the first use is no way's cost
    integrity(sample, suite, known, sample, target="label")
    for _ in range(times):
        for what, way in ways.items():
            start = time.process_time()
            way()
            spent.setdefault(what, []).append(time.process_time() - start)
            print(what, spent[what][-1], file=sys.stderr, flush=True)
    print(json.dumps(spent))


def bare(frame: pd.DataFrame, suite: Path) -> None:
    """Evaluate a suite with Great Expectations alone, counts only."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.registry import get_expectation_impl

    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    entries = json.loads(suite.read_text())["expectations"]
    expected = [get_expectation_impl(e["type"])(**e["kwargs"]) for e in entries]
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("table").add_dataframe_asset("table")
    batch = asset.add_batch_definition_whole_dataframe("rows").get_batch({"dataframe": frame})
    counts_only = {"result_format": "BASIC", "partial_unexpected_count": 0}
    batch.validate(gx.ExpectationSuite("s", expectations=expected), result_format=counts_only)


def _costs(spent: dict[str, list[float]], n_rows: int, times: int) -> Iterator[str]:
    cost = {what: median(seconds) for what, seconds in spent.items()}
    yield (
        f"100 expectations on {n_rows} rows of 23 columns, CPU seconds, medians of {times} in one "
        f"process, in turn. Importing Great Expectations took {cost.pop('import'):.1f} s more.\n\n"
        "| | CPU s | range |\n|---|---|---|"
    )
    words = {
        "bare": "bare Great Expectations",
        "suite": "integrity with the suite, its page included",
        "both": "integrity with suite and profile",
        "contract": "integrity with the profile alone",
    }
    for what, seconds in cost.items():
        low, high = min(spent[what]), max(spent[what])
        yield f"| {words[what]} | {seconds:.2f} | {low:.2f}-{high:.2f} |"
    yield (
        f"\nOver bare Great Expectations: suite {cost['suite'] / cost['bare'] - 1:+.1%}, suite and "
        f"profile {cost['both'] / cost['bare'] - 1:+.1%}. The contract is "
        f"{cost['contract'] / cost['both']:.1%} of the whole."
    )


def _suite() -> list[dict[str, object]]:
    """Return five expectations on each of 20 columns."""
    kinds = {
        "expect_column_values_to_not_be_null": {},
        "expect_column_values_to_be_between": {"min_value": -99, "max_value": 9999},
        "expect_column_mean_to_be_between": {"min_value": -9, "max_value": 9},
        "expect_column_stdev_to_be_between": {"min_value": 0, "max_value": 99},
        "expect_column_max_to_be_between": {"max_value": 9999},
    }
    names = [f"d{i}" for i in range(8)] + [f"c{i}" for i in range(SMOOTH)]
    return [
        {"type": kind, "kwargs": {"column": name, **kwargs}}
        for name in names
        for kind, kwargs in kinds.items()
    ]


def main() -> None:
    """Print a section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", choices=["quality", "speed"])
    parser.add_argument("--batches", type=int, default=300)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    with threadpool_limits(1):
        is_quality = asked.section == "quality"
        lines = quality(asked.batches) if is_quality else speed(asked.rows, asked.times)
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    main()
