"""The operator's command line: the original's flags in Go's flag syntax (operations.md sections 1.3 and 1.4).

Accepts one or two dashes, ``--x=v`` and ``--x v``, booleans as ``--x`` or ``--x=false``, and stops at the first
positional argument. Exit codes: 0 after a clean stop, 1 for a start-up or run error, 2 for wrong usage.
"""

import asyncio
import json
import os
import platform
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog
import uvloop

from vso import __version__
from vso.app import Settings, configure_logging, from_environment, run
from vso.app.options import FALSE, OPTIONS, TRUE, Option
from vso.kube import KubeError

_POD_UID_FILE: Final = Path("/var/run/podinfo/uid")
_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_BOOLEANS: Final = ("--leader-elect", "--version", "--help", "--zap-devel")
_BY_SWITCH: Final[Mapping[str, Option]] = {option.switch: option for option in OPTIONS}
_LATER: Final[Mapping[str, str]] = {
    "--client-cache-num-locks": "locks are not needed any more",
    "--max-concurrent-reconciles-vds": "VaultDynamicSecret is not handled by this release yet",
    "--min-refresh-after-hvsa": "HCP Vault Secrets has been shut down",
    "--zap-stacktrace-level": "tracebacks are part of error lines",
    "--zap-time-encoding": "times are RFC 3339",
    "--output": "",
}
"""Flags of the original that are accepted, with what there is to say about them."""


class UsageError(ValueError):
    """The command line cannot be understood."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code."""
    try:
        flags = read_flags(sys.argv[1:] if arguments is None else arguments)
    except UsageError as exc:
        print(f"{exc}\n\n{usage()}", file=sys.stderr)
        return 2
    if "--help" in flags:
        print(usage())
        return 0
    if "--version" in flags:
        return _print_version(flags.get("--output", "") or os.environ.get("VSO_OUTPUT_FORMAT", ""))
    try:
        settings = from_environment(settings_from(flags), os.environ).checked()
        configure_logging(level=settings.log_level, encoder=settings.log_encoder)
    except ValueError as exc:
        print(exc, file=sys.stderr)
        return 1
    log = structlog.get_logger("setup")
    for switch, notice in _LATER.items():
        if notice and switch in flags:
            log.info("flag has no effect", flag=switch, reason=notice)
    return _run(settings)


def read_flags(arguments: Sequence[str]) -> dict[str, str]:
    """The flags that `arguments` give, by their name with two dashes.

    Raises UsageError for an unknown flag, a missing or a bad value.
    """
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] not in {"-", "--"}:
        name, has_value, value = rest.pop(0).lstrip("-").partition("=")
        switch = "--help" if name == "h" else f"--{name}"
        option = _BY_SWITCH.get(switch)
        if switch in _BOOLEANS or (option is not None and option.boolean):
            if has_value and value not in TRUE | FALSE:
                raise UsageError(f'invalid boolean value "{value}" for -{name}')
            if value in FALSE and switch in {"--version", "--help", "--zap-devel"}:
                continue
            found[switch] = value or "true"
            continue
        if switch not in _BY_SWITCH and switch not in _LATER:
            raise UsageError(f"flag provided but not defined: -{name}")
        if not has_value:
            if not rest:
                raise UsageError(f"flag needs an argument: -{name}")
            value = rest.pop(0)
        found[switch] = value
        _check(switch, value, name)
    return found


def settings_from(flags: Mapping[str, str]) -> Settings:
    """Settings as `flags` give them, the rest at their defaults."""
    given = {option.name: option.read(flags[switch]) for switch, option in _BY_SWITCH.items() if switch in flags}
    if "--zap-devel" in flags or os.environ.get("VSO_LOGGER_DEVELOPMENT_MODE"):
        given = {"log_level": "debug", "log_encoder": "console"} | given
    return replace(
        Settings(),
        leader_elect=flags.get("--leader-elect", "true") in TRUE,
        operator_namespace=_operator_namespace(),
        pod_uid=_pod_uid(),
        user_agent=f"vso/{__version__}",
        **given,
    )


def usage() -> str:
    """The help text."""
    lines = [
        "Syncs secrets from HashiCorp Vault and OpenBao into Kubernetes Secrets.",
        "",
        "Usage: vault-secrets-operator [flags]",
        "",
        "Outside a cluster it uses --kubeconfig, KUBECONFIG or ~/.kube/config. A variable that is set wins over",
        "its flag. Try it on the current context:",
        "",
        "  vault-secrets-operator --leader-elect=false --zap-encoder=console",
        "",
        "Flags:",
        "  --leader-elect           compete with other replicas for the lead (default true)",
        "  --version                print the version; --output=json or yaml for machines",
        "  --zap-devel              readable logs with debug messages",
    ]
    defaults = Settings()
    for option in OPTIONS:
        default = getattr(defaults, option.name)
        facts = [f"default {option.show(default)}"] if default else []
        facts += [option.variable] if option.variable else []
        note = f" ({', '.join(map(str, facts))})" if facts else ""
        taken = "" if option.boolean else f" {option.metavar}"
        lines += [f"  {option.switch}{taken}", f"                           {option.help}{note}"]
    return "\n".join(lines)


def _check(switch: str, value: str, name: str) -> None:
    option = _BY_SWITCH.get(switch)
    if option is None:
        return
    try:
        option.read(value)
    except ValueError as exc:
        raise UsageError(f'invalid value "{value}" for flag -{name}: {exc}') from exc


def _run(settings: Settings) -> int:
    log = structlog.get_logger("setup")
    try:
        uvloop.run(_until_stopped(settings))
    except (KubeError, ValueError, OSError) as exc:
        log.error("cannot start", error=str(exc))  # noqa: TRY400 - the user's to mend, no traceback
        return 1
    except Exception:
        log.exception("the operator crashed")
        return 1
    return 0


async def _until_stopped(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupt() -> None:
        if stop.is_set():
            os._exit(1)  # asked twice: at once, whatever is under way
        stop.set()

    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, interrupt)
    await run(settings, stop)


def _operator_namespace() -> str:
    try:
        return _NAMESPACE_FILE.read_text().strip()
    except OSError:
        return os.environ.get("OPERATOR_NAMESPACE", "") or "default"


def _pod_uid() -> str:
    """UID of the Pod that this process runs in, empty if unknown (behaviour.md section 0.1)."""
    if uid := os.environ.get("OPERATOR_POD_UID", ""):
        return uid
    try:
        return _POD_UID_FILE.read_text().strip()
    except OSError:
        return ""


def _print_version(output: str) -> int:
    major, minor, *_ = __version__.split(".")
    facts = {
        "major": major,
        "minor": minor,
        "gitVersion": __version__,
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation().lower(),
        "platform": f"{sys.platform}/{platform.machine()}",
    }
    match output:
        case "":
            print(f"vault-secrets-operator {__version__} ({facts['goVersion']}, {facts['platform']})")
        case "json":
            print(json.dumps(facts, indent=2), end="")
        case "yaml":
            for name, value in sorted(facts.items()):
                print(f'{name}: "{value}"')
        case _:
            print(f"--output={output} is not supported: use json or yaml", file=sys.stderr)
            return 1
    return 0
