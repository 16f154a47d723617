"""The Kubernetes API over HTTP: typed requests, watches, errors. Knows no kind of this operator.

Start with `client`; errors are drawn as a tree in `errors`.
"""

from vso.kube.answer import Page
from vso.kube.client import Client
from vso.kube.client_config import ClientConfig
from vso.kube.config import in_cluster_config, load_config
from vso.kube.errors import (
    AlreadyExists,
    ApiError,
    Cause,
    ConfigError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    Gone,
    Invalid,
    KubeError,
    NotFound,
    ServerFault,
    TooManyRequests,
    Unauthorized,
    UnexpectedAnswer,
)
from vso.kube.patch import Patch, PatchType, merge_diff
from vso.kube.transport import NO_ANSWER, RequestSeen
from vso.kube.watch import Added, Bookmark, Deleted, Modified, WatchEvent

__all__ = [
    "NO_ANSWER",
    "Added",
    "AlreadyExists",
    "ApiError",
    "Bookmark",
    "Cause",
    "Client",
    "ClientConfig",
    "ConfigError",
    "Conflict",
    "ConnectionFailed",
    "Deleted",
    "Forbidden",
    "Gone",
    "Invalid",
    "KubeError",
    "Modified",
    "NotFound",
    "Page",
    "Patch",
    "PatchType",
    "RequestSeen",
    "ServerFault",
    "TooManyRequests",
    "Unauthorized",
    "UnexpectedAnswer",
    "WatchEvent",
    "in_cluster_config",
    "load_config",
    "merge_diff",
]
