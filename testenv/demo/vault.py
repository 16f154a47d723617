"""What an administrator of OpenBao does before secrets can be synced, and what its users do."""

import base64
from typing import Final

from testenv.demo.operator import cluster_entry
from testenv.demo.stage import NAMESPACE, REVIEWER, REVIEWER_BINDING, Stage
from testenv.demo.tool import Feed
from testenv.waiting import wait_for

FIRST: Final = "correct-horse"
"""The password that is there in the beginning."""
SECOND: Final = "battery-staple"
"""The password that it is rotated to."""
_POLICY: Final = 'path "secret/data/demo" { capabilities = ["read"] }'


def prepare(stage: Stage) -> None:
    """A namespace, a secret, and a way to log in from that namespace."""
    stage.narrator.step(
        "Put a secret into OpenBao, and let a namespace read it",
        "OpenBao's auth method `kubernetes` takes the token of a ServiceAccount for a proof of who asks. It asks the "
        "API server whether the token is good; for that it has a token itself, of a ServiceAccount that may review "
        "others. A role says who may log in, a policy what they may read.",
    )
    stage.remove_later("namespace", NAMESPACE)
    stage.show(stage.kubectl, "create", "namespace", NAMESPACE)
    _create_reviewer(stage)
    wait_for(lambda: stage.bao.ask("read", "secret/config").returncode == 0, what="secret/ to take writes")
    put(stage, FIRST)
    stage.show(stage.bao, "auth", "enable", "kubernetes")
    stage.show(stage.bao, "write", "auth/kubernetes/config", *_connection(stage))
    stage.show(stage.bao, "policy", "write", "demo", "-", feed=Feed(f"echo '{_POLICY}'", _POLICY))
    stage.show(
        stage.bao,
        *("write", "auth/kubernetes/role/demo", "bound_service_account_names=demo"),
        *(f"bound_service_account_namespaces={NAMESPACE}", "audience=vault", "token_policies=demo", "token_ttl=1h"),
    )


def put(stage: Stage, password: str) -> None:
    """Write the next version of the secret."""
    stage.show(stage.bao, "kv", "put", "-mount=secret", "demo", "username=alice", f"password={password}")


def _create_reviewer(stage: Stage) -> None:
    stage.kube("create", "serviceaccount", REVIEWER)
    stage.remove_later("clusterrolebinding", REVIEWER_BINDING)
    stage.show(
        stage.kubectl,
        *("create", "clusterrolebinding", REVIEWER_BINDING),
        *("--clusterrole=system:auth-delegator", f"--serviceaccount={NAMESPACE}:{REVIEWER}"),
    )
    token_command = ("-n", NAMESPACE, "create", "token", REVIEWER, "--duration=24h")
    stage.keep("reviewer.jwt", stage.kubectl, *token_command)


def _connection(stage: Stage) -> tuple[str, ...]:
    entry = cluster_entry(stage)
    settings = [f"kubernetes_host={entry['server']}", "token_reviewer_jwt=@reviewer.jwt", "disable_local_ca_jwt=true"]
    authority = entry.get("certificate-authority-data", "")
    if authority:
        (stage.folder / "ca.pem").write_bytes(base64.b64decode(authority))
        settings.insert(1, "kubernetes_ca_cert=@ca.pem")
    return tuple(settings)
