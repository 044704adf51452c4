#!/usr/bin/env python3
"""Every query of every dashboard, and every rule, on data of three real generators.

    live.py SOAKRIG

A target and three generators of one run, one Prometheus. The target misbehaves, so that the panels
about faults have something to show; panels that stay empty on a sound machine are listed below.
"""

import sys
import time

import queries
from faults import Target
from stack import PATIENCE, Stack, wait_for

# Not to be had without breaking this machine, or the server's protocol in ways the target has none for.
MAY_BE_EMPTY: set[str] = set()
SECONDS = 75


def main(soakrig: str) -> int:
    """Exit code 1 if a query fails or returns nothing."""
    with Stack(soakrig) as stack:
        target = Target(stack)
        generators = [target.generator(f"generator-{i}", shard=f"{i}/3", users=60) for i in range(3)]
        prometheus = stack.prometheus(generators)
        started = time.monotonic()
        wait_for(
            "three generators in their hold",
            lambda: prometheus.value('sum(soakrig_run_phase{phase="hold"})') == 3,
            PATIENCE,
        )
        target.everything_a_little()
        time.sleep(max(0.0, SECONDS - (time.monotonic() - started)))
        faults = queries.rules_without_data(prometheus)
        faults += queries.panels_without_data(prometheus, interval=1, seconds=SECONDS)
        faults += queries.others_that_fail(prometheus, interval=1, seconds=SECONDS)
    faults = [fault for fault in faults if fault not in MAY_BE_EMPTY]
    print("\n".join(faults) or "every query and rule has data")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
