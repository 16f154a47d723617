"""aws, gcp and azure: what is sent to the cloud's services, and the login that comes of the answers.

The services are played on the loopback, as their documentation has them; nothing here was tried on a cloud.
"""

import hashlib
import hmac
import json
import ssl
from base64 import b64decode
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from testenv.certificates import Authority
from tests.support.vouching import Given, plain
from tests.support.web import Answer, Asked, Web, serving
from vso.vault import MissingCredential, SourceKind
from vso.vault.auth.aws import Aws
from vso.vault.auth.azure import Azure
from vso.vault.auth.gcp import Gcp, Services
from vso.vault.errors import CloudRefused, CloudUnavailable

TOKEN = "account.token.that-must-not-show"
STATIC = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
ASSUMED = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><SessionToken>SESSION</SessionToken>
<SecretAccessKey>SECRET</SecretAccessKey><Expiration>2036-01-01T00:00:00Z</Expiration>
<AccessKeyId>ASIAEXAMPLE</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""
REFUSED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>InvalidIdentityToken</Code><Message>No provider for account.token.that-must-not-show</Message></Error>
</ErrorResponse>"""


# aws


@pytest.mark.parametrize(
    ("block", "environ", "url", "region"),
    [
        ({}, {}, "https://sts.amazonaws.com/", "us-east-1"),
        ({"region": "eu-west-1"}, {}, "https://sts.amazonaws.com/", "us-east-1"),
        (
            {"region": "eu-west-1"},
            {"AWS_STS_REGIONAL_ENDPOINTS": "regional"},
            "https://sts.eu-west-1.amazonaws.com/",
            "eu-west-1",
        ),
        ({"region": "eu-south-1"}, {}, "https://sts.eu-south-1.amazonaws.com/", "eu-south-1"),
        ({"region": "cn-north-1"}, {}, "https://sts.cn-north-1.amazonaws.com.cn/", "cn-north-1"),
        ({}, {"AWS_REGION": "af-south-1"}, "https://sts.af-south-1.amazonaws.com/", "af-south-1"),
        ({}, {"AWS_DEFAULT_REGION": "af-south-1"}, "https://sts.af-south-1.amazonaws.com/", "af-south-1"),
        ({"region": "me-south-1", "stsEndpoint": "https://sts.corp"}, {}, "https://sts.corp/", "me-south-1"),
    ],
)
async def test_aws_signs_for_the_endpoint_of_the_region(
    block: dict[str, str], environ: dict[str, str], url: str, region: str
) -> None:
    """The signature holds by the rules of AWS, computed without its libraries."""
    given = Given({"role": "app", "secretRef": "keys", "headerValue": "vault.corp", **block}, entries=STATIC)
    login = await Aws(environ).request(given)
    assert STATIC["secret_access_key"] not in repr(login)
    assert "Signature" not in repr(login)
    body = plain(login.body)
    assert set(body) == {
        "role",
        "iam_http_request_method",
        "iam_request_url",
        "iam_request_body",
        "iam_request_headers",
    }
    assert (body["role"], body["iam_http_request_method"]) == ("app", "POST")
    assert b64decode(body["iam_request_url"]).decode() == url
    sent = b64decode(body["iam_request_body"])
    assert parse_qs(sent.decode()) == {"Action": ["GetCallerIdentity"], "Version": ["2011-06-15"]}
    headers = json.loads(b64decode(body["iam_request_headers"]))
    assert headers["X-Vault-AWS-IAM-Server-ID"] == ["vault.corp"]
    assert_signed(headers, sent, url=url, region=region)


def assert_signed(headers: dict[str, list[str]], body: bytes, *, url: str, region: str) -> None:
    """As https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html has it."""
    given = {name.lower(): values[0] for name, values in headers.items()}
    kind, _, rest = given["authorization"].partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    access, date, *scope = parts["Credential"].split("/")
    assert (kind, access, scope) == ("AWS4-HMAC-SHA256", STATIC["access_key_id"], [region, "sts", "aws4_request"])
    signed = parts["SignedHeaders"].split(";")
    assert {"host", "x-amz-date", "x-vault-aws-iam-server-id"} <= set(signed)
    given["host"] = url.split("/")[2]
    listed = "".join(f"{name}:{given[name].strip()}\n" for name in signed)
    canonical = "\n".join(["POST", "/", "", listed, parts["SignedHeaders"], hashlib.sha256(body).hexdigest()])
    to_sign = "\n".join(
        [kind, given["x-amz-date"], "/".join([date, *scope]), hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"AWS4{STATIC['secret_access_key']}".encode()
    for part in (date, *scope):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    assert parts["Signature"] == hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        ({"secretRef": "keys", "irsaServiceAccount": "web"}, SourceKind.SECRET),
        ({"irsaServiceAccount": "web"}, SourceKind.SERVICE_ACCOUNT),
        ({}, SourceKind.AMBIENT),
    ],
)
def test_aws_knows_who_vouches(block: dict[str, str], kind: SourceKind) -> None:
    """Keys of a Secret, else an annotated account, else the operator's own identity."""
    assert Aws({}).source(Given({"role": "app", **block}).settings).kind is kind


