"""Label selectors as kubectl writes them: ``team=web,tier!=test,env in (a,b),!frozen``.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?"
_VALUE: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?"
_EQUAL: Final = re.compile(rf"(?P<name>{_NAME})\s*(?P<sign>==|=|!=)\s*(?P<value>{_VALUE})")
_SET: Final = re.compile(rf"(?P<name>{_NAME})\s+(?P<word>in|notin)\s*\((?P<values>[^()]*)\)")
_EXISTS: Final = re.compile(rf"(?P<no>!?)\s*(?P<name>{_NAME})")
_COMMA: Final = re.compile(r",(?![^()]*\))")


class InvalidSelector(ValueError):
    """A text that is no label selector."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """The label `name` has one of `values` (None: any value), or, with `negated`, does not."""

    name: str
    values: frozenset[str] | None
    negated: bool = False

    def admits(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` meet it; a label that is absent has no value."""
        found = self.name in labels if self.values is None else labels.get(self.name) in self.values
        return found is not self.negated


@dataclass(frozen=True, slots=True)
class Selector:
    """All of its requirements; none admit everything."""

    requirements: tuple[Requirement, ...] = ()

    def admits(self, labels: Mapping[str, str]) -> bool:
        """Whether `labels` meet all requirements."""
        return all(one.admits(labels) for one in self.requirements)


def parse_selector(text: str) -> Selector:
    """Read a selector; the empty text admits everything. Raises InvalidSelector that names the part at fault."""
    if not text.strip():
        return Selector()
    return Selector(tuple(_requirement(part.strip()) for part in _COMMA.split(text)))


def _requirement(part: str) -> Requirement:
    forms: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Requirement]], ...] = (
        (_EQUAL, lambda found: Requirement(found["name"], frozenset({found["value"]}), found["sign"] == "!=")),
        (_SET, lambda found: Requirement(found["name"], _values(found["values"]), found["word"] == "notin")),
        (_EXISTS, lambda found: Requirement(found["name"], None, found["no"] == "!")),
    )
    for pattern, make in forms:
        if found := pattern.fullmatch(part):
            return make(found)
    raise InvalidSelector(f"{part!r} is none of: name=value, name!=value, name in (a,b), name notin (a,b), name, !name")


def _values(text: str) -> frozenset[str]:
    return frozenset(one.strip() for one in text.split(","))
