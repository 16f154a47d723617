"""Writes what a release is made of: ``python tools/bill.py FOLDER``.

``sbom.cdx.json``, a CycloneDX bill of materials of the pinned Python packages and of the Go packages in the template
engine, and ``licences.md``, a table of their licences, read from the installed packages' own metadata. Not the
libraries of the distribution in the image: those stand in the image itself, where scanners look for them.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PINS: Final = ROOT / "requirements" / "cloud.txt"
ENGINE: Final = ROOT / "template-engine"
ALLOWED: Final = frozenset(
    {
        *("Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MIT-0", "PSF-2.0"),
    }
)
"""Licences that ask for no more than a notice, by their SPDX identifiers."""
EXCEPTIONS: Final[Mapping[str, str]] = {
    "certifi": "MPL-2.0",  # a list of CAs, passed on unchanged; the licence ends at its own files
}
_UNCLEAR: Final[Mapping[str, str]] = {
    # From the licence files, where the metadata has a family's name only.
    "google-re2": "BSD-3-Clause",
    "pyasn1-modules": "BSD-2-Clause",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
}
_SPELLINGS: Final[Mapping[str, str]] = {"Apache 2.0": "Apache-2.0", "MIT License": "MIT"}


@dataclass(frozen=True)
class Part:
    """A package that is passed on."""

    name: str
    version: str
    licence: str
    purl: str

    @property
    def allowed(self) -> bool:
        """Whether the licence is one that we pass on."""
        if EXCEPTIONS.get(self.name) == self.licence:
            return True
        choices = self.licence.split(" OR ")
        return any(all(one in ALLOWED for one in choice.split(" AND ")) for choice in choices)


def main() -> int:
    """Exit status 1 if a licence is not allowed."""
    parser = argparse.ArgumentParser(description="Write the bill of materials and the list of licences.")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sbom.cdx.json").write_text(json.dumps(bill(), indent=2, ensure_ascii=False) + "\n")
    (folder / "licences.md").write_text(as_table(parts()))
    refused = [part for part in parts() if not part.allowed]
    for part in refused:
        print(f"bill: {part.name} {part.version} is under {part.licence}, which is not allowed", file=sys.stderr)
    return 1 if refused else 0


def parts(pins: Path = PINS) -> list[Part]:
    """Everything that is passed on, by name; the pinned packages have to be installed."""
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", pins.read_text(), re.MULTILINE)
    python = [Part(name, version, _licence(name), f"pkg:pypi/{name}@{version}") for name, version in pinned]
    return sorted([*python, *go_parts()], key=lambda part: part.name.lower())


def go_parts() -> list[Part]:
    """The Go modules in the template engine; their licences are in its ``licences.txt``."""
    stated = dict(re.findall(r"^=+\n(\S+ v\S+) (\S+)\n=+$", (ENGINE / "licences.txt").read_text(), re.MULTILINE))
    required = re.findall(r"^\s+(\S+) (v\S+)", (ENGINE / "go.mod").read_text(), re.MULTILINE)
    return [
        Part(path, version, stated.get(f"{path} {version}", "unknown"), f"pkg:golang/{path}@{version}")
        for path, version in required
    ]


def bill() -> dict[str, Any]:
    """The CycloneDX document; the same for the same pins."""
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(PINS)]
    options = ["--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--of", "JSON", "-o", "-"]
    run = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"bill: cyclonedx-py failed:\n{run.stderr}")
    document: dict[str, Any] = json.loads(run.stdout)
    licences = {part.purl: part.licence for part in parts()}
    for component in document["components"]:
        component["licenses"] = [{"expression": licences[component["purl"]]}]
        component.pop("description", None)  # the pin's line, hashes and all
    document["components"] += [
        {
            "bom-ref": part.purl,
            "type": "library",
            "name": part.name,
            "version": part.version,
            "purl": part.purl,
            "licenses": [{"expression": part.licence}],
        }
        for part in go_parts()
    ]
    references = [component["bom-ref"] for component in document["components"]]
    root = document["metadata"]["component"]["bom-ref"]
    document["dependencies"] = [{"ref": root, "dependsOn": references}, *({"ref": one} for one in references)]
    return document


def as_table(found: list[Part]) -> str:
    """The list of licences in Markdown."""
    rows = [f"| {part.name} | {part.version} | {part.licence} |" for part in found]
    return "\n".join(["# Licences", "", "| Package | Version | Licence |", "|---|---|---|", *rows, ""])


def _licence(name: str) -> str:
    """The SPDX expression of an installed package."""
    if name in _UNCLEAR:
        return _UNCLEAR[name]
    about = metadata.metadata(name).json
    stated = str(about.get("license_expression") or about.get("license") or "unknown")
    return _SPELLINGS.get(stated, stated)


if __name__ == "__main__":
    sys.exit(main())
