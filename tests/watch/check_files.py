#!/usr/bin/env python3
"""Checks dashboards, rules, runbook and docs/metrics.md against each other. Starts nothing.

Prints each fault and exits 1 if there is one.
"""

import re
import subprocess
import sys

import files
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

# Keys that Grafana reads and its published model leaves out.
_OUTSIDE_THE_MODEL = {"definition", "step", "titleFormat", "textFormat"}


def names_exist() -> list[str]:
    """Every series named somewhere is exported, recorded or Prometheus' own, with these labels and values."""
    exported, closed = files.families(), files.label_values()
    recorded = {rule["record"] for rule in files.rules() if "record" in rule}
    faults = []
    for where, expression in files.expressions():
        for name, matchers in files.selectors(expression):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            family = exported.get(name) or exported.get(base)
            if family is None:
                if name not in recorded | files.BUILT_IN | files.OF_THE_SERVER:
                    faults.append(f"{where}: no metric {name}")
                continue
            if base != name and name not in exported and family.kind != "histogram":
                faults.append(f"{where}: {base} is no histogram")
            for label, (sign, value) in matchers.items():
                if label not in family.labels | {"job", "instance", "le"}:
                    faults.append(f"{where}: {name} has no label {label}")
                allowed = closed.get((base, label))
                if allowed and "$" not in value and not any(re.fullmatch(value, each) for each in allowed):
                    faults.append(f"{where}: {name} never has {label}{sign}{value}")
    return faults


def recordings_are_used() -> list[str]:
    """An unused recording rule is a mistake."""
    read = {name for _, expression in files.expressions() for name, _ in files.selectors(expression)}
    words = " ".join(note for rule in files.rules() for note in rule.get("annotations", {}).values())
    written = {rule["record"] for rule in files.rules() if "record" in rule}
    kept = {name for name in written if name.startswith("run_")}  # for the summary of a run, and for people
    return [f"{name} is recorded and never read" for name in sorted(written - read - kept) if name not in words]


def alerts_are_complete() -> list[str]:
    """Severity, subject, words, a dashboard, and a panel of the runbook; no number that belongs to the thresholds."""
    boards = {dashboard["uid"]: dashboard for dashboard in files.dashboards().values()}
    runbook_panels = {str(panel["id"]): panel["title"] for panel in boards["soakrig-runbook"]["panels"]}
    runbook = (files.ROOT / "docs" / "runbook.md").read_text()
    headings = {heading.lower() for heading in re.findall(r"^## (\w+)$", runbook, re.M)}
    alerts = [rule for rule in files.rules() if "alert" in rule]
    faults = []
    for rule in alerts:
        name, notes = rule["alert"], rule["annotations"]
        faults += [f"{name}: no {key}" for key in ("summary", "description", "runbook_url") if not notes.get(key)]
        # Alertmanager shows what all alerts of a group have in common.
        if "{{" in notes["summary"]:
            faults.append(f"{name}: the summary is another one for each alert")
        faults += [f"{name}: no label {key}" for key in ("severity", "subject") if key not in rule["labels"]]
        if notes["runbook_url"].rpartition("#")[2] != name.lower() or name.lower() not in headings:
            faults.append(f"{name}: the runbook has no section of this name, or the link is wrong")
        if runbook_panels.get("".join(re.findall(r"viewPanel=(\d+)", notes["runbook_url"]))) != name:
            faults.append(f"{name}: runbook_url leads to another panel of the runbook")
        if rule["labels"]["subject"] != "plumbing" and "".join(re.findall(r"/d/([\w-]+)", notes.get("dashboard_url", ""))) not in boards:
            faults.append(f"{name}: dashboard_url leads to no dashboard")
        if re.search(r"[<>]=? *(?!0\b)[0-9.]", rule["expr"]):
            faults.append(f"{name}: a threshold stands outside thresholds.yml")
    names = {rule["alert"].lower() for rule in alerts}
    faults += [f"runbook: {heading} is no alert" for heading in headings - names if heading.startswith("soakrig")]
    return faults


def panels_are_complete() -> list[str]:
    """Every panel has words, a unit and queries; the variables and annotations are there."""
    faults = []
    for name, dashboard in files.dashboards().items():
        if name == "runbook.json":
            continue
        variables = {variable["name"] for variable in dashboard["templating"]["list"]}
        marks = {each["name"] for each in dashboard["annotations"]["list"]}
        faults += [f"{name}: no variable {each}" for each in {"datasource", "run", "plenary", "generator", "ago"} - variables]
        faults += [f"{name}: no annotation {each}" for each in {"Run start", "Ramp done", "Stop"} - marks]
        for panel in files.panels(dashboard):
            where = f"{name}: {panel['title']}"
            if not panel.get("description") or not panel["fieldConfig"]["defaults"].get("unit"):
                faults.append(f"{where}: no description or no unit")
            if not panel["targets"]:
                faults.append(f"{where}: no query")
    return faults


def grafana_understands() -> list[str]:
    """Grafana's published model reads every dashboard and loses nothing of it."""
    import json

    register_default_plugins()
    faults = []
    for name, dashboard in files.dashboards().items():
        understood = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
        faults += [f"{name}{path}: not in Grafana's model" for path in _lost(dashboard, understood, "")]
    return faults


def _lost(ours: object, theirs: object, path: str) -> list[str]:
    if isinstance(ours, dict):
        theirs = theirs if isinstance(theirs, dict) else {}
        gone = [f"{path}.{key}" for key in ours.keys() - theirs.keys() - _OUTSIDE_THE_MODEL]
        return gone + [each for key in ours.keys() & theirs.keys() for each in _lost(ours[key], theirs[key], f"{path}.{key}")]
    if isinstance(ours, list):
        theirs = theirs if isinstance(theirs, list) else []
        if len(ours) != len(theirs):
            return [path]
        return [each for i, mine in enumerate(ours) for each in _lost(mine, theirs[i], f"{path}[{i}]")]
    return []


def dashboards_are_fresh() -> list[str]:
    """The JSON is what its source writes."""
    made = subprocess.run([sys.executable, "-B", files.ROOT / "grafana" / "make.py", "--check"], capture_output=True, text=True)
    return [made.stderr.strip()] if made.returncode else []


def main() -> int:
    """Exit code 1 if anything is wrong."""
    checks = (names_exist, recordings_are_used, alerts_are_complete, panels_are_complete, grafana_understands, dashboards_are_fresh)
    faults = [fault for check in checks for fault in check()]
    print("\n".join(faults) or f"{len(files.expressions())} expressions and {len(files.dashboards())} dashboards are sound")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
