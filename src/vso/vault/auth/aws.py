"""Login with a signed request to AWS that Vault sends on, to learn who signed it (behaviour.md section 3.4).

Vault API: https://openbao.org/api-docs/auth/aws/#login. botocore signs, and exchanges the web identity of an annotated
ServiceAccount (IRSA) for keys. Only the operator's own identity, where an administrator permits it, comes from the
environment: keys and accounts that a resource names never mix with it.
"""

import json
import os
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from vso.base import Sensitive
from vso.vault.auth.cloud import TIME_LIMIT, in_thread, optional, refusal, unreachable
from vso.vault.auth.method import (
    Credentials,
    LoginRequest,
    MissingCredential,
    Settings,
    Source,
    SourceKind,
)

if TYPE_CHECKING:
    from botocore.session import Session

_ROLE_ARN: Final = "eks.amazonaws.com/role-arn"
_AUDIENCE: Final = "eks.amazonaws.com/audience"
_EXPIRATION: Final = "eks.amazonaws.com/token-expiration"
_DEFAULT_AUDIENCE: Final = "sts.amazonaws.com"
_DEFAULT_EXPIRATION: Final = 86400
_SECONDS: Final = re.compile(r"[0-9]{1,10}")
_SESSION: Final = "vault-secrets-operator"
_DEFAULT_REGION: Final = "us-east-1"
_GLOBAL: Final = "https://sts.amazonaws.com/"
_OLDER: Final = frozenset(
    {
        "ap-northeast-1",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
        "ca-central-1",
        "eu-central-1",
        "eu-north-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "sa-east-1",
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
    }
)
"""Regions whose requests go to the global endpoint unless told otherwise.

Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html.
"""
_BODY: Final = b"Action=GetCallerIdentity&Version=2011-06-15"
_SERVER_ID: Final = "X-Vault-AWS-IAM-Server-ID"
_STS: Final = "the Security Token Service of AWS"
_ADVICE: Final = "check the role's trust policy, the account's annotations and the region"


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs a request."""

    access: str
    secret: Sensitive[str]
    session: Sensitive[str] | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the Security Token Service is asked, and the region to sign for."""

    url: str
    region: str


class Aws:
    """The method; `environ` is that of the operator's process."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def source(self, settings: Settings) -> Source:
        """See `Method.source`."""
        if secret := settings.text("secretRef"):
            return Source(SourceKind.SECRET, secret)
        if account := settings.text("irsaServiceAccount"):
            return Source(SourceKind.SERVICE_ACCOUNT, account)
        return Source(SourceKind.AMBIENT)

    async def request(self, credentials: Credentials) -> LoginRequest:
        """See `Method.request`."""
        settings = credentials.settings
        role = settings.needed("role")
        with optional("aws", "botocore"):
            import botocore.session  # noqa: F401 - 60 ms and 25 MiB, for those who use it
        endpoint = await in_thread(_STS, lambda: self._endpoint(settings))
        match self.source(settings).kind:
            case SourceKind.SECRET:
                keys = await _static_keys(credentials)
            case SourceKind.SERVICE_ACCOUNT:
                keys = await _web_identity(credentials, endpoint)
            case _:
                keys = await in_thread(_STS, _ambient_keys)
        return LoginRequest(body=payload(role, keys, endpoint, server_id=settings.text("headerValue")))

    def _endpoint(self, settings: Settings) -> Endpoint:
        given = (settings.text("region"), self._environ.get("AWS_REGION"), self._environ.get("AWS_DEFAULT_REGION"))
        region = next(filter(None, given), _DEFAULT_REGION)
        if url := settings.text("stsEndpoint"):
            if not _is_url(url):
                raise MissingCredential(f"aws.stsEndpoint {url!r} is no URL: it must start with https://")
            return Endpoint(url if urlsplit(url).path else f"{url}/", region)
        if region in _OLDER and self._environ.get("AWS_STS_REGIONAL_ENDPOINTS", "legacy") != "regional":
            # The global endpoint takes no signature for any other region.
            return Endpoint(_GLOBAL, _DEFAULT_REGION)
        return Endpoint(_regional(region), region)


def payload(role: str, keys: Keys, endpoint: Endpoint, *, server_id: str = "") -> dict[str, str | Sensitive[str]]:
    """The body of the login: the signed request, in parts."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials as Signing

    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
        "Content-Length": str(len(_BODY)),
        "Host": urlsplit(endpoint.url).netloc,
    }
    if server_id:
        headers[_SERVER_ID] = server_id
    request = AWSRequest(method="POST", url=endpoint.url, data=_BODY, headers=headers)
    session = keys.session.reveal() if keys.session is not None else None
    SigV4Auth(Signing(keys.access, keys.secret.reveal(), session), "sts", endpoint.region).add_auth(request)
    signed = {name: [value] for name, value in request.headers.items()}
    return {
        "role": role,
        "iam_http_request_method": "POST",
        "iam_request_url": _b64(endpoint.url.encode()),
        "iam_request_body": _b64(_BODY),
        # Whoever has these can log in as this identity for 15 minutes.
        "iam_request_headers": Sensitive(_b64(json.dumps(signed).encode())),
    }


