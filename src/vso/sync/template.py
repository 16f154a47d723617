"""Placeholder until the engine is in place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vso.base import Sensitive


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    name: str
    text: str
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateInput:
    secrets: Sensitive[bytes]
    metadata: bytes = b"{}"
    wrap_data: Sensitive[bytes] | None = None
    annotations: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    seconds: float = 2.0
    memory: int = 256 * 1024 * 1024
    output: int = 1024 * 1024


class TemplateEngine:
    def __init__(self, *, module: Path | None = None, budget: Budget = Budget(), cache: Path | None = None) -> None:
        pass

    async def render(
        self, templates: Sequence[Template], data: TemplateInput, *, seed: bytes, now: datetime
    ) -> Sensitive[dict[str, bytes]]:
        raise NotImplementedError

    async def parse(self, templates: Sequence[Template]) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        pass

    async def __aenter__(self):
        return self

    async def __aexit__(self, *a):
        pass
