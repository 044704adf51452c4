"""What the stack's files say: rules, dashboards, the metrics that exist. Starts nothing."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]

# What Prometheus itself adds.
BUILT_IN = {"up", "scrape_duration_seconds", "ALERTS", "ALERTS_FOR_STATE"}
# What node_exporter and cAdvisor say of the server under test.
OF_THE_SERVER = set(
    "node_cpu_seconds_total node_memory_MemTotal_bytes node_memory_MemAvailable_bytes node_sockstat_TCP_inuse "
    "node_filefd_allocated container_cpu_usage_seconds_total container_memory_working_set_bytes".split()
)
# Words of PromQL that a bare name may be.
_WORDS = set(
    "by without on ignoring group_left group_right and or unless bool offset sum max min count avg topk rate increase "
    "ignoring histogram_quantile vector scalar absent last_over_time max_over_time min_over_time".split()
)


@dataclass(frozen=True)
class Family:
    """One line of docs/metrics.md."""

    kind: str
    labels: frozenset[str]


def families() -> dict[str, Family]:
    """The metrics that soakrig exports, from the generated page of documentation."""
    text = (ROOT / "docs" / "metrics.md").read_text().split("## Families")[1].split("## Label values")[0]
    found = {}
    for names, mark in re.findall(r"^- ((?:`[^`]+`(?:, )?)+)( \(histogram\))?: ", text, re.M):
        for name, labels in re.findall(r"`(\w+)(?:\{([\w,]+)\})?`", names):
            kind = "histogram" if mark else "counter" if name.endswith("_total") else "gauge"
            found[name] = Family(kind, frozenset(labels.split(",")) - {""})
    return found


def label_values() -> dict[tuple[str, str], set[str]]:
    """The closed sets: (metric, label) to the values it may have."""
    text = (ROOT / "docs" / "metrics.md").read_text().split("## Label values")[1]
    found = {}
    for labels, values in re.findall(r"^- ((?:`[^`]+`(?:, )?)+): (`.*`)$", text, re.M):
        for metric, label in re.findall(r"`(\w+)\{(\w+)\}`", labels):
            found[metric, label] = set(re.findall(r"`([^`]+)`", values))
    return found


def rules() -> list[dict]:
    """Every rule of every file, with its group's name."""
    found = []
    for path in sorted((ROOT / "prometheus" / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            found += [{**rule, "group": group["name"], "file": path.name} for rule in group["rules"]]
    return found


def dashboards() -> dict[str, dict]:
    """Every dashboard by its file's name."""
    paths = sorted((ROOT / "grafana" / "dashboards").glob("*.json"))
    return {path.name: json.loads(path.read_text()) for path in paths}


def panels(dashboard: dict) -> list[dict]:
    """The panels that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] not in ("row", "text")]


def expressions() -> list[tuple[str, str]]:
    """Every PromQL expression, with where it stands."""
    found = [(f"{rule['file']}: {rule.get('record') or rule['alert']}", rule["expr"]) for rule in rules()]
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            found += [(f"{name}: {panel['title']}", target["expr"]) for target in panel["targets"]]
        found += [(f"{name}: annotation {each['name']}", each["expr"]) for each in dashboard["annotations"]["list"]]
        for variable in dashboard["templating"]["list"]:
            if selector := re.fullmatch(r"label_values\((.*), \w+\)", variable.get("definition", "")):
                found.append((f"{name}: variable {variable['name']}", selector[1]))
    return found


def selectors(expression: str) -> list[tuple[str, dict[str, tuple[str, str]]]]:
    """The series that an expression names: metric, and label to (operator, value)."""
    # Names of labels in clauses are no metrics, nor are words in quotes.
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right) \([^)]*\)", "", expression)
    found = []
    selector = r'"[^"]*"|(?<![\w:$.])([a-zA-Z_][\w:]*)(?:\{([^}]*)\})?(?![\w:(])'
    for name, matchers in re.findall(selector, re.sub(r"\[[^]]*\]", "", bare)):
        if not name or name in _WORDS or re.fullmatch(r"\d+[smhd]", name):
            continue
        pairs = re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', matchers)
        found.append((name, {label: (sign, value) for label, sign, value in pairs}))
    return found
