"""Everything that is measured, run by run: two baselines, the rivals, and the filter."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
from poisoning_data import Cell, cell
from poisoning_rivals import RIVALS
from poisoning_scores import Record, baseline, ours, rival
from threadpoolctl import threadpool_limits

import modelwarden

FDR = (0.1, 0.05)
"""Rates that `roni` is asked for besides its default."""


@dataclass(frozen=True)
class Method:
    """Something to measure, and what its cached results depend on besides submitted rows."""

    measure: Callable[[Cell], Record]
    version: str
    uses_trusted: bool = False
    affordable: Callable[[int, int], bool] = lambda rows, seed: True


def methods() -> Mapping[str, Method]:
    """Return everything to measure by name: two baselines, the rivals, and the filter."""
    known = {
        "unfiltered": Method(partial(baseline, oracle=False), "1"),
        "oracle": Method(partial(baseline, oracle=True), "1"),
    }
    for name, method in RIVALS.items():
        if method.package and not find_spec(method.package.partition(".")[0]):
            continue
        measure = partial(rival, method=method)
        known[name] = Method(measure, str(method.version), method.uses_trusted, method.affordable)
    known["modelwarden"] = Method(ours, own_version(), uses_trusted=True)
    for fdr in FDR:
        measure = partial(ours, train=False, fdr=fdr)
        known[f"modelwarden fdr={fdr}"] = Method(measure, own_version(), uses_trusted=True)
    return known


@cache
def own_version() -> str:
    """Return a digest of the filter's source, so that no cached result outlives a change."""
    package = Path(modelwarden.__file__).parent
    folders = ("checks", "impact", "suspicion")
    files = sorted(path for folder in folders for path in (package / folder).rglob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files))
    return digest.hexdigest()[:12]


def measured(
    dataset: str,
    attack: str,
    seed: int,
    sizes: Sequence[int],
    names: Sequence[str],
    data: Path,
    known: Mapping[str, Record],
    only_known: bool = False,
) -> list[Record]:
    """Return the records of one data set, attack and seed for all numbers of trusted rows."""
    found, records = dict(known), []
    with threadpool_limits(1):
        for size in sizes:
            situation = cell(dataset, attack, size, seed, data)
            if situation is None:
                continue
            for key, name, method in _asked(situation, names):
                if only_known and key not in found:
                    continue
                if key not in found:
                    where = {"key": key, "method": name, "set": dataset, "attack": attack}
                    found[key] = where | {"seed": seed} | method.measure(situation)
                records.append(found[key] | {"trusted": size})
    return records


def _asked(situation: Cell, names: Sequence[str]) -> Iterator[tuple[str, str, Method]]:
    """Yield what to measure here, with the keys of the results."""
    submitted = [situation.train, situation.test, situation.trigger]
    for name in names:
        method = methods()[name]
        if method.affordable(len(situation.train), situation.seed):
            frames = [*submitted, situation.trusted if method.uses_trusted else None]
            yield f"{name} {method.version} {_digest(frames)}", name, method


def _digest(frames: Sequence[pd.DataFrame | None]) -> str:
    digest = hashlib.sha256()
    for frame in frames:
        if frame is not None:
            digest.update(repr(list(frame.columns)).encode())
            digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:16]
