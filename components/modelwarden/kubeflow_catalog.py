"""Write our components in the layout of Kubeflow's catalog, ``kubeflow/pipelines-components``.

There each component is a folder with a ``component.py`` that stands alone: at module level it
imports nothing but the standard library and kfp, and it is compiled by path. So the sources of
`kubeflow_components` are copied function by function, with the decorator that the catalog wants:
an image that it allows, and this package by version. `kubeflow_catalog_readme` writes the pages.

Only folders called ``modelwarden`` are written, one below each category. What lists them, the
category's page and the catalog's ``pyproject.toml``, is up to the catalog's own ``make readme`` and
``make sync-packages``.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from kfp.dsl.base_component import BaseComponent
from kfp.dsl.graph_component import GraphComponent

from modelwarden import __version__, kubeflow_components
from modelwarden.catalogue.data import DATA
from modelwarden.catalogue.models import MODELS
from modelwarden.kubeflow_catalog_readme import index_page, page
from modelwarden.kubeflow_compiler import components_of

OWN = "modelwarden"
IMAGE = "python:3.11-slim"
KFP = ">=2.15.2"  # what the catalog asks for
_KFP_NAMES = {"Artifact", "Dataset", "HTML", "Input", "Markdown", "Metrics", "Model", "Output"}
_KFP_NAMES |= {"PipelineTaskFinalStatus"}
_ELSEWHERE = {
    "namedtuple": "from collections import namedtuple",
    "NamedTuple": "from typing import NamedTuple",
    "List": "from typing import List",
}


@dataclass(frozen=True)
class Asset:
    """What becomes a folder of the catalog.

    Parameters
    ----------
    name : str
        Its name in snake case.
    kind : {"component", "pipeline"}
        Pipelines are what others call graph components.
    category : str
        Folder of the catalog.
    source : str
        Source of the function, decorator included.
    """

    name: str
    kind: str
    category: str
    source: str

    @property
    def folder(self) -> Path:
        """Return its folder below the catalog's root."""
        return Path(f"{self.kind}s", self.category, OWN, self.name)

    @property
    def function(self) -> ast.FunctionDef:
        """Return the function, parsed."""
        (function,) = ast.parse(self.source).body
        assert isinstance(function, ast.FunctionDef)  # noqa: S101 - what a decorator decorates
        return function


def export(folder: Path, *, approvers: Sequence[str], verified: date) -> Iterator[Path]:
    """Write every component and graph component below `folder`.

    Parameters
    ----------
    folder : Path
        Root of the catalog's checkout, or any folder; files that are there are overwritten.
    approvers : sequence of str
        GitHub names for OWNERS. The catalog wants one at least, of a member of Kubeflow.
    verified : date
        The day on which the components were last seen to work.

    Yields
    ------
    Path
        Each file, as it is written.
    """
    assets = list(_assets())
    places = {asset.name: asset for asset in assets if asset.kind == "component"}
    for asset in assets:
        for name, text in _files(asset, places, approvers, verified).items():
            yield _write(folder / asset.folder / name, text)
    for group in sorted({asset.folder.parent for asset in assets}):
        members = [asset for asset in assets if asset.folder.parent == group]
        pages = index_page(OWN, members[0].kind, [(m.name, m.function) for m in members])
        yield _write(folder / group / "README.md", pages)
        yield _write(folder / group / "OWNERS", _owners(approvers))
        init = f'"""Assets in the {OWN} subcategory."""\n'
        yield _write(folder / group / "__init__.py", init)


def _assets() -> Iterator[Asset]:
    for component in components_of(kubeflow_components):
        name = component.name.replace("-", "_")
        pipeline = isinstance(component, GraphComponent)
        kind = "pipeline" if pipeline else "component"
        yield Asset(name, kind, _category(name), _source(component))


def _category(name: str) -> str:
    if name in DATA or name in ("load_artifact", "data_defence"):
        return "data_processing"
    if name in MODELS:
        return "evaluation"
    return "training" if name == "record_training" else "deployment"


def _source(component: BaseComponent) -> str:
    function = getattr(component, "python_func", None) or getattr(component, "pipeline_func", None)
    return textwrap.dedent(inspect.getsource(function))  # type: ignore[arg-type]


