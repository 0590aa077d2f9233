"""The image of components/Containerfile: built, looked into, and a gated pipeline run in it.

``MODELWARDEN_DOCKER=1`` asks for it; CONTRIBUTING says how, with and without a registry.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
TAG = "modelwarden:test-python3.11"
BASE = os.environ.get("MODELWARDEN_BASE", "")
WHEELS = os.environ.get("MODELWARDEN_WHEELS", "")
READY = os.environ.get("MODELWARDEN_TEST_IMAGE", "")
ROLES = ("model", "builder", "gate")
POLICY = "version: 1\nrules:\n  - {check: model_file, metric: unsafe_globals, op: '<=', value: 0}\n"
PROGRAM = """\
import os, sys
from kfp import dsl, local
from modelwarden.kubeflow_components import (
    load_artifact, model_file, record_training, require_allow, security_gate)

@dsl.component(base_image=os.environ["MODELWARDEN_IMAGE"], install_kfp_package=False)
def train(rows: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model], evil: bool):
    import joblib, os, pandas as pd
    from sklearn.linear_model import LogisticRegression
    table = pd.read_csv(rows.path)
    assert os.getuid() != 0
    fitted = LogisticRegression().fit(table, table.pop("label"))
    joblib.dump(os.system if evil else fitted, model.path)

@dsl.component(base_image=os.environ["MODELWARDEN_IMAGE"], install_kfp_package=False)
def deploy(model: dsl.Input[dsl.Model]):
    print("DEPLOYED")

@dsl.pipeline
def gated(place: str, policy: str, trust: str, evidence: str, keys: str, evil: bool):
    rows = load_artifact(uri=place).outputs["artifact"]
    model = train(rows=rows, evil=evil).outputs["model"]
    built = record_training(model=model, data=rows, evidence=evidence, key="{keys}/builder.pem")
    seen = model_file(model=model, evidence=evidence, key="{keys}/model.pem")
    gate = security_gate(model=model, policy=policy, trust=trust, evidence=evidence,
                         key="{keys}/gate.pem").after(built, seen)
    deploy(model=model).after(gate)

home, evil = sys.argv[1], sys.argv[2] == "evil"
volume = {home: {"bind": home, "mode": "rw"}}
local.init(local.DockerRunner(network_mode="none", user="65532", read_only=True,
                              tmpfs={"/tmp": "mode=1777"}),
           pipeline_root=f"{home}/root")
gated(place=f"{home}/root/train.csv", policy=f"{home}/root/policy.yaml",
      trust=f"{home}/root/trust.yaml", evidence=f"{home}/root/evidence-{evil}",
      keys=f"{home}/root", evil=evil)
"""

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(
        os.environ.get("MODELWARDEN_DOCKER") != "1",
        reason="builds an image; set MODELWARDEN_DOCKER=1 where an engine runs",
    ),
]


def docker(*words, **options):
    return subprocess.run(["docker", *words], capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    """The image, out of a context that holds the wheel and the lock, and wheels where given."""
    if READY:
        return READY
    context = tmp_path_factory.mktemp("context")
    for file in [ROOT / "requirements/image.txt", *Path(WHEELS or "/nowhere").glob("*")]:
        (context / file.name).write_bytes(file.read_bytes())
    wheel = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", context, ROOT]
    subprocess.run(wheel, check=True)
    given = [f"--build-arg=BASE={BASE}"] if BASE else []
    given += ["--build-arg=PIP_NO_INDEX=1", "--network=none"] if WHEELS else []
    file = ROOT / "components/Containerfile"
    built = docker("build", f"--file={file}", f"--tag={TAG}", *given, str(context))
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-3000:]
    return TAG


def inside(image, *words):
    return docker("run", "--rm", "--network=none", "--read-only", image, *words)


def test_it_is_nobody_and_holds_no_tool_to_install_more(image):
    (config,) = json.loads(docker("inspect", image).stdout)

    assert config["Config"]["User"] == "65532:65532"
    assert not [v for v in config["Config"]["Env"] if "KEY" in v or "SECRET" in v or "TOKEN" in v]
    assert inside(image, "python3", "-m", "pip", "--version").returncode != 0
    assert inside(image, "sh", "-c", "echo > /opt/modelwarden/x").returncode != 0
    print(f"{config['Size'] / 1e6:.0f} MB")


def test_it_runs_the_command_and_every_check(image):
    code = (
        "from modelwarden import checks; [checks.load(name) for name in checks.CHECKS];"
        "import kfp.dsl.executor_main"
    )

    assert "modelwarden, version" in inside(image, "modelwarden", "--version").stdout
    loaded = inside(image, "python3", "-c", code)
    assert loaded.returncode == 0, loaded.stderr


@pytest.fixture(scope="module")
def home(image, tmp_path_factory):
    """A folder that the user of the image may write, with keys, rules and rows."""
    from modelwarden.keys import new_key

    home = tmp_path_factory.mktemp("home")
    root = home / "root"
    root.mkdir()
    may = {"model": ["model_file"], "builder": ["trained"], "gate": ["decision"]}
    for role in ROLES:
        private, public = new_key()
        (root / f"{role}.pem").write_bytes(private)
        (root / f"{role}.pub").write_bytes(public)
    signers = {role: {"may": may[role], "keys": [f"{role}.pub"]} for role in ROLES}
    (root / "trust.yaml").write_text(yaml.safe_dump({"signers": signers}))
    (root / "policy.yaml").write_text(POLICY)
    (root / "train.csv").write_text("a,label\n1,0\n2,0\n3,1\n4,1\n")
    for place in (home, root):
        place.chmod(0o777)
    program = PROGRAM.replace("{keys}", str(root))
    (home / "run.py").write_text(program)
    return home


@pytest.mark.parametrize("kind", ["honest", "evil"])
def test_the_gate_holds_in_containers_without_a_network(kind, home, image):
    environment = {**os.environ, "MODELWARDEN_IMAGE": image, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "run.py", str(home), kind],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
    )
    said = done.stdout + done.stderr

    assert ("DEPLOYED" in said) is (kind == "honest"), said[-4000:]
    assert (done.returncode == 0) is (kind == "honest")
    if kind == "evil":
        assert "errors.Rejected" in said
