"""What rules are given and what they say. A rule is a pure function from a `Subject` and its `Bundle` to remarks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from vso.apis.merge import GlobalOptions
from vso.apis.meta import Key
from vso.apis.v1beta1 import SecretTransformation, VaultAuth, VaultAuthGlobal, VaultConnection
from vso.cli.kubectl.manifest import Member
from vso.cli.kubectl.subject import Subject, claimant_of, index_of
from vso.controllers import Claimant, templates_of
from vso.sync import Template

_LONGEST: Final = 60


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """The server or the operator refuses it, or it cannot do what it says."""
    WARNING = "warning"
    """It may be meant, but mostly is not, or depends on what is not in the files."""
    HINT = "hint"
    """It works, and is worth knowing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What a rule says of a member: what is wrong, and what to do. `line` is that of the file, 0 for the member's."""

    member: Member
    problem: str
    remedy: str
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A remark about an object, ready to be shown."""

    severity: Severity
    rule: str
    file: str
    line: int
    kind: str
    namespace: str
    name: str
    member: str
    problem: str
    remedy: str


class Bundle:
    """All objects of the files together; it answers as `vso.sync.References` does.

    `complaints` are the engine's, by template; `silence` says why it could not look at all of them. Nothing of it
    changes.
    """

    def __init__(
        self,
        subjects: Sequence[Subject],
        *,
        options: GlobalOptions,
        complaints: Mapping[Template, str] | None = None,
        silence: str = "",
    ) -> None:
        self.subjects = tuple(subjects)
        self.options = options
        self.complaints = complaints or {}
        self.silence = silence
        self._auths = index_of(subjects, VaultAuth)
        self._shared = index_of(subjects, VaultAuthGlobal)
        self._connections = index_of(subjects, VaultConnection)
        self._transformations = index_of(subjects, SecretTransformation)
        self._writers: dict[Key, tuple[Subject, Claimant]] = {}
        self._firsts: dict[tuple[str, Key], Subject] = {}
        for one in subjects:
            self._firsts.setdefault((one.manifest.kind, one.key), one)
            claimant = claimant_of(one.obj)
            if claimant is not None:
                self._writers.setdefault(Key(one.namespace, claimant.spec.destination.name), (one, claimant))

    def auth(self, key: Key) -> VaultAuth | None:
        """The VaultAuth `key`, None if the files have none."""
        return self._auths.get(key)

    def shared(self, key: Key) -> VaultAuthGlobal | None:
        """The VaultAuthGlobal `key`, None if the files have none."""
        return self._shared.get(key)

    def connection(self, key: Key) -> VaultConnection | None:
        """The VaultConnection `key`, None if the files have none."""
        return self._connections.get(key)

    def transformation(self, key: Key) -> SecretTransformation | None:
        """The SecretTransformation `key`, None if the files have none."""
        return self._transformations.get(key)

    def first_writer(self, destination: Key) -> tuple[Subject, Claimant] | None:
        """The first resource in the files that writes the Secret `destination`."""
        return self._writers.get(destination)

    def first_of(self, subject: Subject) -> Subject:
        """The first object in the files of the kind and name of `subject`; mostly itself."""
        return self._firsts[subject.manifest.kind, subject.key]


Check = Callable[[Subject, Bundle], Iterable[Remark]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: a name, for reports and to switch it off; how bad it is; the function."""

    name: str
    severity: Severity
    check: Check


def templates_in(subject: Subject) -> list[tuple[Member, Template]]:
    """The templates that an object holds itself, and where."""
    transformation = subject.has(SecretTransformation)
    if transformation is not None:
        sources = len(transformation.spec.source_templates)
        members: list[Member] = [("spec", "sourceTemplates", at, "text") for at in range(sources)]
        members += [("spec", "templates", key, "text") for key in transformation.spec.templates]
        return list(zip(members, templates_of(transformation), strict=True))
    claimant = claimant_of(subject.obj)
    if claimant is None:
        return []
    return [
        (
            ("spec", "destination", "transformation", "templates", key, "text"),
            Template(name=one.name or f"{subject.key}/{key}", text=one.text, key=key),
        )
        for key, one in claimant.spec.destination.transformation.templates.items()
    ]


def remark(member: Member, problem: str, remedy: str) -> Remark:
    """Shorthand for rules."""
    return Remark(member=member, problem=problem, remedy=remedy)


def parted(text: str, by: str) -> tuple[str, str]:
    """A message of another layer as problem and remedy: many end in what to do, after `by`."""
    problem, found, remedy = text.rpartition(by) if by == ": " else text.partition(by)
    return (problem, remedy) if found else (text, "correct it")


def show(value: Any) -> str:
    """`value` in a message, not longer than a line."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
