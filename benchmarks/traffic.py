"""Query logs: how fast they are audited, and how many thieves are told from honest clients.

python benchmarks/traffic.py speed --rows 10000000
python benchmarks/traffic.py speed --rows 100000000 --engines modelwarden duckdb
python benchmarks/traffic.py detector --data data
python benchmarks/traffic.py pools
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

SETS = ("spambase", "mixed50k", "german", "breast_cancer")

FILE_ROWS = 10_000_000
CLIENTS = 20_000
START = 1_772_366_400  # 2026-03-01 12:00 UTC
THREADS = 2
TEST_SEED = 7


def write_log(path: Path, rows: int) -> None:
    """Write a day of one API: clients by Zipf's law, 2 % errors."""
    random = np.random.default_rng(0)
    client = np.minimum(random.zipf(1.2, rows), CLIENTS)
    seconds = START + np.sort(random.uniform(0, 86_400, rows))
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime((seconds * 1e6).astype(np.int64), unit="us"),
            "client": np.char.add("key-", client.astype(str)),
            "status": np.where(random.random(rows) < 0.02, 500, 200).astype(np.int16),
        }
    )
    frame.to_parquet(path, compression="zstd", row_group_size=500_000)


class Watch:
    """Seconds of wall and of CPU since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def read(self) -> tuple[float, float]:
        return time.perf_counter() - self.wall, time.process_time() - self.cpu


NOTHING = (float("nan"), float("nan"))
Seconds = tuple[float, float]


def run_modelwarden(folder: Path) -> tuple[Seconds, Seconds]:
    """Return seconds of the group-by alone, and of all that `traffic` measures of volumes."""
    from modelwarden.logs.database import Database
    from modelwarden.logs.log import Log
    from modelwarden.logs.tally import Tally, together
    from modelwarden.logs.volumes import measure
    from modelwarden.store import Store

    with Store() as store:
        log = Log.fetch(f"{folder}/", store)
        with log.read() as reading, Database([], log.uri) as database:
            watch = Watch()
            tally = Tally.of(reading)
            grouped = watch.read()
            together([tally], database)
            found = measure(database, tally.rejected, 1)
            whole = watch.read()
    print(f"# {found.lines} lines, largest {found.clients['most'].max()}", file=sys.stderr)
    return grouped, whole


def run_duckdb(folder: Path) -> tuple[Seconds, Seconds]:
    """The same group-by as one would write it by hand, with DuckDB's own defaults."""
    import duckdb

    connection = duckdb.connect(config={"threads": THREADS})
    watch = Watch()
    connection.execute(
        "CREATE TEMP TABLE hours AS SELECT client, minute // 60 AS hour, sum(lines) AS lines, "
        "sum(errors) AS errors, max(lines) AS peak FROM ("
        "SELECT client, epoch_us(time) // 60000000 AS minute, count(*) AS lines, "
        "count_if(status >= 400) AS errors "
        f"FROM read_parquet('{folder}/*') GROUP BY ALL) GROUP BY ALL"
    )
    return watch.read(), NOTHING


