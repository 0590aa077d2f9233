"""Measure attacks and proofs beside those of ART and Foolbox.

Run ``python benchmarks/robustness.py distances --data bc --models LR`` for a first look, and
``all`` for hours; README.md tells the rest.
"""

import argparse
import hashlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import robustness_cells
import robustness_proofs
import robustness_tables
import robustness_text
from robustness_data import BOOSTED, MODELS, TREES
from robustness_report import into, markdown
from threadpoolctl import threadpool_limits

import modelwarden

Record = robustness_cells.Record


class Cell(NamedTuple):
    """What is measured, and for which models of which data."""

    measure: Callable[[str, str, float], Record]
    models: Mapping[str, Sequence[str]]


CELLS = {
    "pixels": Cell(robustness_cells.pixels, {"digits": MODELS, "digits28": ("LR", "XGB")}),
    "tables": Cell(robustness_tables.tables, {"credit": ("LR", "HGB", "RF")}),
    "text": Cell(robustness_text.text, {"docstrings": ("words", "letters")}),
    "memory": Cell(robustness_tables.memory, {"large": ("LR",)}),
    "accuracy": Cell(
        robustness_proofs.accuracy, dict.fromkeys(("bc", "mc"), MODELS) | {"digits": ("LR", "XGB")}
    ),
    "certificates": Cell(robustness_proofs.certificates, dict.fromkeys(("bc", "mc"), TREES)),
    "minima": Cell(robustness_proofs.minima, dict.fromkeys(("bc", "mc"), ("LR", *BOOSTED))),
    "distances": Cell(robustness_cells.distances, dict.fromkeys(("bc", "mc", "digits"), MODELS)),
}
SOURCES = ("attacks", "space", "trees", "certificates.py", "exact.py", "linear.py", "structure.py")
"""Parts of the package whose change makes a result old."""


def code() -> str:
    """Return a digest of what is measured."""
    root = Path(str(modelwarden.__file__)).parent
    digest = hashlib.sha256()
    for source in SOURCES:
        path = root / source
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes() if file.exists() else b"")
    return digest.hexdigest()[:12]


def measure(options: argparse.Namespace) -> None:
    """Measure the cells that are asked for and not yet in the folder."""
    for name, data, model in cells():
        wanted = (
            options.cell in (name, "all")
            and data in (options.data or [data])
            and model in (options.models or [model])
        )
        path = options.results / f"{name} {data} {model}.json"
        if wanted and not _is_known(path, options.keep):
            record = CELLS[name].measure(data, model, options.cap)
            about = {"cell": name, "data": data, "model": model, "code": code()}
            path.write_text(json.dumps(about | record), encoding="utf-8")
            print(path.stem, file=sys.stderr, flush=True)


def cells() -> Iterator[tuple[str, str, str]]:
    """Return every cell with its data and model, in the order of the report."""
    for name, cell in CELLS.items():
        for data, models in cell.models.items():
            yield from ((name, data, model) for model in models)


def _is_known(path: Path, keep: bool) -> bool:
    """Tell whether a result need not be measured again."""
    if not path.exists():
        return False
    return keep or json.loads(path.read_text(encoding="utf-8"))["code"] == code()


def report(options: argparse.Namespace) -> None:
    """Write the section about what the folder has."""
    paths = options.results.glob("*.json")
    records = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    order = [*cells()]
    records.sort(key=lambda r: order.index((r["cell"], r["data"], r["model"])))
    section = markdown(records)
    if options.out:
        text = options.out.read_text(encoding="utf-8") if options.out.exists() else ""
        options.out.write_text(into(text, section), encoding="utf-8")
    else:
        print(section)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("cell", choices=[*CELLS, "all", "report"])
    add("--data", nargs="+", help="of the cell's data sets; all unless given")
    add("--models", nargs="+", help="of the cell's models; all unless given")
    add("--cap", type=float, default=210, help="CPU seconds of each rival in each cell")
    add("--results", type=Path, default=Path("robustness"), help="folder of JSON files")
    add("--keep", action="store_true", help="keep results of other versions of the code")
    add("--out", type=Path, help="Markdown file whose section report writes; else printed")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    options = _options(arguments)
    options.results.mkdir(parents=True, exist_ok=True)
    if options.cell == "report":
        report(options)
        return
    warnings.simplefilter("ignore")  # rivals divide by zero, and miss packages they do not need
    with threadpool_limits(1):
        measure(options)


if __name__ == "__main__":
    main()
