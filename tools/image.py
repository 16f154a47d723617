"""Lays out the files of the container image: ``python tools/image.py --wheel FILE TREE``.

The whole root file system: the interpreter that runs this, without what the operator has no use for, the shared
libraries that it and the packages need, the packages as pinned, and the entry points of operations.md section 1.1. No
shell and no package manager. The Dockerfile copies TREE into an empty image; a test runs the same tree. Needs pip, ldd
and ldconfig, and of this repository only the files that it copies. See docs/how-to/build-the-image.md.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PINS: Final = ROOT / "requirements" / "cloud.txt"
"""The image can log in by every method, so it has what the clouds' methods need."""
NONROOT: Final = 65532
MANAGER: Final = "vault-secrets-operator"
UPGRADE: Final = "scripts/upgrade-crds"
DOCUMENTS: Final = f"usr/share/doc/{MANAGER}"

_PYTHON: Final = Path(sys.base_prefix, "bin", f"python{sysconfig.get_python_version()}")
_STDLIB: Final = Path(sysconfig.get_path("stdlib"))
_UNUSED: Final = shutil.ignore_patterns(
    *("__pycache__", "site-packages", "dist-packages", "config-*", "*.a"),
    *("test", "tests", "idlelib", "tkinter", "turtledemo", "turtle.py", "lib2to3", "ensurepip", "venv", "pydoc_data"),
    # The first three are bindings of libraries under the GPL and the Sleepycat licence.
    *("readline.*.so", "_gdbm.*.so", "_dbm.*.so", "_curses*.so", "_sqlite3.*.so", "_tkinter.*.so", "nis.*.so"),
    *("_test*.so", "_ctypes_test.*.so", "_xx*.so", "xx*.so"),
)
_LAUNCHER: Final = """\
#!{python} -IB
import sys

from vso.cli.manager import main

sys.exit(main())
"""
_NOTICE: Final = """\
Vault Secrets Operator
Copyright the authors of Vault Secrets Operator

Licensed under the Apache License, Version 2.0: see /{documents}/LICENSE.txt.

This image also holds software of others, each under its own licence:
- Python packages: the folders *.dist-info in {packages}
- Go packages, compiled into the template engine: /{documents}/template-engine.txt
- the Python interpreter: {stdlib}/LICENSE.txt
- libraries of the distribution: /usr/share/doc/*/copyright
"""
_AUTHORITIES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
_COMPILE: Final = """\
import pathlib, vso
from vso.sync.sandbox import Sandbox
module = pathlib.Path(vso.__file__).parent / "sync" / "template.wasm"
Sandbox(module, cache=None, memory=2**28).save(module.with_suffix(".cwasm"))
"""


def main() -> int:
    """Write the tree that the command line names."""
    parser = argparse.ArgumentParser(description="Lay out the files of the container image.")
    parser.add_argument("--wheel", type=Path, required=True, help="the operator: a wheel, or a folder with one")
    parser.add_argument("--pins", type=Path, default=PINS, help="what to install beside it (default: all logins)")
    parser.add_argument("tree", type=Path, help="a folder that does not exist")
    options = parser.parse_args()
    wheels = [options.wheel] if options.wheel.is_file() else list(options.wheel.glob("*.whl"))
    if len(wheels) != 1:
        parser.error(f"{options.wheel} holds {len(wheels)} wheels, not one")
    Tree(options.tree.absolute()).write(wheels[0], options.pins)
    return 0


