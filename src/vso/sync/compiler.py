"""Compiles a WebAssembly module to native code in a process of its own; ``python compiler.py MODULE`` writes it out.

The compiler takes some 240 MB, which a long-lived process would keep. `sandbox` runs this file by its path, so it
imports nothing of ours.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wasmtime import Config


class CompilerFailed(Exception):
    """There is no native code; the text says what to do."""


def settings() -> "Config":
    """What decides the native code; a process that loads it has to have the same."""
    from wasmtime import Config  # takes 10 MB, for those who use templates

    config = Config()
    config.epoch_interruption = True
    # Not what this very processor can do besides: an image is built on another one than it runs on.
    if sys.platform == "linux":
        config.target = f"{platform.machine()}-unknown-linux-gnu"
    return config


def compiled(module: Path) -> bytes:
    """The native code of `module`, after some seconds. Raises CompilerFailed."""
    # -P: the modules beside this file are not to be found under their bare names.
    command = [sys.executable, "-P", __file__, str(module)]
    try:
        run = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 -- our own program
    except OSError as exc:
        raise CompilerFailed(f"compiling {module.name} cannot be started: {exc.strerror}") from exc
    if run.returncode < 0:
        raise CompilerFailed(
            f"compiling {module.name} was ended by signal {-run.returncode}, perhaps for want of memory: it takes 300 "
            "MB for some seconds; allow that, or use an image that has the compiled form"
        )
    if run.returncode:
        reason = run.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise CompilerFailed(f"{module.name} cannot be compiled: build it with `make engine`; {reason}")
    return run.stdout


def main() -> None:
    """Compile the module that the command line names."""
    from wasmtime import Engine, Module

    # The operator goes on beside it, on the same processors.
    os.nice(10)
    engine = Engine(settings())
    sys.stdout.buffer.write(Module(engine, Path(sys.argv[1]).read_bytes()).serialize())


if __name__ == "__main__":
    main()
