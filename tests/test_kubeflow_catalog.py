"""What `modelwarden export-catalog` writes passes what the CI of Kubeflow's catalog asks for.

The rules are those of kubeflow/pipelines-components at fab64a9: its validators of metadata, OWNERS,
imports and images, its ruff settings, and its way to load a component by path.
"""

import ast
import importlib.util
import re
import subprocess
import sys
from datetime import UTC, date, datetime

import pytest
import yaml
from click.testing import CliRunner
from kfp.compiler import Compiler
from kfp.dsl.base_component import BaseComponent
from packaging.specifiers import SpecifierSet

from modelwarden import kubeflow_components
from modelwarden.cli import cli
from modelwarden.kubeflow_catalog import export
from modelwarden.kubeflow_compiler import components_of

NAMES = [component.name.replace("-", "_") for component in components_of(kubeflow_components)]
REQUIRED = ["name", "stability", "dependencies", "lastVerified"]
OPTIONAL = {"tags", "ci", "links"}
RUFF = ["--isolated", "--line-length", "120", "--target-version", "py311"]
LINT = [*RUFF, "--select", "E,W,F,I,D", "--ignore", "D100,D104,D415"]
GOOGLE = ["--config", "lint.pydocstyle.convention='google'"]
GOOGLE += ["--config", "lint.isort.known-third-party=['kfp_components']"]  # as in a checkout


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    """The export as the package `kfp_components`, which a checkout of the catalog is."""
    folder = tmp_path_factory.mktemp("catalog") / "kfp_components"
    list(export(folder, approvers=["octocat"], verified=datetime.now(UTC).date()))
    for place in (folder, *folder.glob("*s"), *folder.glob("*s/*")):
        (place / "__init__.py").touch()
    return folder


@pytest.fixture(scope="module", params=NAMES)
def asset(request, catalog):
    """The folder of one component or pipeline."""
    (folder,) = catalog.glob(f"*s/*/modelwarden/{request.param}")
    return folder


def module(asset):
    return asset / f"{asset.parents[2].name.removesuffix('s')}.py"


def test_has_the_files_of_an_asset(asset):
    kind = module(asset).stem
    wanted = {"__init__.py", f"{kind}.py", "metadata.yaml", "OWNERS", "README.md"}
    wanted |= {"tests/__init__.py", f"tests/test_{kind}_unit.py"}

    files = (f for f in asset.rglob("*") if f.is_file() and f.parent.name != "__pycache__")
    assert {str(f.relative_to(asset)) for f in files} == wanted
    assert re.fullmatch(r"[a-z][a-z0-9_]*", asset.name)


def test_has_metadata_that_the_validator_accepts(asset):
    document = yaml.safe_load((asset / "metadata.yaml").read_text())

    assert [key for key in document if key not in OPTIONAL] == REQUIRED
    assert document["name"] == asset.name
    assert document["stability"] in ("experimental", "alpha", "beta", "stable")
    assert set(document["dependencies"]) <= {"kubeflow", "external_services"}
    (kubeflow,) = document["dependencies"]["kubeflow"]
    assert kubeflow["name"] == "Pipelines"
    assert SpecifierSet(kubeflow["version"])
    verified = document["lastVerified"]
    assert isinstance(verified, datetime)  # a date alone is refused
    assert abs((datetime.now(UTC) - verified).days) < 365


def test_has_an_approver(asset):
    for owners in (asset / "OWNERS", asset.parent / "OWNERS"):
        heading, first, *_ = owners.read_text().splitlines()
        assert heading.startswith("approvers:")
        assert first.strip() == "- octocat"


def test_imports_nothing_at_module_level_but_kfp(asset):
    allowed = {*sys.stdlib_module_names, "kfp", "pytest"}
    for file in asset.rglob("*.py"):
        names = allowed | ({"kfp_components"} if file.stem == "pipeline" else set())
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= names
            elif isinstance(node, ast.ImportFrom) and not node.level:
                assert node.module.partition(".")[0] in names


def test_compiles_by_its_path_to_an_image_that_is_allowed(asset, catalog, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(catalog.parent))
    spec = importlib.util.spec_from_file_location(f"by_path_{asset.name}", module(asset))
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    component = getattr(loaded, asset.name)
    assert isinstance(component, BaseComponent)
    Compiler().compile(component, str(tmp_path / "c.yaml"))
    document = next(yaml.safe_load_all((tmp_path / "c.yaml").read_text()))

    for executor in document["deploymentSpec"]["executors"].values():
        assert re.match(r"^python:\d+\.\d+.*$", executor["container"]["image"])
        assert "modelwarden[" in " ".join(executor["container"]["command"])
    installed = getattr(kubeflow_components, asset.name).component_spec
    assert component.component_spec.inputs == installed.inputs
    assert component.component_spec.outputs == installed.outputs


def test_installs_the_extra_that_a_check_needs(catalog):
    for name, extra in (("integrity", "checks,gx"), ("traffic", "checks,logs"), ("roni", "checks")):
        (file,) = catalog.glob(f"*s/*/modelwarden/{name}/component.py")
        assert f'packages_to_install=["modelwarden[{extra}]==' in file.read_text()


def test_leaves_the_marks_of_our_own_linter_behind(asset):
    assert "noqa" not in module(asset).read_text()


def test_the_page_shows_every_parameter(asset):
    page = (asset / "README.md").read_text()
    component = getattr(kubeflow_components, asset.name)

    for name in component.component_spec.inputs:
        assert f"| `{name}` | `" in page
    assert "**Last Verified**: 2" in page
    assert "    - octocat" in page
    assert not [line for line in page.splitlines() if line != line.rstrip()]
    (index,) = [asset.parent / "README.md"]
    assert f"](./{asset.name}/README.md): " in index.read_text()


def test_is_formatted_and_clean_by_the_catalogs_rules(catalog):
    """The marks that `touch` left are no part of the export."""
    files = [str(file) for file in catalog.rglob("modelwarden/**/*.py")]
    for command in (["check", *LINT, *GOOGLE], ["format", "--check", *RUFF]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *files], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_that_it_brings_pass(catalog):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(catalog)],
        cwd=catalog.parent,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout[-2000:]
    assert f"{2 * len(NAMES)} passed" in done.stdout


def test_two_exports_are_the_same(tmp_path):
    texts = []
    for name in "ab":
        written = export(tmp_path / name, approvers=[], verified=date(2026, 1, 2))
        texts.append({str(f.relative_to(tmp_path / name)): f.read_bytes() for f in written})

    assert texts[0] == texts[1]
    assert all("modelwarden" in name.split("/")[2] for name in texts[0])  # nobody else's files


def test_the_command_says_that_owners_are_missing(tmp_path):
    done = CliRunner().invoke(cli, ["export-catalog", str(tmp_path), "--verified", "2026-01-02"])

    assert done.exit_code == 0
    assert "OWNERS name nobody yet" in done.output
    (metadata,) = tmp_path.glob("components/*/modelwarden/roni/metadata.yaml")
    assert "lastVerified: 2026-01-02T00:00:00Z" in metadata.read_text()
    assert "TODO" in (metadata.parent / "OWNERS").read_text()
