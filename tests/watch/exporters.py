#!/usr/bin/env python3
"""What node_exporter and cAdvisor say of a server, in the form in which they say it; the figures are made up.

    exporters.py HOST:PORT
"""

import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """\
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{{cpu="0",mode="idle"}} {idle}
node_cpu_seconds_total{{cpu="0",mode="user"}} {busy}
# TYPE node_memory_MemTotal_bytes gauge
node_memory_MemTotal_bytes 8.589934592e+09
# TYPE node_memory_MemAvailable_bytes gauge
node_memory_MemAvailable_bytes 5.1e+09
# TYPE node_sockstat_TCP_inuse gauge
node_sockstat_TCP_inuse 212
# TYPE node_filefd_allocated gauge
node_filefd_allocated 1984
# TYPE container_cpu_usage_seconds_total counter
container_cpu_usage_seconds_total{{cpu="total",id="/docker/c0ffee",image="chat:1",name="chat"}} {busy}
# TYPE container_memory_working_set_bytes gauge
container_memory_working_set_bytes{{id="/docker/c0ffee",image="chat:1",name="chat"}} 3.1e+08
"""


class Exporters(BaseHTTPRequestHandler):
    """Both on one page."""

    def do_GET(self) -> None:
        up = time.monotonic()
        body = PAGE.format(idle=up * 0.7, busy=up * 0.3).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing of requests."""


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    ThreadingHTTPServer((host, int(port)), Exporters).serve_forever()
