"""What watches the server asks for what the server exports: the dashboard, the alerts, and how they are provisioned."""

from __future__ import annotations

import copy
import json
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families

from tests.realtime import ROOT
from tests.telemetry.test_metrics import everything

MONITORING = ROOT / "monitoring"
BOARD = MONITORING / "grafana" / "dashboards" / "rtcserver.json"
ALERTS = MONITORING / "alerts.yml"
KNOWN_LABELS = {"job", "instance", "le"}


def promtool(*arguments: str) -> str:
    tool = shutil.which("promtool")
    assert tool is not None, "promtool is missing; script/bootstrap test installs it (Debian: prometheus)"
    run = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(BOARD.read_text())
    return found


def queries() -> Iterator[tuple[str, str]]:
    """(title, expression) of every panel."""
    for panel in board()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def alert_expressions() -> list[str]:
    """The text between ``expr:`` and the key after it."""
    found = re.findall(r"expr: (?:>-)?(.*?)\n +(?:for|labels):", ALERTS.read_text(), re.DOTALL)
    assert len(found) == ALERTS.read_text().count("alert:")
    return found


def exported() -> dict[str, set[str]]:
    """The labels of each sample that the server exports."""
    labels: dict[str, set[str]] = {"up": set()}
    for family in text_string_to_metric_families(everything().render().decode()):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def unknown_in(expression: str) -> set[str]:
    """Metrics, and labels of a metric's own selector, that the server does not export."""
    known = exported()
    found = set(re.findall(r"\b(?:rtcserver_\w+|up)\b(?=[\[{ )]|$)", expression)) - known.keys()
    for name, selector in re.findall(r"\b(rtcserver_\w+|up)\{([^}]*)\}", expression):
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', selector)))
        found |= {f"{name}.{label}" for label in labels - known.get(name, set()) - KNOWN_LABELS}
    return found


@pytest.mark.parametrize(("title", "expression"), list(queries()), ids=lambda value: value[:60])
def test_every_panel_asks_for_what_is_exported(title: str, expression: str) -> None:
    assert "rtcserver_" in expression or "up{" in expression
    assert unknown_in(expression) == set()
    labels = set().union(*exported().values()) | KNOWN_LABELS
    for listed in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {name.strip() for name in listed.split(",")} <= labels


def test_every_alert_asks_for_what_is_exported() -> None:
    for expression in alert_expressions():
        assert unknown_in(expression) == set()


def test_what_is_not_exported_is_found() -> None:
    assert unknown_in("rate(rtcserver_broadcast_packets_total[5m]) / rtcserver_no_such_total") == {
        "rtcserver_no_such_total"
    }
    assert unknown_in('rtcserver_listeners{mode="listen", colour="red"}') == {"rtcserver_listeners.colour"}


def test_the_reasons_that_alerts_name_are_the_servers_own() -> None:
    reasons = {
        word for text in re.findall(r'reason=~"([^"]+)"', ALERTS.read_text()) for word in text.split("|")
    }
    source = "".join(
        path.read_text() for top in ("rtcserver", "signaling") for path in (ROOT / top).rglob("*.py")
    )
    assert reasons
    assert {reason for reason in reasons if f'"{reason}"' not in source} == set()


def test_every_expression_is_promql(tmp_path: Path) -> None:
    rules = [
        {
            "record": f"panel:{number}",
            "expr": expression.replace("$__rate_interval", "1m").replace("$room", ".*"),
        }
        for number, (_, expression) in enumerate(queries())
    ]
    # JSON is YAML.
    file = tmp_path / "panels.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))


def test_alerts_are_raised_by_what_they_are_for_and_by_nothing_less() -> None:
    promtool("test", "rules", str(MONITORING / "alerts.test.yml"))
    names = re.findall(r"- alert: (\w+)", ALERTS.read_text())
    raised = re.findall(
        r"alertname: (\w+)\n +eval_time: \w+\n +exp_alerts:", (MONITORING / "alerts.test.yml").read_text()
    )
    assert sorted(set(raised)) == sorted(names)


def test_prometheus_takes_its_configuration() -> None:
    promtool("check", "config", str(MONITORING / "prometheus.yml"))


def test_the_written_dashboard_is_what_the_script_makes() -> None:
    made = runpy.run_path(str(MONITORING / "dashboard.py"))
    assert BOARD.read_text() == made["text"](), "python monitoring/dashboard.py writes it anew"


def lost(raw: Any, back: Any, path: str = "") -> list[str]:
    """What of `raw` is not in `back`: what Grafana's types do not know."""
    if isinstance(raw, dict) and isinstance(back, dict):
        return [
            one for key, value in raw.items() for one in lost(value, back.get(key, KeyError), f"{path}.{key}")
        ]
    if isinstance(raw, list) and isinstance(back, list) and len(raw) == len(back):
        pairs = enumerate(zip(raw, back, strict=True))
        return [one for at, (before, after) in pairs for one in lost(before, after, f"{path}[{at}]")]
    return [] if raw == back else [path]


def through_the_schema(raw: dict[str, Any]) -> list[str]:
    register_default_plugins()
    return lost(raw, json.loads(json.dumps(Dashboard.from_json(copy.deepcopy(raw)), cls=JSONEncoder)))


def test_the_dashboard_is_what_grafanas_schema_knows() -> None:
    """By the types that Grafana's makers generate from its schema: nothing in the file is unknown to them."""
    raw = board()
    assert through_the_schema(raw) == []
    wrong = copy.deepcopy(raw)
    wrong["panels"][1]["options"]["colourMode"] = "value"
    assert through_the_schema(wrong) == [".panels[1].options.colourMode"]
    known = {value for value in vars(units).values() if isinstance(value, str)}
    used = {p["fieldConfig"]["defaults"]["unit"] for p in raw["panels"] if "fieldConfig" in p}
    assert used <= known


def test_panels_lie_beside_one_another_and_have_numbers_of_their_own() -> None:
    panels = board()["panels"]
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        letters = [target["refId"] for target in panel.get("targets", ())]
        assert len(letters) == len(set(letters))


def test_the_data_source_of_the_dashboard_is_provisioned() -> None:
    provisioned = (MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text()
    uids = {target["datasource"]["uid"] for panel in board()["panels"] for target in panel.get("targets", ())}
    assert uids == {re.search(r"uid: (\S+)", provisioned)[1]}  # type: ignore[index]
    compose = (ROOT / "docker-compose.yml").read_text()
    folder = re.search(
        r"path: (\S+)", (MONITORING / "grafana/provisioning/dashboards/rtcserver.yml").read_text()
    )
    assert folder is not None
    assert f"./monitoring/grafana/dashboards:{folder[1]}:ro" in compose


def test_compose_lets_prometheus_call_the_server_by_its_name() -> None:
    target = re.search(r'targets: \["([\w-]+):8080"\]', (MONITORING / "prometheus.yml").read_text())
    assert target is not None
    compose = (ROOT / "docker-compose.yml").read_text()
    assert f"\n  {target[1]}:\n" in compose
    allowed = re.search(r'RTCSERVER_ALLOWED_HOSTS: "([^"$]*)', compose)
    assert allowed is not None
    assert target[1] in allowed[1].split(",")
