"""`kubectl vso migrate`: resources of ours for those of other programs that bring secrets from Vault."""

import json
from collections.abc import Sequence
from typing import Any, Final

import click
from rich.text import Text

from vso.apis.kinds import KINDS
from vso.apis.merge import GlobalOptions
from vso.apis.meta import Key, Object
from vso.cli.kubectl.exit_code import ExitCode, Failed, printable
from vso.cli.kubectl.lint import bundle_of
from vso.cli.kubectl.linting import UNCHECKED, Severity, findings
from vso.cli.kubectl.manifest import Manifest, Unreadable, read_manifests, to_yaml
from vso.cli.kubectl.migration import Note, Surroundings, Weight, convert_all, kind_of, lost, manifest_of
from vso.cli.kubectl.output import console
from vso.cli.kubectl.subject import subjects_of
from vso.cli.kubectl.target import Cluster, Target, cluster_options, run
from vso.kube import ApiError, Patch, PatchType

_MANAGER: Final = "kubectl-vso"
_KINDS: Final = frozenset(one.name for one in KINDS)
_COLOURS: Final = {Weight.LOST: "red", Weight.CHECK: "yellow"}

HELP: Final = """Convert what other programs use to bring secrets from Vault.

\b
Knows, where they lead to Vault:
  External Secrets            ExternalSecret, SecretStore, ClusterSecretStore
  Secrets Store CSI driver    SecretProviderClass with secretObjects
  Vault agent injector        annotations of Deployments, StatefulSets, Pods, ...
  ricoberger's operator       VaultSecret

The result goes to stdout, to be read and applied; nothing in the cluster is changed. What has no counterpart, and what
was assumed, is listed on stderr with file, line and reason. Secrets keep their names: `overwrite` lets the operator
take them over. Give all files at once, so that references between them are followed.

\b
  kubectl vso migrate -f old/ > new.yaml
  kubectl get externalsecrets,secretstores -o yaml | kubectl vso migrate -f -
  kubectl vso migrate -f old/ --strict --dry-run=server

\b
Exit codes:
  0  converted; with --strict, all of it
  1  with --strict, something is not converted; with --dry-run, the API server refuses something
  2  the command line is wrong
  3  the cluster cannot be reached, or does not know you
"""


@click.command(name="migrate", help=HELP, short_help="Convert resources of other programs.")
@click.argument("more", nargs=-1, metavar="[FILE]...")
@click.option("-f", "--filename", "files", multiple=True, metavar="FILE", help="File or folder; - is stdin.")
@click.option("-R", "--recursive", is_flag=True, help="Look into the folders of a folder, too.")
@click.option(
    "--operator-namespace",
    default="vault-secrets-operator-system",
    show_default=True,
    metavar="NAME",
    help="Where what was cluster-wide goes.",
)
@click.option("--strict", is_flag=True, help="Fail if something is not converted.")
@click.option("--dry-run", "dry_run", type=click.Choice(["server"]), help="Have the API server check the result.")
@click.option("-o", "--output", "output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
@cluster_options
def command(  # noqa: PLR0913 - one parameter per option
    *,
    target: Target,
    more: tuple[str, ...],
    files: tuple[str, ...],
    recursive: bool,
    operator_namespace: str,
    strict: bool,
    dry_run: str | None,
    output: str,
) -> None:
    """See `HELP`."""
    names = (*files, *more)
    if not names:
        raise click.UsageError("name files or folders")
    try:
        manifests = read_manifests(names, recursive=recursive)
    except Unreadable as exc:
        raise Failed(f"{exc.file}{f':{exc.line}' if exc.line else ''}: {exc}") from exc
    around = Surroundings(manifests=manifests, namespace=target.namespace or "", operator_namespace=operator_namespace)
    result = convert_all(around)
    documents = [manifest_of(one) for one in result.objects]
    notes = [*result.notes, *_mistakes(documents, operator_namespace)]
    _print(documents, output)
    print_notes(notes, sources=result.sources, objects=len(documents))
    if dry_run:
        refused = run(target, lambda cluster: _check(cluster, result.objects))
        if refused:
            raise Failed("\n".join(("the API server refuses the result:", *refused)))
        click.echo(f"the API server takes all {len(documents)} objects", err=True)
    if strict and lost(notes):
        raise click.exceptions.Exit(int(ExitCode.WRONG))


def _mistakes(documents: Sequence[dict[str, Any]], operator_namespace: str) -> list[Note]:
    """What `lint` takes for an error in the result, such as a function that templates do not have here."""
    manifests = [Manifest(body=one) for one in documents if one["kind"] in _KINDS]
    bundle = bundle_of(
        subjects_of(manifests, namespace="default"), options=GlobalOptions(operator_namespace=operator_namespace)
    )
    return [
        Note(
            weight=Weight.LOST if one.severity is Severity.ERROR else Weight.CHECK,
            source=f"{one.kind} {one.namespace}/{one.name} (made)" if one.kind else "the result",
            member=one.member,
            text=f"{one.problem}: {one.remedy}",
        )
        for one in findings(bundle)
        if one.severity is Severity.ERROR or one.rule == UNCHECKED
    ]


async def _check(cluster: Cluster, objects: Sequence[Object]) -> list[str]:
    """What the API server has against `objects`."""
    refused = []
    for one in objects:
        key = Key(one.metadata.namespace or cluster.one_namespace, one.metadata.name)
        patch = Patch(type=PatchType.APPLY, body=manifest_of(one), field_manager=_MANAGER, force=True, dry_run=True)
        try:
            await cluster.client.patch(kind_of(one), key, patch)
        except ApiError as exc:
            refused.append(f"  {exc}")
    return refused


def _print(documents: Sequence[dict[str, Any]], output: str) -> None:
    if output == "json":
        click.echo(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}, indent=2))
    elif documents:
        click.echo(to_yaml(documents), nl=False)


def print_notes(notes: Sequence[Note], *, sources: int, objects: int) -> None:
    """For people, on stderr: what was lost or assumed, and how much."""
    screen = console(stderr=True)
    for one in notes:
        place = f"{one.file}:{one.line}: " if one.line else ""
        member = f"{one.member}: " if one.member else ""
        line = Text.assemble(
            printable(place),
            (one.weight.value, _COLOURS[one.weight]),
            printable(f": {one.source}: {member}{one.text}"),
        )
        screen.print(line, soft_wrap=True)
    left = len(lost(notes))
    click.echo(
        f"{sources} converted to {objects} objects; {left} not converted, {len(notes) - left} to check", err=True
    )
