"""Pages of the documentation as tests: what their blocks say is done, in order, as a reader would.

An invisible comment above a block says what it is; a blank line is between the two.

    <!-- run -->            a block of commands: bash runs it, and each command must succeed
    <!-- run until -->      the same, again and again until it succeeds and prints what the next block shows
    <!-- prints -->         a block with the output of the commands before it; `…` stands for what varies, alone on a
                            line for any number of lines
    <!-- not run: why -->   a block of commands that is not run

A block with a title is a file of that name in the folder where the commands run.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from testenv import wait_for

PATIENCE: Final = 90.0
"""Seconds that a block may take, or that what it waits for may take."""
_BLOCK: Final = re.compile(r"^(?:<!-- ([^\n]*?) -->\n\n)?```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE: Final = re.compile(r'title="([^"]+)"')
_NAMESPACE: Final = re.compile(r"kubectl create namespace (\S+)")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, the comment above it, the file that it is, its text and its line in the page."""

    language: str
    mark: str
    title: str
    text: str
    line: int

    @property
    def runs(self) -> bool:
        """Whether its commands are run."""
        return self.mark in {"run", "run until"}


def blocks(markdown: str) -> Iterator[Block]:
    """The fenced blocks of a page that are not within a list or a quotation."""
    for found in _BLOCK.finditer(markdown):
        title = _TITLE.search(found[3])
        line = markdown.count("\n", 0, found.start(4)) + 1
        yield Block(found[2], found[1] or "", title[1] if title else "", found[4], line)


def namespaces(markdown: str) -> list[str]:
    """The Kubernetes namespaces that the commands of a page create."""
    return [name for block in blocks(markdown) if block.runs for name in _NAMESPACE.findall(block.text)]


class Reader:
    """Follows a page in `folder`, with these variables, and with the `replaced` words of the page by others."""

    def __init__(self, folder: Path, *, environ: Mapping[str, str], replaced: Mapping[str, str]) -> None:
        self._folder = folder
        self._environ = {"HOME": str(folder), **environ}
        self._replaced = replaced
        self._variables = folder / ".variables"

    def follow(self, markdown: str) -> None:
        """Do all that the page says. Raises AssertionError, naming the line, where it does not hold."""
        todo = list(blocks(markdown))
        output = ""
        for at, block in enumerate(todo):
            if block.title:
                (self._folder / block.title).write_text(self._adapted(block.text))
            elif block.mark == "run":
                output = self._run(block)
            elif block.mark == "run until":
                output = self._repeat(block, todo[at + 1])
            elif block.mark == "prints":
                expected = self._adapted(block.text)
                assert agrees(output, expected), f"line {block.line}: expected\n{expected}\ngot\n{output}"

    def _run(self, block: Block) -> str:
        done = self._bash(block)
        assert done.returncode == 0, f"line {block.line}: {block.text}ended with {done.returncode}:\n{_all(done)}"
        return done.stdout

    def _repeat(self, block: Block, after: Block) -> str:
        assert after.mark == "prints", f"line {block.line}: a block with its output must follow"
        last: subprocess.CompletedProcess[str] | None = None

        def arrived() -> bool:
            nonlocal last
            last = self._bash(block)
            return last.returncode == 0 and agrees(last.stdout, self._adapted(after.text))

        try:
            wait_for(arrived, what=f"line {block.line}", timeout=PATIENCE)
        except TimeoutError as exc:
            raise AssertionError(f"line {block.line}: expected\n{after.text}\ngot last\n{_all(last)}") from exc
        assert last is not None
        return last.stdout

    def _bash(self, block: Block) -> "subprocess.CompletedProcess[str]":
        """Run the commands; variables that they set are there for the blocks below."""
        known = f". {self._variables}\n" if self._variables.exists() else ""
        script = f"{known}set -euo pipefail\n{self._adapted(block.text)}\nset +eu; declare -p | grep '^declare --'"
        script += f" | grep -vE ' (BASH|EUID|PPID|UID|_)' >{self._variables}; true\n"
        return subprocess.run(
            ("bash", "-c", script),
            cwd=self._folder,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def _adapted(self, text: str) -> str:
        for word, other in self._replaced.items():
            text = text.replace(word, other)
        return text


def agrees(output: str, expected: str) -> bool:
    """Whether `output` is `expected`, apart from the width of columns and from what `…` stands for."""
    pattern = ""
    for line in expected.strip().splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            words = (".*?".join(map(re.escape, word.split("…"))) for word in line.split())
            pattern += r"[ \t]+".join(words) + "\n"
    lines = (line.strip() for line in output.strip().splitlines())
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def programs(folder: Path, found: Mapping[str, str | Path]) -> str:
    """A PATH with `folder`, where each program stands under its name, before the system's."""
    folder.mkdir()
    for name, program in found.items():
        (folder / name).symlink_to(program)
    return f"{folder}:{os.environ['PATH']}"


def _all(done: "subprocess.CompletedProcess[str] | None") -> str:
    return f"{done.stdout}{done.stderr}" if done is not None else ""
