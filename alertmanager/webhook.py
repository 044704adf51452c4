#!/usr/bin/env python3
"""Prints the alerts that Alertmanager posts: the receiver of the demo, and an example of one.

    webhook.py [HOST:PORT]      default 0.0.0.0:9095; port 0 picks one and says which

One line per alert: when, route, firing or resolved, severity, name, run, room, generator, stage or
kind or step, since when, what it says, and where to look and read more. GET answers 200, for health checks.
"""

import json
import sys
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LONGEST_BODY = 4 << 20


def line(route: str, alert: dict) -> str:
    """One alert as a line of text."""
    labels, notes = alert.get("labels", {}), alert.get("annotations", {})
    words = [
        datetime.now().astimezone().isoformat(timespec="seconds"),
        route.strip("/") or "-",
        alert.get("status", "?"),
        labels.get("severity", "?"),
        labels.get("alertname", "?"),
        f"run={labels.get('run', '-')}",
        f"room={labels.get('plenary', '-')}",
        *[f"generator={labels['instance']}" for _ in range("instance" in labels)],
        *[f"{key}={labels[key]}" for key in ("stage", "kind", "step") if key in labels],
        lasting(alert),
        notes.get("description") or notes.get("summary", ""),
        notes.get("dashboard_url", ""),
        notes.get("runbook_url", ""),
    ]
    return " ".join(" ".join(word.split()) for word in words if word)


def lasting(alert: dict) -> str:
    """Since when it fires, or how long it did."""
    try:
        start, end = (datetime.fromisoformat(alert[key].split(".")[0].rstrip("Z")) for key in ("startsAt", "endsAt"))
    except (KeyError, ValueError, AttributeError):
        return ""
    if alert.get("status") == "resolved":
        return f"after={(end - start).total_seconds():.0f}s"
    return f"since={start.isoformat()}Z"


class Receiver(BaseHTTPRequestHandler):
    """Answers Alertmanager and health checks."""

    timeout = 10

    def do_GET(self) -> None:
        self.answer(200)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > LONGEST_BODY:
            self.answer(413)
            return
        try:
            alerts = json.loads(self.rfile.read(length))["alerts"]
            for alert in alerts:
                print(line(self.path, alert), flush=True)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            print(f"not a notification of Alertmanager: {error!r}", file=sys.stderr, flush=True)
            self.answer(400)
            return
        self.answer(200)

    def answer(self, status: int) -> None:
        """An answer without a body."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing of requests; the alerts are the log."""


def main() -> None:
    """Serves until it is ended."""
    host, _, port = (sys.argv[1] if len(sys.argv) > 1 else "0.0.0.0:9095").rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Receiver)
    print(f"listening on {host}:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
