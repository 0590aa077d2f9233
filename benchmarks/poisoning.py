"""Measure how well `roni` finds poisoned training rows, beside what others offer.

Run ``python benchmarks/poisoning.py --quick`` for a first look; README.md tells the rest.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from joblib import Parallel, delayed
from poisoning_data import ATTACKS, DATASETS, TRUSTED_SIZES
from poisoning_methods import measured, methods
from poisoning_report import markdown
from poisoning_scores import Record

QUICK = {
    "sets": ["bc", "mc1000"],
    "attacks": ["none", "random10", "direction10", "column5", "clean-inbounds5"],
    "seeds": [0],
    "trusted": [60, 200],
}


def run(options: argparse.Namespace) -> list[Record]:
    """Measure what is not in the cache, and add it there."""
    known = _read(options.cache)
    todo = [
        (dataset, attack, seed)
        for dataset in options.sets
        for seed in options.seeds
        for attack in options.attacks
        if not DATASETS[dataset].file or (options.data / DATASETS[dataset].file).is_file()
    ]
    records: list[Record] = []
    results = Parallel(n_jobs=options.jobs, return_as="generator")(
        delayed(measured)(
            *name,
            options.trusted,
            options.methods,
            options.data,
            known.get(name, {}),
            options.cached,
        )
        for name in todo
    )
    for count, (name, some) in enumerate(zip(todo, results, strict=True), 1):
        fresh = {r["key"]: r for r in some if r["key"] not in known.get(name, {})}
        if options.cache and fresh:
            with options.cache.open("a", encoding="utf-8") as sink:
                sink.writelines(json.dumps(record) + "\n" for record in fresh.values())
        records += some
        print(f"{count}/{len(todo)} {name}: {len(fresh)} new", file=sys.stderr)
    return records


def _read(path: Path | None) -> dict[tuple[str, str, int], dict[str, Record]]:
    """Return cached records by situation and key."""
    known: dict[tuple[str, str, int], dict[str, Record]] = {}
    if path and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            name = (record["set"], record["attack"], record["seed"])
            known.setdefault(name, {})[record["key"]] = record
    return known


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--sets", nargs="+", choices=DATASETS, default=list(DATASETS))
    add("--attacks", nargs="+", choices=ATTACKS, default=list(ATTACKS))
    add("--seeds", nargs="+", type=int, default=list(range(5)))
    add("--trusted", nargs="+", type=int, choices=TRUSTED_SIZES, default=list(TRUSTED_SIZES))
    add("--methods", nargs="+", choices=methods(), default=list(methods()))
    add("--data", type=Path, default=Path(), help="directory of CSV files; see README.md")
    add("--jobs", type=int, default=1, help="processes; CPU seconds are right with any number")
    add("--cache", type=Path, help="JSON lines of results: read, and appended to")
    add("--out", type=Path, help="Markdown file to write; standard output unless given")
    add("--cached", action="store_true", help="measure nothing, report what the cache has")
    add("--quick", action="store_true", help="a few small cells: about two minutes")
    options = parser.parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK, methods=[m for m in options.methods if "ART" not in m])
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    options = _options(arguments)
    records = run(options)
    if not records:
        sys.exit("nothing to measure: these sets are absent, or too small for so many trusted rows")
    text = markdown(records)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
