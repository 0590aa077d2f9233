"""What it costs to keep a model in a process of its own, and to hash what is copied.

``python benchmarks/models.py`` prints a section of RESULTS.md. Each line compares two ways in one
run, in turn, and shows medians; CPU seconds include those of the processes that were started.
"""

import logging
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import file_digest, sha256
from itertools import chain
from pathlib import Path

import boto3
import joblib
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from malicious import CORPUS, corpus_file
from modelwarden.child.formats import examine
from modelwarden.model_process import _environment
from modelwarden.models import Predictor, inspect
from modelwarden.store import Connection, File, Store
from s3 import ENVIRONMENT

N_ROWS, N_COLUMNS = 100_000, 30
TICKS = os.sysconf("SC_CLK_TCK")
Spent = Callable[[], float]


def in_turn(ways: list[Callable[[], object]], spent: list[Spent], repetitions: int) -> list[float]:
    """Return the median of what each way spends, after one round that does not count."""
    samples: list[list[float]] = [[] for _ in ways]
    for n in range(repetitions + 1):
        for way, meter, sample in zip(ways, spent, samples, strict=True):
            start = meter()
            way()
            if n:
                sample.append(meter() - start)
    return [statistics.median(sample) for sample in samples]


def cpu() -> float:
    """Return the CPU seconds of this process and of those that ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def cpu_with(pid: int) -> Spent:
    """Return a meter of this process and of one that runs."""

    def spent() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        return time.process_time() + (int(fields[11]) + int(fields[12])) / TICKS

    return spent


def saved(folder: Path, model: object) -> File:
    path = folder / f"{type(model).__name__}.joblib"
    joblib.dump(model, path)
    return File(str(path), path, sha256(path.read_bytes()).hexdigest(), path.stat().st_size)


def line(what: str, goal: str, value: str, met: bool) -> str:
    return f"| {what} | {goal} | {value} | {'met' if met else 'MISSED'} |"


def start(file: File) -> Iterator[str]:
    """Compare a process that loads a model with a bare import of what it needs."""
    bare = [sys.executable, "-c", "import os, sklearn.linear_model; os._exit(0)"]
    env = _environment()  # the same for both: one thread, no bytecode written
    ways = [lambda: subprocess.run(bare, check=True, env=env), lambda: inspect(file)]
    once, ours = in_turn(ways, [cpu] * 2, 9)
    value = f"{ours - once:.2f} s ({ours:.2f} over {once:.2f})"
    what = "start of the process over `import sklearn.linear_model`, CPU"
    yield line(what, "<= 0.5 s", value, ours - once <= 0.5)


def predictions(folder: Path) -> Iterator[str]:
    """Compare predictions through the pipe with those of the same model here."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N_ROWS, N_COLUMNS))
    labels = (values[:, :3].sum(axis=1) > 0).astype(int)
    frame = pd.DataFrame(values)
    few = slice(0, 5000)
    forest = RandomForestClassifier(100, random_state=0).fit(values[few], labels[few])
    linear = LogisticRegression().fit(values[few], labels[few])
    for model, repetitions in ((forest, 5), (linear, 21)):
        with Predictor(saved(folder, model)) as predictor:
            ways = [
                lambda m=model: m.predict_proba(values),
                lambda p=predictor: p.predict_proba(frame),
            ]
            meter = cpu_with(predictor._process._process.pid)
            here, there = in_turn(ways, [meter] * 2, repetitions)
            _, wall = in_turn(ways, [time.monotonic] * 2, repetitions)
        value = f"CPU {there:.2f} s over {here:.2f} s; wall {wall:.2f} s"
        if model is forest:
            share = here / there
            yield line(
                "100 trees through the pipe", ">= 80 %", f"{share:.0%} ({value})", share >= 0.8
            )
        else:
            added = there - here
            yield line(
                "logistic regression, added", "<= 0.3 s", f"{added:.2f} s ({value})", added <= 0.3
            )


def local_copies(folder: Path, size: int) -> Iterator[str]:
    """Compare copying and hashing a local file with hashing it."""
    path = folder / "large"
    path.write_bytes(os.urandom(1 << 20) * (size >> 20))

    def plain() -> None:
        with path.open("rb") as stream:
            file_digest(stream, "sha256")

    def copied() -> None:
        with Store() as store:
            store.get(str(path))

    once, ours = in_turn([plain, copied], [cpu] * 2, 15)
    share = once / ours
    value = f"{share:.0%} ({ours:.2f} s over {once:.2f} s)"
    yield line(f"hashing while copying {size >> 20} MB, local, CPU", ">= 80 %", value, share >= 0.8)


@contextmanager
def server() -> Iterator[str]:
    """Run an S3 server in a process of its own, so that its CPU time is not ours."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def remote_copies(folder: Path, size: int) -> Iterator[str]:
    """Compare our download with boto3's of the same object."""
    os.environ.update(ENVIRONMENT)
    with server() as endpoint:
        client = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="bench")
        client.put_object(Bucket="bench", Key="k", Body=os.urandom(1 << 20) * (size >> 20))
        with Store(Connection(endpoint_url=endpoint)) as store:

            def ours() -> None:
                store.get("s3://bench/k").path.unlink()

            def bare() -> None:
                client.download_file("bench", "k", str(folder / "bare"))

            once, mine = in_turn([bare, ours], [time.process_time] * 2, 25)
    added = mine / once - 1
    value = f"{added:+.0%} ({mine:.2f} s over {once:.2f} s)"
    yield line(
        f"S3 download of {size >> 20} MB with its digest, CPU", "<= +10 %", value, added <= 0.1
    )


def corpus() -> Iterator[str]:
    """Compare what we and a scanner say of files that run code."""
    from picklescan.scanner import scan_file_path

    logging.disable(logging.CRITICAL)
    ours: Counter[str] = Counter()
    theirs: Counter[str] = Counter()
    for name in CORPUS:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place, "model.joblib")
            path.write_bytes(corpus_file(name, Path(place)))
            facts, _ = examine(path.read_bytes())
            ours["flagged" if facts.get("refused") else "clean"] += 1
            result = scan_file_path(str(path))
            theirs["flagged" if result.issues_count else "no" if result.scan_err else "clean"] += 1
    yield "| | refused by name | cannot be read | called clean |\n|---|---|---|---|"
    for who, count in (("our allow-list", ours), ("picklescan", theirs)):
        yield f"| {who} | {count['flagged']} | {count['no']} | {count['clean']} |"


def main() -> None:
    """Measure, and print a section of RESULTS.md."""
    print("\n# Model files\n\nMedians of one run, the two ways in turn.\n")
    print("| what | goal | measured | |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = saved(folder, LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
        for row in chain(
            start(file),
            predictions(folder),
            local_copies(folder, 256 << 20),
            remote_copies(folder, 64 << 20),
        ):
            print(row, flush=True)
    print(f"\n{len(CORPUS)} files that run code when loaded without care:\n")
    print("\n".join(corpus()))


if __name__ == "__main__":
    main()
