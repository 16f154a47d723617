"""The compiled form of the template engine: native code, so what is loaded matters. Compiling takes seconds."""

from pathlib import Path

from vso.sync import Budget, Template, TemplateEngine
from vso.sync.template import MODULE


def files(cache: Path) -> list[Path]:
    """The code, and what seals it."""
    return sorted(cache.iterdir())


async def test_only_a_whole_file_that_nobody_else_may_write_is_loaded(tmp_path: Path) -> None:
    """Anything else would run in the operator as native code, or end it by a signal; so it is compiled anew."""
    await compiled(tmp_path)
    file, seal = files(tmp_path)
    assert (file.suffix, seal.suffix) == (".cwasm", ".sha256")
    assert (file.stat().st_mode | seal.stat().st_mode) & 0o077 == 0
    kept, code = file.stat().st_mtime_ns, file.read_bytes()
    await compiled(tmp_path)
    assert file.stat().st_mtime_ns == kept

    file.chmod(0o666)
    await compiled(tmp_path)
    assert file.stat().st_mode & 0o077 == 0

    # One page that never reached the disk.
    middle = len(code) // 3
    file.write_bytes(code[:middle] + bytes(4096) + code[middle + 4096 :])
    await compiled(tmp_path)
    assert file.read_bytes()[middle : middle + 4096] != bytes(4096)


def test_the_module_says_nothing_of_the_checkout_it_was_built_in() -> None:
    """Go would record the revision, and each commit would have another module; its hash is pinned."""
    content = MODULE.read_bytes()
    assert b"-trimpath=true" in content
    assert b"vcs.revision" not in content
    assert str(Path(__file__).parents[2]).encode() not in content


async def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    """A container may have no writable folder."""
    file = tmp_path / "file"
    file.write_text("no folder")
    await compiled(file / "cache")


async def compiled(cache: Path) -> None:
    """Load the engine with this cache, and see that it works."""
    async with TemplateEngine(budget=Budget(), cache=cache) as engine:
        await engine.parse([Template(name="t", text="x")])
