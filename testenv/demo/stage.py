"""What the acts of the story use: the tools, the operator, and a way to check that what is told is true."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from testenv.demo.narrator import Narrator
from testenv.demo.tool import ROOT, Feed, Tool
from testenv.openbao import OpenBao
from testenv.postgres import Postgres
from testenv.process import Server
from testenv.waiting import attempts, seconds

NAMESPACE: Final = "vso-demo"
OPERATOR_NAMESPACE: Final = "vault-secrets-operator-system"
OPERATOR_ACCOUNT: Final = "vault-secrets-operator-controller-manager"
REVIEWER: Final = "token-reviewer"
REVIEWER_BINDING: Final = f"{NAMESPACE}-{REVIEWER}"
_LOUD = 2.0
_NEXT_TOLD = 10.0


class StoryFailed(Exception):
    """Something is not as the story tells; the text says what, and what may help."""


@dataclass(kw_only=True)
class Stage:
    """Where the story plays.

    `undo` is emptied in the end, last entry first. `borrowed` means that the cluster is the user's, and must be
    left as it was found; `collects`, that the cluster has a garbage collector and controllers.
    `missing_crds` are the files of the CRDs that are to be installed. `plugin` is `kubectl vso`. `metrics` is the URL
    of the operator's metrics, once it runs. `controllers` is the controller manager, if
    it is ours.
    """

    narrator: Narrator
    kubectl: Tool
    plugin: Tool
    bao: Tool
    server: OpenBao
    postgres: Postgres
    folder: Path
    undo: contextlib.ExitStack
    missing_crds: tuple[Path, ...]
    borrowed: bool = False
    collects: bool = True
    controllers: Server | None = None
    operator: Server | None = None
    metrics: str = ""
    leftovers: list[str] = field(default_factory=list)

    @property
    def context(self) -> tuple[str, ...]:
        """What tells a program the user's context, nothing on a cluster of ours."""
        return self.kubectl.command[1:]

    def show(self, tool: Tool, *args: str, feed: Feed | None = None, lines: int = 12) -> str:
        """Show a command, run it, show its output and return that; raises `StoryFailed` if the command fails."""
        before = f"{feed.shown} | " if feed else ""
        self.narrator.command(before + tool.line(*args))
        with self.narrator.waiting(f"{tool.shown} is at work"):
            done = tool.ask(*args, feed=feed.content if feed else "")
        self.narrator.output(done.stdout + done.stderr, lines=lines)
        if done.returncode != 0:
            raise StoryFailed(f"This command failed with exit code {done.returncode}: {tool.line(*args)}")
        return done.stdout

    def kube(self, *args: str, feed: Feed | None = None, lines: int = 12) -> str:
        """`show` kubectl in the namespace of the demo."""
        return self.show(self.kubectl, "-n", NAMESPACE, *args, feed=feed, lines=lines)

    def get(self, *args: str) -> Any:
        """What kubectl gets in the namespace of the demo, parsed; {} if it does not exist."""
        text = self.kubectl.read("-n", NAMESPACE, "get", *args, "--ignore-not-found", "-o", "json")
        return json.loads(text or "{}")

    def keep(self, name: str, tool: Tool, *args: str) -> str:
        """Show a command, run it, and put what it prints into a file of the demo, for it is not for eyes."""
        self.narrator.command(f"{tool.line(*args)} >{name}")
        done = tool.ask(*args)
        if done.returncode != 0:
            self.narrator.output(done.stderr)
            raise StoryFailed(f"This command failed with exit code {done.returncode}: {tool.line(*args)}")
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(done.stdout.strip())
        return done.stdout.strip()

    def manifest(self, name: str) -> str:
        """The text of a file of the repository."""
        return (ROOT / name).read_text()

    def expect(self, condition: Callable[[], bool], what: str, *, timeout: float = 20.0) -> float:
        """Wait until `condition` is true and say so; returns the seconds that it took.

        Raises `StoryFailed` naming `what` after `timeout` seconds, or as soon as the operator has ended.
        """
        start, next_told = seconds(), _LOUD
        with self.narrator.waiting(f"waiting: {what}"):
            for waited in attempts(timeout, interval=0.3):
                if condition():
                    break
                if self.operator is not None and not self.operator.alive:
                    raise StoryFailed(f"The operator has ended by itself, with exit code {self.operator.exit_code}.")
                if waited > next_told:
                    next_told += _NEXT_TOLD
                    self.narrator.progress(f"waiting until {what}: {waited:.0f} s of at most {timeout:.0f}")
            else:
                raise StoryFailed(f"Not so after {timeout:.0f} s: {what}.")
        took = seconds() - start
        self.narrator.verified(f"{what[:1].upper()}{what[1:]}" + (f" (after {took:.0f} s)" if took > _LOUD else ""))
        return took

    def remove_later(self, *args: str) -> None:
        """Have `kubectl delete ARGS` run in the end, if the cluster is the user's; ours vanishes as a whole."""
        if self.borrowed:
            self.undo.callback(self._remove, *args)

    def _remove(self, *args: str) -> None:
        line = ("delete", *args, "--ignore-not-found", "--timeout=120s")
        try:
            self.show(self.kubectl, *line, lines=3)
        except BaseException as error:
            self.leftovers.append(self.kubectl.line(*line))
            if not isinstance(error, StoryFailed):
                raise

    def complain(self) -> None:
        """Raise `StoryFailed` naming what could not be removed, if there is such."""
        if self.leftovers:
            lines = "\n  ".join(self.leftovers)
            raise StoryFailed(f"Not all could be removed. Run by hand:\n  {lines}")

    def describe(self) -> str:
        """Objects and conditions of the demo, for somebody who has to find out what is wrong."""
        text = self.kubectl.read(
            "-n",
            NAMESPACE,
            "get",
            "vaultconnections,vaultauths,vaultstaticsecrets,vaultdynamicsecrets,vaultpkisecrets,secrets",
        )
        path = 'jsonpath={range .items[*]}{.metadata.name}{": "}{.status.conditions[*].message}{"\\n"}{end}'
        return text + self.kubectl.read("-n", NAMESPACE, "get", "vaultstaticsecrets", "-o", path)
