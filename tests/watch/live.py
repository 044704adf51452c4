#!/usr/bin/env python3
"""Every query of every dashboard, and every rule, on data of three real generators.

    live.py SOAKRIG

A target and three generators of one run, one Prometheus. The target misbehaves in many ways, so
that the panels about faults have something to show. In the end the run stops, and metrics,
annotations and summaries must say the same run id.
"""

import json
import sys
import time
from pathlib import Path

import files
import queries
from faults import Target
from stack import Prometheus, Stack, free_port, wait_for

RUN = "watched"
SECONDS = 75
# Until all rules have data: some look at two minutes of the hold.
LONGEST = 200

# Something of everything, so that every panel has something to show.
FAULTS = {
    "chat": {"drop": "2%", "duplicate": "1%", "reorder": "1%", "corrupt_marker": "1%", "delay": "2%"},
    "socket": {"close": "0.02%", "reset": "0.02%", "refuse_upgrade": "20%"},
    "http": {"error": "20%"},
}


def main(soakrig: str) -> int:
    """Exit code 1 if a query fails or returns nothing."""
    with Stack(soakrig) as stack:
        target = Target(stack)
        target.faults(**FAULTS)
        # First, so that it sees the sign-ups, which are slow here.
        prometheus = stack.prometheus([], WATCH_ALERT_FOR="1s")
        server = f"127.0.0.1:{free_port()}"
        stack.start("exporters", sys.executable, Path(__file__).parent / "exporters.py", server)
        stack.watch_also([server], "servers")
        watched = f"sockets=http://{server}/metrics#node_sockstat_TCP_inuse"
        started = time.monotonic()
        names = [f"generator-{i}" for i in range(3)]
        summaries = {name: stack.work / f"{name}.json" for name in names}
        generators = [
            target.generator(name, 60, RUN, f"{i}/3", ramp="4/s", summary=summaries[name], watch=watched) for i, name in enumerate(names)
        ]
        stack.watch_also(generators)
        time.sleep(30)
        # Users must log in when they reconnect.
        target.act("forget_sessions")
        target.act("close", code=1012, share=0.5)
        time.sleep(max(0.0, SECONDS - (time.monotonic() - started)))
        faults = queries.panels_without_data(prometheus, interval=1, seconds=SECONDS)
        faults += queries.others_that_fail(prometheus, interval=1, seconds=SECONDS)
        try:
            wait_for("all rules to have data", lambda: not queries.rules_without_data(prometheus), LONGEST, 2)
        except TimeoutError:
            faults += queries.rules_without_data(prometheus)
        ended = [stack.parts.pop(name) for name in names]
        for part in ended:
            part.terminate()
        for part in ended:
            part.wait(180)
        faults += the_run_is_marked(prometheus, time.monotonic() - started)
        for path in summaries.values():
            if json.loads(path.read_text())["run"]["id"] != RUN:
                faults.append(f"{path.name}: another run id than that of the metrics")
    print("\n".join(faults) or "every query and rule has data, and the run its marks")
    return 1 if faults else 0


def the_run_is_marked(prometheus: Prometheus, seconds: float) -> list[str]:
    """Annotations for its start, the end of its ramp and its stop, with the id that the metrics carry."""
    faults = []
    for name, dashboard in files.dashboards().items():
        for mark in dashboard["annotations"]["list"]:
            # What is not of every run.
            if mark["name"] in ("Alerts", "Commands"):
                continue

            def runs(expression: str = mark["expr"]) -> set[str]:
                end = time.time()
                found = prometheus.over(queries.as_grafana(expression, 1, seconds), end - seconds, end, 1)
                return {each["metric"].get("run") for each in found}

            try:
                wait_for("the mark", runs)
            except TimeoutError:
                faults.append(f"{name}: no annotation {mark['name']}")
            else:
                if runs() != {RUN}:
                    faults.append(f"{name}: annotation {mark['name']} is of {runs()}")
    return faults


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: live.py SOAKRIG")
    sys.exit(main(sys.argv[1]))
