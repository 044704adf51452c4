"""The runbook as a dashboard: a panel for each alert, so that one address serves dashboards and runbook."""

import re
from pathlib import Path

from board import bare
from panels import markdown

ROOT = Path(__file__).parents[2]


def dashboard() -> dict:
    """The dashboard; the panels have the numbers by which the alerts link to them."""
    text = (ROOT / "docs" / "runbook.md").read_text()
    opening, *parts = re.split(r"^## (.*)$", text, flags=re.M)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    alerts = re.findall(r"^ *- alert: (\w+)$", (ROOT / "prometheus" / "rules" / "alerts.yml").read_text(), re.M)
    panels = [_panel(number, name, sections[name]) for number, name in enumerate(alerts, 1)]
    others = [name for name in sections if name not in alerts]
    panels += [_panel(100 + number, name, sections[name]) for number, name in enumerate(others)]
    opening = _panel(99, "How to read it", opening.partition("\n")[2])
    return bare("runbook", "Runbook", "What each alert means, what to look at, what usually causes it, what to do.", [opening, *panels])


def _panel(number: int, title: str, text: str) -> dict:
    """Links to other pages of the documentation, which are not here, become words."""
    words = re.sub(r"\[([^]]*)\]\((?!https?:)[^)]*\)", r"\1", text.strip())
    return {"id": number, "title": title, **markdown(words)}
