"""Rendered configuration: golden files, foreign schemas and programs, and nothing injected."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path

import boto3
import jsonschema
import pytest
import yaml
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from hypothesis import example, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from modelwarden.errors import InputError
from modelwarden.gateways import TARGETS, render
from servings import BUDGET, parse

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests/golden/limits"
SCHEMAS = os.environ.get("MODELWARDEN_SCHEMAS", "")
SERVING = parse()
BEARER = parse(client={"header": "authorization"})
KEYED = parse(authentication="x-api-key", client={"header": "x-api-key"})
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("kind", "serving"), [("client", SERVING), ("bearer", BEARER)])
def test_what_is_rendered_does_not_change_by_accident(target, kind, serving):
    """Delete the golden file to accept a change on purpose; the next run writes a new one."""
    text, golden = render(BUDGET, serving, target), GOLDEN / f"{target}-{kind}.txt"
    if not golden.exists():
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
        pytest.fail(f"wrote {golden}: review it")

    assert text == golden.read_text()


@pytest.mark.parametrize("target", TARGETS)
def test_every_file_names_its_traps_and_its_promise(target):
    head = render(BUDGET, SERVING, target).partition("\n\n")[0]

    for word in ("in any 30 days", "429", "not rows", "more than 10 rows", "no authentication"):
        assert word in " ".join(head.replace("\n#", "").split()), word


def test_an_unknown_target_is_named_with_those_that_exist():
    with pytest.raises(InputError, match="envoy, istio, nginx, aws-waf, aws-usage-plan, kong"):
        render(BUDGET, SERVING, "traefik")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("change", [{"queries": 0}, {"unaided": 0.96}])
def test_no_target_pretends_that_a_limit_helps(target, change):
    with pytest.raises(InputError, match="no limit helps"):
        render(replace(BUDGET, **change), SERVING, target)


@pytest.mark.parametrize("target", ["nginx", "aws-waf"])
def test_gateways_that_count_by_the_minute_refuse_small_budgets(target):
    with pytest.raises(InputError, match=f"target {target}: .* the longest that it counts"):
        render(replace(BUDGET, queries=30_000), SERVING, target)


def test_the_firewall_refuses_bursts_below_its_smallest_limit():
    with pytest.raises(InputError, match="a burst of 10 or more, got 9"):
        render(BUDGET, parse(burst=9), "aws-waf")


_KEYS = st.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(TARGETS)), _KEYS, _KEYS, st.integers(10, 500))
@example("aws-waf", "null", "no", 10)  # words that YAML reads as something else than text
@example("envoy", "null", "no", 10)
@example("istio", "null", "no", 10)
@example("kong", "null", "no", 10)
def test_any_serving_file_gives_the_same_structure(target, name, header, burst):
    """What people may choose changes values, never keys: nothing can be injected."""
    try:
        serving = parse(name=name, client={"header": header}, burst=burst)
        text = render(replace(BUDGET, queries=10**9), serving, target)
    except InputError:
        return
    if target == "nginx":
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        assert len(lines) == 13
        assert text.count("{") == text.count("}") == 2
    else:
        assert _keys(list(yaml.safe_load_all(text))) == _golden_keys(target)


@cache
def _golden_keys(target):
    return _keys(list(yaml.safe_load_all((GOLDEN / f"{target}-client.txt").read_text())))


def _keys(value):
    """Return the structure of a document: keys and kinds, without units and values."""
    if isinstance(value, dict):
        units = ("hour", "day", "month", "year")
        return {"unit" if key in units else key: _keys(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_keys(item) for item in value]
    return type(value).__name__


@pytest.mark.skipif(not NGINX, reason="nginx is not installed")
@pytest.mark.parametrize("serving", [SERVING, BEARER, KEYED, parse(name="a-b")])
def test_nginx_reads_its_own(serving, tmp_path):
    (tmp_path / "limits.conf").write_text(render(BUDGET, serving, "nginx"))
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off; "
        f"client_body_temp_path {tmp_path}/b; proxy_temp_path {tmp_path}/p; "
        f"fastcgi_temp_path {tmp_path}/f; uwsgi_temp_path {tmp_path}/u; "
        f"scgi_temp_path {tmp_path}/s; include limits.conf; server {{ listen 127.0.0.1:1; }} }}"
    )
    command = [NGINX, "-t", "-c", str(tmp_path / "nginx.conf"), "-e", "stderr"]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr.replace('"user" directive', "")


@pytest.mark.parametrize("serving", [SERVING, BEARER])
@pytest.mark.parametrize(
    ("target", "service", "operation"),
    [
        ("aws-waf", "wafv2", "CreateRuleGroup"),
        ("aws-usage-plan", "apigateway", "CreateUsagePlan"),
    ],
)
def test_amazons_service_model_accepts_its_own(target, service, operation, serving):
    document = yaml.safe_load(render(BUDGET, serving, target))
    shape = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    checked = ParamValidator().validate(document, shape.operation_model(operation).input_shape)

    assert not checked.has_errors(), checked.generate_report()
    assert not list(_beyond(document, shape.operation_model(operation).input_shape))


def _beyond(value, shape, where=""):
    """Yield what breaks a pattern, a list of names or a bound: botocore does not look at these."""
    if shape.type_name == "structure":
        for key, inner in value.items():
            yield from _beyond(inner, shape.members[key], f"{where}.{key}")
    elif shape.type_name == "list":
        for item in value:
            yield from _beyond(item, shape.member, where)
    elif value not in shape.metadata.get("enum", [value]):
        yield f"{where}: {value}"
    elif shape.type_name in ("integer", "long"):
        bounds = shape.metadata
        if not bounds.get("min", 0) <= value <= bounds.get("max", value):
            yield f"{where}: {value}"


def test_a_usage_plan_is_created_as_it_stands(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("apigateway", region_name="eu-central-1")
        made = client.create_usage_plan(**yaml.safe_load(render(BUDGET, SERVING, "aws-usage-plan")))

    assert made["quota"] == {"limit": 9677, "period": "DAY"}
    assert made["throttle"]["burstLimit"] == 20


def test_the_firewall_blocks_who_names_no_client_before_it_counts():
    first, *counted = yaml.safe_load(render(BUDGET, SERVING, "aws-waf"))["Rules"]

    assert first["Priority"] == 0
    assert first["Action"]["Block"]["CustomResponse"]["ResponseCode"] == 401
    assert [rule["Statement"]["RateBasedStatement"]["Limit"] for rule in counted] == [20, 34]
    codes = [rule["Action"]["Block"]["CustomResponse"]["ResponseCode"] for rule in counted]
    assert codes == [429, 429]


def test_kongs_limits_grow_with_their_period_and_never_fail_open():
    (plugin,) = yaml.safe_load(render(BUDGET, SERVING, "kong"))["plugins"]
    config = plugin["config"]

    assert 0 < config["minute"] <= config["hour"]
    assert (config["policy"], config["fault_tolerant"]) == ("redis", False)
    assert (config["limit_by"], config["header_name"]) == ("header", "x-client-id")
    (keyed,) = yaml.safe_load(render(BUDGET, KEYED, "kong"))["plugins"]
    assert keyed["config"]["limit_by"] == "consumer"


def test_envoys_limits_are_global_shared_and_enforced():
    spec = yaml.safe_load(render(BUDGET, SERVING, "envoy"))["spec"]
    rules = spec["rateLimit"]["global"]["rules"]

    assert [rule["limit"]["unit"] for rule in rules] == ["Minute", "Hour"]
    assert all(rule["shared"] is True and "shadowMode" not in rule for rule in rules)
    assert "local" not in spec["rateLimit"]


def test_istio_asks_for_each_descriptor_that_its_service_knows():
    config, envoy, policy = yaml.safe_load_all(render(BUDGET, SERVING, "istio"))
    known = yaml.safe_load(config["data"]["config.yaml"])
    http, host = (patch["patch"]["value"] for patch in envoy["spec"]["configPatches"])
    asked = [
        action["request_headers"]["descriptor_key"]
        for limit in host["rate_limits"]
        for action in limit["actions"]
    ]

    assert asked == [descriptor["key"] for descriptor in known["descriptors"]]
    assert http["typed_config"]["domain"] == known["domain"]
    assert http["typed_config"]["failure_mode_deny"] is True
    assert policy["spec"]["action"] == "DENY"


@pytest.mark.skipif(not SCHEMAS, reason="MODELWARDEN_SCHEMAS names no folder")
@pytest.mark.parametrize("target", ["envoy", "istio"])
def test_kubernetes_would_accept_it(target):
    """Envoy Gateway's and Istio's own CustomResourceDefinitions."""
    schemas = {}
    for file in Path(SCHEMAS).glob("*.yaml"):
        for crd in filter(None, yaml.safe_load_all(file.read_text())):
            for version in crd["spec"]["versions"]:
                kind = (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"])
                schemas[kind] = version["schema"]["openAPIV3Schema"]
    documents = [
        d for d in yaml.safe_load_all(render(BUDGET, SERVING, target)) if d["kind"] != "ConfigMap"
    ]
    for document in documents:
        schema = _closed(schemas[document["apiVersion"], document["kind"]])
        jsonschema.validate(
            document, {**schema, "$schema": "http://json-schema.org/draft-07/schema#"}
        )

    assert documents


@pytest.mark.skipif(not SCHEMAS, reason="MODELWARDEN_SCHEMAS names no folder")
@pytest.mark.parametrize("serving", [SERVING, BEARER])
def test_kongs_own_tool_would_accept_it(serving):
    """By the schema of declarative files in Kong's go-database-reconciler."""
    schema = json.loads((Path(SCHEMAS) / "kong_json_schema.json").read_text())
    document = yaml.safe_load(render(BUDGET, serving, "kong"))

    jsonschema.Draft7Validator(schema).validate(document)
    assert not jsonschema.Draft7Validator(schema).is_valid({**document, "plugin": []})


