"""Writes the generated files of the repository, or says which of them are out of date.

Not the generators themselves: each is a module of the package that writes its files into a folder given as its
only argument, and stands in `GENERATORS` with the folder where the repository keeps them.
Run as ``python tools/generate.py [--check]``, from the root of the repository.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

GENERATORS: Final[Mapping[str, str]] = {
    "deploy/chart/crds": "vso.apis.crd",
    "deploy/chart/files": "tools.chart_files",
    "deploy/chart/templates/generated": "vso.controllers.rbac_chart",
    "deploy/chart/values.schema.json": "tools.chart_schema",
    "deploy/crds": "vso.apis.crd",
    "deploy/kustomize/crd/bases": "vso.apis.crd",
    "deploy/kustomize/rbac/rules": "vso.controllers.rbac_kustomize",
    "deploy/rbac": "vso.controllers.rbac",
    "docs/reference/chart-values": "tools.chart_values",
    "deploy/alerts": "tools.alerts",
    "deploy/dashboards": "tools.dashboard",
    "docs/reference/generated/flags": "vso.app.flag_reference",
    "docs/reference/generated/kubectl-vso": "vso.cli.kubectl.reference",
    "docs/reference/conditions": "tools.reference_conditions",
    "docs/reference/metrics": "tools.reference_metrics",
    "docs/reference/permissions": "tools.reference_permissions",
    "docs/reference/resources": "tools.reference_resources",
}
"""Folder, or single file, in the repository -> module that writes it. A generator owns its folder whole."""


def generate(module: str, folder: Path) -> None:
    """Let the module write its files into the folder, which is made if it is missing.

    Raises subprocess.CalledProcessError if the module fails; it has then said why on stderr.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # The module's name comes from the table above.
    subprocess.run([sys.executable, "-m", module, str(folder)], check=True)


def differences(kept: Path, fresh: Path) -> list[str]:
    """One line for each file that is missing, changed or no longer generated, in order of names."""
    ours, theirs = _files(kept), _files(fresh)
    place = kept.parent if kept.suffix else kept
    lines: list[str] = []
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours:
            lines.append(f"{place / name}: missing")
        elif name not in theirs:
            lines.append(f"{place / name}: no longer generated")
        elif ours[name] != theirs[name]:
            lines.append(f"{place / name}: out of date")
    return lines


def check() -> list[str]:
    """Generate everything into temporary folders and compare; the repository stays untouched."""
    lines: list[str] = []
    for folder, module in GENERATORS.items():
        with tempfile.TemporaryDirectory() as fresh:
            generate(module, Path(fresh))
            lines += differences(Path(folder), Path(fresh))
    return lines


def write() -> None:
    """Generate everything in place; files that are no longer generated are removed."""
    for target, module in GENERATORS.items():
        kept = Path(target)
        if kept.suffix:
            with tempfile.TemporaryDirectory() as fresh:
                generate(module, Path(fresh))
                shutil.copyfile(Path(fresh) / kept.name, kept)
            continue
        for name in _files(kept):
            (kept / name).unlink()
        generate(module, kept)


def main(arguments: list[str]) -> int:
    """Exit status: 0 all is well, 1 something is out of date (--check), 2 wrong usage."""
    if arguments == ["--check"]:
        stale = check()
        sys.stderr.writelines(f"{line}\n" for line in stale)
        if stale:
            sys.stderr.write("run `make generate` and commit the result\n")
        return 1 if stale else 0
    if arguments:
        sys.stderr.write("usage: python tools/generate.py [--check]\n")
        return 2
    write()
    return 0


def _files(folder: Path) -> dict[Path, bytes]:
    if folder.is_file():
        return {Path(folder.name): folder.read_bytes()}
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
