"""The command line: a group per verb, an exit code per kind of answer."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import click

from modelwarden import __version__
from modelwarden.cards import Card
from modelwarden.checks import cards
from modelwarden.errors import InputError, ModelWardenError, Rejected
from modelwarden.report import Decision, Json
from modelwarden.work import Work

EXIT_CODES = """\b
Exit codes:
  0  allowed, or the check succeeded
  1  rejected by a check or a policy
  2  wrong usage, input, policy or trust file
  3  untrusted or tampered
  4  storage did not do what was asked; try again if the message says so

\b
S3 is found as boto3 finds it: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_PROFILE, roles.
Local paths work wherever a URI does."""


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="modelwarden")
def cli() -> None:
    """Check training data and models, and decide what may be deployed.

    \b
    The way of a model, a command each:
      keys new       once per role: who may speak
      check ...      measure data and model; signed when given --key
      trained        say which table the model came from
      gate           judge all evidence by a policy; sign the decision
      approve        people other than the author sign it, if the policy asks
      verify         re-check the decision before the model is used
      release        verify, then publish the model once
      profile        write down what trusted data looks like
      monitor        from cron: look at new batches and queries, tell people what changed
    """  # noqa: D301 - click wants the character


def main() -> None:
    """Run the command line."""
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except ModelWardenError as error:
        label = "rejected" if isinstance(error, Rejected) else "error"
        click.secho(f"{label}: {error}", err=True, fg="red")
        sys.exit(error.exit_code)


_policy = click.option("--policy", required=True, help="URI of the policy (YAML).")
_trust = click.option("--trust", required=True, help="URI of the trust file (YAML).")
_output = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", help="Form of the answer."
)


@cli.group(name="check")
def check_group() -> None:
    """Measure a table or a model.

    Without --key a report is unsigned, which a gate refuses; that is fine for a look.

    \b
    Example:
      modelwarden check roni --train s3://data/train.csv --trusted s3://data/trusted.csv \\
          --target label --kept s3://data/kept.csv --evidence s3://evidence --key data.pem
    """  # noqa: D301 - click wants the character


def _check_command(name: str, card: Card) -> click.Command:
    """Build the command of one check from its card."""
    metrics = "\n".join(f"  {metric:24}{meaning}" for metric, meaning in card.metrics.items())
    words = card.words
    params: list[click.Parameter] = [
        *(_option_of_input(given, card) for given in card.inputs),
        *(_option_of(option, kind, words[option]) for option, kind in card.options.items()),
        *(
            _option(table, default="", help=f"URI to write: {words[table]}.")
            for table in card.tables
        ),
        _option("evidence", default="", help="Prefix for report and statement."),
        _option("key", default="", help="Signing key: a PEM file or env:NAME."),
        _option("page", default="", help="Write the report as an HTML page to this file."),
        _option("output", default="text", type=click.Choice(["text", "json"]), help="Form."),
    ]
    return click.Command(
        name,
        params=params,
        callback=lambda **given: _run_check(name, card, given),
        help=card.summary,
        epilog=f"\b\nMeasures, for a policy to speak about:\n{metrics}",
    )


def _run_check(
    name: str, card: Card, given: Mapping[str, Any], job: Callable[..., Any] | None = None
) -> None:
    from modelwarden.jobs.check import check

    with _progress() as work:
        outcome = (job or check)(
            name,
            inputs={key: given[key] for key in card.inputs},
            options={key: given[key] for key in card.options},
            tables={key: given[key] for key in card.tables},
            evidence=given["evidence"],
            key=given["key"],
            work=work,
        )
    if given["page"]:
        Path(given["page"]).write_text(outcome.page, encoding="utf-8")
    if given["output"] == "json":
        _print_json(outcome.as_json())
    else:
        for metric, value in outcome.report.metrics.items():
            click.echo(f"{metric:24}{'undefined' if value is None else f'{value:.6g}'}")
        for note in outcome.report.notes:
            click.echo(f"note: {note}")
        _print_places({**outcome.tables, "report": outcome.report_uri, "page": outcome.page_uri})
        _print_places({"statement": outcome.statement.uri if outcome.statement else "unsigned"})
    outcome.require_success()


@cli.group(name="shard")
def shard_group() -> None:
    """Do one machine's share of a check.

    \b
    Example, on two machines, then on one:
      modelwarden shard traffic --index 0 --count 2 --parts s3://data/parts --logs s3://logs/ ...
      modelwarden shard traffic --index 1 --count 2 --parts s3://data/parts --logs s3://logs/ ...
      modelwarden join traffic --parts s3://data/parts --logs s3://logs/ ... --evidence ...
    """  # noqa: D301 - click wants the character


@cli.group(name="join")
def join_group() -> None:
    """Put the shares of all shards together, given what the shards were given."""


_parts = click.Option(["--parts"], required=True, help="Prefix for what blocks come to.")


def _shard_command(name: str, card: Card) -> click.Command:
    whole = _check_command(name, card).params
    params = [
        *(param for param in whole if param.name not in ("page", "output", *card.tables)),
        _parts,
        click.Option(["--index"], type=int, required=True, help="Which shard this is, from 0."),
        click.Option(["--count"], type=int, required=True, help="How many there are."),
    ]

    def run(**given: Any) -> None:
        from modelwarden.jobs.shard import shard

        asked = {option: given.pop(option) for option in card.options}
        inputs = {key: given.pop(key) for key in card.inputs}
        with _progress() as work:
            _print_json(shard(name, inputs=inputs, options=asked, **given, work=work).as_json())

    return click.Command(name, params=params, callback=run, help=card.summary)


def _join_command(name: str, card: Card) -> click.Command:
    command = _check_command(name, card)

    def run(parts: str, **given: Any) -> None:
        from modelwarden.jobs.join import join

        _run_check(name, card, given, partial(join, parts=parts))

    return click.Command(name, params=[*command.params, _parts], callback=run, help=card.summary)


@cli.command()
@click.argument("model")
@click.option("--data", required=True, help="URI of the table it was trained on.")
@click.option("--evidence", required=True, help="Prefix for the statement.")
@click.option("--key", required=True, help="The builder's key: a PEM file or env:NAME.")
@click.option("--author", default="", help="Who built it; must not be who approves it.")
def trained(model: str, data: str, evidence: str, key: str, author: str) -> None:
    """Sign which table MODEL was trained on. Every policy asks for it."""
    from modelwarden.jobs.trained import trained as job

    filed = job(model, data=data, evidence=evidence, key=key, author=author)
    _print_places({"statement": filed.uri})


@cli.command()
@click.argument("model")
@_policy
@click.option("--evidence", required=True, help="Prefix of statements, and of the decision.")
@_trust
@click.option("--key", required=True, help="The gate's key: a PEM file or env:NAME.")
@_output
def gate(model: str, policy: str, evidence: str, trust: str, key: str, output: str) -> None:
    """Decide whether MODEL may be deployed; sign the decision. Exit 1 when denied."""
    from modelwarden.jobs.gate import gate as job

    ruling = job(model, policy=policy, evidence=evidence, trust=trust, key=key)
    if output == "json":
        _print_json({**ruling.as_json(), "rules": _rules(ruling.decision)})
    else:
        _print_rules(ruling.decision)
        _print_places({"decision": ruling.statement.uri, "page": ruling.page_uri})
    if not ruling.decision.allowed:
        raise Rejected(model, ruling.decision.reasons, ruling.statement.uri)


@cli.command()
@click.argument("decision")
@click.option("--model", required=True, help="URI of the model that is about to be used.")
@_policy
@_trust
@click.option("--offline", default="", help="Folder copied from the evidence or from a release.")
@_output
def verify(decision: str, model: str, policy: str, trust: str, offline: str, output: str) -> None:
    """Re-check DECISION and all it rests on; read-only. Exit 0 only when it allows MODEL."""
    from modelwarden.jobs.verify import verify as job

    try:
        verdict = job(decision, model=model, policy=policy, trust=trust, offline=offline)
    except Rejected as rejected:
        if output == "json":
            _print_json({"allow": False, "reasons": list(rejected.reasons)})
        raise
    if output == "json":
        rules = _rules(verdict.decision)
        _print_json({"allow": True, "model": verdict.model, "rules": rules})
    else:
        _print_rules(verdict.decision)
        _print_places({"allowed": verdict.model, "decided": verdict.decided})


@cli.command()
@click.argument("decision")
@click.option("--as", "approver", required=True, help="Your name in the trust file.")
@click.option("--key", required=True, help="Your own key: a PEM file or env:NAME.")
@_trust
@click.option("--assertion", default="", help="File for your security key's answer, for the desk.")
def approve(decision: str, approver: str, key: str, trust: str, assertion: str) -> None:
    """Sign that you approve of DECISION. It counts once your second factor is confirmed.

    With --assertion the security key that is plugged in is asked to stand behind it.
    """
    from modelwarden.jobs.approve import approve as job
    from modelwarden.jobs.approve import touch

    filed = job(decision, approver=approver, key=key, trust=trust)
    if assertion:
        _create(Path(assertion), touch(filed, approver=approver, trust=trust), 0o644)
    _print_places({"approval": filed.uri, "assertion": assertion})


@cli.command()
@click.argument("decision")
@click.option("--as", "approver", required=True, help="Who approves, as in the trust file.")
@click.option("--secret", default="", help="Their shared secret: a file or env:NAME.")
@click.option("--key", required=True, help="The desk's key: a PEM file or env:NAME.")
@_trust
@click.option("--code", default="", help="Their one-time code; asked if absent.")
@click.option("--assertion", default="", help="URI: their security key's answer, and no code.")
def confirm(
    decision: str, approver: str, secret: str, key: str, trust: str, code: str, assertion: str
) -> None:
    """Check an approver's second factor, and sign that it was right. For the desk."""
    from modelwarden.jobs.confirm import confirm as job
    from modelwarden.jobs.confirm import confirm_assertion
    from modelwarden.keys import read_secret

    if bool(secret) is bool(assertion):
        raise InputError("confirm", "either --secret or --assertion", "both or neither")
    given: dict[str, Any] = {"approver": approver, "key": key, "trust": trust}
    if assertion:
        done = confirm_assertion(decision, assertion=assertion, **given)
    else:
        shared = read_secret(secret).decode(errors="replace")
        code = code or click.prompt("Code", hide_input=True)
        done = job(decision, code=code, secret=shared, **given)
    if not done.accepted:
        raise Rejected(approver, (f"{done.why} ({done.left} tries left)",), decision)
    _print_places({"confirmed": approver})