async def _static_keys(credentials: Credentials) -> Keys:
    access = await credentials.find_secret("access_key_id")
    secret = await credentials.find_secret("secret_access_key")
    if access is None or secret is None:
        # With one of them botocore would look for the other elsewhere.
        both = "access_key_id and secret_access_key"
        have = "neither" if access is secret else "only one"
        raise MissingCredential(f"the Secret for the login with aws must have both {both}, it has {have} of them")
    return Keys(access.reveal(), secret, await credentials.find_secret("session_token"))


async def _web_identity(credentials: Credentials, endpoint: Endpoint) -> Keys:
    annotations = await credentials.annotations()
    role = annotations.get(_ROLE_ARN)
    if not role:
        raise MissingCredential(f'missing "{_ROLE_ARN}" annotation: put it on the ServiceAccount that is named')
    expiration = annotations.get(_EXPIRATION) or str(_DEFAULT_EXPIRATION)
    if not _SECONDS.fullmatch(expiration):
        raise MissingCredential(f"annotation {_EXPIRATION} of the ServiceAccount is {expiration!r}, no whole seconds")
    token = await credentials.token(
        audiences=(annotations.get(_AUDIENCE) or _DEFAULT_AUDIENCE,), seconds=int(expiration)
    )
    name = credentials.settings.text("sessionName") or _SESSION
    return await in_thread(_STS, lambda: _assumed(endpoint, role=role, name=name, token=token))


def _assumed(endpoint: Endpoint, *, role: str, name: str, token: Sensitive[str]) -> Keys:
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    client = _client(_own_session(), region=endpoint.region, url=endpoint.url.rstrip("/"))
    secrets = (token.reveal(),)
    try:
        answer = client.assume_role_with_web_identity(
            RoleArn=role, RoleSessionName=name, WebIdentityToken=token.reveal()
        )
        found = answer["Credentials"]
        return Keys(found["AccessKeyId"], Sensitive(found["SecretAccessKey"]), Sensitive(found["SessionToken"]))
    except ClientError as exc:
        error, meta = exc.response.get("Error", {}), exc.response.get("ResponseMetadata", {})
        said = f"{error.get('Code', '')}: {error.get('Message', '')}"
        status = meta.get("HTTPStatusCode", 0)
        raise refusal(_STS, said, advice=_ADVICE, status=status, secrets=secrets) from None
    except (BotoCoreError, ResponseParserError) as exc:
        raise unreachable(f"{_STS} at {endpoint.url}", str(exc), secrets) from None
    except KeyError:
        raise unreachable(f"{_STS} at {endpoint.url}", "its answer has no credentials") from None
    finally:
        client.close()


def _ambient_keys() -> Keys:
    """The identity of the operator's Pod or node, by AWS's own rules."""
    import botocore.session
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = botocore.session.Session().get_credentials()
        frozen = None if found is None else found.get_frozen_credentials()
    except (BotoCoreError, ClientError) as exc:
        raise unreachable("the source of the operator's own AWS identity", str(exc)) from None
    if frozen is None or not frozen.access_key or not frozen.secret_key:
        raise MissingCredential(
            "the operator's Pod and node have no AWS identity: name a secretRef or an irsaServiceAccount"
        )
    return Keys(frozen.access_key, Sensitive(frozen.secret_key), Sensitive(frozen.token) if frozen.token else None)


def _own_session() -> "Session":
    """One that takes nothing from the operator's own files."""
    import botocore.session

    session = botocore.session.Session()
    for name in ("config_file", "credentials_file"):
        session.set_config_variable(name, os.devnull)
    session.set_config_variable("profile", None)
    return session


def _client(session: "Session", *, region: str, url: str | None) -> Any:
    """One of the Security Token Service that signs nothing and tries once. Raises MissingCredential."""
    from botocore import UNSIGNED
    from botocore.config import Config

    half = TIME_LIMIT / 2
    retries = {"total_max_attempts": 1}
    config = Config(signature_version=UNSIGNED, connect_timeout=half, read_timeout=half, retries=retries)
    try:
        return session.create_client("sts", region_name=region, endpoint_url=url, config=config)
    except ValueError as exc:
        raise MissingCredential(f"{_STS} has no such place: {exc}; correct aws.region or aws.stsEndpoint") from exc


def _regional(region: str) -> str:
    session = _own_session()
    session.set_config_variable("sts_regional_endpoints", "regional")
    client = _client(session, region=region, url=None)
    try:
        return f"{client.meta.endpoint_url}/"
    finally:
        client.close()


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _b64(data: bytes) -> str:
    return b64encode(data).decode()


METHOD: Final = Aws(os.environ)
