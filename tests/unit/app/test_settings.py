"""Flags and variables, in the original's names and precedence."""

from collections.abc import Iterator

import pytest

from vso.app import Settings, SettingsError, from_environment, notices
from vso.app.options import OPTIONS
from vso.app.process_options import HISTORIC
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
        (["--zap-log-level=DEBUG"], "log_level", "debug"),
        (["--zap-devel"], "log_development", True),
        (["--zap-time-encoding=nano"], "log_time_encoding", "nano"),
        (["-client-cache-size=0b101"], "client_cache_size", 5),
        (["--client-cache-size=010"], "client_cache_size", 8),
        (["--client-cache-size=0o10"], "client_cache_size", 8),
        (["--client-cache-size=1", "--client-cache-size=2"], "client_cache_size", 2),
        (["--uninstall", "--pre-delete-hook-timeout-seconds=7"], "pre_delete_hook_timeout_seconds", 7),
        (["--version", "--output", "json"], "output", "json"),
        (["--leader-elect", "false", "--client-cache-size=5"], "client_cache_size", 10_000),
        (["--", "--client-cache-size=5"], "client_cache_size", 10_000),
        (["-", "--client-cache-size=5"], "client_cache_size", 10_000),
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
        (["--leader-elect="], "invalid boolean value"),
        (["--version=yes"], "invalid boolean value"),
        (["---version"], "bad flag syntax: ---version"),
        (["-=5"], "bad flag syntax: -=5"),
        (["--client-cache-size=1_000"], "invalid integer"),
        (["--client-cache-size= 5"], "invalid integer"),
        (["--client-cache-size=09"], "invalid integer"),
        (["--kube-client-burst=-1"], "must not be negative"),
        (["--backoff-multiplier=nan"], "invalid number"),
        (["--backoff-multiplier=1e999"], "invalid number"),
        (["--zap-encoder=xml"], "use json or console"),
        (["--zap-log-level=0"], "an integer above 0"),
        (["--zap-log-level=-1"], "an integer above 0"),
        (["--zap-stacktrace-level=debug"], "invalid value"),
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
        ({"VSO_BACKOFF_MAX_ELAPSED_TIME": "0"}, "backoff_max_elapsed_time", 0.0),
        ({"VSO_KUBE_CLIENT_QPS": "2.5"}, "kube_client_qps", 2.5),
        (
            {"VSO_GLOBAL_TRANSFORMATION_OPTIONS": "exclude-raw, x"},
            "global_transformation_options",
            ("exclude-raw", " x"),
        ),
        ({"VSO_OUTPUT_FORMAT": "yaml"}, "output", "yaml"),
        ({"VSO_LOGGER_DEVELOPMENT_MODE": "false"}, "log_development", True),
        ({"VSO_LOGGER_DEVELOPMENT_MODE": ""}, "log_development", False),
        ({"VSO_CLIENT_CACHE_NUM_LOCKS": "-1"}, "client_cache_num_locks", -1),
        ({"KUBECONFIG": "/there"}, "kubeconfig", "/there"),
    ],
)
def test_a_variable_that_counts_as_set_wins_over_the_flag(environ: dict[str, str], name: str, value: object) -> None:
    """Zero durations and floats, and empty strings and lists, do not count (operations.md section 1.4)."""
    assert getattr(from_environment(Settings(kube_client_burst=9), environ), name) == value


def test_every_variable_that_is_true_or_false_counts_whenever_it_exists() -> None:
    """What a chart switches on by a flag can be switched off by a variable."""
    for option in OPTIONS:
        if option.boolean and option.variable and not option.flag_wins:
            flags = settings_from({option.switch: "true"})
            assert not getattr(from_environment(flags, {option.variable: "false"}), option.name), option.variable


def test_two_flags_win_over_their_variables() -> None:
    """--kubeconfig and --zap-devel, where they are given."""
    environ = {"KUBECONFIG": "/there", "VSO_LOGGER_DEVELOPMENT_MODE": "1", "VSO_CLIENT_CACHE_SIZE": "7"}
    flags = read_flags(["--kubeconfig=/here", "--zap-devel=false", "--client-cache-size=5"])
    found = from_environment(settings_from(flags), environ, given=flags)
    assert (found.kubeconfig, found.log_development, found.client_cache_size) == ("/here", False, 7)


@pytest.mark.parametrize(("workers", "dynamic", "expected"), [(100, 100, 100), (7, 100, 7), (100, 3, 3), (7, 3, 3)])
def test_the_deprecated_number_of_workers_counts_where_it_is_not_its_default(
    workers: int, dynamic: int, expected: int
) -> None:
    """For VaultDynamicSecrets alone."""
    settings = Settings(max_concurrent_reconciles=workers, max_concurrent_reconciles_vds=dynamic)
    assert settings.checked().dynamic_workers == expected


