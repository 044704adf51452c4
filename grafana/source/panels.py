"""Panels as JSON: each with a unit, a description, queries and the palette. Knows no PromQL."""

from palette import GREY, ORANGE, colours

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
THRESHOLD_LINE = "threshold: "


def query(expression: str, legend: str = "", **more: object) -> dict:
    """One query of a panel, over time."""
    return {"datasource": SOURCE, "expr": expression, "legendFormat": legend or "__auto", "range": True, **more}


def now(expression: str, legend: str = "", **more: object) -> dict:
    """One query of a panel, at the end of the time shown."""
    return query(expression, legend, instant=True, range=False, **more)


def panel(kind: str, title: str, description: str, queries: list[dict], unit: str, **more: object) -> dict:
    """What every panel has."""
    defaults = {"unit": unit, "color": {"mode": "palette-classic"}, **more.pop("defaults", {})}
    defaults = {key: value for key, value in defaults.items() if value is not None}
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "targets": [{"refId": chr(ord("A") + i), **each} for i, each in enumerate(queries)],
        "fieldConfig": {"defaults": defaults, "overrides": more.pop("overrides", [])},
        **more,
    }


def lines(
    title: str,
    description: str,
    queries: list[dict],
    unit: str,
    *,
    stacked: bool = False,
    log: bool = False,
    least: float | None = None,
    bad: bool = False,
    right: dict[str, str] | None = None,
    **defaults: object,
) -> dict:
    """Lines over time; thresholds are drawn dashed, everything else in the colour of its meaning.

    `right` gives series an axis on the right, with a unit. `log` is for figures far below a threshold, and for
    few beside many. The axis reaches to `least`, so that nothing but zeros is no axis to 100. `bad` is for
    what should not be there at all: bars, since there may be one alone, and none of them green.
    """
    legends = [each["legendFormat"] for each in queries]
    custom = {
        "drawStyle": "bars" if bad else "line",
        "lineWidth": 1,
        "fillOpacity": 80 if bad else 40 if stacked else 0,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "scaleDistribution": {"type": "log", "log": 10} if log else {"type": "linear"},
    }
    if least is not None:
        custom["axisSoftMax"] = least
    return panel(
        "timeseries",
        title,
        description,
        queries,
        unit,
        defaults={**({"color": {"mode": "shades", "fixedColor": ORANGE}} if bad else {}), "custom": custom, "min": None if log else 0, **defaults},
        overrides=[
            *[_override(name, _fixed(colour)) for name, colour in colours(legends).items()],
            *[_dashed(legend, colour) for legend, colour in _limits(queries)],
            *[_dashed("/(^| )target$/", GREY) for legend in legends if legend.endswith("target")],
            *[_override(name, *_right_axis(its_unit)) for name, its_unit in (right or {}).items()],
        ],
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    )


def limit(expression: str, name: str, colour: str = ORANGE) -> dict:
    """A query that `lines` draws as a threshold, in the colour of its alert's severity."""
    return query(expression, f"{THRESHOLD_LINE}{name}", colour=colour)


def _limits(queries: list[dict]) -> list[tuple[str, str]]:
    return [(each["legendFormat"], each.pop("colour")) for each in queries if "colour" in each]


def stat(title: str, description: str, expression: str, unit: str, steps: list[tuple], **defaults: object) -> dict:
    """One number on its colour; steps are (from, colour), the first from None."""
    thresholds = {"mode": "absolute", "steps": [{"value": at, "color": colour} for at, colour in steps]}
    return panel(
        "stat",
        title,
        description,
        [now(expression)],
        unit,
        defaults={"color": {"mode": "thresholds"}, "thresholds": thresholds, **defaults},
        options={
            "colorMode": "background",
            "graphMode": "none",
            "justifyMode": "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "value",
        },
    )


def leading_to(tile: dict, board: str) -> dict:
    """A tile that a click opens a dashboard from, with the same run and time."""
    link = {"title": "More", "url": f"/d/soakrig-{board}?${{__url_time_range}}&${{__all_variables}}"}
    tile["fieldConfig"]["defaults"]["links"] = [link]
    return tile


def markdown(text: str) -> dict:
    """Words."""
    return {"type": "text", "options": {"mode": "markdown", "content": text}}