class _Releases(click.Group):
    """Lets ``release DECISION`` stand for ``release publish DECISION``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front of what is no command."""
        if args and args[0] not in (*self.commands, "-h", "--help"):
            args = ["publish", *args]
        return super().parse_args(ctx, args)


@cli.group(name="release", cls=_Releases)
def release_group() -> None:
    r"""Publish a model, see what was published, call a model back.

    `release DECISION ...` is short for `release publish DECISION ...`.
    """


_evidence = click.option("--evidence", required=True, help="Evidence prefix.")


@release_group.command(name="publish")
@click.argument("decision")
@click.option("--model", required=True, help="URI of the model to publish.")
@_policy
@_trust
@_evidence
@click.option("--to", required=True, help="Prefix of published models.")
@click.option("--run", required=True, help="Name of this run; the same when it is tried again.")
@click.option("--key", default="", help="A key that may release: records it as the current one.")
def release_publish(decision: str, **given: Any) -> None:
    """Verify DECISION, then publish MODEL once, under its digest."""
    from modelwarden.jobs.release import release as job

    published = job(decision, **given)
    _print_places({"release": published.uri, "model": published.model})


@release_group.command(name="list")
@_evidence
@_trust
@click.option("--action", required=True, help="What the policy calls its action.")
@_output
def release_list(evidence: str, trust: str, action: str, output: str) -> None:
    """List what was released, the oldest first, and what became of it."""
    from modelwarden.jobs.ledger import list_releases

    entries = list_releases(evidence, trust=trust, action=action)
    if output == "json":
        _print_json([entry.as_json() for entry in entries])
        return
    for entry in entries:
        release = entry.release
        when = f"{release.released:%Y-%m-%d %H:%M}"
        click.echo(f"{release.number:>4}  {when}  {release.model[:12]}  {entry.state}")


