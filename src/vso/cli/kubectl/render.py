"""`kubectl vso render`: what the Secret would look like, for data that stands for Vault's."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

import click
from rich.text import Text

from vso.apis.kinds import SECRET_TRANSFORMATION
from vso.apis.meta import Key
from vso.apis.v1beta1 import SecretTransformation
from vso.base import SystemClock
from vso.cli.kubectl.exit_code import EXIT_CODES, Failed
from vso.cli.kubectl.manifest import STDIN, Unreadable, find_texts, read_manifests
from vso.cli.kubectl.output import Format, print_structured, print_table, tell_of
from vso.cli.kubectl.preview import MASK, Answer, BadAnswerFile, Preview, answer_of, manifest_of, preview
from vso.cli.kubectl.secret_kind import SECRET_KINDS, complete_name, names_of, read_secret
from vso.cli.kubectl.subject import claimant_of, index_of, subjects_of
from vso.cli.kubectl.target import Cluster, Target, cluster_options, run
from vso.controllers import Claimant
from vso.kube import NotFound
from vso.sync import Budget, SyncError, TemplateEngine
from vso.vault import VaultError

HELP: Final = f"""Show the Secret that a resource makes of Vault's data, without Vault.

With -f the resource and its SecretTransformations come from files, and no cluster is needed; NAME picks one of
several. Without, NAME is a resource of the cluster. A NAME may be KIND/NAME, kinds being vss, vds and vps.

\b
The file of --data (JSON or YAML, - for stdin) is one of:
  the fields of the secret           user: alice
  an answer of kv-v2                 data: {{user: alice}}, metadata: {{version: 3}}
  what the vault command prints      vault kv get -format=json secret/app

Values are hidden unless you ask for them with --reveal.

\b
  kubectl vso render -f app.yaml --data sample.yaml
  vault kv get -format=json secret/app | kubectl vso render app --data - -o yaml --reveal

{EXIT_CODES}"""


@click.command(name="render", help=HELP, short_help="Show the Secret that a resource would make.")
@click.argument("name", required=False, shell_complete=complete_name)
@click.option("-f", "--filename", "files", multiple=True, metavar="FILE", help="File or folder with the resources.")
@click.option("-R", "--recursive", is_flag=True, help="Look into the folders of a folder, too.")
@click.option("--data", "data", metavar="FILE", help="What Vault answers; without it, an empty secret.")
@click.option("--reveal", is_flag=True, help="Show the values.")
@click.option("--exclude-raw", is_flag=True, help="As the operator with --global-transformation-options=exclude-raw.")
@click.option("-o", "--output", "output", type=click.Choice(["json", "yaml"]), help="The Secret as a manifest.")
@cluster_options
def command(  # noqa: PLR0913 - one parameter per option
    *,
    target: Target,
    name: str | None,
    files: tuple[str, ...],
    recursive: bool,
    data: str | None,
    reveal: bool,
    exclude_raw: bool,
    output: str | None,
) -> None:
    """See `HELP`."""
    if not files and not name:
        raise click.UsageError("name a resource of the cluster, or a file with -f")
    if data == STDIN and STDIN in files:
        raise click.UsageError("only one of -f and --data can be -, which is stdin")
    try:
        if files:
            wanted, transformations = _from_files(files, name, target, recursive=recursive)
        else:
            wanted, transformations = run(target, lambda cluster: _from_cluster(cluster, name or ""))
        answer = answer_of(_read(data), wanted)
        shown = asyncio.run(_preview(wanted, answer, transformations, exclude_raw=exclude_raw, now=SystemClock().now()))
    except Unreadable as exc:
        raise Failed(f"{exc.file}{f':{exc.line}' if exc.line else ''}: {exc}") from exc
    except BadAnswerFile as exc:
        raise Failed(f"--data {data}: {exc}") from exc
    except (SyncError, VaultError) as exc:
        raise Failed(f"{wanted.kind} {wanted.key} makes no Secret: {exc}") from exc
    _print(shown, output, reveal=reveal)


async def _preview(
    wanted: Claimant,
    answer: Answer,
    transformations: Mapping[Key, SecretTransformation],
    *,
    exclude_raw: bool,
    now: datetime,
) -> Preview:
    async with TemplateEngine(budget=Budget()) as engine:
        return await preview(
            wanted, answer, transformations=transformations, engine=engine, exclude_raw=exclude_raw, now=now
        )


def _from_files(
    files: Sequence[str], name: str | None, target: Target, *, recursive: bool
) -> tuple[Claimant, Mapping[Key, SecretTransformation]]:
    subjects = subjects_of(read_manifests(files, recursive=recursive), namespace=target.namespace or "default")
    broken = [one for one in subjects if one.definition is not None and one.obj is None]
    if broken:
        first = broken[0].manifest
        raise Failed(
            f"{first.file}:{first.line()}: {first.kind} {first.name} has members of another type than they must have: "
            "`lint` says which"
        )
    kinds, wanted_name = names_of(name) if name else (SECRET_KINDS, "")
    found = [
        one
        for one in (claimant_of(subject.obj) for subject in subjects)
        if one is not None
        and (not wanted_name or one.metadata.name == wanted_name)
        and any(one.kind == kind.resource.kind for kind in kinds)
    ]
    if not found:
        what = f"no resource called {name}" if name else "no VaultStaticSecret, VaultDynamicSecret or VaultPKISecret"
        raise Failed(f"there is {what} in {', '.join(files)}")
    if len(found) > 1:
        names = ", ".join(f"{one.kind}/{one.metadata.name}" for one in found)
        raise click.UsageError(f"the files have several resources: name one of {names}")
    return found[0], index_of(subjects, SecretTransformation)


async def _from_cluster(cluster: Cluster, name: str) -> tuple[Claimant, Mapping[Key, SecretTransformation]]:
    wanted = await read_secret(cluster, name)
    transformations = {}
    for ref in wanted.spec.destination.transformation.transformation_refs:
        where = Key(ref.namespace or wanted.metadata.namespace, ref.name)
        with suppress(NotFound):  # the gathering names what is missing
            transformations[where] = await cluster.client.get(SECRET_TRANSFORMATION, where)
    return wanted, transformations


def _read(data: str | None) -> str | None:
    return None if data is None else "\n".join(text for _, text in find_texts([data]))


def _print(shown: Preview, output: str | None, *, reveal: bool) -> None:
    if output:
        print_structured(manifest_of(shown, reveal=reveal), Format(output))
    else:
        data = shown.data.reveal()
        rows = [
            (Text(key), shown.origins[key].value, str(len(value)), Text(_show(value) if reveal else MASK))
            for key, value in sorted(data.items())
        ]
        name = f"{shown.wanted.metadata.namespace}/{shown.wanted.spec.destination.name}"
        tell_of(f"Secret {name}, {len(data)} key{'s' if len(data) != 1 else ''}", err=False)
        print_table(("KEY", "FROM", "BYTES", "VALUE"), rows)
    for remark in shown.remarks:
        tell_of(f"note: {remark}")


def _show(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "(no text)"
