"""What must not get into a support archive."""

import json
from typing import Any

import pytest
import yaml

from vso.apis import names
from vso.cli.kubectl.redaction import destination, masked, redacted

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
        ({"annotations": {COPY: "{}", "a": "b"}}, {"annotations": {COPY: "***", "a": "***"}}),
        (
            {"annotations": {"kapp.k14s.io/original": '{"headers": {"X-Key": "s3cret"}}'}},
            {"annotations": {"kapp.k14s.io/original": "***"}},
        ),
        ({"annotations": {names.REFRESH: "now"}}, {"annotations": {names.REFRESH: "now"}}),
        ({"annotations": {names.RESYNC: "now"}}, {"annotations": {names.RESYNC: "now"}}),
        ({"annotations": {f"x.{names.REFRESH}": "now"}}, {"annotations": {f"x.{names.REFRESH}": "***"}}),
        ({"status": {"error": [f"token {TOKEN} is bad"]}}, {"status": {"error": ["token *** is bad"]}}),
        ({"number": 1, "address": "http://vault"}, {"number": 1, "address": "http://vault"}),
    ],
)
def test_what_may_be_secret_becomes_stars(value: Any, expected: Any) -> None:
    """Names stay, values go."""
    assert redacted(value) == expected


def test_a_key_that_is_cut_off_takes_no_other_line_with_it() -> None:
    """Logs are masked line by line, but for a key that goes over several."""
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ==\n-----END PRIVATE KEY-----"
    log = f"before\n{{'error': '-----BEGIN PRIVATE KEY----- MIIE'}}\nbetween {TOKEN}\n{key}\nafter\n"
    assert masked(log) == "before\n{'error': '***'}\nbetween ***\n***\nafter\n"


PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQ==\n-----END RSA PRIVATE KEY-----"
LONG = "an error text that is as long as it takes for the line to be folded within the first: "


@pytest.mark.parametrize(
    "log",
    [
        json.dumps({"error": f"{PEM} is no key", "level": "error"}),
        json.dumps({"error": json.dumps({"key": PEM})}),
        yaml.safe_dump({"error": f"{LONG}{PEM}"}),
        yaml.safe_dump({"error": f"{LONG}\t{PEM}"}),
    ],
)
def test_a_key_is_taken_out_however_its_line_ends_are_written(log: str) -> None:
    """Logs are JSON, and resources YAML, which folds lines."""
    assert "MIIE" not in masked(log)
    assert "kqhk" not in masked(log)


def test_the_password_in_a_url_is_taken_out_of_texts() -> None:
    """As out of addresses: an error quotes the URL."""
    log = "proxy http://u:p4ss@proxy:3128 refused https://vault:8200/v1/a@b"
    assert masked(log) == "proxy http://***@proxy:3128 refused https://vault:8200/v1/a@b"


def test_of_a_secret_only_metadata_is_kept() -> None:
    """Annotations may be copies of the data."""
    found = destination(
        {"metadata": {"name": "app", "annotations": {"copy": "s3cret"}}, "data": {"k": "djE="}, "type": "Opaque"}
    )
    assert found == {"kind": "Secret", "metadata": {"name": "app", "annotations": ["copy"]}}
