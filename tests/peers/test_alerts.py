"""The alert rules as Prometheus' own tools see them: promtool checks them and runs them over invented series."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from testenv import promtool
from testenv.prometheus import find_prometheus
from tools.alerts import ALERTS, Alert, manifests

ROOT: Final = Path(__file__).parents[2]
_LOGINS: Final = (
    'vso_vault_auth_failures_total{vault_auth="team/a",vault_connection="team/v",method="jwt",cause="denied"}'
)
_ORPHANS: Final = (
    'vso_orphaned_resources{kind="VaultAuth",namespace="team",missing="VaultConnection",reason="not_found"}'
)
_OURS: Final = {f'vso_build_info{{job="vso",instance="{one}"}}': "1x40" for one in "ab"}
"""By which a replica of this operator is told from what else Prometheus scrapes."""
_BY_NAME: Final[Mapping[str, Alert]] = {alert.name: alert for alert in ALERTS}


@dataclass(frozen=True, kw_only=True)
class Case:
    """Series, a value each minute, by which an alert fires at `minute` and not before; others that keep it quiet."""

    firing: Mapping[str, str]
    quiet: Mapping[str, str]
    minute: int
    labels: Mapping[str, str] = field(default_factory=dict)
    value: str = "1"


CASES: Final[Mapping[str, Case]] = {
    "VaultSecretsOperatorDown": Case(
        firing={'vso_build_info{git_version="1"}': "1 _x20"},
        quiet={'vso_build_info{git_version="1"}': "1x30"},
        # A series is remembered for five minutes after it was last seen.
        minute=11,
    ),
    "VaultSecretsOperatorHasNoLeader": Case(
        firing={
            **_OURS,
            'leader_election_master_status{name="lease",job="vso",instance="a"}': "1 0x10",
            'leader_election_master_status{name="lease",job="vso",instance="b"}': "0 0x10",
        },
        quiet={
            **_OURS,
            # Another operator, of which nobody leads.
            'leader_election_master_status{name="theirs",job="theirs",instance="a"}': "0x30",
            # The lead changes hands, with a minute in between.
            'leader_election_master_status{name="lease",job="vso",instance="a"}': "1 0 0x10",
            'leader_election_master_status{name="lease",job="vso",instance="b"}': "0 0 1x10",
        },
        minute=3,
        labels={"name": "lease", "job": "vso"},
        value="0",
    ),
    "VaultSecretsFailing": Case(
        firing={'vso_secrets_failing{kind="VaultStaticSecret",namespace="team"}': "0 2x20"},
        quiet={'vso_secrets_failing{kind="VaultStaticSecret",namespace="team"}': "2x14 0 2x14"},
        minute=16,
        labels={"kind": "VaultStaticSecret", "namespace": "team"},
        value="2",
    ),
    "VaultLoginsFailing": Case(
        firing={_LOGINS: ("3x5 4x10")},
        quiet={_LOGINS: "3x30"},
        minute=6,
        labels={"vault_auth": "team/a", "vault_connection": "team/v", "method": "jwt", "cause": "denied"},
    ),
    "VaultResourcesOrphaned": Case(
        firing={_ORPHANS: "0 1x9"},
        quiet={
            # Applied in the wrong order.
            _ORPHANS: "1x4 0x20"
        },
        minute=6,
        labels={"kind": "VaultAuth", "namespace": "team", "missing": "VaultConnection", "reason": "not_found"},
    ),
    "VaultDestinationsDuplicate": Case(
        firing={'vso_duplicate_destinations{namespace="team"}': "0 1x9"},
        quiet={'vso_duplicate_destinations{namespace="team"}': "0x20"},
        minute=6,
        labels={"namespace": "team"},
    ),
    "VaultConnectionsUnhealthy": Case(
        firing={
            'vso_vault_connections{status="unhealthy",job="vso"}': "0 1x9",
            'vso_vault_connections{status="healthy",job="vso"}': "3 2x9",
        },
        quiet={
            'vso_vault_connections{status="unhealthy",job="vso"}': "1x4 0x20",
            'vso_vault_connections{status="healthy",job="vso"}': "3x30",
        },
        minute=6,
        labels={"job": "vso"},
    ),
    "VaultSecretsOperatorKubernetesErrors": Case(
        firing={'vso_kubernetes_api_failures_total{verb="patch",resource="secrets",code="403"}': "0+60x40"},
        quiet={'vso_kubernetes_api_failures_total{verb="patch",resource="secrets",code="403"}': "0+5x40"},
        minute=11,
        labels={"verb": "patch", "resource": "secrets", "code": "403"},
    ),
    "VaultSecretsOperatorWorkerStuck": Case(
        firing={
            **_OURS,
            'workqueue_longest_running_processor_seconds{controller="vaultauth",job="vso",instance="a"}': "0 120x9",
        },
        quiet={
            **_OURS,
            'workqueue_longest_running_processor_seconds{controller="vaultauth",job="vso",instance="a"}': "59x30",
            # Of the cluster's own controllers.
            'workqueue_longest_running_processor_seconds{name="job",job="theirs",instance="a"}': "600x30",
        },
        minute=2,
        labels={"controller": "vaultauth", "job": "vso"},
        value="2m 0s",
    ),
}


@pytest.fixture(autouse=True)
def _prometheus() -> None:
    try:
        find_prometheus()
    except FileNotFoundError as exc:
        pytest.skip(str(exc))


def test_each_alert_has_a_case() -> None:
    """So that no rule ships untried."""
    assert CASES.keys() == _BY_NAME.keys()
    assert len(_BY_NAME) == len(ALERTS)


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    """The file that is shipped, not what the generator would write now."""
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(ROOT / "deploy" / "alerts" / "rules.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_in_time_and_only_then(tmp_path: Path) -> None:
    """A minute before its time it is pending at most; with the quiet series it never fires; its texts are filled in."""
    tests = [part for name, case in CASES.items() for part in (fires(_BY_NAME[name], case), stays_quiet(name, case))]
    file = tmp_path / "tests.yaml"
    rules = str(ROOT / "deploy" / "alerts" / "rules.yaml")
    file.write_text(json.dumps({"rule_files": [rules], "evaluation_interval": "1m", "tests": tests}))
    done = promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_would_notice_an_alert_that_does_not_fire(tmp_path: Path) -> None:
    """The test before this one can fail."""
    case = CASES["VaultSecretsFailing"]
    wrong = Case(firing=case.quiet, quiet=case.quiet, minute=case.minute, labels=case.labels, value=case.value)
    file = tmp_path / "tests.yaml"
    rules = str(ROOT / "deploy" / "alerts" / "rules.yaml")
    tests = [fires(_BY_NAME["VaultSecretsFailing"], wrong)]
    file.write_text(json.dumps({"rule_files": [rules], "evaluation_interval": "1m", "tests": tests}))
    assert promtool("test", "rules", str(file)).returncode == 1


def test_each_alert_leads_to_a_section_of_the_guide() -> None:
    """What to do at night stands under the alert's own name."""
    guide = (ROOT / "docs" / "how-to" / "monitoring.md").read_text()
    headings = {heading.lower() for heading in re.findall(r"^#+ (\S+)$", guide, re.MULTILINE)}
    assert {alert.anchor for alert in ALERTS} <= headings


