#!/usr/bin/env python3
"""Writes grafana/dashboards/*.json from grafana/source; with --check, fails when they are stale.

Needs only Python 3.11. The JSON is committed, so that Grafana needs nothing of this.
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "source"))

import connections  # noqa: E402
import deliveries  # noqa: E402
import generators  # noqa: E402
import overview  # noqa: E402
import pages  # noqa: E402
import runbook  # noqa: E402


def main() -> int:
    """Exit code 1 if a file is stale."""
    check = sys.argv[1:] == ["--check"]
    stale = []
    for module in (overview, deliveries, connections, pages, generators, runbook):
        path = HERE / "dashboards" / f"{module.__name__}.json"
        text = json.dumps(module.dashboard(), indent=2, ensure_ascii=False) + "\n"
        if check and (not path.exists() or path.read_text() != text):
            stale.append(path.name)
        elif not check:
            path.write_text(text)
    if stale:
        print(f"stale: {', '.join(stale)}; run grafana/make.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
