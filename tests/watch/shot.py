#!/usr/bin/env python3
"""Pictures of the dashboards: real data, Grafana's own panel components, Chromium.

    shot.py SOAKRIG DIRECTORY [SECONDS]

Runs three generators against a target for SECONDS (240), during the last third of which the target
loses some chats, and writes one PNG for each dashboard. Needs `npm ci && npm run build` in
tests/watch/shot, and chromium. Heatmaps and state timelines are drawn by hand there, since Grafana
publishes no component for them.
"""

import functools
import http.server
import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import files
from faults import Target
from queries import STEP, as_grafana
from stack import Prometheus, Stack

PAGE = Path(__file__).parent / "shot" / "dist"
WIDTH = 1600


def drawn() -> dict[str, dict]:
    """The dashboards that are not words alone."""
    return {name: dashboard for name, dashboard in files.dashboards().items() if files.panels(dashboard)}


def main(soakrig: str, directory: str, seconds: float = 240) -> int:
    """Writes the pictures."""
    if shutil.which("chromium") is None:
        raise SystemExit("chromium is missing: apt-get install chromium")
    if not (PAGE / "index.html").exists():
        raise SystemExit("the page is missing: cd tests/watch/shot && npm ci && npm run build")
    out = Path(directory)
    out.mkdir(parents=True, exist_ok=True)
    with Stack(soakrig) as stack:
        target = Target(stack)
        prometheus = stack.prometheus([], WATCH_ALERT_FOR="5s")
        time.sleep(15)
        generators = [
            target.generator(f"generator-{i}", 150, shard=f"{i}/3", run="soak-friday", ramp="4/s", leave_rate="1/s", chat_rate="6/s")
            for i in range(3)
        ]
        stack.watch_also(generators)
        time.sleep(seconds * 2 / 3)
        target.faults(chat={"drop": "2%", "delay": "1%"}, socket={"reset": "0.01%"}, http={"error": "5%"})
        time.sleep(seconds / 3)
        for name, dashboard in drawn().items():
            data = collect(prometheus, dashboard, seconds + 20)
            (PAGE / "data").mkdir(exist_ok=True)
            (PAGE / "data" / name).write_text(json.dumps(data))
    for name, dashboard in drawn().items():
        picture = out / name.replace(".json", ".png")
        take(name.removesuffix(".json"), dashboard, picture)
        print(picture)
    return 0


def collect(prometheus: Prometheus, dashboard: dict, seconds: float) -> dict:
    """What each panel shows."""
    end = time.time() // STEP * STEP
    times = [end - seconds + i * STEP for i in range(int(seconds / STEP) + 1)]
    panels = {}
    for panel in files.panels(dashboard):
        shown: dict = {"series": [], "rows": [], "columns": [], "buckets": [], "value": None, "times": times}
        for target in panel["targets"]:
            expression = as_grafana(target["expr"], 1, seconds)
            if target.get("instant"):
                found = prometheus.query(expression)
                _at_the_end(shown, target["refId"], found, len(panel["targets"]))
            else:
                found = prometheus.over(expression, times[0], times[-1], STEP)
                shown["series"] += [_series(target["legendFormat"], each, times) for each in found]
        if panel["type"] == "heatmap":
            shown["buckets"] = _buckets(shown["series"])
        if panel["type"] == "table":
            wanted = [override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]]
            shown["columns"] = [name for name in wanted if any(name in row for row in shown["rows"])]
        panels[panel["id"]] = shown
    span = {"from": times[0] * 1000, "to": times[-1] * 1000}
    about = "3 generators, 150 users, a target that loses some chats at the end"
    return {"dashboard": dashboard, "panels": panels, "range": span, "about": about}


def _number(text: str) -> float | None:
    value = float(text)
    return value if value == value and abs(value) != float("inf") else None


def _at_the_end(shown: dict, ref: str, found: list[dict], queries: int) -> None:
    for each in found:
        value = _number(each["value"][1])
        shown["value"] = value if shown["value"] is None else shown["value"]
        labels = {key: text for key, text in each["metric"].items() if key != "__name__"}
        row = next((row for row in shown["rows"] if labels.items() <= row.items()), None)
        if row is None or queries == 1:
            row = dict(labels)
            shown["rows"].append(row)
        row["Value" if queries == 1 else f"Value #{ref}"] = value


def _series(legend: str, each: dict, times: list[float]) -> dict:
    for label, text in each["metric"].items():
        legend = legend.replace(f"{{{{{label}}}}}", text)
    values = {float(at): _number(text) for at, text in each["values"]}
    return {"legend": legend, "times": [at * 1000 for at in times], "values": [values.get(at) for at in times]}


def _buckets(series: list[dict]) -> list[dict]:
    """Cumulative buckets as counts of their own, the lowest first."""
    below: list[float] = []
    found = []
    for each in sorted(series, key=lambda bucket: float(bucket["legend"].replace("+Inf", "inf"))):
        values = [value or 0.0 for value in each["values"]]
        counts = [max(0.0, value - low) for value, low in zip(values, below or [0.0] * len(values), strict=True)]
        found.append({"le": each["legend"], "counts": counts})
        below = values
    return found


def take(name: str, dashboard: dict, picture: Path) -> None:
    """One screenshot, as high as the dashboard is."""
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"]) * 38 + 70
    handler = functools.partial(_Quiet, directory=PAGE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        flags = "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
        flags += " --disable-component-update --disable-sync --hide-scrollbars --virtual-time-budget=15000"
        url = f"http://127.0.0.1:{server.server_address[1]}/?dashboard={name}"
        size = f"--window-size={WIDTH},{height}"
        subprocess.run(
            ["chromium", *flags.split(), size, f"--screenshot={picture}", url],
            check=True,
            timeout=120,
            capture_output=True,
        )
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit("usage: shot.py SOAKRIG DIRECTORY [SECONDS]")
    sys.exit(main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:4])))
