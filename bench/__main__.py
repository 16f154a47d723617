"""The command line of the benchmarks."""

import argparse
import signal
import sys
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console

from bench.result import machine
from bench.run import MEASURES, run
from bench.stage import Plan
from bench.wire import WireError
from testenv import BuildFailed, ServerDied
from testenv.waiting import seconds

_DEFAULT: Final = 1000
_LEAST: Final = 10
_EPILOG: Final = """\
measures, in this order:
  bare      one created Secret and one patched status per resource, from a minimal client: what the API server can do
  cold      the operator meets N resources for the first time (always made, since the others build on it)
  refresh   every resource is read again, nothing has changed
  latency   one resource is edited while all refresh
  scrape    metrics are read while all refresh
  restart   the operator comes back to N resources in sync

examples:
  python -m bench                              1,000 resources, everything: about two minutes
  python -m bench --number 10000               about ten minutes, 2 GB of memory
  python -m bench --number 200 --only cold     a quick look at the CPU per sync
  python -m bench --json before.json           keep the figures, to compare with those of another version

Real servers run on this machine (kube-apiserver, etcd, kube-controller-manager, OpenBao) and share its cores with
the operator, so rates depend on the machine and on what else it does: compare them with the bare server's of the
same run. Request counts do not depend on it: if one differs from what it must be, the exit status is 1.
"""


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write; the exit status."""
    options = _parser().parse_args(argv)
    number: int = options.number
    # Long enough that no resource falls due during the cold sync, short enough that nobody falls asleep.
    refresh = options.refresh or max(30, round(number * 0.012))
    plan = Plan(number=number, refresh=refresh, edits=options.edits, profiles=options.profile)
    if options.profile:
        options.profile.mkdir(parents=True, exist_ok=True)
    begun = seconds()

    def report(message: str) -> None:
        print(f"[{seconds() - begun:6.1f} s] {message}", file=sys.stderr, flush=True)

    try:
        result = uvloop.run(run(plan, options.only, report))
    except (BuildFailed, ServerDied, WireError, TimeoutError, FileNotFoundError, PermissionError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    result.show(Console(width=None if sys.stdout.isatty() else 120))
    file = options.json or Path("build") / "bench" / f"{number}.json"
    result.write(file)
    load = machine()["load"]
    print(f"written to {file}; the load of the machine was {load} on {machine()['cores']} cores")
    return 0 if result.right else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the operator on real servers, beside the bare API server in the same run.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--number", type=_number, default=_DEFAULT, metavar="N", help=f"how many resources (default {_DEFAULT})"
    )
    parser.add_argument(
        "--only",
        type=_measures,
        default=frozenset(MEASURES),
        metavar="LIST",
        help=f"measures to take, with commas (default {','.join(MEASURES)})",
    )
    parser.add_argument(
        "--refresh",
        type=int,
        default=0,
        metavar="SECONDS",
        help="refreshAfter of all resources (default 30, more from 2,500 resources on)",
    )
    parser.add_argument("--edits", type=int, default=50, metavar="N", help="edits to time (default 50)")
    parser.add_argument(
        "--profile", type=Path, metavar="FOLDER", help="run the operator under cProfile (twice as slow), files go there"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the JSON goes (default build/bench/N.json)")
    return parser


def _number(text: str) -> int:
    number = int(text)
    if number < _LEAST:
        raise argparse.ArgumentTypeError(f"at least {_LEAST}")
    return number


def _measures(text: str) -> frozenset[str]:
    names = frozenset(text.split(","))
    if unknown := names - set(MEASURES):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(MEASURES)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
