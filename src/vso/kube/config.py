"""Where the API server is and how to be let in: in a cluster, or by a kubeconfig.

Kubeconfig files are read in `kubeconfig`, what comes out is in `client_config`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vso.base import Clock, SystemClock, proxy_for
from vso.kube.client_config import ClientConfig
from vso.kube.errors import ConfigError
from vso.kube.tls import AuthorityFile
from vso.kube.token import token_file

SERVICE_ACCOUNT_FOLDER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


async def load_config(
    *,
    environ: Mapping[str, str],
    kubeconfig: str | None = None,
    context: str | None = None,
    clock: Clock | None = None,
) -> ClientConfig:
    """Find the API server: by `kubeconfig`, ``KUBECONFIG``, the cluster around, ``~/.kube/config``.

    The first that is there counts, even if it is broken. `context` names another than the current context of
    the kubeconfig. Source: operations.md section 1.4.
    Raises ConfigError, whose text says what was tried and what to do.
    """
    clock = clock or SystemClock()
    home = Path(environ.get("HOME") or Path.home()) / ".kube" / "config"
    named = kubeconfig or environ.get("KUBECONFIG")
    if not named and context is None and "KUBERNETES_SERVICE_HOST" in environ:
        return in_cluster_config(environ, folder=SERVICE_ACCOUNT_FOLDER, clock=clock)
    if not named and not home.exists():
        raise ConfigError(
            "no API server known: neither --kubeconfig nor KUBECONFIG is set, KUBERNETES_SERVICE_HOST is not "
            f"set (this is no pod), and {home} does not exist; name a kubeconfig, or run inside a cluster"
        )
    # Late: takes a second and 40 MB, which the operator in its cluster need not spend.
    from vso.kube.kubeconfig import kubeconfig_config

    return await kubeconfig_config(named or str(home), context=context, environ=environ, clock=clock)


def in_cluster_config(environ: Mapping[str, str], *, folder: Path, clock: Clock) -> ClientConfig:
    """The configuration of a pod, from its environment and the files of its ServiceAccount in `folder`.

    Raises ConfigError if one is missing or broken.
    """
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT") or "443"
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    advice = "is automountServiceAccountToken off, or the volume missing?"
    authority = folder / "ca.crt"
    try:
        authorities = AuthorityFile(authority)
    except OSError as exc:
        reason = exc.strerror or exc
        raise ConfigError(f"cannot read {authority} of the ServiceAccount: {reason}; {advice}") from exc
    if not (folder / "token").is_file():
        raise ConfigError(f"{folder / 'token'} of the ServiceAccount does not exist; {advice}")
    namespace = folder / "namespace"
    token = token_file(folder / "token", clock=clock, alongside=authorities.refresh)
    return ClientConfig(
        server=server,
        ssl=authorities.context,
        token=token.read,
        forget_token=token.forget,
        namespace=namespace.read_text().strip() if namespace.is_file() else "default",
        proxy=proxy_for(server, environ),
    )
