"""Which build this is: what the package says, and what a build stamped onto it (operations.md section 1.6).

A build writes ``stamp.json`` into the package `vso` (``python tools/stamp.py``): a JSON object with any of gitVersion,
gitCommit, gitTreeState and buildDate. Without it the version is the package's, and the others are empty.
"""

import json
import platform
import sys
from collections.abc import Mapping
from importlib.resources import files
from typing import Final

import msgspec

from vso import __version__

STAMP: Final = "stamp.json"
_STAMPED: Final = ("gitVersion", "gitCommit", "gitTreeState", "buildDate")
_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def read_stamp() -> Mapping[str, str]:
    """What the build stamped; empty if it did not. Raises ValueError if the stamp is no JSON object of texts."""
    try:
        content = (files("vso") / STAMP).read_bytes()
    except OSError:
        return {}
    return msgspec.json.decode(content, type=dict[str, str])


def build_facts(stamp: Mapping[str, str]) -> dict[str, str]:
    """All that is known of this build, in the original's names and order."""
    git = {"gitVersion": __version__} | {name: stamp[name] for name in _STAMPED if stamp.get(name)}
    major, minor, *_ = [*git["gitVersion"].removeprefix("v").split("."), "", ""]
    return {
        "major": major,
        "minor": minor,
        **{name: git.get(name, "") for name in _STAMPED},
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation().lower(),
        "platform": f"{sys.platform}/{_MACHINES.get(platform.machine(), platform.machine())}",
    }


def show_version(facts: Mapping[str, str], output: str) -> str:
    """`facts` as `output` asks: json and yaml for machines, "" for people. Raises ValueError for another format."""
    match output:
        case "":
            return f"vault-secrets-operator {' '.join(f'{name}={value}' for name, value in facts.items() if value)}\n"
        case "json":
            return json.dumps(facts, indent=2)
        case "yaml":
            return "".join(f"{name}: {_scalar(facts[name])}\n" for name in sorted(facts))
        case _:
            raise ValueError(f"--output={output} is not supported: use json or yaml")


def _scalar(value: str) -> str:
    """`value` as YAML, in quotes where it would be read as something else than this text."""
    import yaml  # late: the operator at work reads none

    plain = yaml.safe_load(value) if value and ": " not in value else None
    return value if plain == value else json.dumps(value)
