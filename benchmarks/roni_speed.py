"""Measure what `roni` and its exact impact cost, beside one model fit and beside others.

Run ``python benchmarks/roni_speed.py``; about ten minutes and 2 GB on one core. ``--slow`` adds
ART's RONIDefense for 1,000 rows (eight minutes more); ``--only impact stream`` measures parts.
What is compared is CPU time of one process with one thread, measured in one run, so that a busy
machine does less harm; still, trust ratios.
"""

import argparse
import functools
import hashlib
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import sklearn
from sklearn.datasets import load_breast_cancer, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from modelwarden.impact import logistic, ridge
from modelwarden.impact.blocks import BLOCK, Block
from modelwarden.store import File
from modelwarden.tables import Table

ROWS, FEATURES, TRUSTED = 1_000_000, 100, 2000
BATCH = 16_384  # rows that are decoded at a time; more leave the processor's cache
PYDVL_SECONDS = 24.0  # LOOValuation, 5,000 rows, needs NumPy below 2: measured apart, not here


class Line(NamedTuple):
    """One line of the table; a goal of None is information, and met is None then."""

    what: str
    goal: str
    measured: str
    met: bool | None = None


class Rows(NamedTuple):
    x: np.ndarray
    y: np.ndarray
    trusted_x: np.ndarray
    trusted_y: np.ndarray


def cpu(work: Callable[[], object], repeat: int = 1) -> float:
    """Return the least CPU seconds of some runs."""
    seconds = []
    for _ in range(repeat):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return min(seconds)


def at_most(what: str, limit: float, value: float, text: str) -> Line:
    return Line(what, f"<= {limit:g}", f"{value:.2f} ({text})", value <= limit)


def at_least(what: str, limit: float, value: float, text: str) -> Line:
    return Line(what, f">= {limit:,g}", f"{value:,.3g} ({text})", value >= limit)


def large(n: int = ROWS) -> Rows:
    """Draw standardised rows with columns that depend on each other, as real ones do."""
    x, y = make_classification(
        n + TRUSTED, FEATURES, n_informative=50, n_redundant=20, flip_y=0.05, random_state=0
    )
    x = StandardScaler(copy=False).fit_transform(x)
    return Rows(x[:n], y[:n], x[n:], y[n:])


def independent() -> Rows:
    """Draw rows with independent columns and noisy labels: no fit converges sooner."""
    generator = np.random.default_rng(0)
    x = generator.standard_normal((ROWS + TRUSTED, FEATURES))
    plane = generator.standard_normal(FEATURES)
    y = (x @ plane + 5 * generator.standard_normal(len(x)) > 0).astype(np.intp)
    return Rows(x[:ROWS], y[:ROWS], x[ROWS:], y[ROWS:])


def clusters(n: int) -> Rows:
    """Draw rows of the benchmark's `make_classification` sets, and a fifth as many trusted ones."""
    trusted = min(n // 5, 1000)
    x, y = make_classification(n + trusted, 20, n_informative=10, n_redundant=4, random_state=0)
    return Rows(x[:n], y[:n], x[n:], y[n:])


def cancer() -> Rows:
    x, y = load_breast_cancer(return_X_y=True)
    x, order = StandardScaler().fit_transform(x), np.random.default_rng(0).permutation(len(y))
    x, y = x[order], y[order]
    return Rows(x[:341], y[:341], x[341:455], y[341:455])


def table(x: np.ndarray, y: np.ndarray, path: Path) -> Table:
    """Store rows as Parquet, and open them as the job does."""
    pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])]).assign(label=y).to_parquet(path)
    body = path.read_bytes()
    return Table.open(File(path.as_uri(), path, hashlib.sha256(body).hexdigest(), len(body)))


def filter_seconds(rows: Rows, folder: Path, repeat: int = 1) -> float:
    """Return CPU seconds of the default check, confirmation and tables included."""
    from modelwarden.checks.roni import roni

    train = table(rows.x, rows.y, folder / "train.parquet")
    trusted = table(rows.trusted_x, rows.trusted_y, folder / "trusted.parquet")
    return cpu(lambda: roni(train, trusted, target="label"), repeat)


def impact(folder: Path) -> Iterator[Line]:
    """Exact impact of a million rows, against one fit and against the machine's own speed."""
    size, rows = f"{ROWS:,} x {FEATURES}", large()
    ratio, text, exact = over_one_fit(rows)
    yield at_most(f"exact loss impact of {size}, over one LogisticRegression fit", 0.5, ratio, text)

    square = np.random.default_rng(0).standard_normal((4096, 4096)).astype(np.float32)
    rate = 2 * 4096**3 / cpu(lambda: square @ square, 3)
    accuracy = cpu(lambda: ridge.leave_one_out(*rows, metric="accuracy"), 2)
    products = 2 * ROWS * TRUSTED * (FEATURES + 1) / rate
    text = f"{accuracy:.2f} s; 4096 x 4096 float32: {rate / 1e9:.0f} GFLOP/s"
    what = "exact accuracy impact, share of the float32 product rate"
    yield at_least(what, 0.6, products / accuracy, text)
    share = products / (accuracy - exact)
    yield Line("the same for what accuracy costs beyond the loss", "-", f"{share:.2f}")

    rows = independent()
    ratio, text, _ = over_one_fit(rows)
    what = f"loss impact of {size} independent columns, over one fit"
    yield Line(what, "-", f"{ratio:.2f} ({text})")


