"""The command lines of etcd, kube-apiserver and kube-controller-manager, and the files that they name."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from testenv.certificates import Pair
from testenv.port import LOOPBACK

_QUOTA = str(8 * 1024**3)
"""What etcd may take of the disk: four times its default, so that a test may fill it with gigabytes of Secrets."""
_ISSUER = "https://kubernetes.default.svc.cluster.local"
_CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "daemonset-controller",
    "deployment-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
)
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True)
class Files:
    """Where the API server's own files are, below one folder."""

    folder: Path

    @property
    def audit_log(self) -> Path:
        """What the API server writes, a JSON object for each request."""
        return self.folder / "audit.log"

    @property
    def audit_policy(self) -> Path:
        """What is written to the audit log."""
        return self.folder / "audit-policy.json"

    def write_audit_policy(self) -> None:
        """Log the metadata of every request once it is answered."""
        self.audit_policy.write_text(json.dumps(_AUDIT_POLICY))


@dataclass(frozen=True)
class Keys:
    """The CA's certificate and key, the serving certificate, and the key that signs ServiceAccount tokens."""

    ca: Path
    ca_key: Path
    serving: Pair
    tokens: Pair


def etcd(data: Path, *, client: str, peer: str) -> list[str]:
    """Arguments of a lone etcd; it need not survive a power cut, so it does not wait for the disk."""
    return _flags(
        {
            "name": "testenv",
            "data-dir": str(data),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"testenv={peer}",
            "unsafe-no-fsync": "true",
            "quota-backend-bytes": _QUOTA,
            "log-level": "warn",
        }
    )


def apiserver(port: int, *, etcd: str, keys: Keys, files: Files) -> list[str]:
    """Arguments of the API server: RBAC, the default admission plugins, everything audited."""
    return _flags(
        {
            "etcd-servers": etcd,
            "bind-address": LOOPBACK,
            "secure-port": str(port),
            "cert-dir": str(files.folder / "pki"),
            "tls-cert-file": str(keys.serving.certificate),
            "tls-private-key-file": str(keys.serving.key),
            "client-ca-file": str(keys.ca),
            "service-cluster-ip-range": "10.0.0.0/24",
            # Loopback is no address for a Service's endpoints; nobody needs them here.
            "endpoint-reconciler-type": "none",
            "service-account-issuer": _ISSUER,
            "service-account-key-file": str(keys.tokens.certificate),
            "service-account-signing-key-file": str(keys.tokens.key),
            "authorization-mode": "RBAC",
            # Beta, and off by default: operators may take a CA from there.
            "feature-gates": "ClusterTrustBundle=true",
            "runtime-config": "certificates.k8s.io/v1beta1/clustertrustbundles=true",
            # As in the clusters of users, where CSI drivers need it.
            "allow-privileged": "true",
            "audit-policy-file": str(files.audit_policy),
            "audit-log-path": str(files.audit_log),
            "audit-log-maxsize": "100000",  # MB: marks are positions in one file
            "shutdown-delay-duration": "0s",
            "profiling": "false",
        }
    )


def controller_manager(kubeconfig: Path, *, keys: Keys) -> list[str]:
    """Arguments of the controller manager, with the few controllers that matter without nodes."""
    return _flags(
        {
            "kubeconfig": str(kubeconfig),
            "controllers": ",".join(_CONTROLLERS),
            "use-service-account-credentials": "true",
            "service-account-private-key-file": str(keys.tokens.key),
            "root-ca-file": str(keys.ca),
            "leader-elect": "false",
            "secure-port": "0",
            "kube-api-qps": "200",
            "kube-api-burst": "400",
            "profiling": "false",
        }
    )


def _flags(values: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]