def test_the_scrape_job_in_the_guide_is_one_that_prometheus_takes(tmp_path: Path) -> None:
    """Its block, with a token's file that is there, and without discovery, which Debian's build does not know."""
    guide = (ROOT / "docs" / "how-to" / "monitoring.md").read_text()
    [block] = re.findall(r"^```yaml\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    token = tmp_path / "token"
    token.write_text("token")
    job = re.sub(r"credentials_file: [^}]+", f"credentials_file: {token}", block)
    job = re.sub(r"kubernetes_sd_configs: .*", "static_configs: [{targets: [localhost:1]}]", job)
    config = tmp_path / "prometheus.yaml"
    config.write_text(f"scrape_configs:\n{job}")
    done = promtool("check", "config", "--lint-fatal", str(config))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_prometheus_operator_gets_the_same_rules() -> None:
    """One source for both forms."""
    made = manifests()
    assert made["prometheus-rule.yaml"]["spec"] == made["rules.yaml"]


def fires(alert: Alert, case: Case) -> dict[str, Any]:
    """A test of promtool: the alert alone fires at its minute, and nothing a minute before."""
    rule = alert.rule()
    expected = {
        "exp_labels": {**rule["labels"], **case.labels},
        "exp_annotations": {key: filled(text, case) for key, text in rule["annotations"].items()},
    }
    return {
        "name": f"{alert.name} fires",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in case.firing.items()],
        "alert_rule_test": [
            {"eval_time": f"{case.minute - 1}m", "alertname": alert.name, "exp_alerts": []},
            {"eval_time": f"{case.minute}m", "alertname": alert.name, "exp_alerts": [expected]},
        ],
    }


def stays_quiet(name: str, case: Case) -> dict[str, Any]:
    """A test of promtool: the alert fires at no minute of half an hour."""
    series = [{"series": one, "values": values} for one, values in case.quiet.items()]
    minutes = range(30 if "x30" in json.dumps(series) else 20)
    checks = [{"eval_time": f"{minute}m", "alertname": name, "exp_alerts": []} for minute in minutes]
    return {"name": f"{name} stays quiet", "interval": "1m", "input_series": series, "alert_rule_test": checks}


def filled(text: str, case: Case) -> str:
    """An annotation as Prometheus shows it."""
    text = re.sub(r"{{ \$labels\.(\w+) }}", lambda found: case.labels[found[1]], text)
    return re.sub(r"{{ \$value(?: \| \w+)? }}", case.value, text)