@pytest.mark.parametrize("entries", [{}, {"access_key_id": "a"}, {"secret_access_key": "a"}])
async def test_aws_needs_both_keys(entries: dict[str, str]) -> None:
    """One of them, or none, never falls back to the identity of the node."""
    with pytest.raises(MissingCredential, match="must have both access_key_id and secret_access_key"):
        await Aws({}).request(Given({"role": "app", "secretRef": "keys"}, entries=entries))


async def test_aws_exchanges_the_token_of_an_annotated_account() -> None:
    """With audience, life and session as the annotations and the block say; nothing of the environment enters."""
    with serving(lambda _: Answer(body=ASSUMED, type="text/xml")) as web:
        notes = {
            "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/web",
            "eks.amazonaws.com/audience": "corp",
            "eks.amazonaws.com/token-expiration": "3600",
        }
        block = {"role": "app", "irsaServiceAccount": "web", "sessionName": "ours", "stsEndpoint": web.url}
        given = Given(block, notes)
        body = plain((await Aws({}).request(given)).body)
    assert given.minted == [(("corp",), 3600)]
    (asked,) = web.asked
    assert {name: values[0] for name, values in parse_qs(asked.body.decode()).items()} == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": "arn:aws:iam::123456789012:role/web",
        "RoleSessionName": "ours",
        "WebIdentityToken": TOKEN,
    }
    assert "authorization" not in asked.headers
    headers = json.loads(b64decode(body["iam_request_headers"]))
    assert headers["X-Amz-Security-Token"] == ["SESSION"]
    assert "Credential=ASIAEXAMPLE/" in headers["Authorization"][0]
    assert b64decode(body["iam_request_url"]).decode() == f"{web.url}/"


@pytest.mark.parametrize(
    ("notes", "text"),
    [
        ({}, 'missing "eks.amazonaws.com/role-arn" annotation'),
        ({"eks.amazonaws.com/role-arn": "r", "eks.amazonaws.com/token-expiration": "1h"}, "no whole seconds"),
    ],
)
async def test_aws_names_the_annotation_at_fault(notes: dict[str, str], text: str) -> None:
    """Before anything is asked."""
    with pytest.raises(MissingCredential, match=text):
        await Aws({}).request(Given({"role": "app", "irsaServiceAccount": "web"}, notes))


@pytest.mark.parametrize(
    ("answer", "type_", "text"),
    [
        (Answer(400, REFUSED, "text/xml"), CloudRefused, "InvalidIdentityToken"),
        (Answer(503, "", "text/xml"), CloudUnavailable, "503"),
    ],
)
async def test_aws_refusals_are_told_without_the_token(answer: Answer, type_: type[Exception], text: str) -> None:
    """They are no outage of Vault, and say what to check."""
    with serving(lambda _: answer) as web:
        notes = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/web"}
        given = Given({"role": "app", "irsaServiceAccount": "web", "stsEndpoint": web.url}, notes)
        with pytest.raises(type_, match=text) as caught:
            await Aws({}).request(given)
    assert type(caught.value) is type_
    assert TOKEN not in str(caught.value)
    assert "trust policy" in str(caught.value)
    assert not caught.value.outage  # type: ignore[attr-defined]


