"""Measure what sharing a check costs: CPU seconds per shard and in all, and how they grow.

Run ``python benchmarks/sharding.py traffic --most 10000000``, then ``evasion`` and ``roni``. Each
shard and the join is a process of its own, run by the command line like anybody's, so that start,
imports, download and digests count. CPU time is that of the process and of all its children. Shards
run one after the other, so other work on the machine changes little.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from modelwarden.limits import Budget

COUNTS = (2, 3, 8)
FEATURES = 10
FILES = 16


class Spent(NamedTuple):
    """CPU seconds, peak memory in MB, and what was printed."""

    cpu: float
    memory: float
    printed: str


def run(*words: str) -> Spent:
    """Run the command line and return what it used."""
    with tempfile.TemporaryFile() as out:
        command = [sys.executable, "-c", "from modelwarden.cli import main; main()", *words]
        process = subprocess.Popen(command, stdout=out, env={**os.environ, "OMP_NUM_THREADS": "1"})
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(words)} failed")
        out.seek(0)
        cpu = usage.ru_utime + usage.ru_stime
        return Spent(cpu, usage.ru_maxrss / 1024, out.read().decode())


def drawn(n: int, seed: int, flipped: float = 0.0) -> pd.DataFrame:
    """Draw rows of two classes, some of them flipped in one direction."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, FEATURES)).astype(np.float32)
    y = (x[:, :3].sum(axis=1) + 0.5 * random.normal(size=n) > 0).astype(int)
    y[(random.random(n) < flipped) & (y == 1)] = 0
    return pd.DataFrame(x, columns=[f"x{k}" for k in range(FEATURES)]).assign(y=y)


def roni(n: int, folder: Path) -> list[str]:
    drawn(n, 0, flipped=0.1).to_parquet(folder / "train.parquet")
    drawn(500, 1).to_parquet(folder / "trusted.parquet")
    files = ["--train", str(folder / "train.parquet"), "--trusted", str(folder / "trusted.parquet")]
    return [*files, "--target", "y"]


def evasion(n: int, folder: Path) -> list[str]:
    drawn(n, 0).to_parquet(folder / "rows.parquet")
    train = drawn(5000, 1)
    joblib.dump(LogisticRegression().fit(train.drop(columns="y"), train.y), folder / "m.joblib")
    files = ["--model", str(folder / "m.joblib"), "--evaluation", str(folder / "rows.parquet")]
    return [*files, "--target", "y", "--rows", str(n), "--queries", "50", "--distance-queries", "0"]


def traffic(n: int, folder: Path) -> list[str]:
    random, start = np.random.default_rng(0), datetime(2026, 3, 1, tzinfo=UTC)
    seconds = np.sort(random.integers(0, 30 * 86_400, n))
    clients = random.zipf(1.3, n) % 2000
    (folder / "logs").mkdir()
    for number in range(FILES):
        with open(folder / "logs" / f"access.{number:02}.log", "w") as file:
            part = slice(number * n // FILES, (number + 1) * n // FILES)
            for second, client in zip(seconds[part].tolist(), clients[part].tolist(), strict=True):
                when = start + timedelta(seconds=second)
                file.write(
                    f"10.{client // 250}.{client % 250}.1 - - [{when:%d/%b/%Y:%H:%M:%S} +0000] "
                    '"POST /v1/models/m:predict HTTP/1.1" 200 15 "-" "curl/8"\n'
                )
    (folder / "model").write_bytes(b"model")
    (folder / "budget").write_bytes(Budget("0" * 64, 10_000, 30, "labels", 0.95, -1).as_bytes())
    files = ["--model", str(folder / "model"), "--budget", str(folder / "budget")]
    return [*files, "--logs", f"{folder}/logs/"]


CHECKS: dict[str, tuple[Callable[[int, Path], list[str]], tuple[int, ...]]] = {
    "evasion": (evasion, (1_024, 8_192, 16_384, 65_536)),
    "traffic": (traffic, (10_000, 100_000, 1_000_000, 10_000_000)),
    "roni": (roni, (65_536, 131_072, 262_144, 524_288, 1_048_576)),
}


def lines(name: str, most: int) -> Iterator[dict[str, object]]:
    """Yield one line for each number of rows and shards; the answers have to be the same."""
    make, sizes = CHECKS[name]
    for n in (size for size in sizes if size <= most):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            given = make(n, folder)
            alone = run("check", name, *given, "--output", "json")
            yield {"check": name, "rows": n, "shards": "-", "alone": alone.cpu, "mb": alone.memory}
            for count in COUNTS:
                line = shared(name, given, count, folder, json.loads(alone.printed))
                if line is None:
                    break
                yield {"check": name, "rows": n, "alone": alone.cpu, **line}


def shared(
    name: str, given: list[str], count: int, folder: Path, answer: dict[str, object]
) -> dict[str, object] | None:
    """Return what `count` shards and their join used, None if there are fewer blocks."""
    parts = ["--parts", str(folder / f"parts-{count}"), *given]
    spent = []
    for index in range(count):
        one = run("shard", name, *parts, "--index", str(index), "--count", str(count))
        if json.loads(one.printed)["blocks"] < count:
            return None
        spent.append(one)
    joined = run("join", name, *parts, "--output", "json")
    if json.loads(joined.printed) != answer:
        raise SystemExit(f"{name}: {count} shards say something else")
    most = max(one.cpu for one in spent)
    return {
        "shards": count,
        "most": most,
        "all": sum(one.cpu for one in spent),
        "join": joined.cpu,
        "way": most + joined.cpu,
        "mb": max(one.memory for one in [*spent, joined]),
    }


def exponent(sizes: list[int], seconds: list[float]) -> float:
    """Return the slope of log seconds over log sizes."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def growth(name: str, spent: dict[int, dict[int, float]]) -> Iterator[str]:
    """Yield fitted exponents: of rows by number of shards, and of shards by number of rows.

    Parameters
    ----------
    name : str
        Name of the check.
    spent : dict
        By rows and number of shards, CPU seconds on the way to the answer: those of one machine, or
        of the slowest shard and the join.
    """
    for count in sorted({count for ways in spent.values() for count in ways}):
        known = {n: ways[count] for n, ways in spent.items() if count in ways}
        large = sorted(known)[-3:]
        if len(large) == 3:
            slope = exponent(large, [known[n] for n in large])
            yield f"{name}, {count} shards: seconds grow with rows to the power of {slope:.2f}"
    for n, ways in spent.items():
        if len(ways) > 2:
            slope = exponent([*ways], [*ways.values()])
            yield f"{name}, {n:,} rows: seconds grow with shards to the power of {slope:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("checks", nargs="*", default=[*CHECKS])
    parser.add_argument("--most", type=int, default=1_048_576, help="rows or lines at most")
    asked = parser.parse_args()
    print("| check | rows | shards | alone | most of a shard | all shards | join | gain | MB |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in asked.checks:
        spent: dict[int, dict[int, float]] = {}
        for line in lines(name, asked.most):
            count = 1 if line["shards"] == "-" else line["shards"]
            spent.setdefault(line["rows"], {})[count] = line.get("way", line["alone"])
            cells = [f"{line[key]:.1f}" if key in line else "" for key in ("most", "all", "join")]
            gain = f"{line['alone'] / line['way']:.1f}" if "way" in line else ""
            print(
                f"| {name} | {line['rows']:,} | {line['shards']} | {line['alone']:.1f} "
                f"| {' | '.join(cells)} | {gain} | {line['mb']:.0f} |",
                flush=True,
            )
        print("", *growth(name, spent), "", sep="\n")


if __name__ == "__main__":
    main()
