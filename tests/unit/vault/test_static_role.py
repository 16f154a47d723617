"""What an answer with database credentials tells about their rotation."""

import json
from typing import Any

import pytest

from vso.vault import BadAnswer, StaticCreds, parse_static

ROTATED = "2030-01-02T03:04:05.881152839Z"
SECONDS = 1893553445


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"last_vault_rotation": ROTATED, "rotation_period": 3600, "ttl": 3599, "password": "x"},
            StaticCreds(last_vault_rotation=SECONDS, rotation_period=3600, ttl=3599),
        ),
        (
            {"last_vault_rotation": "2030-01-02T05:04:05+02:00", "rotation_schedule": "* * * * *", "ttl": 7},
            StaticCreds(last_vault_rotation=SECONDS, rotation_schedule="* * * * *", ttl=7),
        ),
        (
            {"last_vault_rotation": "2030-01-02T03:04:05.9Z", "rotation_period": 60.0, "rotation_schedule": None},
            StaticCreds(last_vault_rotation=SECONDS, rotation_period=60),
        ),
    ],
)
def test_a_static_role_tells_its_rotation(fields: dict[str, Any], expected: StaticCreds) -> None:
    """Instants are whole seconds, rounded down, in any zone; what is absent is zero."""
    assert parse_static(json.dumps(fields).encode()) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"username": "v-app", "password": "x"},
        {"ttl": "1h", "rotation_period": "not for us"},
        {"last_vault_rotation": None, "rotation_period": 60},
        {"last_vault_rotation": "", "rotation_period": 60},
        {"last_vault_rotation": ROTATED},
        {"last_vault_rotation": ROTATED, "rotation_period": 0, "rotation_schedule": ""},
        {"last_vault_rotation": "0001-01-01T00:00:00Z", "rotation_period": 60},
    ],
)
def test_other_credentials_are_not_static(fields: dict[str, Any]) -> None:
    """No rotation so far, or none to come; fields of that name in other secrets do no harm."""
    assert parse_static(json.dumps(fields).encode()) is None


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"last_vault_rotation": "hunter2"}, "last_vault_rotation"),
        ({"last_vault_rotation": "2030-01-02"}, "last_vault_rotation"),
        ({"last_vault_rotation": "2030-01-02T03:04:05"}, "last_vault_rotation"),
        ({"last_vault_rotation": "2030-13-02T03:04:05Z"}, "last_vault_rotation"),
        ({"last_vault_rotation": SECONDS}, "last_vault_rotation"),
        ({"last_vault_rotation": ["hunter2"]}, "last_vault_rotation"),
        ({"last_vault_rotation": ROTATED, "rotation_period": "hunter2"}, "rotation_period"),
        ({"last_vault_rotation": ROTATED, "rotation_period": True}, "rotation_period"),
        ({"last_vault_rotation": ROTATED, "rotation_period": 60, "ttl": 1.5}, "ttl"),
        ({"last_vault_rotation": ROTATED, "rotation_schedule": {"hunter2": 1}}, "rotation_schedule"),
    ],
)
def test_what_cannot_be_read_is_named_and_not_shown(fields: dict[str, Any], name: str) -> None:
    """The message names the field; its value may be a secret of another kind."""
    with pytest.raises(BadAnswer, match=f"^invalid {name}: ") as caught:
        parse_static(json.dumps(fields).encode())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("data", [b"[]", b"null", b'"x"', b"{", b""])
def test_what_is_no_object_is_a_bad_answer(data: bytes) -> None:
    """Never a crash."""
    with pytest.raises(BadAnswer, match="no JSON object"):
        parse_static(data)
