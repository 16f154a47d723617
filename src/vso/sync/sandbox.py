"""Runs a WebAssembly module that answers one request at a time, within bounds of time and memory.

The module exports `prepare`, which makes room for a request, and `run`, which answers it (template-engine/main.go). It
sees no files, no network, no environment. Compiling takes seconds, so the result is kept in a cache; native code is
loaded from there only if nobody else can have written it, and if it is whole: wasmtime does not look, and code from a
damaged file ends the process with a signal.
"""

import hashlib
import os
import platform
import stat
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from vso.sync.compiler import CompilerFailed, compiled, settings

if TYPE_CHECKING:
    from wasmtime import Engine, Module

log = structlog.get_logger("templates")

_FADES: Final = 96 * 1024 * 1024
"""Bytes of memory above which an instance is replaced, since a module never gives memory back."""


class Bound(Enum):
    """What a request can have too much of."""

    TIME = "time"
    DEPTH = "depth"
    MEMORY = "memory"


class Exhausted(Exception):
    """The module was stopped at a bound."""

    def __init__(self, bound: Bound) -> None:
        super().__init__(f"the module was stopped: {bound.value}")
        self.bound = bound


class Stop:
    """Ends one call, before or while it runs; `Sandbox.interrupt` sets it."""

    __slots__ = ("asked",)

    def __init__(self) -> None:
        self.asked = False


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

    @property
    def loaded(self) -> bool:
        """Whether `load` has nothing to do."""
        return self._module is not None

    def load(self) -> None:
        """Load the module unless it is; the first time on a machine it is compiled. Raises Unusable."""
        if self.loaded:
            return
        from wasmtime import Engine, Module, WasmtimeError  # takes 10 MB, for those who use templates

        self._engine = Engine(settings())
        source = self._source()
        kept = self._folder() / f"template-{source[:24]}-{version('wasmtime')}-{platform.machine()}.cwasm"
        for file in (self._path.with_suffix(".cwasm"), kept):
            if _is_trustworthy(file) and _is_whole(file, source):
                with suppress(WasmtimeError):
                    self._module = Module.deserialize_file(self._engine, str(file))
                    return
        log.info("compiling the template engine", why="no compiled form of it is at hand")
        content = self.save(kept)
        try:
            self._module = Module.deserialize(self._engine, content)
        except WasmtimeError as exc:
            raise Unusable(f"the compiled form of {self._path.name} cannot be loaded: {exc}") from exc

    def save(self, file: Path) -> bytes:
        """Compile the module and write that to `file`, with its seal beside it, unless they cannot be written.

        An image does this at its build, with `file` beside the module. Raises Unusable.
        """
        source = self._source()
        try:
            content = compiled(self._path)
        except CompilerFailed as exc:
            raise Unusable(str(exc)) from exc
        _keep(file, content)
        _keep(_mark(file), _seal(content, source))
        return content

    def _source(self) -> str:
        """The module's hash."""
        try:
            return hashlib.sha256(self._path.read_bytes()).hexdigest()
        except OSError as exc:
            raise Unusable(f"the template engine {self._path.name} is missing: build it with `make engine`") from exc

    def call(self, request: bytes, stop: Stop) -> bytes:
        """Answer `request`. Raises Exhausted, also once `stop` is asked for; the next call has a fresh instance."""
        import wasmtime

        instance = self._instance or self._start()
        self._instance = None
        instance.store.set_epoch_deadline(1)
        # From here on an interrupt reaches the instance; an earlier one would be lost.
        if stop.asked:
            raise Exhausted(Bound.TIME)
        try:
            place = instance.prepare(instance.store, len(request))
            instance.memory.write(instance.store, request, place)
            answer = instance.run(instance.store, len(request)) & (2**64 - 1)
            start, size = answer >> 32, answer & (2**32 - 1)
            content = bytes(instance.memory.read(instance.store, start, start + size))
        except (wasmtime.WasmtimeError, wasmtime.Trap, wasmtime.ExitTrap) as exc:
            raise Exhausted(_bound(exc)) from exc
        if instance.memory.data_len(instance.store) <= _FADES:
            self._instance = instance
        return content

    def interrupt(self, stop: Stop) -> None:
        """End the call that was given `stop`, also if it has not begun."""
        stop.asked = True
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


def _bound(error: Exception) -> Bound:
    import wasmtime

    match getattr(error, "trap_code", None):
        case wasmtime.TrapCode.INTERRUPT:
            return Bound.TIME
        case wasmtime.TrapCode.STACK_OVERFLOW:
            return Bound.DEPTH
        case _:
            # Go ends itself when it gets no more memory.
            return Bound.MEMORY


def _mark(file: Path) -> Path:
    """The file beside a compiled module that says what it must be."""
    return file.with_suffix(".cwasm.sha256")


def _seal(content: bytes, source: str) -> bytes:
    return f"{hashlib.sha256(content).hexdigest()} {source}\n".encode()


def _is_whole(file: Path, source: str) -> bool:
    """Whether `file` is what was once compiled from the module with the hash `source`."""
    try:
        return _mark(file).read_bytes() == _seal(file.read_bytes(), source)
    except OSError:
        return False


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
        # On a read-only file system even the removal of a file that is not there fails.
        with suppress(OSError):
            partial.unlink()