def over_one_fit(rows: Rows) -> tuple[float, str, float]:
    model = LogisticRegression(max_iter=1000)
    fit = cpu(lambda: model.fit(rows.x, rows.y), 2)
    exact = cpu(lambda: ridge.leave_one_out(*rows), 2)
    return exact / fit, f"{exact:.2f} s over {fit:.2f} s, n_iter {model.n_iter_[0]}", exact


def write_large(folder: Path) -> None:
    rows = large()
    np.savez(folder / "trusted.npz", x=rows.trusted_x, y=rows.trusted_y)
    names = [f"x{i}" for i in range(FEATURES)]
    schema = pa.schema([(name, pa.float64()) for name in names] + [("label", pa.int64())])
    with pq.ParquetWriter(folder / "large.parquet", schema) as writer:
        for begin in range(0, ROWS, BLOCK):
            part = slice(begin, begin + BLOCK)
            columns = [*rows.x[part].T.copy(), rows.y[part]]
            writer.write_table(pa.table(columns, schema=schema))


def batches(path: Path) -> Iterator[Block]:
    """Decode a Parquet file piece by piece, features row by row."""
    reader = pq.ParquetFile(path, pre_buffer=False)  # which would hold the file
    for batch in reader.iter_batches(BATCH, use_threads=False):
        *features, label = batch.columns
        x = np.column_stack([column.to_numpy() for column in features])
        yield Block(x, label.to_numpy())


def whole(path: Path) -> Block:
    """Decode a Parquet file at once."""
    *features, label = pq.read_table(path, use_threads=False).columns
    return Block(np.column_stack([column.to_numpy() for column in features]), label.to_numpy())


def peak_bytes() -> int:
    """Return the most memory that this process had; Linux counts its parent's before exec, too."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def child(how: str, folder: Path) -> None:
    """Measure one way of reading in a process of its own, for its peak memory; print JSON."""
    trusted = np.load(folder / "trusted.npz")
    vouched, path = (trusted["x"], trusted["y"]), folder / "large.parquet"
    begun = time.process_time()
    blocks = functools.partial(batches, path) if how == "stream" else [whole(path)].copy
    read = time.process_time()
    found = ridge.leave_one_out_blocks(blocks, *vouched, n_classes=2)
    answer = {
        "total": time.process_time() - begun,
        "compute": time.process_time() - read,
        "peak": peak_bytes(),
        "digest": hashlib.sha256(found.tobytes()).hexdigest(),
    }
    print(json.dumps(answer))


def stream(folder: Path) -> Iterator[Line]:
    """Exact impact from a Parquet file of a million rows, piece by piece and at once."""
    write_large(folder)
    runs = {}
    for how in ("stream", "memory"):
        command = [sys.executable, __file__, "--child", how, "--folder", str(folder)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        runs[how] = json.loads(done.stdout)
    streamed, memory = runs["stream"], runs["memory"]
    text = f"whole process; {memory['peak'] / 1e9:.1f} in memory"
    yield at_most("streamed from Parquet, peak GB", 1.5, streamed["peak"] / 1e9, text)
    text = f"{streamed['total']:.2f} s over {memory['total']:.2f} s"
    ratio = streamed["total"] / memory["total"]
    yield at_most("streamed, over reading all and computing in memory", 1.5, ratio, text)
    alone = f"{streamed['total'] / memory['compute']:.1f} ({memory['compute']:.2f} s)"
    yield Line("streamed, over computing alone once all is in memory", "-", alone)
    same = streamed["digest"] == memory["digest"]
    yield Line("streamed and in memory give the same bytes", "yes", "yes" if same else "no", same)


def forest(folder: Path) -> Iterator[Line]:
    """The default filter against one forest, and how its cost grows."""
    sizes, costs = (1000, 5000, 20_000, 100_000), []
    for n in sizes:
        rows = clusters(n)
        costs.append(filter_seconds(rows, folder, 2 if n < 10_000 else 1))
        fit = cpu(lambda: RandomForestClassifier(100, random_state=0).fit(rows.x, rows.y))  # noqa: B023
        text = f"{costs[-1]:.2f} s over {fit:.2f} s"
        what = f"default filter of {n:,} rows, over one RandomForest(100) fit"
        line = at_most(what, 3, costs[-1] / fit, text)
        yield line if n >= 5000 else line._replace(goal="-", met=None)
    exponent = np.polyfit(np.log(sizes), np.log(costs), 1)[0]
    yield at_most("exponent of the filter's cost, 1,000 to 100,000 rows", 1.15, exponent, "fitted")


def art(folder: Path, *, slow: bool = False) -> Iterator[Line]:
    """ART's calibrated RONIDefense on breast cancer, and on 1,000 rows if there is time."""
    from poisoning_rivals import RIVALS

    for rows, least in [(cancer(), 50), *([(clusters(1000), 100)] if slow else [])]:
        n = len(rows.y)
        other = cpu(lambda: RIVALS["ART RONI"].judge(*rows, 0))  # noqa: B023
        ours = filter_seconds(rows, folder, 3)
        alone = cpu(lambda: [ridge.leave_one_out(*rows) for _ in range(50)], 3) / 50  # noqa: B023
        text = f"{other:.1f} s over {ours:.2f} s"
        yield at_least(f"ART's RONI over the default filter, {n} rows", least, other / ours, text)
        text = f"{other:.1f} s over {alone * 1000:.2f} ms"
        yield at_least(f"ART's RONI over exact impact, {n} rows", 10_000, other / alone, text)


