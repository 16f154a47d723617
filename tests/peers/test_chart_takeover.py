"""Values files of HashiCorp's chart 1.4: each key of it, at its default there and with something else."""

from typing import Any, Final

import pytest

from tests.support.chart import CHART, Refused, helm, render

RESOURCES: Final = {"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "10m", "memory": "64Mi"}}
BACKOFF: Final = {
    "initialInterval": "5s",
    "maxInterval": "60s",
    "maxElapsedTime": "0s",
    "randomizationFactor": 0.5,
    "multiplier": 1.5,
}
LOGGING: Final = {"level": "info", "timeEncoding": "rfc3339", "stacktraceLevel": "panic"}
METHODS: Final = {
    "namespace": "",
    "method": "kubernetes",
    "mount": "kubernetes",
    "jwt": {"role": "", "secretRef": "", "serviceAccount": "default", "tokenAudiences": []},
    "appRole": {"roleId": "", "secretRef": ""},
    "aws": {
        "role": "",
        "region": "",
        "headerValue": "",
        "sessionName": "",
        "stsEndpoint": "",
        "iamEndpoint": "",
        "secretRef": "",
        "irsaServiceAccount": "",
    },
    "gcp": {"role": "", "workloadIdentityServiceAccount": "", "region": "", "clusterName": "", "projectID": ""},
    "params": {},
    "headers": {},
}
ORIGINAL: Final[dict[str, Any]] = {
    "controller": {
        "replicas": 1,
        "priorityClassName": "",
        "strategy": {},
        "hostAliases": [],
        "nodeSelector": {},
        "tolerations": [],
        "affinity": {},
        "topologySpreadConstraints": [],
        "podDisruptionBudget": {"enabled": False, "maxUnavailable": "0", "minAvailable": "0"},
        "rbac": {
            "clusterRoleAggregation": {
                "viewerRoles": [],
                "editorRoles": [],
                "userFacingRoles": {"view": False, "edit": False},
            }
        },
        "kubeRbacProxy": {
            "image": {"pullPolicy": "IfNotPresent", "repository": "quay.io/brancz/kube-rbac-proxy", "tag": "v0.18.1"},
            "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "5m", "memory": "64Mi"}},
        },
        "imagePullSecrets": [],
        "extraLabels": {},
        "annotations": {},
        "manager": {
            "image": {"pullPolicy": "IfNotPresent"},
            "logging": LOGGING,
            "globalTransformationOptions": {"excludeRaw": False},
            "globalVaultAuthOptions": {"allowDefaultGlobals": True},
            "backoffOnSecretSourceError": BACKOFF,
            "clientCache": {
                "persistenceModel": "",
                "cacheSize": None,
                "numLocks": None,
                "storageEncryption": {
                    "enabled": False,
                    "vaultConnectionRef": "default",
                    "keyName": "",
                    "transitMount": "",
                    "kubernetes": {"role": "", "serviceAccount": None, "tokenAudiences": []},
                    **METHODS,
                },
            },
            "maxConcurrentReconciles": None,
            "kubeClient": {"qps": None, "burst": None},
            "extraEnv": [],
            "extraArgs": [],
            "volumes": [],
            "resources": RESOURCES,
        },
        "podSecurityContext": {"runAsNonRoot": True},
        "securityContext": {"allowPrivilegeEscalation": False},
        "controllerConfigMapYaml": {
            "health": {"healthProbeBindAddress": ":8081"},
            "leaderElection": {"leaderElect": True, "resourceName": "b0d477c0.hashicorp.com"},
            "metrics": {"bindAddress": "127.0.0.1:8080"},
            "webhook": {"port": 9443},
        },
        "kubernetesClusterDomain": "cluster.local",
        "terminationGracePeriodSeconds": 120,
        "preDeleteHookTimeoutSeconds": 120,
    },
    "metricsService": {
        "ports": [{"name": "https", "port": 8443, "protocol": "TCP", "targetPort": "https"}],
        "type": "ClusterIP",
    },
    "defaultVaultConnection": {
        "enabled": False,
        "address": "",
        "caCertSecret": "",
        "tlsServerName": "",
        "skipTLSVerify": False,
        "headers": {},
    },
    "defaultAuthMethod": {
        "enabled": False,
        "allowedNamespaces": [],
        "kubernetes": {"role": "", "serviceAccount": "default", "tokenAudiences": []},
        **METHODS,
        "vaultAuthGlobalRef": {
            "enabled": False,
            "name": "",
            "namespace": "",
            "allowDefault": None,
            "mergeStrategy": {"headers": "none", "params": "none"},
        },
    },
    "telemetry": {
        "serviceMonitor": {
            "enabled": False,
            "selectors": {},
            "scheme": "https",
            "port": "https",
            "path": "/metrics",
            "bearerTokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token",
            "interval": "30s",
            "scrapeTimeout": "10s",
        }
    },
    "hooks": {
        "resources": RESOURCES,
        "upgradeCRDs": {"enabled": True, "backoffLimit": 5, "executionTimeout": "30s"},
    },
    "csi": {
        "enabled": False,
        "securityContext": {},
        "hostAliases": [],
        "nodeSelector": {},
        "tolerations": [],
        "affinity": {},
        "imagePullSecrets": [],
        "extraLabels": {},
        "annotations": {},
        "updateStrategy": {},
        "driver": {
            "securityContext": {},
            "image": {
                "pullPolicy": "IfNotPresent",
                "repository": "hashicorp/vault-secrets-operator-csi",
                "tag": "1.0.3",
            },
            "extraEnv": [],
            "extraArgs": [],
            "logging": LOGGING,
            "backoffOnSecretSourceError": BACKOFF,
        },
        "livenessProbe": {
            "image": {"repository": "registry.k8s.io/sig-storage/livenessprobe", "tag": "v2.16.0"},
            "extraArgs": [],
        },
        "nodeDriverRegistrar": {
            "image": {"repository": "registry.k8s.io/sig-storage/csi-node-driver-registrar", "tag": "v2.14.0"},
            "extraArgs": [],
        },
    },
    "tests": {"enabled": True},
}


def test_a_file_with_every_default_of_the_original_changes_nothing_but_resources() -> None:
    """As those have it who copied the whole values file; nothing is unknown, and no default means another thing."""
    theirs, ours = render(ORIGINAL), render()
    assert theirs.named() == ours.named()
    assert theirs.args() == ours.args()
    assert theirs.manager("resources") == RESOURCES
    assert theirs.manager("securityContext") == ours.manager("securityContext")
    assert theirs.pod("securityContext") == ours.pod("securityContext")
    for kind in ("ClusterRole", "Role", "Service", "ConfigMap"):
        assert theirs.all(kind) == ours.all(kind)


def test_the_image_of_the_original_is_not_started() -> None:
    """It does not know our flags; --reuse-values would bring it along."""
    image = {"repository": "hashicorp/vault-secrets-operator", "tag": "1.4.1"}
    with pytest.raises(Refused, match="--reset-then-reuse-values"):
        render({**ORIGINAL, "controller.manager.image": image})


def test_helm_has_nothing_to_complain_of() -> None:
    """Not even a warning."""
    done = helm("lint", str(CHART), "--strict")
    assert done.returncode == 0, done.stdout
    assert "WARNING" not in done.stdout


@pytest.mark.parametrize("version", ["1.21.0", "1.25.3", "1.30.0-eks-a1b2", "1.36.3"])
def test_every_supported_kubernetes_gets_the_same(version: str) -> None:
    """From the first release that has all the kinds."""
    assert render({}, f"--kube-version={version}").text == render().text


def test_a_kubernetes_without_the_kinds_is_refused() -> None:
    """By Helm, with the versions."""
    with pytest.raises(Refused, match=r"requires kubeVersion: >=1\.21\.0-0"):
        render({}, "--kube-version=1.20.9")
