"""A real Prometheus on loopback: it scrapes what it is told to every second, and answers PromQL.

`prometheus` and `promtool` come from the PATH; on Debian they are in the package prometheus.
"""

import contextlib
import json
import math
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from testenv.lifetime import Lifetime
from testenv.port import free_port, host_port
from testenv.process import Program, Server, start_retrying
from testenv.waiting import seconds, wait_for
from testenv.web import Site
from testenv.workspace import workspace

MISSING: Final = "no {}: install Prometheus (on Debian: apt-get install --no-install-recommends prometheus)"


@dataclass(frozen=True, kw_only=True)
class Target:
    """What to scrape: `url` with the path; `token` is a bearer token, `ca` a file that vouches for the server."""

    job: str
    url: str
    token: str = ""
    ca: Path | None = None


@dataclass(frozen=True)
class Sample:
    """One series at one instant."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Series:
    """One series over time: `points` are (seconds since the epoch, value)."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, float]]


class Prometheus(Lifetime):
    """A server of one's own: `with Prometheus() as prometheus: ...`; ready when the block begins, scraping nothing.

    `address` is its URL, `server` the process, `folder` has its data and vanishes in the end.
    """

    server: Server
    address: str
    folder: Path

    def _begin(self, stack: contextlib.ExitStack) -> None:
        started = seconds()
        self._binary = find_prometheus()
        self.folder = stack.enter_context(workspace())
        self._configure([], [])
        self.server = start_retrying(self._make, self._ready)
        stack.callback(self.server.terminate)
        self._report(f"Prometheus: ready at {self.address} after {seconds() - started:.1f} s")

    def scrape(self, *targets: Target, rules: Sequence[Path] = ()) -> None:
        """Scrape these targets from now on, instead of earlier ones, and evaluate the files of rules.

        Blocks until each target has been scraped; TimeoutError with what Prometheus says if that fails.
        """
        self._configure(targets, rules)
        reply = self._site.ask("POST", "/-/reload")
        if reply.status != 200:  # noqa: PLR2004 -- HTTP's OK
            raise RuntimeError(f"Prometheus refuses its configuration: {reply.text}")
        wanted = {target.url for target in targets}

        def scraped() -> bool:
            return wanted <= {one["scrapeUrl"] for one in self.targets() if one["health"] == "up"}

        try:
            wait_for(scraped, what="the first scrape")
        except TimeoutError as exc:
            raise TimeoutError(f"{exc}: {[one['lastError'] for one in self.targets()]}") from exc

    def targets(self) -> list[dict[str, Any]]:
        """The targets as the server sees them: health, lastError, scrapeUrl, ..."""
        found: list[dict[str, Any]] = self._ask("targets", {"state": "active"})["activeTargets"]
        return found

    def query(self, expression: str) -> list[Sample]:
        """What an expression amounts to now; a scalar is one sample without labels."""
        data = self._ask("query", {"query": expression})
        if data["resultType"] == "scalar":
            return [Sample({}, _number(data["result"][1]))]
        return [Sample(_labels(one), _number(one["value"][1])) for one in data["result"]]

    def value(self, expression: str, *, default: float = math.nan) -> float:
        """The one value of an expression, `default` if it has none; ValueError if it has several."""
        found = self.query(expression)
        if len(found) > 1:
            raise ValueError(f"{expression} has {len(found)} values")
        return found[0].value if found else default

    def query_range(self, expression: str, *, start: float, end: float, step: float = 1.0) -> list[Series]:
        """What an expression amounted to between two instants (seconds since the epoch), every `step` seconds."""
        when = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        result = self._ask("query_range", {"query": expression, **when})["result"]
        return [Series(_labels(one), [(at, _number(value)) for at, value in one["values"]]) for one in result]

    def firing(self) -> set[str]:
        """The names of the alerts that fire now."""
        return {one["labels"]["alertname"] for one in self._ask("alerts", {})["alerts"] if one["state"] == "firing"}

    def _make(self) -> Server:
        port = free_port()
        self.address = f"http://{host_port(port)}"
        self._site = Site(base=self.address)
        command = [
            str(self._binary),
            f"--config.file={self.folder / 'prometheus.json'}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={host_port(port)}",
            "--web.enable-lifecycle",
            "--log.level=warn",
        ]
        return Server(Program(name="prometheus", command=command), self.folder)

    def _ready(self) -> bool:
        return self._site.answers("/-/ready")

    def _configure(self, targets: Sequence[Target], rules: Sequence[Path]) -> None:
        timing = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        config = {
            "global": timing,
            "rule_files": [str(path) for path in rules],
            "scrape_configs": [_job(number, target) for number, target in enumerate(targets)],
        }
        # YAML is a superset of JSON.
        (self.folder / "prometheus.json").write_text(json.dumps(config))

    def _ask(self, what: str, parameters: Mapping[str, str]) -> Any:
        answer = self._site.ask("GET", f"/api/v1/{what}?{urlencode(parameters)}").json()
        if answer["status"] != "success":
            raise ValueError(f"Prometheus refuses {dict(parameters)}: {answer['error']}")
        return answer["data"]


def find_prometheus() -> Path:
    """The server; raises FileNotFoundError that says how to install it."""
    return _find("prometheus")


def promtool(*arguments: str, input: str | None = None) -> "subprocess.CompletedProcess[str]":  # noqa: A002
    """Run promtool with `input` on its stdin; raises FileNotFoundError, never for a failure of the command."""
    command = [str(_find("promtool")), *arguments]
    return subprocess.run(command, input=input, capture_output=True, text=True, check=False, timeout=60)


def _find(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(MISSING.format(name))
    return Path(found)


def _job(number: int, target: Target) -> dict[str, Any]:
    url = urlsplit(target.url)
    job: dict[str, Any] = {
        # Two targets may be one job, though each is trusted in its own way.
        "job_name": f"{number}",
        "scheme": url.scheme,
        "metrics_path": url.path,
        "static_configs": [{"targets": [url.netloc], "labels": {"job": target.job}}],
        # As in the ServiceMonitor that is shipped: the namespace is that of the object, not of the target.
        "honor_labels": True,
    }
    if target.token:
        job["authorization"] = {"credentials": target.token}
    if target.ca is not None:
        job["tls_config"] = {"ca_file": str(target.ca)}
    return job


def _labels(one: Mapping[str, Any]) -> Mapping[str, str]:
    return dict(one["metric"])


def _number(text: str) -> float:
    return float(text)
