"""Builds the template engine: ``python -m tools.engine [--native]``.

Without options, the WebAssembly module for `vso.sync.template`, put beside it in src/, and its compiled form in the
user's cache; with --native, the same engine as a program for tests, whose path is printed. What was built is kept in
the user's cache folder under a hash of all that goes into it.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from testenv.gobuild import cache_folder
from testenv.toolchain import find_go
from vso.sync.sandbox import Sandbox

ROOT: Final = Path(__file__).parents[1]
SOURCE: Final = ROOT / "template-engine"
MODULE: Final = ROOT / "src" / "vso" / "sync" / "template.wasm"
PINNED: Final = SOURCE / "template.wasm.sha256"
"""Hash of the module, and the release of Go that makes it: the build is reproducible."""
_WASM: Final = ("-buildmode=c-shared", "-ldflags=-s -w -buildid=")
# Without the state of the checkout, which -buildvcs would record, and without settings of the caller's shell.
_BUILD: Final = ("build", "-trimpath", "-buildvcs=false")
_SETTINGS: Final = {
    "CGO_ENABLED": "0",
    "GOEXPERIMENT": "",
    "GOFLAGS": "-mod=readonly",
    "GOTOOLCHAIN": "local",
    "GOWASM": "",
    "GOWORK": "off",
}
_MIB: Final = 1024 * 1024


def main() -> int:
    """Build what is asked for, unless it is there."""
    parser = argparse.ArgumentParser(description="Build the template engine.")
    parser.add_argument("--native", action="store_true", help="build the program for tests, and print its path")
    if parser.parse_args().native:
        print(built("native", ["./cmd/render"], {}))
        return 0
    wasm = built("wasm", [*_WASM, "."], {"GOOS": "wasip1", "GOARCH": "wasm"})
    content = wasm.read_bytes()
    if problem := check(content):
        print(f"engine: {problem}", file=sys.stderr)
        return 1
    if not MODULE.is_file() or MODULE.read_bytes() != content:
        partial = MODULE.with_suffix(f".{os.getpid()}")
        shutil.copyfile(wasm, partial)
        partial.replace(MODULE)
    Sandbox(MODULE, cache=None, memory=256 * _MIB).load()
    return 0


def built(form: str, arguments: list[str], environ: dict[str, str]) -> Path:
    """The file in the cache, made now if need be; safe to call from many processes."""
    digest = hashlib.sha256(repr((form, _BUILD, arguments, _SETTINGS, environ)).encode())
    for file in sorted(SOURCE.rglob("*")):
        if file.suffix in {".go", ".mod", ".sum"}:
            digest.update(file.read_bytes())
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"template-engine-{form}-{digest.hexdigest()[:16]}"
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_file():
            _build(target, arguments, environ)
    return target


def check(content: bytes) -> str:
    """What is wrong with the module; empty if it is the one that is pinned, or another release of Go made it."""
    pinned, release = PINNED.read_text().split()
    found = hashlib.sha256(content).hexdigest()
    built_by = re.search(rb"go1\.\d+(?:\.\d+)?", content)
    if found == pinned or built_by is None or built_by[0].decode() != release:
        return ""
    return (
        f"{MODULE.name} has the hash {found}, {PINNED.name} says {pinned}: if template-engine/ was changed on purpose, "
        f"write the new hash there"
    )


def _build(target: Path, arguments: list[str], environ: dict[str, str]) -> None:
    required = re.search(r"^go (\S+)$", (SOURCE / "go.mod").read_text(), re.MULTILINE)
    go = find_go(required[1] if required else "1.0", cache=cache_folder(), report=_tell)
    partial = target.with_suffix(f".{os.getpid()}")
    command = [str(go), *_BUILD, "-o", str(partial), *arguments]
    settings = {**os.environ, **_SETTINGS, **environ}
    process = subprocess.Popen(command, cwd=SOURCE, env=settings)
    waited = 0
    while True:
        try:
            if process.wait(2):
                raise SystemExit("engine: the build failed; is the Go module proxy within reach (see go env GOPROXY)?")
            break
        except subprocess.TimeoutExpired:
            waited += 2
            _tell(f"building the template engine, {waited} s")
    partial.replace(target)


def _tell(line: str) -> None:
    print(f"engine: {line}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
