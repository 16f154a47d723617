"""Which cluster, which namespace, which objects: the options that kubectl has too, and what comes of them.

`cluster_options` and `listing_options` give a command its `Target`; `run` opens the cluster for it, and turns what
can go wrong on the way into messages and exit codes.
"""

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from vso import __version__
from vso.apis.selector import InvalidSelector, parse_selector
from vso.cli.kubectl.exit_code import Failed, NotPermitted, OutOfReach
from vso.kube import (
    Client,
    ClientConfig,
    ConfigError,
    ConnectionFailed,
    Forbidden,
    KubeError,
    ServerFault,
    Unauthorized,
    load_config,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the options say. `namespace` is "" for that of the context, None for all; `labels` is a selector."""

    namespace: str | None = ""
    labels: str = ""
    context: str | None = None
    kubeconfig: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """An open connection to the cluster. `namespace` is None for all."""

    client: Client
    namespace: str | None
    labels: str

    @property
    def one_namespace(self) -> str:
        """The namespace, for commands that work in one."""
        return self.namespace or "default"


def cluster_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add -n, --context and --kubeconfig; `command` gets them as `target`."""
    return _with_target(command, _CLUSTER)


def listing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what `cluster_options` adds, and -A and -l."""
    return _with_target(command, (*_CLUSTER, *_LISTING))


def run(target: Target, work: Callable[[Cluster], Awaitable[T]]) -> T:
    """What `work` returns for the cluster of `target`. Raises Failed if the cluster refuses or cannot be reached."""
    try:
        return asyncio.run(_run(target, work))
    except (ConfigError, ConnectionFailed, Unauthorized, ServerFault) as exc:
        raise OutOfReach(f"the cluster is out of reach: {exc}") from exc
    except Forbidden as exc:
        raise NotPermitted(f"{exc}; ask whoever administers the cluster for that right") from exc
    except KubeError as exc:
        raise Failed(str(exc)) from exc


async def _run(target: Target, work: Callable[[Cluster], Awaitable[T]]) -> T:
    config = await load_config(environ=os.environ, kubeconfig=target.kubeconfig, context=target.context)
    async with Client(config, user_agent=f"kubectl-vso/{__version__}") as client:
        return await work(Cluster(client=client, namespace=_namespace(target, config), labels=target.labels))


def _namespace(target: Target, config: ClientConfig) -> str | None:
    return config.namespace if target.namespace == "" else target.namespace


def _selector(_ctx: click.Context, _param: click.Parameter, value: str) -> str:
    try:
        parse_selector(value)
    except InvalidSelector as exc:
        raise click.BadParameter(str(exc)) from exc
    return value


_CLUSTER = (
    click.option("-n", "--namespace", default="", metavar="NAME", help="Namespace; unset, that of the context."),
    click.option("--context", default=None, metavar="NAME", help="Context of the kubeconfig; unset, the current one."),
    click.option("--kubeconfig", default=None, metavar="FILE", help="Kubeconfig; unset, as for kubectl."),
)
_LISTING = (
    click.option("-A", "--all-namespaces", is_flag=True, help="All namespaces."),
    click.option(
        "-l",
        "--selector",
        default="",
        metavar="SELECTOR",
        callback=_selector,
        help="Labels, such as team=web,env!=test.",
    ),
)


def _with_target(command: Callable[..., Any], options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    @functools.wraps(command)
    def wrapped(**given: Any) -> Any:
        everywhere = given.pop("all_namespaces", False)
        target = Target(
            namespace=None if everywhere else given.pop("namespace"),
            labels=given.pop("selector", ""),
            context=given.pop("context"),
            kubeconfig=given.pop("kubeconfig"),
        )
        given.pop("namespace", None)
        return command(target=target, **given)

    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped
