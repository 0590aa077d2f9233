"""Write components and pipelines as the YAML that Kubeflow reads."""

import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from kfp.compiler import Compiler
from kfp.dsl.base_component import BaseComponent

from modelwarden import kubeflow_components
from modelwarden.errors import InputError


def compile_all(folder: Path, pipelines: Path) -> Iterator[Path]:
    """Compile our components to ``folder/components`` and pipelines to ``folder/pipelines``.

    Parameters
    ----------
    folder : Path
        Where the YAML goes; made if needed, overwritten if there.
    pipelines : Path
        Folder of Python files whose pipelines are compiled too, if it exists.

    Yields
    ------
    Path
        Each file, as it is written.
    """
    for component in components_of(kubeflow_components):
        yield _compile(component, folder / "components")
    for file in sorted(pipelines.glob("*.py")) if pipelines.is_dir() else ():
        for pipeline in components_of(_load(file)):
            yield _compile(pipeline, folder / "pipelines")


def components_of(module: ModuleType) -> list[BaseComponent]:
    """Return the components and pipelines that a module, or a package, defines itself."""
    own = [
        value
        for name, value in inspect.getmembers(module, lambda v: isinstance(v, BaseComponent))
        if not name.startswith("_") and f"{_home(value, module)}.".startswith(f"{module.__name__}.")
    ]
    return sorted(own, key=lambda component: component.name)


def _home(component: BaseComponent, module: ModuleType) -> str:
    function = getattr(component, "python_func", None) or getattr(component, "pipeline_func", None)
    return getattr(function, "__module__", module.__name__)


def _compile(component: BaseComponent, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{component.name.replace('-', '_')}.yaml"
    Compiler().compile(component, str(path))
    return path


def _load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"_pipelines_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise InputError(str(file), "a Python file", "something else")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
