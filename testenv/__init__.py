"""Real servers for tests, demo and benchmarks: Kubernetes, OpenBao or Vault, PostgreSQL, Prometheus; and faults.

Everything listens on loopback only, keeps its files in one temporary folder, and leaves nothing behind, even when
this process is killed. Set-up calls block; only `FaultProxy` is async. Start reading at `cluster`, `openbao`, `proxy`.
"""

from testenv.audit import AuditEntry, VaultRequest
from testenv.builder import controlplane_binary
from testenv.cluster import Cluster
from testenv.fault import Answer, Cut, Delay, Fault, Pass, Refuse, Reset, Silence, Split
from testenv.gobuild import BuildFailed
from testenv.helm import find_helm
from testenv.openbao import OpenBao
from testenv.postgres import Postgres
from testenv.process import Program, Server, ServerDied
from testenv.prometheus import Prometheus, Sample, Series, Target, promtool
from testenv.proxy import FaultProxy, InThread
from testenv.vaultadmin import VaultAdmin
from testenv.waiting import wait_for
from testenv.web import RequestFailed, Site
from testenv.workspace import workspace

__all__ = [
    "Answer",
    "AuditEntry",
    "BuildFailed",
    "Cluster",
    "Cut",
    "Delay",
    "Fault",
    "FaultProxy",
    "InThread",
    "OpenBao",
    "Pass",
    "Postgres",
    "Program",
    "Prometheus",
    "Refuse",
    "RequestFailed",
    "Reset",
    "Sample",
    "Series",
    "Server",
    "ServerDied",
    "Silence",
    "Site",
    "Split",
    "Target",
    "VaultAdmin",
    "VaultRequest",
    "controlplane_binary",
    "find_helm",
    "promtool",
    "wait_for",
    "workspace",
]