class Tree:
    """A root file system in a folder; paths are given as they are in the image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages = _ask("import site; print(site.getsitepackages()[0])")

    def write(self, wheel: Path, pins: Path) -> None:
        """Write it all. Raises FileExistsError if the folder is there, CalledProcessError if a tool fails."""
        os.umask(0o022)
        self.folder.mkdir(parents=True)
        _tell("packages")
        self._install(wheel, pins)
        _tell("interpreter and libraries")
        self._copy_interpreter()
        self._copy_libraries()
        self._copy_authorities()
        self._write_entry_points()
        self._write_licences()
        self._write_accounts()
        _tell("template engine, in its compiled form")
        self._compile_template_engine()
        _tell("bytecode")
        self._compile_bytecode()
        self._set_times()

    def inside(self, path: str | Path) -> Path:
        """Where a path of the image is on this machine."""
        return self.folder / str(path).lstrip("/")

    def _install(self, wheel: Path, pins: Path) -> None:
        target = self.inside(self.packages)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install"]
        into = ["--no-compile", "--no-deps", "--only-binary=:all:", f"--target={target}"]
        for what in (["--require-hashes", f"--requirement={pins}"], [str(wheel)]):
            subprocess.run([*pip, *into, *what], check=True)
            # Commands of packages, which start the interpreter of the machine that built the image.
            shutil.rmtree(target / "bin", ignore_errors=True)

    def _copy_interpreter(self) -> None:
        self._copy(_PYTHON)
        shutil.copytree(_STDLIB, self.inside(_STDLIB), ignore=_UNUSED, dirs_exist_ok=True)

    def _copy_libraries(self) -> None:
        """The shared libraries of all that has been copied, and the loader's list of them."""
        programs = [self.inside(_PYTHON), *self.folder.rglob("*.so"), *self.folder.rglob("*.so.*")]
        found = {path for program in programs for path in _libraries(program) if self.folder not in path.parents}
        # The C library opens it when a thread is cancelled.
        found |= {path.with_name("libgcc_s.so.1") for path in found if path.name == "libc.so.6"}
        for path in sorted(found):
            self._copy(path)
        self._write(
            "/etc/ld.so.conf", "".join(f"{folder}\n" for folder in sorted({str(path.parent) for path in found}))
        )
        subprocess.run([_tool("ldconfig"), "-X", "-r", str(self.folder)], check=True)
        self._record_packages(found)

    def _record_packages(self, libraries: set[Path]) -> None:
        """Tell scanners, in the way of distroless images, which packages the libraries are of; keep their licences."""
        if shutil.which("dpkg-query") is None:
            return
        for package in sorted({name for path in libraries for name in _owners(path)}):
            status = subprocess.run(
                [_tool("dpkg-query"), "-s", package], capture_output=True, text=True, check=True
            ).stdout
            name = package.partition(":")[0]
            self._write(f"/var/lib/dpkg/status.d/{name}", status)
            self._copy(Path("/usr/share/doc", name, "copyright"))

    def _copy_authorities(self) -> None:
        """The CAs that the distribution trusts, where OpenSSL looks for them."""
        bundle = next((path for path in map(Path, _AUTHORITIES) if path.is_file()), None)
        if bundle is None:
            raise SystemExit("image: no bundle of CAs: install the package ca-certificates")
        self._copy(bundle)
        place = _ask("import ssl; print(ssl.get_default_verify_paths().openssl_cafile)")
        if not self.inside(place).exists():
            self.inside(place).parent.mkdir(parents=True, exist_ok=True)
            self.inside(place).symlink_to(bundle)

    def _write_entry_points(self) -> None:
        self._write(f"/{MANAGER}", _LAUNCHER.format(python=_PYTHON))
        self.inside(MANAGER).chmod(0o755)
        self.inside(UPGRADE).parent.mkdir()
        self.inside(UPGRADE).symlink_to(f"/{MANAGER}")
        shutil.copytree(ROOT / "deploy" / "crds", self.inside("/scripts/crds"))

    def _write_licences(self) -> None:
        notice = _NOTICE.format(documents=DOCUMENTS, packages=self.packages, stdlib=_STDLIB)
        self._write("/licenses/copyright.txt", notice)
        self._write(f"/{DOCUMENTS}/LICENSE.txt", (ROOT / "LICENSE").read_text())
        self._write(f"/{DOCUMENTS}/template-engine.txt", (ROOT / "template-engine" / "licences.txt").read_text())

    def _write_accounts(self) -> None:
        self._write("/etc/passwd", f"root:x:0:0:root:/:/nologin\nnonroot:x:{NONROOT}:{NONROOT}:nonroot:/:/nologin\n")
        self._write("/etc/group", f"root:x:0:\nnonroot:x:{NONROOT}:\n")
        self._write("/etc/nsswitch.conf", "hosts: files dns\n")
        self.inside("/tmp").mkdir(mode=0o1777)  # noqa: S108 -- the image's
        self.inside("/tmp").chmod(0o1777)  # noqa: S108

    def _compile_template_engine(self) -> None:
        """Compiling takes more memory than the operator may have, so the result is part of the image."""
        environ = {"PYTHONPATH": str(self.inside(self.packages)), "PATH": os.environ["PATH"]}
        subprocess.run([str(_PYTHON), "-B", "-c", _COMPILE], env=environ, stdout=subprocess.DEVNULL, check=True)
        forms = list(self.inside(self.packages).glob("vso/sync/template.cwasm*"))
        if len(forms) != 2:  # noqa: PLR2004 -- the code and its seal
            raise SystemExit(f"image: expected the compiled template engine and its seal, not {forms}")
        for file in forms:
            file.chmod(0o644)

    def _compile_bytecode(self) -> None:
        command = [str(_PYTHON), "-m", "compileall", "-q", "-s", str(self.folder), "-p", "/"]
        folders = [str(self.inside(_STDLIB)), str(self.inside(self.packages))]
        # Python compares neither times nor contents then: the image does not change. The 700 modules left out are
        # a client that is never imported.
        options = ["--invalidation-mode=unchecked-hash", "-j0", "-x", "kubernetes_asyncio/client"]
        subprocess.run([*command, *options, *folders], check=True)

    def _set_times(self) -> None:
        epoch = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
        for path in self.folder.rglob("*"):
            os.utime(path, (epoch, epoch), follow_symlinks=False)

    def _copy(self, path: Path) -> None:
        """Copy a file to where it really is, with a link where it was asked for."""
        real = path.resolve()
        for place in (real, path):
            self.inside(place).parent.mkdir(parents=True, exist_ok=True)
        if not self.inside(real).exists():
            shutil.copyfile(real, self.inside(real))
            self.inside(real).chmod(0o755 if os.access(real, os.X_OK) else 0o644)
        # The folder may be a link on this machine, and the two places one in the tree.
        if not os.path.lexists(self.inside(path)):
            self.inside(path).symlink_to(real)

    def _write(self, path: str, text: str) -> None:
        self.inside(path).parent.mkdir(parents=True, exist_ok=True)
        self.inside(path).write_text(text)