async def test_aws_takes_the_operators_own_identity_where_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the rules of AWS; that it is permitted is checked before."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", STATIC["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", STATIC["secret_access_key"])
    body = plain((await Aws({}).request(Given({"role": "app", "headerValue": "x"}))).body)
    sent = b64decode(body["iam_request_body"])
    headers = json.loads(b64decode(body["iam_request_headers"]))
    assert_signed(headers, sent, url="https://sts.amazonaws.com/", region="us-east-1")


# gcp


def google(asked: Asked) -> Answer:
    """The metadata server, the Security Token Service and the IAM service in one."""
    if asked.path.startswith("/computeMetadata/v1/"):
        assert asked.headers["metadata-flavor"] == "Google"
        return Answer(body=asked.path.rsplit("/", 1)[1], type="text/plain")
    if asked.path == "/v1/token":
        return Answer(body={"access_token": "federated-token", "token_type": "Bearer", "expires_in": 60})
    return Answer(body={"token": "signed.by.google"})


@pytest.fixture
def goog() -> Iterator[Web]:
    """Google's services."""
    with serving(google) as web:
        yield web


def gcp(web: Web) -> Gcp:
    """The method with these services."""
    return Gcp(Services(sts=f"{web.url}/v1/token", iam=web.url, metadata=web.url))


ACCOUNT = {"iam.gke.io/gcp-service-account": "web@project.iam.gserviceaccount.com"}


@pytest.mark.parametrize("asks", [False, True])
async def test_gcp_exchanges_the_token_of_an_annotated_account(goog: Web, asks: bool) -> None:
    """Project, location and cluster from the block, or from the metadata server where it has none."""
    place = {} if asks else {"projectID": "project-id", "region": "cluster-location", "clusterName": "cluster-name"}
    given = Given({"role": "app", "workloadIdentityServiceAccount": "web", **place}, ACCOUNT)
    body = plain((await gcp(goog).request(given)).body)
    assert body == {"role": "app", "jwt": "signed.by.google"}
    assert given.minted == [(("project-id.svc.id.goog",), 600)]
    *before, exchange, statement = goog.asked
    assert [one.path.removeprefix("/computeMetadata/v1/") for one in before] == (
        ["project/project-id", "instance/attributes/cluster-location", "instance/attributes/cluster-name"]
        if asks
        else []
    )
    assert {name: values[0] for name, values in parse_qs(exchange.body.decode()).items()} == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "scope": "https://www.googleapis.com/auth/iam",
        "subject_token": TOKEN,
        "audience": "identitynamespace:project-id.svc.id.goog:https://container.googleapis.com/v1/projects/project-id"
        "/locations/cluster-location/clusters/cluster-name",
    }
    assert "authorization" not in exchange.headers
    assert (
        statement.path == f"/v1/projects/-/serviceAccounts/{ACCOUNT['iam.gke.io/gcp-service-account']}:generateIdToken"
    )
    assert statement.headers["authorization"] == "Bearer federated-token"
    assert statement.json() == {"audience": "https://vault/app", "includeEmail": True}


async def test_gcp_names_the_annotation_that_is_missing(goog: Web) -> None:
    """Before anything is asked."""
    with pytest.raises(MissingCredential, match=r'missing "iam.gke.io/gcp-service-account" annotation'):
        await gcp(goog).request(Given({"role": "app", "workloadIdentityServiceAccount": "web"}))
    assert goog.asked == []


@pytest.mark.parametrize(
    ("path", "answer", "type_"),
    [
        ("/v1/token", Answer(400, {"error": "invalid_grant", "error_description": f"bad {TOKEN}"}), CloudRefused),
        ("/v1/projects", Answer(403, {"error": {"message": "federated-token may not"}}), CloudRefused),
        ("/v1/projects", Answer(503, {"error": {"message": "later"}}), CloudUnavailable),
        ("/computeMetadata", Answer(404, "unknown", "text/plain"), CloudRefused),
    ],
)
async def test_gcp_refusals_are_told_without_a_token(
    goog: Web, path: str, answer: Answer, type_: type[Exception]
) -> None:
    """Each names the service that refused."""
    goog.answer = lambda asked: answer if asked.path.startswith(path) else google(asked)
    with pytest.raises(type_, match="of Google") as caught:
        await gcp(goog).request(Given({"role": "app", "workloadIdentityServiceAccount": "web"}, ACCOUNT))
    assert type(caught.value) is type_
    assert TOKEN not in str(caught.value)
    assert "federated-token" not in str(caught.value)


