"""What a login with AWS says of settings and answers that nobody can use."""

import pytest

from tests.support.vouching import Given
from tests.support.web import Answer, serving
from vso.vault import CloudUnavailable, MissingCredential
from vso.vault.auth.aws import Aws

STATIC = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "SECRET"}
NOTES = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/web"}
LOST = "<AssumeRoleWithWebIdentityResult><Credentials/></AssumeRoleWithWebIdentityResult>"


@pytest.mark.parametrize("vouching", [{"secretRef": "keys"}, {"irsaServiceAccount": "web"}], ids=str)
@pytest.mark.parametrize(
    "block", [{"region": "eu_west_1/"}, {"region": "a.b"}, {"stsEndpoint": "https://[sts"}], ids=str
)
async def test_a_region_or_endpoint_that_cannot_be_is_a_setting_to_correct(
    block: dict[str, str], vouching: dict[str, str]
) -> None:
    """Rather than a bug of ours, of which the resource's condition would say nothing."""
    with pytest.raises(MissingCredential, match="aws"):
        await Aws({}).request(Given({"role": "app", **block, **vouching}, NOTES, STATIC))


async def test_an_endpoint_that_is_no_host_is_told_where_it_has_to_be_asked() -> None:
    """A signature alone needs no valid host: Vault looks at it."""
    block = {"role": "app", "irsaServiceAccount": "web", "stsEndpoint": "https://sts corp/"}
    with pytest.raises(MissingCredential, match=r"aws\.stsEndpoint"):
        await Aws({}).request(Given(block, NOTES))


async def test_a_life_of_the_token_with_thousands_of_digits_is_no_number_of_seconds() -> None:
    """Python refuses to read it, JSON to write it."""
    notes = {**NOTES, "eks.amazonaws.com/token-expiration": "9" * 5000}
    with pytest.raises(MissingCredential, match="no whole seconds"):
        await Aws({}).request(Given({"role": "app", "irsaServiceAccount": "web"}, notes))


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, "<html>welcome", "text/html"),
        Answer(502, "<html>bad gateway", "text/html"),
        Answer(200, "<AssumeRoleWithWebIdentityResponse/>", "text/xml"),
        Answer(200, f"<AssumeRoleWithWebIdentityResponse>{LOST}</AssumeRoleWithWebIdentityResponse>", "text/xml"),
    ],
    ids=str,
)
async def test_an_answer_of_something_else_is_an_outage_of_aws(answer: Answer) -> None:
    """Such as the page of a proxy."""
    with serving(lambda _: answer) as web:
        block = {"role": "app", "irsaServiceAccount": "web", "stsEndpoint": web.url}
        with pytest.raises(CloudUnavailable, match="Security Token Service"):
            await Aws({}).request(Given(block, NOTES))
