"""A dashboard around its panels: variables, annotations, links, places. Knows no panel's content."""

from palette import BLUE, GREEN, GREY, RED
from panels import SOURCE

RUNBOOK = "http://127.0.0.1:9090/user/runbook.md"
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
        "schemaVersion": 39,
        "version": 1,
        "timezone": "browser",
        "time": {"from": "now-30m", "to": "now"},
        "refresh": "10s",
        "templating": {"list": _variables()},
        "annotations": {"list": _annotations()},
        "links": _links(),
        "panels": _placed(rows),
    }


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
        "hide": 2,
        "current": {"text": "soakrig", "value": "soakrig-prometheus", "selected": True},
    }
    runbook = {
        "name": "runbook",
        "label": "Runbook",
        "description": "Where docs/runbook.md is read",
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
            'max by (alertname, run, plenary) (ALERTS{alertname=~"Soakrig.*", alertstate="firing", severity=~"critical|warning", run=~"$run|"})',
            "{{alertname}} fires",
            enable=False,
        ),
    ]


def _marks(name: str, colour: str, expression: str, what: str, enable: bool = True) -> dict:
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": enable,
        "hide": False,
        "iconColor": colour,
        "expr": expression,
        "step": "15s",
        "titleFormat": f"{{{{run}}}} {what}",
        "textFormat": "plenary {{plenary}}",
    }


def _links() -> list[dict]:
    common = {"icon": "external link", "keepTime": True, "includeVars": True, "targetBlank": False, "asDropdown": False}
    return [
        {**common, "type": "dashboards", "title": "soakrig", "tags": ["soakrig"]},
        {
            **common,
            "type": "link",
            "title": "Runbook",
            "tooltip": "What each alert means and what to do",
            "url": "${runbook}",
            "icon": "doc",
            "keepTime": False,
            "includeVars": False,
            "targetBlank": True,
            "tags": [],
        },
    ]