def test_the_start_line_has_all_that_the_originals_has() -> None:
    """Empty where the build was not stamped (operations.md section 1.7)."""
    assert list(Settings(build={"gitVersion": "1.2.3"}).start_line())[:15] == [
        "gitVersion",
        "gitCommit",
        "gitTreeState",
        "buildDate",
        "goVersion",
        "platform",
        "clientCachePersistenceModel",
        "clientCacheSize",
        "backoffMultiplier",
        "backoffMaxInterval",
        "backoffMaxElapsedTime",
        "backoffInitialInterval",
        "backoffRandomizationFactor",
        "globalTransformationOptions",
        "globalVaultAuthOptions",
    ]


@pytest.mark.parametrize(
    "variable", [option.variable for option in OPTIONS if option.variable and option.read is not str]
)
def test_a_variable_that_cannot_be_read_is_named(variable: str) -> None:
    """An empty number or duration is one as well."""
    option = next(one for one in OPTIONS if one.variable == variable)
    try:
        option.from_variable("?")
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
        (Settings(pre_delete_hook_timeout_seconds=0), "--pre-delete-hook-timeout-seconds"),
        (Settings(max_concurrent_reconciles_vds=0), "--max-concurrent-reconciles"),
        (Settings(backoff_initial_interval=0.0), "--backoff-initial-interval"),
        (Settings(backoff_max_interval=-5.0), "--backoff-max-interval"),
        (Settings(backoff_randomization_factor=1.5), "--backoff-randomization-factor"),
        (Settings(backoff_randomization_factor=-0.1), "--backoff-randomization-factor"),
        (Settings(backoff_max_elapsed_time=-1.0), "--backoff-max-elapsed-time must not be negative"),
        (Settings(static_creds_max_poll_interval=-60.0), "--static-creds-max-poll-interval"),
        (Settings(min_refresh_interval=-1.0), "--min-refresh-interval"),
        (Settings(default_refresh_interval=-1.0), "--default-refresh-interval"),
        (Settings(health_probe_bind_address="8081"), "--health-probe-bind-address '8081' is no address"),
        (Settings(metrics_bind_address=":http"), "--metrics-bind-address"),
        (Settings(metrics_secure_bind_address=":99999"), "--metrics-secure-bind-address"),
        (Settings(metrics_bind_address="::1:80"), "--metrics-bind-address"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: Settings, text: str) -> None:
    """Each text names the flag."""
    with pytest.raises(SettingsError, match=text):
        settings.checked()


@pytest.mark.parametrize("address", ["", "0", ":8080", "127.0.0.1:0", "localhost:65535", "[::1]:80"])
def test_addresses_that_can_be_listened_on_are_taken(address: str) -> None:
    """Host and port as Go writes them, or none at all."""
    settings = Settings(metrics_bind_address=address)
    assert settings.checked() is settings


def test_the_help_names_every_option_and_variable() -> None:
    """`--help` teaches."""
    text = usage()
    for option in OPTIONS:
        assert option.switch in text
        assert option.variable in text


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], ["-help"], ["--uninstall", "--help=x", "--nonsense"]])
def test_help_ends_the_reading_of_flags(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With 0, whatever stands behind it."""
    assert main(arguments) == 0
    assert "Usage:" in capsys.readouterr().out


def test_a_bad_variable_ends_the_program_before_it_prints_its_version(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, and the variable's name on stderr."""
    monkeypatch.setenv("VSO_CLIENT_CACHE_SIZE", "")
    assert main(["--version"]) == 1
    shown = capsys.readouterr()
    assert (shown.out, "VSO_CLIENT_CACHE_SIZE" in shown.err) == ("", True)


def given() -> Iterator[tuple[str, dict[str, str], dict[str, str]]]:
    """Each historic option in each way that it can be given: its flag, flags and environment."""
    for option in HISTORIC:
        value = "7s" if option.metavar == "DURATION" else "7"
        yield option.switch, {option.switch: value}, {}
        if option.variable:
            yield option.switch, {}, {option.variable: value}
            yield option.switch, {option.switch: value}, {option.variable: value}


def test_an_option_without_effect_says_so_once_however_it_is_given() -> None:
    """By its flag, by its variable, or by both; those that are not given say nothing."""
    said = [(switch, list(notices(flags, environ))) for switch, flags, environ in given()]
    assert [told for _, told in said] == [[switch] for switch, _ in said]
    assert {switch for switch, _ in said} == {option.switch for option in HISTORIC}
    assert "VSO_CLIENT_CACHE_NUM_LOCKS" in {option.variable for option in HISTORIC}
    assert notices({"--client-cache-size": "7"}, {"VSO_CLIENT_CACHE_SIZE": "7"}) == {}


def test_the_number_of_workers_that_means_none_of_its_own_says_nothing() -> None:
    """As charts set it, without asking for anything."""
    assert notices({"--max-concurrent-reconciles-vds": "100"}, {}) == {}
    assert list(notices({"--max-concurrent-reconciles-vds": "99"}, {})) == ["--max-concurrent-reconciles-vds"]