def _libraries(program: Path) -> Iterator[Path]:
    """The files that the loader would take for `program`."""
    run = subprocess.run([_tool("ldd"), str(program)], capture_output=True, text=True, check=False)
    if "not found" in run.stdout:
        raise SystemExit(f"image: {program.name} needs a library that is not there:\n{run.stdout}")
    for line in run.stdout.splitlines():
        name, _, rest = line.partition("=>")
        path = (rest or name).split("(")[0].strip()
        if path.startswith("/"):
            yield Path(path)


def _owners(library: Path) -> Sequence[str]:
    """The distribution's packages that a library is of; none for what was built on the machine."""
    for path in (library, library.resolve()):
        run = subprocess.run([_tool("dpkg-query"), "-S", str(path)], capture_output=True, text=True, check=False)
        if run.returncode == 0:
            return [line.rpartition(": ")[0] for line in run.stdout.splitlines()]
    return []


def _tool(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        raise SystemExit(f"image: {name} is missing")
    return found


def _ask(program: str) -> str:
    """What the interpreter that goes into the image answers, outside any virtual environment."""
    run = subprocess.run([str(_PYTHON), "-I", "-c", program], capture_output=True, text=True, check=True)
    return run.stdout.strip()


def _tell(step: str) -> None:
    print(f"image: {step}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
