"""Puts the process together: settings in, a running operator out. Read `wiring` first."""

from vso.app.options import from_environment
from vso.app.settings import Settings, SettingsError
from vso.app.telemetry import configure_logging
from vso.app.wiring import run

__all__ = ["Settings", "SettingsError", "configure_logging", "from_environment", "run"]