def refits(folder: Path) -> Iterator[Line]:
    """One refit per row, as leave-one-out valuation does it; a sample of the refits is scaled."""
    rows, sample = clusters(5000), 100
    everyone = np.arange(len(rows.y))

    def worth(kept: np.ndarray) -> float:
        model = LogisticRegression().fit(rows.x[kept], rows.y[kept])
        return float(model.score(rows.trusted_x, rows.trusted_y))

    literal = cpu(lambda: [worth(everyone != row) for row in range(sample)]) * 5000 / sample
    alone = cpu(lambda: [ridge.leave_one_out(*rows) for _ in range(20)], 3) / 20
    newton = cpu(lambda: logistic.leave_one_out(*rows), 3)
    for name, other in (("refits", literal), ("pyDVL's LOO (24 s, measured apart)", PYDVL_SECONDS)):
        text = f"{other:.1f} s over {alone * 1000:.2f} ms"
        yield at_least(f"{name} over exact impact, 5,000 rows", 1000, other / alone, text)
        text = f"{other:.1f} s over {newton * 1000:.2f} ms"
        measured = f"{other / newton:,.3g} ({text})"
        yield Line(f"{name} over logistic impact, 5,000 rows", "-", measured)


def cleanlab(folder: Path) -> Iterator[Line]:
    """Confident learning with a forest of 200 trees and five folds."""
    from cleanlab.filter import find_label_issues

    for n in (1000, 5000):
        rows = clusters(n)

        def judge(rows: Rows = rows) -> None:
            model = RandomForestClassifier(200, random_state=0)
            proba = cross_val_predict(model, rows.x, rows.y, cv=5, method="predict_proba")
            find_label_issues(rows.y, proba, n_jobs=1)

        other, ours = cpu(judge), filter_seconds(rows, folder, 2)
        text = f"{other:.2f} s over {ours:.2f} s"
        what = f"cleanlab with RF200 over the default filter, {n:,} rows"
        yield at_least(what, 1, other / ours, text)


PARTS = {
    "impact": impact,
    "stream": stream,
    "forest": forest,
    "art": art,
    "refits": refits,
    "cleanlab": cleanlab,
}


def markdown(lines: Sequence[Line]) -> str:
    """Return the table, below a line that says what it was measured with."""
    met = {None: "", True: "met", False: "**missed**"}
    versions = f"NumPy {np.__version__}, scikit-learn {sklearn.__version__}"
    rows = [f"| {r.what} | {r.goal} | {r.measured} | {met[r.met]} |" for r in lines]
    head = f"CPU time, one thread; Python {platform.python_version()}, {versions}.\n"
    return "\n".join([head, "| | goal | measured | |", "|---|---|---|---|", *rows])


def measure(options: argparse.Namespace) -> Iterator[Line]:
    for name in options.only:
        if name in ("art", "cleanlab") and not find_spec(name):
            yield Line(name, "-", "not installed: pip install -e '.[bench]'")
            continue
        part = functools.partial(art, slow=options.slow) if name == "art" else PARTS[name]
        with tempfile.TemporaryDirectory() as folder:
            for line in part(Path(folder)):
                print(f"{line.what}: {line.measured}", file=sys.stderr)
                yield line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--slow", action="store_true", help="ART for 1,000 rows too: eight minutes")
    parser.add_argument("--child", choices=["stream", "memory"], help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    with threadpool_limits(1):
        if options.child:
            child(options.child, options.folder)
        else:
            print(markdown(list(measure(options))))


if __name__ == "__main__":
    main()
