"""The site of the documentation in a browser that others wrote: it needs no other host, shows something, and fits."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any, ClassVar, Final

import matplotlib.image
import pytest

ROOT: Final = Path(__file__).parents[2]
CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
NEEDS_CHROMIUM: Final = pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium")
SHOWN: Final = ("index.html", "tutorials/first-secret/index.html", "reference/resources/vaultdynamicsecret/index.html")
_LOADS: Final = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=\"?([^\s\">]+)")
_MEASURE: Final = """<!doctype html><body><script>
const pages = %s, frame = document.createElement("iframe"), wide = [];
frame.style.cssText = "width:400px;height:900px";
document.body.append(frame);
const next = () => {
  const page = pages.shift();
  if (!page) { fetch("/", {method: "POST", body: JSON.stringify(wide)}); return; }
  frame.onload = () => {
    const root = frame.contentDocument.documentElement;
    if (root.scrollWidth > root.clientWidth) wide.push(page);
    next();
  };
  frame.src = page;
};
next();
</script>"""


@dataclass
class Site:
    """The site as files, and where a browser finds it."""

    folder: Path
    address: str

    def pages(self) -> list[str]:
        """All pages but those made of other files of the repository."""
        found = sorted(str(one.relative_to(self.folder)) for one in self.folder.rglob("*.html"))
        return [one for one in found if not one.startswith("source/") and one != "404.html"]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, keeps what a page of ours reports, and says nothing."""

    reports: ClassVar[Queue[str]] = Queue()

    def do_POST(self) -> None:
        """Keep the report."""
        self.reports.put(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the name is http.server's
        """Nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Built as `make docs` does, and served on loopback."""
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(build, cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=100)
    assert built.returncode == 0, built.stderr
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, name="site")
        thread.start()
        try:
            yield Site(folder, f"http://127.0.0.1:{server.server_address[1]}")
        finally:
            server.shutdown()
            thread.join()


def test_no_page_loads_anything_from_elsewhere(site: Site) -> None:
    """Fonts, scripts and pictures come with the site, so that it works in a closed network."""
    assert len(site.pages()) > len(SHOWN)
    for page in site.pages():
        loaded = _LOADS.findall((site.folder / page).read_text())
        assert loaded
        assert not [one for one in loaded if "://" in one or one.startswith("//")], page


@NEEDS_CHROMIUM
@pytest.mark.parametrize("page", SHOWN)
def test_a_page_shows_something(site: Site, page: str, tmp_path: Path) -> None:
    """Neither blank nor all of one colour: text all over the height, and the colours of the theme."""
    picture = tmp_path / "page.png"
    browse(tmp_path, f"{site.address}/{page}", f"--screenshot={picture}", "--window-size=1280,900")
    pixels = (matplotlib.image.imread(picture)[:, :, :3] * 255).astype(int)
    assert pixels.shape[:2] == (900, 1280)
    colours = {tuple(map(int, one)) for one in pixels[::4, ::4].reshape(-1, 3)}
    assert len(colours) > 50
    for band in pixels[: 3 * 200].reshape(3, 200, 1280, 3):
        assert band.std() > 5


@NEEDS_CHROMIUM
def test_every_page_fits_the_width_of_a_phone(site: Site, tmp_path: Path) -> None:
    """What is wider, such as a table, scrolls by itself."""
    measure = site.folder / "measure.html"
    measure.write_text(_MEASURE % json.dumps([f"/{page}" for page in site.pages()]))
    browser = subprocess.Popen(
        command(tmp_path, f"{site.address}/measure.html", "--remote-debugging-port=0"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert json.loads(Quiet.reports.get(timeout=100)) == []
    finally:
        browser.terminate()
        browser.wait(20)
        measure.unlink()


def browse(folder: Path, address: str, *flags: str) -> None:
    """Let a browser do what `flags` say, and end."""
    done = subprocess.run(command(folder, address, *flags), capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr


def command(folder: Path, address: str, *flags: str) -> list[str]:
    """A browser without a window, with a profile of its own."""
    assert CHROMIUM is not None
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars")
    return [
        CHROMIUM,
        *quiet,
        "--disable-background-networking",
        f"--user-data-dir={folder / 'profile'}",
        *flags,
        address,
    ]