def _files(
    asset: Asset, places: dict[str, Asset], approvers: Sequence[str], verified: date
) -> dict[str, str]:
    """Return the texts of an asset's folder, by name."""
    metadata, name = _metadata(asset, verified), asset.name
    export_line = f'from .{asset.kind} import {name}\n\n__all__ = ["{name}"]\n'
    return {
        "__init__.py": export_line,
        f"{asset.kind}.py": _module(asset, places),
        "metadata.yaml": metadata,
        "OWNERS": _owners(approvers),
        "README.md": page(name, asset.function, metadata, approvers),
        "tests/__init__.py": f"# Test package for {asset.kind} tests\n",
        f"tests/test_{asset.kind}_unit.py": _tests(asset),
    }


def _module(asset: Asset, places: dict[str, Asset]) -> str:
    """Return the source of a module that stands alone."""
    function = asset.function
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    lines = asset.source.splitlines()
    body = "\n".join(line.partition("  # noqa")[0] for line in lines[function.lineno - 1 :])
    decorator = _decorator(asset) if asset.kind == "component" else lines[0]
    compiled = f'package_path=__file__.replace(".py", "_{asset.kind}.yaml")'
    neighbours = places if asset.kind == "pipeline" else {}
    return (
        f"{_imports(names, neighbours)}\n\n{decorator}\n{body}\n\n\n"
        'if __name__ == "__main__":\n'
        "    from kfp.compiler import Compiler\n\n"
        f"    Compiler().compile(\n        {asset.name},\n        {compiled},\n    )\n"
    )


def _imports(names: set[str], places: dict[str, Asset]) -> str:
    standard = sorted(line for name, line in _ELSEWHERE.items() if name in names)
    used = ", ".join(sorted(names & _KFP_NAMES, key=lambda n: (not n.isupper(), n)))
    foreign = ["from kfp import dsl", *([f"from kfp.dsl import {used}"] if used else [])]
    for name in sorted(names & set(places), key=lambda n: (places[n].category, n)):
        module = ".".join(("kfp_components", *places[name].folder.parts, "component"))
        foreign.append(f"from {module} import {name}")
    return "\n".join([*standard, *([""] if standard else []), *foreign, ""])


def _decorator(asset: Asset) -> str:
    """Return kfp's decorator, with the extra that ours names."""
    (ours,) = asset.function.decorator_list
    given = [str(node.value) for node in ast.walk(ours) if isinstance(node, ast.Constant)]
    package = f"modelwarden[{given[0] if given else 'checks'}]=={__version__}"
    return f'@dsl.component(\n    base_image="{IMAGE}",\n    packages_to_install=["{package}"],\n)'


def _metadata(asset: Asset, verified: date) -> str:
    return f"""\
---
name: {asset.name}
stability: alpha
dependencies:
  kubeflow:
    - name: Pipelines
      version: '{KFP}'
tags:
  - security
  - {OWN}
  - {asset.category}
lastVerified: {verified.isoformat()}T00:00:00Z
"""


def _owners(approvers: Sequence[str]) -> str:
    if not approvers:  # as the catalog's own skeleton leaves it
        return "approvers:\n  # TODO: add a GitHub name (must be a Kubeflow community member)\n"
    return "approvers:\n" + "".join(f"  - {name}\n" for name in approvers)


def _tests(asset: Asset) -> str:
    """Return tests that need nothing but kfp, and more where this package is installed."""
    title = "".join(word.capitalize() for word in asset.name.split("_"))
    kind, name = asset.kind, asset.name
    return f'''\
"""Tests for the {name} {kind}."""

import pytest

from ..{kind} import {name}


class Test{title}UnitTests:
    """Unit tests for the {kind}'s interface."""

    def test_{kind}_compiles(self, tmp_path):
        """The {kind} compiles to YAML that loads."""
        from kfp.compiler import Compiler
        from kfp.components import load_component_from_file

        path = str(tmp_path / "{name}.yaml")
        Compiler().compile({name}, path)
        ours, loaded = {name}.component_spec, load_component_from_file(path).component_spec

        assert set(loaded.inputs or {{}}) == set(ours.inputs or {{}})

    def test_{kind}_is_what_the_package_has(self):
        """Inputs, outputs and defaults are those of the installed package."""
        installed = pytest.importorskip("modelwarden.kubeflow_components")
        ours, theirs = {name}.component_spec, installed.{name}.component_spec

        assert ours.inputs == theirs.inputs
        assert ours.outputs == theirs.outputs
'''


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