async def test_gcp_says_which_service_cannot_be_reached() -> None:
    """With its address."""
    given = Given({"role": "app", "workloadIdentityServiceAccount": "web"}, ACCOUNT)
    with pytest.raises(CloudUnavailable, match="metadata server"):
        await Gcp(Services(metadata="http://127.0.0.1:9")).request(given)


# azure


@pytest.fixture
def entra(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """Microsoft Entra, whose certificate the process trusts."""
    authority = Authority.create(tmp_path_factory.mktemp("entra"))
    pair = authority.serving("entra")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca))

    def answer(asked: Asked) -> Answer:
        if asked.path.endswith("/openid-configuration"):
            base = f"{web.url}/{asked.path.split('/')[1]}"
            return Answer(
                body={
                    "token_endpoint": f"{base}/oauth2/v2.0/token",
                    "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                    "issuer": f"{base}/v2.0",
                }
            )
        return Answer(body={"access_token": "signed.by.entra", "token_type": "Bearer", "expires_in": 3600})

    with serving(answer, tls=tls) as web:
        yield web


CLIENT = {
    "azure.workload.identity/client-id": "11111111-2222-3333-4444-555555555555",
    "azure.workload.identity/tenant-id": "66666666-7777-8888-9999-000000000000",
}


async def test_azure_exchanges_the_token_of_an_annotated_account(entra: Web) -> None:
    """For the resource that Vault's role expects; what the role is bound to goes with it."""
    block = {
        "role": "app",
        "workloadIdentityServiceAccount": "web",
        "resource": "https://vault.corp",
        "subscriptionId": "sub",
        "resourceGroupName": "group",
        "vmName": "vm",
    }
    given = Given(block, CLIENT)
    body = plain((await Azure({"AZURE_AUTHORITY_HOST": entra.url}).request(given)).body)
    assert body == {
        "role": "app",
        "jwt": "signed.by.entra",
        "subscription_id": "sub",
        "resource_group_name": "group",
        "vm_name": "vm",
    }
    assert given.minted == [(("api://AzureADTokenExchange",), 3600)]
    (asked,) = [one for one in entra.asked if one.method == "POST"]
    assert asked.path == f"/{CLIENT['azure.workload.identity/tenant-id']}/oauth2/v2.0/token"
    sent = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
    assert sent["grant_type"] == "client_credentials"
    assert sent["client_id"] == CLIENT["azure.workload.identity/client-id"]
    assert sent["client_assertion"] == TOKEN
    assert sent["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert sent["scope"].split()[0] == "https://vault.corp/.default"


@pytest.mark.parametrize(
    ("notes", "text"),
    [
        ({}, 'missing "azure.workload.identity/client-id" annotation'),
        ({"azure.workload.identity/client-id": "c"}, 'missing "azure.workload.identity/tenant-id" annotation'),
    ],
)
async def test_azure_names_the_annotation_that_is_missing(notes: dict[str, str], text: str) -> None:
    """Before anything is asked."""
    with pytest.raises(MissingCredential, match=text):
        await Azure({}).request(Given({"role": "app", "workloadIdentityServiceAccount": "web"}, notes))


async def test_azure_refusals_are_told_without_the_token(entra: Web) -> None:
    """With what to check."""
    good = entra.answer
    said = {"error": "invalid_client", "error_description": f"AADSTS70021: no federated identity, {TOKEN}"}
    entra.answer = lambda asked: good(asked) if asked.method == "GET" else Answer(401, said)
    given = Given({"role": "app", "workloadIdentityServiceAccount": "web"}, CLIENT)
    with pytest.raises(CloudRefused, match="AADSTS70021") as caught:
        await Azure({"AZURE_AUTHORITY_HOST": entra.url}).request(given)
    assert TOKEN not in str(caught.value)
    assert "federated credential" in str(caught.value)


async def test_azure_says_what_cannot_be_reached() -> None:
    """With its address."""
    given = Given({"role": "app", "workloadIdentityServiceAccount": "web"}, CLIENT)
    with pytest.raises(CloudUnavailable, match=r"127\.0\.0\.1:9"):
        await Azure({"AZURE_AUTHORITY_HOST": "https://127.0.0.1:9"}).request(given)
