"""A dashboard around its panels: variables, annotations, links, places. Knows no panel's content."""

import json
from urllib.parse import quote

from palette import BLUE, GREEN, GREY, RED
from panels import SOURCE

RUNBOOK = "/d/soakrig-runbook"
WIDTH = 24

_RUN = 'run=~"$run", plenary=~"$plenary"'


def board(uid: str, title: str, description: str, rows: list[tuple[str, int, list[dict]]]) -> dict:
    """Rows are (heading or nothing, height, panels); those without a width share what is left."""
    return {
        "uid": f"soakrig-{uid}",
        "title": f"soakrig / {title}",
        "description": description,
        "tags": ["soakrig"],
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": 41,
        "version": 1,
        "timezone": "browser",
        "time": {"from": "now-8h", "to": "now"},
        "refresh": "10s",
        "templating": {"list": _variables()},
        "annotations": {"list": _annotations()},
        "links": _links(),
        "panels": _placed(rows),
    }


def bare(uid: str, title: str, description: str, panels: list[dict]) -> dict:
    """A dashboard of words, two in a row, without variables; the panels have their numbers."""
    placed = [
        {**panel, "gridPos": {"x": WIDTH // 2 * (i % 2), "y": 12 * (i // 2), "w": WIDTH // 2, "h": 12}}
        for i, panel in enumerate(panels)
    ]
    whole = board(uid, title, description, [])
    return {**whole, "templating": {"list": []}, "annotations": {"list": []}, "links": whole["links"][:1], "panels": placed}


def _placed(rows: list[tuple[str, int, list[dict]]]) -> list[dict]:
    placed, y = [], 0

    def put(panel: dict, x: int, width: int, height: int) -> None:
        place = {"x": x, "y": y, "w": width, "h": height}
        placed.append({"id": len(placed) + 1, "gridPos": place, **panel})

    for heading, height, panels in rows:
        if heading:
            put({"type": "row", "title": heading, "collapsed": False, "panels": []}, 0, WIDTH, 1)
            y += 1
        x = 0
        for i, panel in enumerate(panels):
            width = panel.pop("width", (WIDTH - x) // (len(panels) - i))
            put(panel, x, width, height)
            x += width
        y += height
    return placed


def _variables() -> list[dict]:
    source = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "current": {"text": "soakrig", "value": "soakrig-prometheus", "selected": True},
    }
    runbook = {
        "name": "runbook",
        "label": "Runbook",
        "description": "Where to read the runbook",
        "type": "constant",
        "query": RUNBOOK,
        "hide": 2,
        "current": {"text": RUNBOOK, "value": RUNBOOK, "selected": True},
    }
    return [
        source,
        _labels("run", "Run", "label_values(soakrig_run_info, run)"),
        _labels("plenary", "Plenary", 'label_values(soakrig_run_info{run=~"$run"}, plenary)'),
        _labels("generator", "Generator", f"label_values(soakrig_run_info{{{_RUN}}}, instance)"),
        {
            "name": "ago",
            "label": "Earlier run",
            "description": "How long ago the run to compare with was",
            "type": "custom",
            "query": "1h,2h,6h,12h,1d,2d,7d",
            "current": {"text": "1d", "value": "1d", "selected": True},
        },
        runbook,
    ]


def _labels(name: str, label: str, expression: str) -> dict:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "definition": expression,
        "query": {"query": expression, "refId": f"variable-{name}"},
        "refresh": 2,
        "sort": 2 if name == "run" else 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"], "selected": True},
    }


def _annotations() -> list[dict]:
    """What happened to the run, read off its metrics: each expression is there for a minute after it."""
    info = f"soakrig_run_info{{{_RUN}}}"
    before = f"{info} offset 1m"
    hold = 'soakrig_run_phase{phase="hold"} == 1'
    join = f"on (job, instance) group_left (run, plenary) {info}"
    runs = "by (run, plenary)"
    return [
        _marks("Run start", GREEN, f"max {runs} ({info}) unless max {runs} ({before})", "started"),
        _marks(
            "Ramp done",
            BLUE,
            f'max {runs} (({hold}) * {join}) unless max {runs} ((soakrig_run_phase{{phase="hold"}} offset 1m == 1) * {join})',
            "has all its users started",
        ),
        _marks("Stop", GREY, f"max {runs} ({before}) unless max {runs} ({info})", "stopped"),
        _marks(
            "Commands",
            BLUE,
            f'sum by (run, plenary, command) (increase(soakrig_control_commands_total{{command!~"status|refused"}}[1m]) * {join}) > 0',
            "ctl {{command}}",
        ),
        _marks(
            "Alerts",
            RED,
            'max by (alertname, run, plenary) (ALERTS{alertname=~"Soakrig.*", alertstate="firing", severity=~"critical|warning", run=~"$run"})',
            "{{alertname}} fires",
        ),
    ]


def _marks(name: str, colour: str, expression: str, what: str) -> dict:
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": colour,
        "expr": expression,
        "step": "15s",
        "titleFormat": f"{{{{run}}}} {what}",
        "textFormat": "plenary {{plenary}}",
    }


def _links() -> list[dict]:
    common = {"icon": "external link", "keepTime": True, "includeVars": True, "targetBlank": False, "asDropdown": False}
    search = {"refId": "A", "datasource": {"type": "jaeger", "uid": "soakrig-traces"}, "queryType": "search", "service": "soakrig"}
    pane = {"datasource": "soakrig-traces", "queries": [search], "range": {"from": "now-1h", "to": "now"}}
    outward = {**common, "type": "link", "keepTime": False, "includeVars": False, "tags": []}
    return [
        {**common, "type": "dashboards", "title": "soakrig", "tags": ["soakrig"]},
        {
            **outward,
            "title": "Traces",
            "tooltip": "Traces of this run's chats, where --otlp-endpoint sends them",
            "url": f"/explore?schemaVersion=1&panes={quote(json.dumps({'traces': pane}))}",
            "icon": "bolt",
        },
        {
            **outward,
            "title": "Runbook",
            "tooltip": "What each alert means and what to do",
            "url": "${runbook}",
            "icon": "doc",
        },
    ]
