"""Runs a WebAssembly module that answers one request at a time, within bounds of time and memory.

The module exports `prepare`, which makes room for a request, and `run`, which answers it (template-engine/main.go). It
sees no files, no network, no environment. Compiling takes seconds, so the result is kept in a cache; native code is
loaded from there only if nobody else can have written it.
"""

import hashlib
import os
import platform
import stat
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from wasmtime import Engine, Module

log = structlog.get_logger("templates")

_FADES: Final = 96 * 1024 * 1024
"""Bytes of memory above which an instance is replaced, since a module never gives memory back."""


class Exhausted(Exception):
    """The module was stopped: it took too much time or memory, or failed in its own code."""


class Unusable(Exception):
    """There is no module, or it cannot be loaded; the text says what to do."""


@dataclass(slots=True)
class _Instance:
    """A running module."""

    store: Any
    memory: Any
    prepare: Any
    run: Any


class Sandbox:
    """One module; `load` and `call` belong to one thread, `interrupt` to any."""

    def __init__(self, path: Path, *, cache: Path | None, memory: int) -> None:
        self._path = path
        self._cache = cache
        self._limit = memory
        self._engine: Engine | None = None
        self._module: Module | None = None
        self._instance: _Instance | None = None

    def load(self) -> None:
        """Load the module unless it is; the first time on a machine it is compiled. Raises Unusable."""
        if self._module is not None:
            return
        import wasmtime

        config = wasmtime.Config()
        config.epoch_interruption = True
        engine = wasmtime.Engine(config)
        try:
            binary = self._path.read_bytes()
        except OSError as exc:
            raise Unusable(f"the template engine {self._path.name} is missing: build it with `make engine`") from exc
        name = f"template-{hashlib.sha256(binary).hexdigest()[:24]}-{version('wasmtime')}-{platform.machine()}.cwasm"
        for file in (self._path.with_suffix(".cwasm"), self._folder() / name):
            if _is_trustworthy(file):
                with suppress(wasmtime.WasmtimeError):
                    self._module = wasmtime.Module.deserialize_file(engine, str(file))
                    self._engine = engine
                    return
        log.info("compiling the template engine", why="no compiled form of it is at hand")
        self._module, self._engine = wasmtime.Module(engine, binary), engine
        _keep(self._folder() / name, bytes(self._module.serialize()))

    def call(self, request: bytes) -> bytes:
        """Answer `request`. Raises Exhausted; the next call then begins with a fresh instance."""
        import wasmtime

        instance = self._instance or self._start()
        self._instance = None
        instance.store.set_epoch_deadline(1)
        try:
            place = instance.prepare(instance.store, len(request))
            instance.memory.write(instance.store, request, place)
            answer = instance.run(instance.store, len(request)) & (2**64 - 1)
            start, size = answer >> 32, answer & (2**32 - 1)
            content = bytes(instance.memory.read(instance.store, start, start + size))
        except (wasmtime.WasmtimeError, wasmtime.Trap, wasmtime.ExitTrap) as exc:
            raise Exhausted("the module was stopped") from exc
        if instance.memory.data_len(instance.store) <= _FADES:
            self._instance = instance
        return content

    def interrupt(self) -> None:
        """Stop what is running; nothing if nothing is."""
        if self._engine is not None:
            self._engine.increment_epoch()

    def _start(self) -> _Instance:
        import wasmtime

        if self._module is None or self._engine is None:
            raise AssertionError("not loaded")
        store = wasmtime.Store(self._engine)
        store.set_limits(memory_size=self._limit)
        store.set_wasi(wasmtime.WasiConfig())
        # Starting is no template's fault.
        store.set_epoch_deadline(2**32)
        linker = wasmtime.Linker(self._engine)
        linker.define_wasi()
        exports = linker.instantiate(store, self._module).exports(store)
        exports["_initialize"](store)  # type: ignore[operator]
        return _Instance(store, exports["memory"], exports["prepare"], exports["run"])

    def _folder(self) -> Path:
        if self._cache is not None:
            return self._cache
        home = os.environ.get("HOME", "/")
        return Path(os.environ.get("XDG_CACHE_HOME") or f"{home}/.cache") / "vault-secrets-operator"


def _is_trustworthy(file: Path) -> bool:
    """Whether only this user, or root, can have written `file`: it is run as native code."""
    try:
        found = file.stat()
    except OSError:
        return False
    others = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return found.st_uid in {os.getuid(), 0} and not others


def _keep(file: Path, content: bytes) -> None:
    """Write `content` for the next process; one that cannot be written is done without."""
    partial = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
        partial.replace(file)
    except OSError as exc:
        log.info("the compiled template engine is not kept", error=str(exc))
        partial.unlink(missing_ok=True)