@release_group.command(name="show")
@click.argument("number", type=int)
@_evidence
@_trust
@click.option("--action", required=True, help="What the policy calls its action.")
def release_show(number: int, evidence: str, trust: str, action: str) -> None:
    """Print all that is recorded of release NUMBER, as JSON."""
    from modelwarden.jobs.ledger import list_releases

    entries = list_releases(evidence, trust=trust, action=action)
    found = [entry.as_json() for entry in entries if entry.release.number == number]
    if not found:
        known = ", ".join(str(entry.release.number) for entry in entries) or "none"
        raise InputError("release", f"one of {known}", str(number))
    _print_json(found[-1])


@release_group.command(name="revoke")
@click.argument("model")
@_evidence
@click.option("--reason", required=True, help="Why; everybody who is refused reads it.")
@click.option("--key", required=True, help="A key that may revoke: a PEM file or env:NAME.")
def release_revoke(model: str, evidence: str, reason: str, key: str) -> None:
    """Call MODEL (its SHA-256) back: from now on verify refuses it."""
    from modelwarden.jobs.ledger import revoke

    filed = revoke(model, evidence=evidence, reason=reason, key=key)
    _print_places({"revocation": filed.uri})


@cli.group(name="policy")
def policy_group() -> None:
    """Read policy files.

    \b
    Let your editor complete them; put this line on top:
      # yaml-language-server: $schema=policy.schema.json
    and write that file with `modelwarden policy schema > policy.schema.json`.
    """  # noqa: D301 - click wants the character


