"""From Vault's answer to the data of a Secret."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vso.base import Sensitive
from vso.sync import Rendered, RenderError, RenderOptions, payload_of, render


def rendered(fields: object, *, raw: object = None, **options: object) -> Rendered:
    """Render plain values."""
    as_json = json.dumps(fields).encode()
    whole = as_json if raw is None else json.dumps(raw).encode()
    return render(Sensitive(as_json), Sensitive(whole), RenderOptions(**options))  # type: ignore[arg-type]


def test_strings_are_kept_and_other_values_become_json() -> None:
    """The example of behaviour.md section 8.5."""
    data = rendered({"user": "a", "port": 5432, "tls": True, "none": None, "opts": {"b": 1, "a": "<x>"}}).data.reveal()
    assert data["user"] == b"a"
    assert data["port"] == b"5432"
    assert data["tls"] == b"true"
    assert data["none"] == b"null"
    assert data["opts"] == b'{"a":"\\u003cx\\u003e","b":1}'


def test_the_raw_copy_holds_the_whole_answer() -> None:
    """Compact, with sorted keys."""
    data = rendered({"a": "1"}, raw={"metadata": {"version": 3}, "data": {"a": "1"}}).data.reveal()
    assert data["_raw"] == b'{"data":{"a":"1"},"metadata":{"version":3}}'


def test_a_new_version_with_equal_data_has_the_same_payload() -> None:
    """Metadata is no reason to restart a workload (regressions R02)."""
    one = rendered({"a": "1"}, raw={"data": {"a": "1"}, "metadata": {"version": 1}})
    two = rendered({"a": "1"}, raw={"data": {"a": "1"}, "metadata": {"version": 2}})
    assert one.payload == two.payload
    assert one.data != two.data


def test_the_payload_of_a_live_secret_is_that_of_its_rendering() -> None:
    """So that a take-over restarts nothing."""
    made = rendered({"a": "1", "n": 5}, raw={"data": {"a": "1", "n": 5}, "metadata": {"version": 1}})
    assert payload_of(made.data.reveal(), versioned=True) == made.payload.reveal()


@pytest.mark.parametrize("raw", [b"no json", b"[]", b'{"other":1}'])
def test_a_raw_copy_of_another_shape_is_left_as_it_is(raw: bytes) -> None:
    """Somebody else wrote the Secret."""
    assert payload_of({"_raw": raw, "a": b"1"}, versioned=True) == {"_raw": raw, "a": b"1"}


@pytest.mark.parametrize(
    ("includes", "excludes", "left"),
    [
        (set(), set(), {"app_user", "app_pass", "debug"}),
        ({"^app_"}, set(), {"app_user", "app_pass"}),
        (set(), {"pass"}, {"app_user", "debug"}),
        ({"^app_", "^debug$"}, {"pass"}, {"app_user", "debug"}),
        ({"^app_"}, {"."}, set()),
    ],
)
def test_filters_drop_and_keep_by_unanchored_search(includes: set[str], excludes: set[str], left: set[str]) -> None:
    """Excludes first, then includes; never applied to the raw copy."""
    fields = {"app_user": "1", "app_pass": "2", "debug": "3"}
    data = rendered(fields, includes=frozenset(includes), excludes=frozenset(excludes)).data.reveal()
    assert set(data) == left | {"_raw"}


def test_a_bad_pattern_is_named() -> None:
    """With the text that the engine gives."""
    with pytest.raises(RenderError, match=r"error parsing regexp: .*'\(a'"):
        rendered({"a": "1"}, excludes=frozenset({"(a"}))


def test_a_field_called_raw_is_refused_unless_the_raw_copy_is_left_out() -> None:
    """Two meanings for one key."""
    with pytest.raises(RenderError, match="excludeRaw"):
        rendered({"_raw": "x"})
    assert rendered({"_raw": "x"}, exclude_raw=True).data.reveal() == {"_raw": b"x"}


@pytest.mark.parametrize("name", ["with space", "ünïcode", "a/b", "..", ".", "..data", "", "x" * 254])
def test_key_names_that_kubernetes_refuses_are_named_before_anything_is_sent(name: str) -> None:
    """The value is never part of the message."""
    with pytest.raises(RenderError, match="does not allow these key names") as refusal:
        rendered({name: "topsecret", "fine": "1"})
    assert "topsecret" not in str(refusal.value)


def test_too_much_data_is_refused_with_both_sizes() -> None:
    """The API server's limit of 1 MiB holds for the sum of all values, the raw copy included."""
    with pytest.raises(RenderError, match=r"would hold \d+ bytes, Kubernetes allows 1048576"):
        rendered({"big": "x" * 600_000})
    assert len(rendered({"big": "x" * 600_000}, exclude_raw=True).data.reveal()["big"]) == 600_000


@pytest.mark.parametrize("fields", [[1], "text", None, 5])
def test_data_that_is_no_object_is_refused(fields: object) -> None:
    """A KV secret has named fields."""
    with pytest.raises(RenderError, match="no JSON object"):
        rendered(fields)


@given(st.dictionaries(st.from_regex(r"[a-zA-Z0-9_][-._a-zA-Z0-9]{0,20}", fullmatch=True), st.text(), max_size=8))
def test_rendering_keeps_every_string_of_every_field(fields: dict[str, str]) -> None:
    """Unicode of all sorts goes through unchanged."""
    fields.pop("_raw", None)
    data = rendered(fields).data.reveal()
    for name, value in fields.items():
        assert data[name] == value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


@pytest.mark.parametrize("text", [b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", b'{"a":"' + b"x" * 7_000_000 + b'"}'])
def test_what_cannot_be_read_or_cannot_fit_is_refused_before_it_costs_anything(text: bytes) -> None:
    """Nested without end, or larger than any Secret: an error that says so."""
    with pytest.raises(RenderError):
        render(Sensitive(text), Sensitive(text), RenderOptions())


@pytest.mark.parametrize("depth", range(850, 1000, 5))
def test_no_depth_of_nesting_is_a_bug_of_ours(depth: int) -> None:
    """What can just be read may be too deep to be written: the same error."""
    text = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    with suppress(RenderError):
        render(Sensitive(text), Sensitive(text), RenderOptions())
    payload_of({"_raw": b'{"data":' + text + b"}"}, versioned=True)
