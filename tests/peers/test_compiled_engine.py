"""The compiled form of the template engine: native code, so what is loaded matters. Compiling takes seconds."""

from pathlib import Path

from vso.sync import Budget, Template, TemplateEngine


async def test_a_cache_that_others_may_write_is_not_trusted(tmp_path: Path) -> None:
    """Native code from there would run in the operator; so it is compiled anew."""
    cache = tmp_path / "cache"
    cache.mkdir()
    async with TemplateEngine(budget=Budget(), cache=cache) as engine:
        await engine.parse([Template(name="t", text="x")])
    (kept,) = cache.iterdir()
    assert kept.stat().st_mode & 0o077 == 0
    kept.write_bytes(b"no code at all")
    kept.chmod(0o666)
    async with TemplateEngine(budget=Budget(), cache=cache) as engine:
        await engine.parse([Template(name="t", text="x")])
    assert kept.read_bytes() != b"no code at all"