@policy_group.command(name="check")
@click.argument("policy")
def policy_check(policy: str) -> None:
    """Read POLICY as the gate would, and say what it demands."""
    from modelwarden.jobs.session import Session

    with Session() as session:
        rules = session.policy(policy)
    for rule in rules.rules:
        asked = rules.asked[rule.check]
        pins = [
            f"no {name}" if value is None else f"{name}={value}"
            for kind in asked.values()
            for name, value in kind.items()
        ]
        click.echo(f"{rule!s:48}{rule.severity:7}{', '.join(pins)}")
    _print_places({"action": rules.action, "sha256": rules.sha256})


@policy_group.command(name="explain")
@click.argument("policy")
def policy_explain(policy: str) -> None:
    """Say in sentences what POLICY demands."""
    from modelwarden.jobs.session import Session
    from modelwarden.policy import explain

    with Session() as session:
        for sentence in explain(session.policy(policy), cards()):
            click.echo(sentence)


@policy_group.command(name="schema")
def policy_schema() -> None:
    """Print the JSON Schema of policies about the checks that are installed here."""
    from modelwarden.policy import schema

    _print_json(schema(cards()))


@cli.group()
def keys() -> None:
    """Make signing keys, and show their public half."""


@keys.command(name="new")
@click.argument("name")
@click.option("--to", default=".", type=click.Path(file_okay=False), help="Folder.")
@click.option("--kind", default="p256", type=click.Choice(["p256", "ed25519"]), show_default=True)
def keys_new(name: str, to: str, kind: Literal["p256", "ed25519"]) -> None:
    """Make a key pair: NAME.pem (private, keep it) and NAME.pub (for the trust file)."""
    from modelwarden.keys import new_key

    paths = [Path(to) / f"{name}.{ending}" for ending in ("pem", "pub")]
    for path, body, mode in zip(paths, new_key(kind), (0o600, 0o644), strict=True):
        _create(path, body, mode)
    _print_places({"private": str(paths[0]), "public": str(paths[1])})


@keys.command(name="security-key")
@click.argument("name")
@click.option("--rp-id", required=True, help="As under webauthn in the trust file.")
@click.option("--origin", required=True, help="As under webauthn in the trust file.")
@click.option("--to", default=".", type=click.Path(file_okay=False), help="Folder.")
def keys_security_key(name: str, rp_id: str, origin: str, to: str) -> None:
    """Enrol the security key that is plugged in: NAME.pub and the id for the trust file."""
    from modelwarden.security_key import enrol

    credential, public = enrol(name, rp_id, origin)
    path = Path(to) / f"{name}.pub"
    _create(path, public, 0o644)
    _print_places({"id": credential, "public": str(path)})


@keys.command(name="public")
@click.argument("key")
def keys_public(key: str) -> None:
    """Print the public half of KEY: a PEM file, env:NAME or awskms:alias/NAME."""
    from modelwarden.signing import Signer

    click.echo(Signer.open(key).public.decode(), nl=False)


@cli.group(name="roni")
def roni_group() -> None:
    """Undo what RONI did; `check roni` is what does it."""


@cli.group(name="trusted")
def trusted_group() -> None:
    """Get the reviewed rows that RONI measures with."""


