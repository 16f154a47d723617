"""`python -m testenv`: the real servers by hand, for trying things out and for the demo."""

import argparse
import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Mapping

from testenv.builder import controlplane_binary
from testenv.cluster import Cluster
from testenv.gobuild import BuildFailed
from testenv.helm import find_helm
from testenv.openbao import OpenBao
from testenv.port import LOOPBACK
from testenv.postgres import Postgres
from testenv.process import ServerDied
from testenv.toolchain import NoGo
from testenv.waiting import Report, quiet, seconds

_EPILOG = """\
examples:
  python -m testenv up                           Kubernetes and OpenBao
  python -m testenv up --with openbao,postgres   PostgreSQL too
  python -m testenv up --with none               Kubernetes alone
  python -m testenv build                        only build the control plane (5 to 10 minutes, once)
  python -m testenv helm                         only build helm (2 minutes, once)

`up` prints the variables that kubectl and bao need, on standard output; paste them into another shell.
Everything listens on 127.0.0.1 and vanishes with Ctrl-C.

environment:
  KUBEBUILDER_ASSETS  a folder with etcd, kube-apiserver and perhaps kube-controller-manager: nothing is built
  VAULT_BIN           a HashiCorp Vault binary to start in OpenBao's place
  XDG_CACHE_HOME      where the built control plane is kept (default ~/.cache)
"""
_NEIGHBOURS = ("openbao", "postgres")


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says; answers with the exit status."""
    # A shell that starts this in the background has SIGINT ignored, and then nothing would be cleaned up.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = _parser().parse_args(argv)
    report = quiet if options.quiet else _Progress().tell
    try:
        if options.command == "build":
            print(controlplane_binary(report))
        elif options.command == "helm":
            print(find_helm(report))
        else:
            _up(options.neighbours, report)
    except (BuildFailed, NoGo, ServerDied, FileNotFoundError, PermissionError) as error:
        print(f"testenv: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m testenv",
        description="Start real Kubernetes, OpenBao and PostgreSQL servers on loopback.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="start servers, print how to reach them, stop them on Ctrl-C")
    up.add_argument(
        "--with",
        dest="neighbours",
        type=_neighbours,
        default=("openbao",),
        metavar="LIST",
        help="what to start beside Kubernetes: openbao, postgres, both with a comma, or none (default: openbao)",
    )
    build = commands.add_parser("build", help="build the control plane, if it is not in the cache, and print its file")
    helm = commands.add_parser("helm", help="build Helm, unless it is in the PATH or the cache, and print its file")
    for command in (up, build, helm):
        command.add_argument("--quiet", action="store_true", help="no progress on standard error")
    return parser


def _neighbours(text: str) -> tuple[str, ...]:
    names = tuple(name for name in text.split(",") if name and name != "none")
    unknown = [name for name in names if name not in _NEIGHBOURS]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; choose from {', '.join(_NEIGHBOURS)}, none")
    return names


def _up(neighbours: tuple[str, ...], report: Report) -> None:
    with contextlib.ExitStack() as stack:
        report("Kubernetes: starting")
        cluster = stack.enter_context(Cluster(report=report))
        variables = {"KUBECONFIG": str(cluster.admin_kubeconfig)}
        starters: Mapping[str, Callable[[], Mapping[str, str]]] = {
            "openbao": lambda: _openbao(stack.enter_context(OpenBao(report=report))),
            "postgres": lambda: _postgres(stack.enter_context(Postgres(report=report))),
        }
        for name in neighbours:
            variables |= starters[name]()
        print("export", *(f"{name}={value}" for name, value in variables.items()), flush=True)
        report("ready; Ctrl-C stops everything")
        with contextlib.suppress(KeyboardInterrupt):
            # Short waits, since a signal that another thread takes does not wake this one.
            while not threading.Event().wait(1.0):
                pass
        report("stopping")


def _openbao(bao: OpenBao) -> Mapping[str, str]:
    return {"BAO_ADDR": bao.address, "VAULT_ADDR": bao.address, "BAO_TOKEN": bao.token, "VAULT_TOKEN": bao.token}


def _postgres(postgres: Postgres) -> Mapping[str, str]:
    account = {"PGUSER": postgres.user, "PGPASSWORD": postgres.password, "PGDATABASE": "postgres"}
    return {"PGHOST": LOOPBACK, "PGPORT": str(postgres.port), **account}


class _Progress:
    """Lines on standard error, with the seconds since the start."""

    def __init__(self) -> None:
        self._start = seconds()

    def tell(self, message: str) -> None:
        """Print one line."""
        print(f"[{seconds() - self._start:6.1f} s] {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
