"""The operator's command line: the original's flags in Go's flag syntax (operations.md sections 1.3 and 1.4).

Accepts one or two dashes, ``--x=v`` and ``--x v``, booleans as ``--x`` or ``--x=false``, and stops at the first
positional argument. Exit codes: 0 after a clean stop, 1 for a start-up or run error, 2 for wrong usage.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog
import uvloop

from vso.app import (
    OPTIONS,
    Option,
    Settings,
    build_facts,
    configure_logging,
    from_environment,
    notices,
    read_stamp,
    report_takeover,
    run,
    show_report,
    show_version,
    uninstall,
)
from vso.cli import upgrade_crds
from vso.kube import KubeError

_POD_UID_FILE: Final = Path("/var/run/podinfo/uid")
_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_HELP: Final = "--help"
_BY_SWITCH: Final[Mapping[str, Option]] = {option.switch: option for option in OPTIONS}


class UsageError(ValueError):
    """The command line cannot be understood."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit code."""
    if arguments is None and Path(sys.argv[0]).name == upgrade_crds.NAME:
        return upgrade_crds.main()
    try:
        flags = read_flags(sys.argv[1:] if arguments is None else arguments)
    except UsageError as exc:
        print(f"{exc}\n\n{usage()}", file=sys.stderr)
        return 2
    if _HELP in flags:
        print(usage())
        return 0
    try:
        facts = build_facts(read_stamp())
        settings = from_environment(settings_from(flags), os.environ, given=flags)
        if settings.version:
            print(show_version(facts, settings.output), end="")
            return 0
        configure_logging(settings.logging)
        settings = replace(settings.checked(), build=facts)
    except ValueError as exc:
        print(exc, file=sys.stderr)
        return 1
    _tell_notices(flags, os.environ)
    return _run(settings)


def read_flags(arguments: Sequence[str]) -> dict[str, str]:
    """The flags that `arguments` give, by their name with two dashes; of the same flag the last one counts.

    Raises UsageError for an unknown flag, a missing or a bad value.
    """
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] not in {"-", "--"}:
        argument = rest.pop(0)
        name, has_value, value = argument.removeprefix("-").removeprefix("-").partition("=")
        if not name or name.startswith("-"):
            raise UsageError(f"bad flag syntax: {argument}")
        if name in {"h", "help"}:
            return {_HELP: "true"}
        switch = f"--{name}"
        option = _BY_SWITCH.get(switch)
        if option is None:
            raise UsageError(f"flag provided but not defined: -{name}")
        if option.boolean:
            value = value if has_value else "true"
        elif not has_value:
            if not rest:
                raise UsageError(f"flag needs an argument: -{name}")
            value = rest.pop(0)
        _check(option, value, name)
        found[switch] = value
    return found


def settings_from(flags: Mapping[str, str]) -> Settings:
    """Settings as `flags` give them, the rest at their defaults."""
    given = {option.name: option.read(flags[switch]) for switch, option in _BY_SWITCH.items() if switch in flags}
    return replace(
        Settings(),
        operator_namespace=_operator_namespace(),
        pod_uid=_pod_uid(),
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


def _tell_notices(flags: Mapping[str, str], environ: Mapping[str, str]) -> None:
    log = structlog.get_logger("setup")
    for switch, notice in notices(flags, environ).items():
        log.info("about a flag", flag=switch, notice=notice)


def _check(option: Option, value: str, name: str) -> None:
    try:
        option.read(value)
    except ValueError as exc:
        raise UsageError(f'invalid value "{value}" for flag -{name}: {exc}') from exc


def _run(settings: Settings) -> int:
    log = structlog.get_logger("setup")
    try:
        if settings.uninstall:
            return 0 if uvloop.run(uninstall(settings)) else 1
        if settings.dry_run_takeover:
            print(show_report(uvloop.run(report_takeover(settings)), settings.output), end="")
            return 0
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