@trusted_group.command(name="sample")
@click.argument("table")
@click.option("--rows", type=int, default=500, show_default=True, help="Rows to draw.")
@click.option("--to", required=True, help="URI to write them to.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the draw.")
@click.option("--evidence", default="", help="Prefix for the statement.")
@click.option("--key", default="", help="Signing key: a PEM file or env:NAME.")
def trusted_sample(table: str, rows: int, to: str, seed: int, evidence: str, key: str) -> None:
    """Draw rows of TABLE for people to review; with --key, sign that they were drawn so.

    Drawn at random, not picked: a trusted set that somebody chose row by row says nothing about
    the rest. Correct or strike out what is wrong, then pin the file's SHA-256 in the policy.
    """
    from modelwarden.jobs.sample import sample

    drawn = sample(table, rows=rows, to=to, seed=seed, evidence=evidence, key=key)
    _print_places(
        {
            "sample": drawn.uri,
            "sha256": drawn.sha256,
            "statement": drawn.statement.uri if drawn.statement else "unsigned",
        }
    )


@cli.group(name="limits")
def limits_group() -> None:
    """Turn a query budget into limits that a gateway enforces."""


@limits_group.command(name="render")
@click.argument("budget")
@click.argument("serving")
@click.option(
    "--target", required=True, help="Gateway: envoy, istio, nginx, aws-waf, aws-usage-plan, kong."
)
@click.option("--output", default="", help="File to write, in place of the terminal.")
def limits_render(budget: str, serving: str, target: str, output: str) -> None:
    """Write what makes a gateway keep BUDGET, for the endpoint that SERVING describes.

    Both are URIs: the budget as `check extraction` wrote it, the serving file as docs/theft.md
    explains it. Read the comments: they name what the gateway gets wrong by default.
    """
    from modelwarden.jobs.limits import render

    text = render(budget, serving, target=target)
    if output:
        Path(output).write_text(text, encoding="utf-8")
    else:
        click.echo(text, nl=False)


@cli.command()
@click.argument("table")
@click.option("--target", required=True, help="Label column.")
@click.option("--suite", default="", help="URI: Great Expectations suite to take bounds from.")
@click.option("--out", required=True, help="URI to write the file to; never overwritten.")
def space(table: str, target: str, suite: str, out: str) -> None:
    """Write what an attacker might change in rows like those of TABLE, for you to correct.

    In it every column has its line: numbers may move within the range that was seen, everything
    else is fixed until you say otherwise. `check evasion --space` reads it; docs/robustness.md
    explains it. Give it the training table.
    """
    from modelwarden.jobs.space import derive

    derived = derive(table, target=target, suite=suite, out=out)
    _print_places({"space": derived.uri, "sha256": derived.sha256})
    click.echo("note: correct the file before you use it; then pin its SHA-256 in the policy")


@cli.command()
@click.argument("table")
@click.option("--out", required=True, help="URI to write the profile to; never overwritten.")
@click.option("--sample", required=True, help="URI for up to 20,000 of its rows.")
@click.option("--suite", default="", help="URI for a Great Expectations suite to start from.")
@click.option("--space", default="", help="URI for a file of what an attacker may change.")
@click.option("--target", default="", help="Label column, which a space leaves out.")
@click.option("--seed", default=0, show_default=True, help="Seed of the sample.")
def profile(
    table: str, out: str, sample: str, suite: str, space: str, target: str, seed: int
) -> None:
    """Write down what TABLE looks like: trusted rows, to hold later batches against.

    `check drift` reads profile and sample. The sample is rows of data: keep it where TABLE is.
    """
    from modelwarden.jobs.profile import profile as write

    written = write(
        table, out=out, sample=sample, suite=suite, space=space, target=target, seed=seed
    )
    for name, digest in written.digests.items():
        _print_places({name: getattr(written, name), "sha256": digest})
    click.echo("note: pin the SHA-256 of profile and sample in the policy")


@cli.command()
@click.argument("plan")
@click.option("--run", default="", help="Name of the run, if it is done again.")
@_output
def monitor(plan: str, run: str, output: str) -> None:
    """Analyse the new batches and yesterday's query log as PLAN says; tell people what changed.

    For cron. Exit 1 as long as a fault of the channel alert lasts, 4 when a channel did not take
    its message; the next run sends it again. docs/monitoring.md explains the file.
    """
    from modelwarden.jobs.monitor import monitor as job

    with _progress() as work:
        done = job(plan, run=run, work=work)
    if output == "json":
        _print_json(done.as_json())
    else:
        for alert in done.alerted.alerts:
            click.echo(alert.sentence)
        click.echo(f"{len(done.batches)} new batches, {len(done.alerted.standing)} faults last")
        _print_places({"page": done.alerted.page})
    done.alerted.require_delivery()
    if not done.alerted.quiet:
        lasting = tuple(f"{check} {column}".strip() for check, column, _ in done.alerted.standing)
        raise Rejected(plan, lasting, done.alerted.page)