def run_pandas(folder: Path) -> tuple[Seconds, Seconds]:
    """The same volumes with pandas."""
    watch = Watch()
    log = pd.concat([pd.read_parquet(path) for path in sorted(folder.iterdir())])
    log["minute"] = log["time"].astype("datetime64[us]").astype(np.int64) // 60_000_000
    log["error"] = log["status"] >= 400
    minutes = log.groupby(["client", "minute"], sort=False)["error"].agg(["size", "sum"])
    grouped = watch.read()
    minutes = minutes.reset_index()  # from here on all that modelwarden says of volumes
    clients = minutes.groupby("client").agg(queries=("size", "sum"), peak=("size", "max"))
    hours = minutes.groupby(["client", minutes["minute"] // 60])["size"].sum().reset_index()
    table = hours.pivot(index="client", columns="minute", values="size").fillna(0)
    clients["most"] = table.T.rolling(25, min_periods=1).sum().max()
    return grouped, watch.read()


ENGINES = {"modelwarden": run_modelwarden, "duckdb": run_duckdb, "pandas": run_pandas}


def speed(rows: int, engines: list[str], repeats: int) -> None:
    """Run each engine in a process of its own, in turns; print the medians."""
    with tempfile.TemporaryDirectory() as name:
        part = Path(name, "part.parquet")
        write_log(part, min(rows, FILE_ROWS))
        folder = Path(name, "log")
        folder.mkdir()
        for number in range(max(1, rows // FILE_ROWS)):
            (folder / f"{number:03}.parquet").hardlink_to(part)
        runs = {engine: [] for engine in engines}
        for _ in range(repeats):
            for engine in engines:
                command = [sys.executable, __file__, "engine", engine, str(folder)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                runs[engine].append([float(word) for word in done.stdout.split()])
    print(f"\n{rows:,} rows, {part.name} repeated where there are more than {FILE_ROWS:,}\n")
    print("| engine | group-by s | its CPU s | all volumes s | its CPU s | peak memory MB |")
    print("|---|---|---|---|---|---|")
    for engine, found in runs.items():
        cells = " | ".join(f"{value:.2f}" for value in np.median(found, axis=0)[:-1])
        print(f"| {engine} | {cells} | {np.median(found, axis=0)[-1]:.0f} |")


def wilson(hits: int, n: int) -> str:
    """Return a share with its 95 % interval."""
    if not n:
        return "-"
    z, p = 1.96, hits / n
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return f"{p:.3f} [{max(0, low):.3f}, {min(1, high):.3f}]"


def detector(sets: list[str], folder: Path, clients: int, attackers: int) -> None:
    """Print how many clients are flagged, by us and by PRADA at the same rate of false alarms."""
    from traffic_clients import ATTACKS, honest, read
    from traffic_prada import prada

    from modelwarden.suspicion.content import Likeness

    print("\n| set | queries | client | modelwarden | PRADA |\n|---|---|---|---|---|")
    for name in sets:
        rows = read(name, folder).sample(frac=1, random_state=1).reset_index(drop=True)
        cut = min(len(rows) // 2, 6000)
        reference, rest = rows[:cut], rows[cut:].reset_index(drop=True)
        likeness = Likeness(reference, alpha=0.01, seed=0, where=name)
        for queries in (100, 40, 300):
            if queries > len(rest) // 2 or queries not in likeness.sizes:
                continue
            made = {
                "honest": [honest] * clients,
                **{a: [f] * attackers for a, f in ATTACKS.items()},
            }
            random = np.random.default_rng((TEST_SEED, queries))
            statistics = prada(
                reference, [honest(reference, queries, random) for _ in range(clients)]
            )
            for kind, makers in made.items():
                asked = [make(rest, queries, random) for make in makers]
                ours = [likeness.judge(part) for part in asked]
                flagged = sum(opinion is not None and opinion.flagged for opinion in ours)
                theirs = sum(statistics.flags(part) for part in asked)
                cells = f"{wilson(flagged, len(asked))} | {wilson(theirs, len(asked))}"
                print(f"| {name} | {queries} | {kind} | {cells} |", flush=True)


def pools() -> None:
    """Print what becomes of one thief who asks under many names."""
    from traffic_clients import mixed, uniform

    from modelwarden.suspicion.content import Likeness

    rows = mixed(20_000)
    reference, rest = rows[:6000], rows[6000:].reset_index(drop=True)
    likeness = Likeness(reference, alpha=0.01, seed=0, where="mixed")
    print("\n| names | queries each | share of the budget, largest name | all flagged together |")
    print("|---|---|---|---|")
    for names in (1, 5, 20, 50, 60):
        random, each = np.random.default_rng(names), 2000 // names
        asked = [uniform(rest, each, random) for _ in range(names)]
        opinions = [likeness.judge(rows, least=40) for rows in asked]  # the check's default
        flagged = sum(opinion is not None and opinion.flagged for opinion in opinions)
        print(f"| {names} | {each} | {each / 1000:.2f} | {flagged * each / 1000:.2f} |")


def main() -> None:
    """Run one part, or one engine for `speed`."""
    if sys.argv[1:2] == ["engine"]:
        times = ENGINES[sys.argv[2]](Path(sys.argv[3]))
        status = Path("/proc/self/status").read_text()  # getrusage knows of the parent's memory
        memory = int(status.split("VmHWM:")[1].split()[0]) / 1024
        print(*(value for pair in times for value in pair), memory)
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["speed", "detector", "pools"])
    parser.add_argument("--rows", type=int, default=FILE_ROWS)
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=list(ENGINES))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--data", type=Path, default=Path())
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--attackers", type=int, default=60)
    given = parser.parse_args()
    if given.part == "speed":
        speed(given.rows, given.engines, given.repeats)
    elif given.part == "detector":
        detector(given.sets, given.data, given.clients, given.attackers)
    else:
        pools()


if __name__ == "__main__":
    main()
