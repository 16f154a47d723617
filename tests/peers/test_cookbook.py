"""The recipes of the cookbook, rendered by the engine: input, template and result are taken from the page."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml

from tests.support.page import agrees, blocks
from vso.apis.meta import ObjectMeta
from vso.apis.v1beta1 import Destination, Transformation, VaultStaticSecret, VaultStaticSecretSpec
from vso.base import Sensitive
from vso.controllers.transformation import render_options
from vso.sync import Budget, TemplateEngine, TemplateInput, render

PAGE: Final = Path(__file__).parents[2] / "docs/how-to/templates-cookbook.md"
RECIPES: Final = dict(
    re.findall(r"^## ([^\n]+)\n(.*?^```json\n.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
)
LABELS: Final = {"stage": "live"}
METADATA: Final = b'{"version":3}'


@pytest.fixture(scope="module")
async def engine() -> AsyncIterator[TemplateEngine]:
    """One engine for all."""
    async with TemplateEngine(budget=Budget(seconds=20)) as engine:
        yield engine


@pytest.mark.parametrize("title", RECIPES)
async def test_a_recipe_gives_what_it_shows(title: str, engine: TemplateEngine) -> None:
    """Key by key; `…` stands for what is drawn by chance."""
    source, transformation, result = (one.text for one in blocks(RECIPES[title]))
    data = await rendered(engine, json.loads(source), yaml.safe_load(transformation))
    expected: dict[str, str] = yaml.safe_load(result)
    assert data.keys() == expected.keys()
    for key, value in expected.items():
        same = agrees(data[key], value) if "…" in value else data[key] == value
        assert same, f"{key} is {data[key]!r}"


def test_the_cookbook_has_twenty_recipes() -> None:
    """None is skipped because its form is another."""
    assert len(RECIPES) == PAGE.read_text().count("\n```json\n")
    assert len(RECIPES) >= 20


async def rendered(engine: TemplateEngine, source: Any, transformation: Any) -> dict[str, str]:
    """The data of the Secret that a resource with this transformation writes."""
    wanted = VaultStaticSecret(
        metadata=ObjectMeta(name="recipe", namespace="default", labels=LABELS),
        spec=VaultStaticSecretSpec(
            destination=Destination(
                name="recipe", transformation=msgspec.convert(transformation, Transformation, strict=True)
            )
        ),
    )
    options = render_options(wanted, find=lambda _: None, exclude_raw=False)
    fields = Sensitive(json.dumps(source).encode())
    made = await engine.render(
        options.templates,
        TemplateInput(secrets=fields, metadata=METADATA, labels=LABELS),
        seed=b"cookbook",
        now=datetime(2026, 1, 1, tzinfo=UTC),
    )
    data = render(fields, fields, options, made.reveal()).data.reveal()
    return {key: value.decode() for key, value in data.items()}