@cli.command(name="compile")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--pipelines",
    default="pipelines",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of Python files whose pipelines are compiled too, if it exists.",
)
def compile_command(folder: Path, pipelines: Path) -> None:
    """Write every Kubeflow component, and the pipelines beside you, as YAML to FOLDER."""
    try:
        from modelwarden.kubeflow_compiler import compile_all
    except ModuleNotFoundError as error:
        fix = "pip install 'modelwarden[kfp]'"
        raise InputError(
            "compile", "kfp to be installed", f"no module {error.name}", fix
        ) from error
    for path in compile_all(folder, pipelines):
        click.echo(str(path))


@cli.command(name="export-catalog")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--approver", "approvers", multiple=True, help="A GitHub name for OWNERS; repeatable."
)
@click.option(
    "--verified",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Day on which the components were last seen to work; today if left out.",
)
def export_catalog(folder: Path, approvers: tuple[str, ...], verified: datetime | None) -> None:
    """Write the Kubeflow components in the layout of kubeflow/pipelines-components."""
    from modelwarden.jobs.session import now

    try:
        from modelwarden.kubeflow_catalog import export
    except ModuleNotFoundError as error:
        fix = "pip install 'modelwarden[kfp]'"
        expected = "kfp to be installed"
        raise InputError("export-catalog", expected, f"no module {error.name}", fix) from error
    count = sum(1 for _ in export(folder, approvers=approvers, verified=(verified or now()).date()))
    click.echo(f"{count} files below {folder}")
    if not approvers:
        click.echo("note: OWNERS name nobody yet, which the catalog refuses; give --approver")


def _create(path: Path, body: bytes, mode: int) -> None:
    """Write a new file; nothing is overwritten."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(body)
    except OSError as error:
        got = error.strerror or str(error)
        fix = "choose another name or folder"
        raise InputError(str(path), "a place for a new file", got, fix) from error


def _option(name: str, **settings: Any) -> click.Option:
    return click.Option([f"--{name.replace('_', '-')}", name], **settings)


def _option_of_input(name: str, card: Card) -> click.Option:
    if name in card.optional:
        return _option(name, default="", help=f"URI: {card.words[name]}; may be left out.")
    return _option(name, required=True, help=f"URI: {card.words[name]}.")


def _option_of(name: str, default: Json, words: str) -> click.Option:
    words = f"{words[0].upper()}{words[1:]}."
    if isinstance(default, type):
        return _option(name, type=default, required=True, help=words)
    return _option(name, type=type(default), default=default, show_default=True, help=words)


@contextmanager
def _progress() -> Iterator[Work]:
    """Show a bar on a terminal, and nothing in a log file."""
    bars: dict[str, Any] = {}

    def watch(label: str, done: int, total: int) -> None:
        if label not in bars:
            bars[label] = click.progressbar(length=total, label=label, file=sys.stderr)
            bars[label].__enter__()
        bars[label].update(done - bars[label].pos)
        if done >= total:
            bars[label].render_finish()

    yield Work(watch if sys.stderr.isatty() else None)


def _rules(decision: Decision) -> Json:
    return [
        {"rule": r.rule, "measured": r.measured, "passed": r.passed, "why": r.why}
        for r in decision.results
    ]


def _print_rules(decision: Decision) -> None:
    for result in decision.results:
        mark = "ok  " if result.passed else "FAIL" if result.severity == "block" else "warn"
        measured = "" if result.measured is None else f"  ({result.measured:.4g})"
        click.echo(f"{mark}  {result.rule}{measured}{'  ' + result.why if result.why else ''}")
    for note in decision.notes:
        click.echo(f"note: {note}")


def _print_places(places: Mapping[str, str]) -> None:
    for name, place in places.items():
        if place:
            click.echo(f"{name + ':':12}{place}")


def _print_json(value: Json) -> None:
    click.echo(json.dumps(value, indent=2, allow_nan=False))


for _name, _card in cards().items():
    check_group.add_command(_check_command(_name, _card))
    if _card.split:
        shard_group.add_command(_shard_command(_name, _card))
        join_group.add_command(_join_command(_name, _card))
roni_group.add_command(check_group.commands["restore"])
