"""What must not get into a support archive."""

from typing import Any

import pytest

from vso.cli.kubectl.redaction import destination, redacted

COPY = "kubectl.kubernetes.io/last-applied-configuration"
TOKEN = "hvs." + "CAESIJ" * 6


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"spec": {"headers": {"X-Key": "v"}}}, {"spec": {"headers": {"X-Key": "***"}}}),
        ({"appRole": {"roleId": "r"}}, {"appRole": {"roleId": "***"}}),
        ({"spec": {"params": {"a": "b"}}}, {"spec": {"params": {"a": "***"}}}),
        ({"spec": {"address": "https://u:p@vault:8200/x"}}, {"spec": {"address": "https://***@vault:8200/x"}}),
        ({"extensions": {"proxyURL": "http://u:p@proxy:3128"}}, {"extensions": {"proxyURL": "http://***@proxy:3128"}}),
        ({"annotations": {COPY: "{}", "a": "b"}}, {"annotations": {"a": "b"}}),
        ({"status": {"error": [f"token {TOKEN} is bad"]}}, {"status": {"error": ["token *** is bad"]}}),
        ({"number": 1, "address": "http://vault"}, {"number": 1, "address": "http://vault"}),
    ],
)
def test_what_may_be_secret_becomes_stars(value: Any, expected: Any) -> None:
    """Names stay, values go."""
    assert redacted(value) == expected


def test_of_a_secret_only_metadata_is_kept() -> None:
    """Annotations may be copies of the data."""
    found = destination(
        {"metadata": {"name": "app", "annotations": {"copy": "s3cret"}}, "data": {"k": "djE="}, "type": "Opaque"}
    )
    assert found == {"kind": "Secret", "metadata": {"name": "app", "annotations": ["copy"]}}