def _closed(schema):
    """Refuse unknown keys, as `kubectl apply` does with --validate=strict."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    named = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    kept = schema.get("x-kubernetes-preserve-unknown-fields")
    if named and not kept and "spec" not in schema["properties"]:
        closed["additionalProperties"] = False
    return closed


def run(*arguments, cwd):
    command = [sys.executable, "-c", "from modelwarden.cli import main; main()", "limits", "render"]
    return subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=cwd)


def test_the_command_line_renders_to_the_terminal_or_a_file(tmp_path):
    (tmp_path / "budget.json").write_bytes(BUDGET.as_bytes())
    files = ["budget.json", str(ROOT / "expectations/limits/churn.yaml")]
    shown = run(*files, "--target", "nginx", cwd=tmp_path)
    written = run(*files, "--target", "nginx", "--output", "limits.conf", cwd=tmp_path)

    assert (shown.returncode, written.returncode) == (0, 0), shown.stderr + written.stderr
    golden = (GOLDEN / "nginx-client.txt").read_text()
    assert shown.stdout == (tmp_path / "limits.conf").read_text() == golden


def test_the_command_line_says_why_not(tmp_path):
    (tmp_path / "budget.json").write_bytes(replace(BUDGET, queries=1000).as_bytes())
    done = run(
        "budget.json",
        str(ROOT / "expectations/limits/churn.yaml"),
        *("--target", "nginx"),
        cwd=tmp_path,
    )

    assert done.returncode == 2
    assert "the longest that it counts" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("rate", "seconds"), [(1, 63), (2, 31), (7, 9), (60, 1), (90, 1)])
def test_nginx_says_when_its_own_rounded_rate_lets_a_client_in_again(rate, seconds):
    """1r/m is 16 thousandths of a request per second to nginx: 62.5 seconds, not 60."""
    days = 30
    budget = replace(BUDGET, queries=90 + rate * 1440 * days, days=days)
    text = render(budget, parse(burst=90, max_rows=1), "nginx")

    assert f"rate={rate}r/m;" in text
    assert f"429 {seconds};" in text
