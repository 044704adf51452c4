"""Runs every query of every dashboard, and every rule, against a Prometheus, as Grafana would."""

import re
import time

import files
from stack import Prometheus

STEP = 5


def as_grafana(expression: str, interval: float, seconds: float) -> str:
    """The expression with all variables at All, and Grafana's own filled in."""
    expression = expression.replace("$__rate_interval", f"{max(4 * interval, interval + STEP):.0f}s")
    expression = expression.replace("$__range", f"{seconds:.0f}s").replace("$__interval", f"{STEP}s")
    return re.sub(r"\$(run|plenary|generator)\b", ".*", expression).replace("$ago", "1s")


def panels_without_data(prometheus: Prometheus, interval: float, seconds: float) -> list[str]:
    """Every target of every panel that fails or returns nothing; by title."""
    end = time.time()
    empty = []
    for name, dashboard in files.dashboards().items():
        for panel in files.panels(dashboard):
            for target in panel["targets"]:
                expression = as_grafana(target["expr"], interval, seconds)
                where = f"{name}: {panel['title']} [{target['refId']}]"
                try:
                    found = (
                        prometheus.query(expression)
                        if target.get("instant")
                        else prometheus.over(expression, end - seconds, end, STEP)
                    )
                    if not _has_numbers(found):
                        empty.append(where)
                except ValueError as error:
                    empty.append(f"{where}: {error}")
    return empty


def others_that_fail(prometheus: Prometheus, interval: float, seconds: float) -> list[str]:
    """Annotations and variables that Prometheus refuses; a moment without an event is no fault."""
    end = time.time()
    failed = []
    for where, expression in files.expressions():
        if ": annotation " in where or ": variable " in where:
            try:
                found = prometheus.over(as_grafana(expression, interval, seconds), end - seconds, end, STEP)
                if ": variable " in where and not found:
                    failed.append(f"{where}: nothing")
            except ValueError as error:
                failed.append(f"{where}: {error}")
    return failed


def rules_without_data(prometheus: Prometheus) -> list[str]:
    """Recording rules that record nothing, and rules of any kind that do not evaluate."""
    faults = []
    for group in prometheus.ask("rules")["groups"]:
        for rule in group["rules"]:
            if rule["health"] != "ok":
                faults.append(f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}")
    for rule in files.rules():
        if "record" in rule:
            labels = ", ".join(f'{key}="{value}"' for key, value in rule.get("labels", {}).items())
            if not prometheus.query(f"{rule['record']}{{{labels}}}"):
                faults.append(f"{rule['record']}: records nothing")
    return faults


def _has_numbers(series: list[dict]) -> bool:
    values = (value for each in series for _, value in each.get("values") or [each["value"]])
    return any(value != "NaN" for value in values)
