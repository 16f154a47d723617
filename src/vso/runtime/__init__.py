"""Operators in general: from the watch of a kind to reconciles of its keys. Knows no kind of this operator.

    list+watch -> reflector (+ store) -> watches -> queue -> controller -> reconcile(key) -> Next -> queue

`manager` runs it all, the working part only while this replica leads (`leader`). Read in that order.
"""

from vso.runtime.controller import Controller
from vso.runtime.events import EventRecorder, EventSink
from vso.runtime.finalizer import ensure_finalizer, remove_finalizer
from vso.runtime.leader import Elector, LeaderElector, LeaseClient, LeaseConfig, Unelected, make_identity, micro_time
from vso.runtime.limit import time_limit
from vso.runtime.manager import Manager, Runnable
from vso.runtime.metrics import (
    ControllerObserver,
    EventObserver,
    LeaderObserver,
    QueueObserver,
    ReflectorObserver,
    Result,
    Silent,
)
from vso.runtime.next import Lane, Next
from vso.runtime.queue import QueueShutDown, WorkQueue
from vso.runtime.reflector import Reflector
from vso.runtime.source import KubeSource, Source
from vso.runtime.store import ALL, Change, Store
from vso.runtime.watches import (
    Handler,
    Predicate,
    any_of,
    deletion,
    enqueue_mapped,
    enqueue_self,
    metadata_changed,
    requeue_all,
    spec_changed,
)

__all__ = [
    "ALL",
    "Change",
    "Controller",
    "ControllerObserver",
    "Elector",
    "EventObserver",
    "EventRecorder",
    "EventSink",
    "Handler",
    "KubeSource",
    "Lane",
    "LeaderElector",
    "LeaderObserver",
    "LeaseClient",
    "LeaseConfig",
    "Manager",
    "Next",
    "Predicate",
    "QueueObserver",
    "QueueShutDown",
    "Reflector",
    "ReflectorObserver",
    "Result",
    "Runnable",
    "Silent",
    "Source",
    "Store",
    "Unelected",
    "WorkQueue",
    "any_of",
    "deletion",
    "enqueue_mapped",
    "enqueue_self",
    "ensure_finalizer",
    "make_identity",
    "metadata_changed",
    "micro_time",
    "remove_finalizer",
    "requeue_all",
    "spec_changed",
    "time_limit",
]
