"""The Helm chart as Helm renders it, once for each set of values."""

import copy
import functools
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from testenv import find_helm

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "deploy" / "chart"
RELEASE: Final = "release-name"
NAMESPACE: Final = "vault-system"
F: Final = f"{RELEASE}-vault-secrets-operator"
"""The full name, with which names of objects begin."""
MISSING: Final = "is not there"
"""What `at` answers where there is nothing."""

Json = dict[str, Any]


def nested(values: Mapping[str, Any]) -> Json:
    """Values by dotted names, as a values file has them."""
    root: Json = {}
    for name, value in values.items():
        *path, last = name.split(".")
        place = root
        for part in path:
            place = place.setdefault(part, {})
        place[last] = copy.deepcopy(value)
    return root


def at(value: Any, path: str) -> Any:
    """What is at the words of `path`; in a list, a word is a position, or the name of an element."""
    for word in path.split():
        if isinstance(value, list) and not word.isdigit():
            value = next((one for one in value if one.get("name") == word), MISSING)
        elif isinstance(value, list):
            value = value[int(word)] if int(word) < len(value) else MISSING
        else:
            value = value.get(word, MISSING)
        if value is MISSING:
            break
    return value


@dataclass(frozen=True)
class Rendered:
    """The objects of one rendering, hooks and tests among them; `text` is what Helm printed."""

    text: str
    objects: tuple[Json, ...]

    def all(self, kind: str) -> list[Json]:
        """All objects of a kind."""
        return [one for one in self.objects if one["kind"] == kind]

    def named(self) -> set[str]:
        """All objects, as ``Kind name``."""
        return {f"{one['kind']} {one['metadata']['name']}" for one in self.objects}

    def get(self, kind: str, name: str = "") -> Json:
        """The object of that name, or the one of the kind if there is no other."""
        found = [one for one in self.all(kind) if name in {"", one["metadata"]["name"]}]
        assert len(found) == 1, f"{len(found)} objects {kind} {name}"
        return found[0]

    def manager(self, path: str = "") -> Any:
        """Of the manager's container."""
        return at(self.get("Deployment"), f"spec template spec containers manager {path}")

    def pod(self, path: str = "") -> Any:
        """Of the Pods' specification."""
        return at(self.get("Deployment"), f"spec template spec {path}")

    def args(self) -> list[str]:
        """The manager's arguments."""
        found: list[str] = self.manager("args")
        return found

    def job(self, name: str, path: str = "") -> Any:
        """Of a Job: ``pdcc`` or ``upgrade-crds``."""
        return at(self.get("Job", f"{name}-{F}"[:63].rstrip("-")), path)


class Refused(Exception):
    """Helm did not render; the text is what it said."""


def render(
    values: Mapping[str, Any] | None = None, *options: str, release: str = RELEASE, namespace: str = NAMESPACE
) -> Rendered:
    """The chart with `values` by dotted names. Raises Refused."""
    return _render(json.dumps(nested(values or {})), options, release, namespace)


@functools.cache
def _render(values: str, options: tuple[str, ...], release: str, namespace: str) -> Rendered:
    text = template(values, *options, release=release, namespace=namespace)
    objects = tuple(one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one)
    return Rendered(text, objects)


def template(values: str, *options: str, release: str = RELEASE, namespace: str = NAMESPACE) -> str:
    """What ``helm template`` prints for the text of a values file. Raises Refused."""
    arguments = ["template", release, str(CHART), f"--namespace={namespace}", "--values=-", *options]
    done = helm(*arguments, values=values)
    if done.returncode:
        raise Refused(done.stderr)
    return done.stdout


def helm(*arguments: str, values: str = "") -> subprocess.CompletedProcess[str]:
    """Run Helm, with `values` on its stdin; see `returncode`, `stdout`, `stderr`."""
    command = [str(find_helm()), *arguments]
    return subprocess.run(command, input=values, capture_output=True, text=True, check=False, timeout=120)
