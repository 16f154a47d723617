"""Writes what the chart carries as files: ``python -m tools.chart_files FOLDER``, the alert rules and the dashboard."""

import sys
from pathlib import Path
from typing import Any

from tools import alerts, dashboard
from vso.apis.crd import to_yaml


def main(arguments: list[str]) -> None:
    """Write the files, as the chart's template `monitoring.yaml` reads them."""
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    groups: Any = alerts.manifests()["rules.yaml"]
    (folder / "rules.yaml").write_text(to_yaml(groups))
    (folder / "dashboard.json").write_text(dashboard.as_json())


if __name__ == "__main__":
    main(sys.argv[1:])
