"""Flags and variables, in the original's names and precedence."""

import pytest

from vso.app import Settings, SettingsError, from_environment
from vso.app.options import OPTIONS
from vso.cli.manager import UsageError, main, read_flags, settings_from, usage


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--client-cache-size=5"], "client_cache_size", 5),
        (["-client-cache-size", "0x10"], "client_cache_size", 16),
        (["--leader-elect=false"], "leader_elect", False),
        (["--leader-elect"], "leader_elect", True),
        (["--leader-elect=F"], "leader_elect", False),
        (["--backoff-max-interval", "1m30s"], "backoff_max_interval", 90.0),
        (["--global-vault-auth-options="], "global_vault_auth_options", ()),
        (["--global-transformation-options=exclude-raw"], "global_transformation_options", ("exclude-raw",)),
        (["--zap-log-level=5"], "log_level", "5"),
        (["--zap-devel"], "log_encoder", "console"),
        (["positional", "--client-cache-size=5"], "client_cache_size", 10_000),
    ],
)
def test_flags_are_read_as_go_reads_them(arguments: list[str], name: str, value: object) -> None:
    """One or two dashes, = or the next argument, and nothing after the first positional one."""
    assert getattr(settings_from(read_flags(arguments)), name) == value


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--nonsense"], "flag provided but not defined: -nonsense"),
        (["--client-cache-size"], "flag needs an argument"),
        (["--client-cache-size=many"], "invalid value"),
        (["--backoff-max-interval=5"], "invalid duration"),
        (["--leader-elect=maybe"], "invalid boolean value"),
    ],
)
def test_a_wrong_command_line_is_refused_with_2(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Together with the usage."""
    with pytest.raises(UsageError, match=text):
        read_flags(arguments)
    assert main(arguments) == 2
    assert "Usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("environ", "name", "value"),
    [
        ({"VSO_CLIENT_CACHE_SIZE": "7"}, "client_cache_size", 7),
        ({"VSO_KUBE_CLIENT_BURST": "0"}, "kube_client_burst", 0),
        ({"VSO_BACKOFF_MAX_INTERVAL": "2m"}, "backoff_max_interval", 120.0),
        ({"VSO_BACKOFF_RANDOMIZATION_FACTOR": "0"}, "backoff_randomization_factor", 0.5),
        ({"VSO_GLOBAL_VAULT_AUTH_OPTIONS": ""}, "global_vault_auth_options", ("allow-default-globals",)),
        ({"VSO_MAX_CONCURRENT_RECONCILES": "3"}, "max_concurrent_reconciles", 3),
    ],
)
def test_a_variable_that_counts_as_set_wins_over_the_flag(environ: dict[str, str], name: str, value: object) -> None:
    """Zero durations and floats, and empty strings and lists, do not count (operations.md section 1.4)."""
    assert getattr(from_environment(Settings(kube_client_burst=9), environ), name) == value


@pytest.mark.parametrize(
    "variable", [option.variable for option in OPTIONS if option.variable and option.read is not str]
)
def test_a_variable_that_cannot_be_read_is_named(variable: str) -> None:
    """An empty number or duration is one as well."""
    option = next(one for one in OPTIONS if one.variable == variable)
    try:
        option.read("?")
    except ValueError:
        with pytest.raises(SettingsError, match=variable):
            from_environment(Settings(), {variable: "?"})
    else:
        assert from_environment(Settings(), {variable: "?"}) != Settings()


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (Settings(backoff_multiplier=0), "--backoff-multiplier"),
        (Settings(client_cache_size=0), "--client-cache-size"),
        (Settings(client_cache_persistence_model="disk"), "none, direct-unencrypted, direct-encrypted"),
        (Settings(global_transformation_options=("no-raw",)), "unsupported value 'no-raw'"),
        (Settings(global_vault_auth_options=("a",)), "allow-default-globals"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: Settings, text: str) -> None:
    """Each text names the flag."""
    with pytest.raises(SettingsError, match=text):
        settings.checked()


def test_the_help_names_every_option_and_variable() -> None:
    """`--help` teaches."""
    text = usage()
    for option in OPTIONS:
        assert option.switch in text
        assert option.variable in text


@pytest.mark.parametrize(
    ("output", "start"), [("json", '{\n  "major": '), ("yaml", 'buildDate: ""'), ("", "vault-secrets-operator ")]
)
def test_the_version_is_printed_in_the_originals_forms(
    output: str, start: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Release pipelines read .gitVersion of the JSON."""
    assert main(["--version", f"--output={output}"]) == 0
    assert capsys.readouterr().out.startswith(start)
    assert main(["--version", "--output=xml"]) == 1
