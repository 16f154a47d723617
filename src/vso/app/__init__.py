"""Puts the process together: settings in, a running operator out. Read `wiring` first."""

from vso.app.option import Option
from vso.app.options import OPTIONS, from_environment, notices
from vso.app.settings import Settings, SettingsError
from vso.app.takeover import report_takeover, show_report
from vso.app.telemetry import Logging, configure_logging
from vso.app.uninstall import uninstall
from vso.app.upgrade import UpgradeFailed, read_folder, upgrade_crds
from vso.app.version import build_facts, read_stamp, show_version
from vso.app.wiring import run

__all__ = [
    "OPTIONS",
    "Logging",
    "Option",
    "Settings",
    "SettingsError",
    "UpgradeFailed",
    "build_facts",
    "configure_logging",
    "from_environment",
    "notices",
    "read_folder",
    "read_stamp",
    "report_takeover",
    "run",
    "show_report",
    "show_version",
    "uninstall",
    "upgrade_crds",
]
