"""MACs in the original's form."""

import base64
import hashlib
import hmac
import json

import pytest

from vso.sync import Signer, cache_key, client_id, digest

KEY = bytes(range(16))


@pytest.mark.parametrize("data", [{}, {"b": b"2", "a": b"1"}, {"bin": bytes(range(256))}, {"empty": b""}])
def test_the_mac_is_that_of_the_json_of_base64_values(data: dict[str, bytes]) -> None:
    """Computed here with the standard library alone, as behaviour.md section 5.3 describes it."""
    encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
    message = json.dumps(encoded, sort_keys=True, separators=(",", ":")).encode()
    expected = base64.b64encode(hmac.new(KEY, message, hashlib.sha256).digest()).decode()
    assert Signer(KEY).mac(data) == expected


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    """The original makes 16 bytes."""
    with pytest.raises(ValueError, match=f"{length} bytes instead of 16"):
        Signer(bytes(length))


def test_records_of_another_key_are_not_compared() -> None:
    """A lost key must not look like changed data (regressions R23)."""
    one, other = Signer(KEY), Signer(bytes(16))
    record = one.record(one.mac({"a": b"1"}))
    assert one.is_comparable(record)
    assert not other.is_comparable(record)
    assert not one.is_comparable("")


def test_a_digest_tells_neither_mac_nor_key() -> None:
    """It stands in annotations that many people can read."""
    signer = Signer(KEY)
    record = signer.record(signer.mac({"a": b"1"}))
    assert digest(record) not in record
    assert digest(record) == digest(record)
    assert digest(record) != digest(record + "x")


def test_the_cache_key_is_the_originals() -> None:
    """The worked example of behaviour.md section 2.1."""
    uid = "c4fad6b9-e7bb-4ed8-bc38-67fd6dc85a3"
    key = cache_key("kubernetes", auth=(f"{uid}5", 0), connection=(f"{uid}6", 0), provider_uid=f"{uid}7")
    assert key == "kubernetes-2a8108711ae49ac0faa724"


@pytest.mark.parametrize("provider", ["", "short", "c4fad6b9-e7bb-4ed8-bc38-67fd6dc85a35"])
def test_a_cache_key_needs_three_different_uids(provider: str) -> None:
    """As in the original."""
    uid = "c4fad6b9-e7bb-4ed8-bc38-67fd6dc85a3"
    with pytest.raises(ValueError, match="three different"):
        cache_key("kubernetes", auth=(f"{uid}5", 1), connection=(f"{uid}6", 1), provider_uid=provider)


def test_the_client_id_is_a_hash_of_the_accessor() -> None:
    """Empty for a token without one."""
    assert client_id("accessor") == hashlib.blake2b(b"accessor", digest_size=32).hexdigest()
    assert client_id("") == ""
