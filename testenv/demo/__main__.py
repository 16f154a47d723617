"""`python -m testenv.demo`: tell the story; what `make demo` calls."""

import argparse
import contextlib
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from testenv.demo import story, venue
from testenv.demo.narrator import Narrator, terminal
from testenv.demo.stage import NAMESPACE, Stage, StoryFailed
from testenv.demo.tool import bao_variables
from testenv.gobuild import BuildFailed
from testenv.process import ServerDied
from testenv.toolchain import NoGo
from testenv.workspace import exit_on_sigterm

_LOG_LINES = 12
_NEXT: Final = {
    "deploy/examples/": "the manifests of this story, with comments",
    "README.md": "quick start with a cluster and a Vault of your own; what works, what not yet",
    "docs/explanation/architecture.md": "how the operator works inside",
    "make demo KEEP=1": "the same, and it stays for you to play with",
    "make demo CONTEXT=name": "the same on a cluster of yours",
}
_TROUBLE = (
    StoryFailed,
    BuildFailed,
    NoGo,
    ServerDied,
    TimeoutError,
    FileNotFoundError,
    PermissionError,
    subprocess.TimeoutExpired,
)


def main(argv: list[str] | None = None) -> int:
    """Tell the story; 0 if it was true, 1 if not, 130 after Ctrl-C."""
    # A shell that starts this in the background has SIGINT ignored, and then nothing would be cleaned up.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    options = _parser().parse_args(argv)
    narrator = Narrator(terminal())
    exit_on_sigterm()
    if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        # A closed terminal is no reason to leave things on somebody's cluster.
        signal.signal(signal.SIGHUP, lambda number, _: sys.exit(128 + number))
    try:
        _tell(narrator, context=options.context, keep=options.keep)
    except _TROUBLE as error:
        narrator.failure(f"The story stops here. {error}")
        return 1
    except KeyboardInterrupt:
        narrator.failure("Interrupted; all is cleaned up.")
        return 128 + signal.SIGINT
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m testenv.demo", description="Show the operator at work on real servers, in about a minute."
    )
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    parser.add_argument(
        "--context",
        default="",
        metavar="NAME",
        help="play on the cluster of this kubeconfig context, and leave it as it was",
    )
    return parser


def _tell(narrator: Narrator, *, context: str, keep: bool) -> None:
    narrator.title("Vault Secrets Operator: a secret's way from OpenBao into Kubernetes")
    narrator.say(_preface(context))
    with contextlib.ExitStack() as stack:
        stage = stack.enter_context(venue.borrowed(narrator, context) if context else venue.own(narrator))
        stack.callback(_announce_end, stage)
        try:
            for act in story.ACTS:
                act(stage)
            _summarize(narrator)
            if keep:
                _linger(stage)
        except _TROUBLE:
            _explain(stage)
            raise
    narrator.say(f"Everything is cleaned up. The story took {narrator.elapsed:.0f} seconds.")


def _preface(context: str) -> str:
    servers = (
        f"the cluster of your kubeconfig context {context}, beside an OpenBao that starts on this machine. Whatever "
        "the demo makes on that cluster is removed in the end"
        if context
        else "a Kubernetes control plane and an OpenBao that start on this machine, on loopback only. They vanish in "
        "the end"
    )
    return (
        f"This plays on real servers: {servers}. Lines that begin with $ are what you would type, with their real "
        "output below; what has a check mark was looked up on the servers. Ctrl-C ends the story and cleans up."
    )


def _summarize(narrator: Narrator) -> None:
    narrator.heading("What you have seen")
    narrator.say(
        "A secret got from OpenBao into a Kubernetes Secret, and followed a rotation; the program that uses it was "
        "restarted; a refused login was told where one looks for it; and the Secret went with its owner. The operator "
        "had no password of OpenBao, and no right in Kubernetes beyond its ClusterRole."
    )
    narrator.heading("What to read next")
    for name, what in _NEXT.items():
        narrator.output(f"{name:<34}{what}")


def _linger(stage: Stage) -> None:
    narrator = stage.narrator
    narrator.heading("It keeps running")
    narrator.say("The VaultStaticSecret is put back for you to play with.")
    story.restore(stage)
    variables = bao_variables(stage.server)
    if not stage.borrowed:
        variables = {"KUBECONFIG": stage.kubectl.environ["KUBECONFIG"], **variables}
    narrator.say("In another terminal, in this folder:")
    narrator.output("export " + " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items()))
    narrator.output(f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH   # kubectl and bao")
    narrator.output(f"tail -f {stage.folder / 'operator.log'}")
    narrator.output(stage.kubectl.line("-n", NAMESPACE, "get", "vaultstaticsecrets", "--watch"))
    narrator.output(stage.bao.line("kv", "put", "-mount=secret", "demo", "username=bob", "password=other"))
    narrator.say("Nothing outlives this process: Ctrl-C here stops the servers and the operator, and cleans up.")
    with contextlib.suppress(KeyboardInterrupt):
        # Short waits, since a signal that another thread takes does not wake this one.
        while not threading.Event().wait(1.0):
            if stage.operator is not None and not stage.operator.alive:
                raise StoryFailed(f"The operator has ended by itself, with exit code {stage.operator.exit_code}.")


def _announce_end(stage: Stage) -> None:
    narrator = stage.narrator
    narrator.heading("Cleaning up")
    if stage.borrowed:
        narrator.say("All that the demo made on the cluster is removed; what was there before stays as it is.")
    else:
        narrator.say("Operator, OpenBao and Kubernetes stop, and their files are removed.")


def _explain(stage: Stage) -> None:
    """Show what helps to find out why the story was not true."""
    for title, text in {
        "How the demo's objects are": stage.describe(),
        "How the operator's log ends": stage.operator.tail(_LOG_LINES) if stage.operator is not None else "",
    }.items():
        if text:
            stage.narrator.heading(title)
            stage.narrator.output(text, lines=40)


if __name__ == "__main__":
    sys.exit(main())
