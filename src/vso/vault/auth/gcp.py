"""Login as a Google service account, by the workload identity of a cluster of GKE (behaviour.md section 3.5).

Vault API: https://openbao.org/api-docs/auth/gcp/#login. google-auth exchanges the token of an annotated ServiceAccount
for one of Google, which is good for a signed statement of who it is.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from vso.base import Sensitive
from vso.vault.auth.cloud import TIME_LIMIT, in_thread, optional, refusal, unreachable
from vso.vault.auth.method import Credentials, LoginRequest, MissingCredential, Settings, Source, SourceKind

if TYPE_CHECKING:
    from google.auth.transport.requests import Request

_ANNOTATION: Final = "iam.gke.io/gcp-service-account"
_SECONDS: Final = 600
_SCOPE: Final = "https://www.googleapis.com/auth/iam"
_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_JWT: Final = "urn:ietf:params:oauth:token-type:jwt"
_ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type
_CLUSTERS: Final = "https://container.googleapis.com/v1/projects"
_BAD_REQUEST: Final = 400
_ADVICE: Final = (
    "check that the Google service account admits the Kubernetes one (roles/iam.workloadIdentityUser), and the names "
    "of project, location and cluster"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Where Google's services are."""

    sts: str = "https://sts.googleapis.com/v1/token"
    iam: str = "https://iamcredentials.googleapis.com"
    metadata: str = "http://metadata.google.internal"


@dataclass(frozen=True, slots=True)
class _Place:
    """The cluster whose identity provider vouches for its ServiceAccounts."""

    project: str
    location: str
    cluster: str

    @property
    def pool(self) -> str:
        """The audience of the ServiceAccount's token."""
        return f"{self.project}.svc.id.goog"

    @property
    def audience(self) -> str:
        """The audience of the exchange."""
        provider = f"{_CLUSTERS}/{self.project}/locations/{self.location}/clusters/{self.cluster}"
        return f"identitynamespace:{self.pool}:{provider}"


class Gcp:
    """The method."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def source(self, settings: Settings) -> Source:
        """See `Method.source`."""
        return Source(SourceKind.SERVICE_ACCOUNT, settings.needed("workloadIdentityServiceAccount"))

    async def request(self, credentials: Credentials) -> LoginRequest:
        """See `Method.request`."""
        settings = credentials.settings
        role = settings.needed("role")
        with optional("gcp", "google-auth"):
            from google.auth.transport.requests import Request
        account = (await credentials.annotations()).get(_ANNOTATION)
        if not account:
            raise MissingCredential(f'missing "{_ANNOTATION}" annotation: put it on the ServiceAccount that is named')
        http = Request()
        place = await in_thread("the metadata server of Google", lambda: self._place(settings, http))
        token = await credentials.token(audiences=(place.pool,), seconds=_SECONDS)
        access = await in_thread("the Security Token Service of Google", lambda: self._exchanged(place, token, http))
        work = partial(self._statement, account, role, access, http)
        return LoginRequest(body={"role": role, "jwt": await in_thread("the IAM service of Google", work)})

    def _place(self, settings: Settings, http: "Request") -> _Place:
        def found(name: str, path: str) -> str:
            return settings.text(name) or self._metadata(name, path, http)

        return _Place(
            found("projectID", "project/project-id"),
            found("region", "instance/attributes/cluster-location"),
            found("clusterName", "instance/attributes/cluster-name"),
        )

    def _metadata(self, name: str, path: str, http: "Request") -> str:
        url = f"{self._services.metadata}/computeMetadata/v1/{path}"
        answer = _send(
            http,
            f"the metadata server of Google, which is asked since gcp.{name} is not set,",
            url=url,
            method="GET",
            headers={"Metadata-Flavor": "Google"},
        )
        return str(answer.decode().strip())

    def _exchanged(self, place: _Place, token: Sensitive[str], http: "Request") -> Sensitive[str]:
        """A token of Google for the identity in the cluster."""
        from google.auth.exceptions import OAuthError, TransportError
        from google.oauth2.sts import Client

        service = "the Security Token Service of Google"
        try:
            exchange: Any = Client
            answer: Mapping[str, Any] = exchange(self._services.sts).exchange_token(
                partial(http, timeout=TIME_LIMIT / 2),
                _EXCHANGE,
                token.reveal(),
                _JWT,
                audience=place.audience,
                scopes=[_SCOPE],
                requested_token_type=_ACCESS_TOKEN,
            )
        except OAuthError as exc:
            raise refusal(service, str(exc.args[0]), advice=_ADVICE, secrets=(token.reveal(),)) from None
        except TransportError as exc:
            raise unreachable(f"{service} at {self._services.sts}", str(exc), (token.reveal(),)) from None
        return Sensitive(str(answer["access_token"]))

    def _statement(self, account: str, role: str, access: Sensitive[str], http: "Request") -> Sensitive[str]:
        """What Vault checks: a token for it that names the Google service account."""
        url = f"{self._services.iam}/v1/projects/-/serviceAccounts/{account}:generateIdToken"
        answer = _send(
            http,
            "the IAM service of Google",
            secrets=(access.reveal(),),
            url=url,
            method="POST",
            body=json.dumps({"audience": f"https://vault/{role}", "includeEmail": True}).encode(),
            headers={"Authorization": f"Bearer {access.reveal()}", "Content-Type": "application/json"},
        )
        return Sensitive(str(json.loads(answer)["token"]))


def _send(http: "Request", service: str, *, secrets: tuple[str, ...] = (), **request: Any) -> bytes:
    """The body of the answer. Raises CloudRefused or CloudUnavailable."""
    from google.auth.exceptions import TransportError

    try:
        answer = http(timeout=TIME_LIMIT / 2, **request)
    except TransportError as exc:
        raise unreachable(f"{service} at {request['url']}", str(exc), secrets) from None
    if answer.status >= _BAD_REQUEST:
        said = answer.data.decode("utf-8", "replace")
        raise refusal(service, said, advice=_ADVICE, status=answer.status, secrets=secrets)
    return bytes(answer.data)


METHOD: Final = Gcp(Services(metadata=f"http://{os.environ.get('GCE_METADATA_HOST', 'metadata.google.internal')}"))