def heatmap(title: str, description: str, expression: str) -> dict:
    """Durations over time, from the buckets of a classic histogram."""
    return panel(
        "heatmap",
        title,
        description,
        [query(expression, "{{le}}", format="heatmap")],
        "s",
        options={
            "calculate": False,
            "cellGap": 0,
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5},
            "filterValues": {"le": 1e-9},
            "legend": {"show": False},
            "tooltip": {"mode": "single", "yHistogram": True},
            "yAxis": {"unit": "s", "axisPlacement": "left"},
            "rowsFrame": {"layout": "auto"},
        },
    )


def table(title: str, description: str, queries: list[dict], columns: dict[str, dict], **more: object) -> dict:
    """One row for each set of labels; columns maps a field to its title, unit and colours, in order."""
    tables = [{**each, "format": "table"} for each in queries]
    return panel(
        "table",
        title,
        description,
        tables,
        "short",
        defaults={"custom": {"minWidth": 60}},
        overrides=[_column(name, column) for name, column in columns.items()],
        transformations=[
            {"id": "merge", "options": {}},
            {"id": "filterFieldsByName", "options": {"include": {"names": list(columns)}}},
            {"id": "organize", "options": {"indexByName": {name: i for i, name in enumerate(columns)}}},
        ],
        options={"showHeader": True, "cellHeight": "sm", "sortBy": more.pop("sort_by", [])},
        **more,
    )


def timeline(title: str, description: str, queries: list[dict], mappings: dict[str, tuple[str, str]]) -> dict:
    """States over time, one bar each; mappings give a value its text and colour."""
    return panel(
        "state-timeline",
        title,
        description,
        queries,
        "none",
        defaults={"custom": {"fillOpacity": 80, "lineWidth": 0}, "mappings": texts(mappings)},
        options={"mergeValues": True, "showValue": "never", "rowHeight": 0.8, "legend": {"showLegend": False}},
    )


def texts(mappings: dict[str, tuple[str, str]]) -> list[dict]:
    """Words and colours for values."""
    options = {
        value: {"text": text, "color": colour, "index": i} for i, (value, (text, colour)) in enumerate(mappings.items())
    }
    return [{"type": "value", "options": options}]


def nothing(text: str, colour: str) -> list[dict]:
    """A word and a colour for a missing number."""
    return [{"type": "special", "options": {"match": "null+nan", "result": {"text": text, "color": colour, "index": 0}}}]


def _override(name: str, *properties: dict) -> dict:
    """For the series of a name, or of a pattern between slashes."""
    matcher = "byRegexp" if name.startswith("/") else "byName"
    return {"matcher": {"id": matcher, "options": name}, "properties": list(properties)}


def _fixed(colour: str) -> dict:
    return {"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}


def _right_axis(unit: str) -> list[dict]:
    return [{"id": "unit", "value": unit}, {"id": "custom.axisPlacement", "value": "right"}]


def _dashed(name: str, colour: str) -> dict:
    return _override(
        name,
        _fixed(colour),
        {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 8]}},
        {"id": "custom.fillOpacity", "value": 0},
        {"id": "custom.stacking", "value": {"mode": "none", "group": "A"}},
    )


def _column(name: str, column: dict) -> dict:
    properties = [{"id": "displayName", "value": column["title"]}]
    if "unit" in column:
        properties.append({"id": "unit", "value": column["unit"]})
    if "decimals" in column:
        properties.append({"id": "decimals", "value": column["decimals"]})
    if "steps" in column:
        steps = [{"value": at, "color": colour} for at, colour in column["steps"]]
        properties += [
            {"id": "thresholds", "value": {"mode": "absolute", "steps": steps}},
            {"id": "custom.cellOptions", "value": {"type": "color-background", "mode": "basic"}},
            {"id": "color", "value": {"mode": "thresholds"}},
        ]
    if "mappings" in column:
        properties.append({"id": "mappings", "value": texts(column["mappings"])})
        if "steps" not in column:
            properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    if "link" in column:
        properties.append({"id": "links", "value": [{"title": column["title"], "url": column["link"], "targetBlank": True}]})
    return _override(name, *properties)
