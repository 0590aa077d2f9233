"""Measure how often drift alerts, with and without cause, and what profiles and batches cost.

``python benchmarks/drift.py quality`` and ``... speed`` print sections of RESULTS.md. The first
takes an hour on one core; ``--batches 40`` is enough for a first look.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats
from threadpoolctl import threadpool_limits

from modelwarden.checks.drift import drift
from modelwarden.jobs.profile import profile
from modelwarden.proportions import interval
from modelwarden.reference.margins import stability
from modelwarden.store import File
from modelwarden.tables import Table

COLUMNS = 50
REFERENCE = 20_000
MIX = np.random.default_rng(7).normal(size=(COLUMNS, COLUMNS)) * 0.3 + np.eye(COLUMNS)
NAMES = [f"c{i}" for i in range(COLUMNS)]
CROWDED = ("c10", "c20", "c30")


def rows(n: int, random: np.random.Generator) -> pd.DataFrame:
    """Return correlated rows: five whole columns, three skewed ones, 42 smooth ones."""
    values = random.normal(size=(n, COLUMNS)) @ MIX
    values[:, :5] = np.round(values[:, :5])
    values[:, 5:8] = np.exp(values[:, 5:8])
    return pd.DataFrame(values, columns=NAMES)


def changed(kind: str, n: int, random: np.random.Generator) -> pd.DataFrame:
    """Return a batch with one kind of change."""
    batch = rows(n, random)
    spread = np.sqrt((MIX**2).sum(axis=0))
    if kind == "shift":
        batch["c20"] += 0.25 * spread[20]
    if kind == "correlation":
        batch["c20"] = random.permutation(batch["c20"].to_numpy())
    if kind == "cluster":
        chosen = random.permutation(n)[: n // 50]
        for name in CROWDED:
            scale = spread[NAMES.index(name)]
            place = scale * (0.8 + 0.02 * random.normal(size=len(chosen)))
            batch.loc[chosen, name] = place
    return batch


class Reference:
    """A profile and its sample in a folder."""

    def __init__(self, frame: pd.DataFrame, folder: Path) -> None:
        self.folder, source = folder, folder / "trusted.parquet"
        frame.to_parquet(source, index=False)
        out, sample = str(folder / "profile.json"), str(folder / "sample.parquet")
        profile(str(source), out=out, sample=sample)
        self.profile, self.sample = stored(Path(out)), Table.open(stored(Path(sample)))

    def judged(self, batch: pd.DataFrame, seed: int) -> dict[str, float]:
        """Return the metrics of a batch."""
        path = self.folder / "batch.parquet"
        batch.to_parquet(path, index=False)
        table = Table.open(stored(path))
        return dict(drift(table, self.profile, self.sample, seed=seed).report.metrics)


def stored(path: Path) -> File:
    """Return a file of this machine as the store would."""
    body = path.read_bytes()
    return File(path.name, path, sha256(body).hexdigest(), len(body))


def quality(batches: int) -> Iterator[str]:
    """Yield the section: shares of batches that alert, ours beside what is usual."""
    yield (
        f"# Drift\n\n{COLUMNS} columns, a reference of {REFERENCE} rows. Share of batches that "
        "alert, with its 95 % interval; beside it what is usual: any column with a "
        "Kolmogorov-Smirnov p below .05, any with a population stability index above .2.\n\n"
        "| rows | change | batches | either channel | quality | security | KS p < .05 | PSI > .2 |"
        "\n" + "|---" * 8 + "|"
    )
    plan = [
        (200, "none", 1.0),
        (1000, "none", 1.0),
        (20_000, "none", 0.25),
        (1000, "shift", 0.25),
        (1000, "correlation", 0.25),
        (20_000, "cluster", 0.1),
    ]
    with tempfile.TemporaryDirectory() as folder:
        trusted = rows(REFERENCE, np.random.default_rng(1))
        reference = Reference(trusted, Path(folder))
        for n, kind, part in plan:
            hits: Counter[str] = Counter()
            count = max(10, round(part * batches))
            for seed in range(count):
                batch = changed(kind, n, np.random.default_rng([n, seed]))
                found = reference.judged(batch, seed)
                loud = [bool(found[f"{channel}_alerts"]) for channel in ("quality", "security")]
                hits.update({"either": any(loud), "quality": loud[0], "security": loud[1]})
                hits.update(_usual(batch, trusted))
            names = ("either", "quality", "security", "ks", "psi")
            cells = " | ".join(_share(hits[name], count) for name in names)
            yield f"| {n} | {kind} | {count} | {cells} |"


def _usual(batch: pd.DataFrame, trusted: pd.DataFrame) -> dict[str, bool]:
    pairs = [(batch[name], trusted[name]) for name in NAMES]
    smallest = min(stats.ks_2samp(*pair, method="asymp").pvalue for pair in pairs)
    return {"ks": smallest < 0.05, "psi": max(stability(*pair)[0] for pair in pairs) > 0.2}


def _share(hits: int, count: int) -> str:
    low, high = interval(hits, count)
    return f"{hits / count:.3f} ({low:.3f}-{high:.3f})"


def speed(n_rows: int) -> Iterator[str]:
    """Yield what a profile costs beside reading the file, and what a large batch costs."""
    with tempfile.TemporaryDirectory() as folder:
        path, part = Path(folder) / "t.parquet", 250_000
        random = np.random.default_rng(0)
        first = pa.Table.from_pandas(rows(part, random), preserve_index=False)
        with pq.ParquetWriter(path, first.schema) as writer:
            for _ in range(n_rows // part):
                writer.write_table(first)
        seconds = {}
        for name in ("read", "profile", "read", "profile"):
            seconds[name] = _apart(name, str(path), folder)
        batch = Path(folder) / "batch.parquet"
        rows(1_000_000, random).to_parquet(batch, index=False)
        reference = Reference(rows(REFERENCE, random), Path(folder))
        start = time.process_time()
        drift(Table.open(stored(batch)), reference.profile, reference.sample)
        spent = time.process_time() - start
    (read, _), (profiled, memory) = seconds["read"], seconds["profile"]
    yield (
        f"Profile of {n_rows} rows x {COLUMNS}: {profiled:.1f} CPU s, {read / profiled:.0%} of the "
        f"speed of reading it with pyarrow ({read:.1f} CPU s), {memory:.0f} MB at most.\n\n"
        f"Drift of a batch of 1000000 x {COLUMNS}: {spent:.1f} CPU s, reading it included."
    )


def _apart(name: str, path: str, folder: str) -> tuple[float, float]:
    """Return CPU seconds and MB of one of the two in a process of its own."""
    program = {
        "read": "import pyarrow.parquet as pq\n"
        "start = time.process_time()\n"
        # what pyarrow is fastest with; its default buffers the whole file
        f"for batch in pq.ParquetFile({path!r}, pre_buffer=False).iter_batches(65536): pass",
        "profile": "from modelwarden.reference.survey import survey\n"
        "from modelwarden.table_files import batches\n"
        "from pathlib import Path\nfrom modelwarden.store import File\n"
        f"path = Path({path!r})\nfile = File('t', path, '0' * 64, path.stat().st_size)\n"
        "start = time.process_time()\n"
        "schema, rows = batches(file)\ndone = survey(rows, schema)\ndone.columns(), done.sample()",
    }[name]
    program = (
        f"import resource, time, pyarrow\npyarrow.set_cpu_count(1)\n{program}\n"
        "print(time.process_time() - start, "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    seconds, memory = map(float, done.stdout.split())
    return seconds, memory


def main() -> None:
    """Print a section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", choices=["quality", "speed"])
    parser.add_argument("--batches", type=int, default=400)
    parser.add_argument("--rows", type=int, default=10_000_000)
    asked = parser.parse_args()
    with threadpool_limits(1):
        lines = quality(asked.batches) if asked.section == "quality" else speed(asked.rows)
        for line in lines:
            print(line, flush=True)


if __name__ == "__main__":
    main()
