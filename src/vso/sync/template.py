"""Go templates, rendered by Go's own engine in a sandbox (behaviour.md section 9, ADR 0006).

What to render and with which data is said here; `sandbox` runs the WebAssembly module, whose source is the Go module
template-engine/.
"""

import asyncio
import math
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self, assert_never

import msgspec

from vso.base import Sensitive
from vso.sync.errors import RenderError, TemplateError
from vso.sync.sandbox import Bound, Exhausted, Sandbox, Stop, Unusable

MODULE: Final = Path(__file__).with_name("template.wasm")
"""Where `make` puts the engine, and where the wheel has it."""

_PAUSE: Final = 60.0
"""Seconds between two tries to load the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """One template of a set: `name` is its identity in the engine, `key` that of its result in the Secret.

    Without a key it is there for others to include, and renders nothing.
    """

    name: str
    text: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateInput:
    """What templates see; `secrets`, `metadata` and `wrap_data` are JSON objects as they came from Vault."""

    secrets: Sensitive[bytes]
    metadata: bytes = b"{}"
    wrap_data: Sensitive[bytes] | None = None
    annotations: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What the templates of one Secret may take: seconds, bytes of memory, bytes of results."""

    seconds: float = 2.0
    memory: int = 256 * 1024 * 1024
    output: int = 1024 * 1024


class _Failure(msgspec.Struct):
    kind: str
    message: str
    template: str = ""


class _Answer(msgspec.Struct):
    rendered: dict[str, bytes] = {}
    error: _Failure | None = None


class TemplateEngine:
    """Renders one set of templates after the other, in a thread of its own, so that everything else goes on.

    Loaded at the first use: 6 s the first time on a machine, after that some milliseconds; if that fails, it is tried
    again after `pause` seconds. An async context manager.
    """

    def __init__(
        self, *, budget: Budget, module: Path = MODULE, cache: Path | None = None, pause: float = _PAUSE
    ) -> None:
        self._budget = budget
        self._sandbox = Sandbox(module, cache=cache, memory=budget.memory)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="templates")
        self._turn = asyncio.Lock()
        self._stop = Stop()
        self._pause = pause
        self._failed_until, self._failure = 0.0, ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let the thread end."""
        self._sandbox.interrupt(self._stop)
        await asyncio.to_thread(self._thread.shutdown)

    async def render(
        self, templates: Sequence[Template], data: TemplateInput, *, seed: bytes, now: datetime
    ) -> Sensitive[dict[str, bytes]]:
        """The results of the templates that have a key, by key; equal arguments give equal results.

        Of two templates with one key the later wins. Raises TemplateError, whose text names template and line and
        no value.
        """
        request = {
            "seed": b64encode(seed).decode(),
            "now": now.astimezone(UTC).isoformat(),
            "templates": templates,
            "maxOutput": self._budget.output,
            "input": {
                "secrets": msgspec.Raw(data.secrets.reveal()),
                "metadata": msgspec.Raw(data.metadata),
                "wrapData": msgspec.Raw(data.wrap_data.reveal()) if data.wrap_data is not None else None,
                "annotations": data.annotations,
                "labels": data.labels,
            },
        }
        return Sensitive((await self._ask(request, templates)).rendered)

    async def parse(self, templates: Sequence[Template]) -> None:
        """Raise TemplateError if one of `templates` does not parse."""
        await self._ask({"templates": templates}, templates)

    async def _ask(self, request: Mapping[str, object], templates: Sequence[Template]) -> _Answer:
        try:
            encoded = msgspec.json.encode(request)
        except UnicodeEncodeError as exc:
            raise TemplateError("a template or its data holds characters that are no Unicode text") from exc
        async with self._turn:
            answer = msgspec.json.decode(await self._run(encoded, templates), type=_Answer)
        if answer.error is not None:
            raise TemplateError(answer.error.message)
        return answer

    async def _run(self, encoded: bytes, templates: Sequence[Template]) -> bytes:
        loop = asyncio.get_running_loop()
        stop = self._stop = Stop()
        try:
            if not self._sandbox.loaded:
                await self._load(stop)
            limit = loop.call_later(self._budget.seconds, self._sandbox.interrupt, stop)
            try:
                return await self._in_thread(lambda: self._sandbox.call(encoded, stop), stop)
            finally:
                limit.cancel()
        except Exhausted as exc:
            raise TemplateError(self._exceeded(exc.bound, templates)) from exc

    async def _load(self, stop: Stop) -> None:
        """Raises RenderError; also for a while after a failure, since a try costs seconds and much memory."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._failed_until:
            raise RenderError(self._failure)
        try:
            await self._in_thread(self._sandbox.load, stop)
        except Unusable as exc:
            self._failed_until, self._failure = loop.time() + self._pause, str(exc)
            raise RenderError(self._failure) from exc

    def _exceeded(self, bound: Bound, templates: Sequence[Template]) -> str:
        match bound:
            case Bound.TIME:
                what = f"took more than {self._budget.seconds:g} s: look for an endless loop"
            case Bound.MEMORY:
                megabytes = math.ceil(self._budget.memory / 1024**2)
                what = f"needed more than {megabytes} MiB of memory: look for large repetitions and growing variables"
            case Bound.DEPTH:
                what = "nested too deep: look for blocks within blocks, and for values that contain themselves"
            case _:
                assert_never(bound)
        names = ", ".join(repr(one.name) for one in templates)
        return f"template budget exceeded: rendering {what} (templates {names})"

    async def _in_thread(self, work: Callable[[], bytes | None], stop: Stop) -> bytes:
        """Run `work` in the thread; if the caller is cancelled, not before the thread is free again."""
        task = asyncio.get_running_loop().run_in_executor(self._thread, work)
        try:
            return await asyncio.shield(task) or b""
        except asyncio.CancelledError:
            self._sandbox.interrupt(stop)
            # Its failure is expected now, and nobody's to hear of.
            await asyncio.gather(task, return_exceptions=True)
            raise
