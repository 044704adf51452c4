#!/usr/bin/env python3
"""Every query of every dashboard, and every rule, on data of three real generators.

    live.py SOAKRIG

A target and three generators of one run, one Prometheus. The target misbehaves in many ways, so
that the panels about faults have something to show.
"""

import sys
import time

import queries
from faults import Target
from stack import Stack

SECONDS = 75

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
        started = time.monotonic()
        generators = [target.generator(f"generator-{i}", 60, shard=f"{i}/3", ramp="4/s") for i in range(3)]
        stack.watch_also(generators)
        time.sleep(30)
        # Whoever comes back must log in.
        target.act("forget_sessions")
        target.act("close", code=1012, share=0.5)
        time.sleep(max(0.0, SECONDS - (time.monotonic() - started)))
        faults = queries.rules_without_data(prometheus)
        faults += queries.panels_without_data(prometheus, interval=1, seconds=SECONDS)
        faults += queries.others_that_fail(prometheus, interval=1, seconds=SECONDS)
    print("\n".join(faults) or "every query and rule has data")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
