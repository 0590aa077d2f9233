"""Pages as the generator of Kubeflow's catalog writes them, which its CI compares byte by byte."""

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from docstring_parser import parse

WIDTH = 120  # of the catalog's pages
_ACRONYMS = ("KFP", "API", "URL", "ID", "UI", "CI", "CD")


def page(name: str, function: ast.FunctionDef, metadata: str, approvers: Sequence[str]) -> str:
    """Return the README of one component or pipeline.

    Parameters
    ----------
    name : str
        Its name in snake case.
    function : FunctionDef
        Its function, of which annotations, defaults and docstring are shown.
    metadata : str
        Its ``metadata.yaml``.
    approvers : sequence of str
        GitHub names, as in OWNERS.
    """
    said = parse(ast.get_docstring(function) or "")
    overview = [said.short_description, said.long_description]
    words = {param.arg_name: param.description or "" for param in said.params}
    facts = yaml.safe_load(metadata)
    stability = f"> ⚠️ **Stability: {facts['stability']}**"
    parts = [
        f"# {_title(name)} ✨",
        f"{stability} — This asset is not yet stable and may change.",
        "## Overview 🧾",
        "\n\n".join(_wrap(text) for part in overview if part for text in part.split("\n\n")),
        "## Inputs 📥",
        "\n".join(_inputs(function, words)),
    ]
    if function.returns is not None:
        row = f"| Output | `{ast.unparse(function.returns)}` | "
        meaning = said.returns.description if said.returns else ""
        head = "| Name | Type | Description |\n|------|------|-------------|\n"
        parts += ["## Outputs 📤", f"{head}{row}{meaning} |"]
    owners = {"owners": {"approvers": list(approvers) or None}}
    lines = [f"- **{_title(k)}**: {_value(v)}" for k, v in {**facts, **owners}.items()]
    text = "\n\n".join([*parts, "## Metadata 🗂️", "\n".join(lines)])
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def index_page(group: str, kind: str, members: Sequence[tuple[str, ast.FunctionDef]]) -> str:
    """Return the page that lists a group of components or pipelines."""
    entries = sorted((_title(name), name, function) for name, function in members)
    lines = [
        f"- [{title}](./{name}/README.md): {_summary(function)}"
        for title, name, function in entries
    ]
    said = f"This subcategory contains {kind}s in the **{_title(group)}** group:"
    return "\n\n".join([f"# {_title(group)}", said, "\n".join(lines)]) + "\n"


def _summary(function: ast.FunctionDef) -> str:
    return (parse(ast.get_docstring(function) or "").short_description or "")[:WIDTH]


def _inputs(function: ast.FunctionDef, words: dict[str, str]) -> Iterator[str]:
    yield "| Parameter | Type | Default | Description |"
    yield "|-----------|------|---------|-------------|"
    arguments, defaults = function.args.args, function.args.defaults
    missing: list[ast.expr | None] = [None] * (len(arguments) - len(defaults))
    for argument, default in zip(arguments, [*missing, *defaults], strict=True):
        kind = ast.unparse(argument.annotation) if argument.annotation else "Any"
        meaning = words.get(argument.arg, "")
        yield f"| `{argument.arg}` | `{kind}` | `{_default(default)}` | {meaning} |"


def _default(node: ast.expr | None) -> Any:
    """Return a default as the generator shows it, which has None where there is none."""
    if node is None:
        return None
    if not isinstance(node, ast.Constant):
        return ast.unparse(node)
    return '""' if node.value == "" else node.value


def _title(name: str) -> str:
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    words = spaced.replace("_", " ").replace("-", " ").split()
    return " ".join(w.upper() if w.upper() in _ACRONYMS else w.capitalize() for w in words)


def _wrap(text: str) -> str:
    flat = " ".join(text.split())
    return textwrap.fill(flat, width=WIDTH, break_long_words=False, break_on_hyphens=False)


def _value(value: Any, depth: int = 0) -> str:
    """Return a value of the metadata as a nested Markdown list."""
    if isinstance(value, dict):
        entries = [f"{_title(k)}:{_spaced(_value(v, depth + 1))}" for k, v in value.items()]
    elif isinstance(value, list):
        entries = [
            ", ".join(f"{_title(k)}: {v}" for k, v in item.items())
            if isinstance(item, dict)
            else str(item)
            for item in value
        ]
    else:
        return str(value)
    indent = "  " * depth
    return "".join(f"\n{indent}  - {entry}" for entry in entries)


def _spaced(value: str) -> str:
    return value if "\n" in value else f" {value}"
