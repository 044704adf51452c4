#!/usr/bin/env python3
"""From a fault in a server to a message at a receiver, and back: everything real, only `for` is shortened.

    alerts.py SOAKRIG

Two targets, one run against each, at the same time: one drops 10 % of its chats, the other answers
500 to whoever signs up. Each must be reported as what it is, for the right run, through Prometheus
and Alertmanager to the webhook, must not be reported of the other, and must resolve when the fault
is gone. Last, a generator is killed.
"""

import json
import sys
import time
import urllib.request

from faults import Target
from stack import PATIENCE, Stack, get, wait_for

# Windows of the rules are five minutes; one interval of Alertmanager comes on top.
RESOLVED = 420.0


def main(soakrig: str) -> int:
    """Fails with what was waited for."""
    with Stack(soakrig) as stack:
        webhook = stack.webhook()
        alertmanager = stack.alertmanager(webhook, WATCH_GROUP_WAIT="1s", WATCH_GROUP_INTERVAL="2s")
        a_saturated_generator_is_believed_nothing(alertmanager)
        dropping, refusing = Target(stack, "dropping"), Target(stack, "refusing")
        refusing.faults(http={"error": "100%"})
        generators = [
            dropping.generator("generator-d", users=30, run="dropping"),
            refusing.generator("generator-r", users=30, run="refusing"),
        ]
        prometheus = stack.prometheus(generators, WATCH_ALERTMANAGER=alertmanager, WATCH_ALERT_FOR="5s")

        def heard(status: str, alert: str, run: str) -> bool:
            return stack.said("webhook", rf" {status} \w+ {alert} run={run} ") is not None

        wait_for("the run to be held", lambda: prometheus.query('soakrig_run_phase{phase="hold"} == 1'), PATIENCE)
        wait_for("failed sign-ups at the webhook", lambda: heard("firing", "SoakrigErrorBudgetBurnFast", "refusing"), 90)
        # Sound so far, although the other run is not.
        assert not prometheus.firing("SoakrigDeliveriesLost"), "losses without a fault"
        assert not heard("firing", r"Soakrig\w+", "dropping"), "an alert for a run that is well"

        dropping.faults(chat={"drop": "10%"})
        wait_for("losses at the webhook", lambda: heard("firing", "SoakrigDeliveriesLost", "dropping"), 90)
        wait_for(
            "the burn of deliveries",
            lambda: any(alert["stage"] == "delivery" for alert in prometheus.firing("SoakrigErrorBudgetBurnSlow")),
            90,
        )
        burning = prometheus.firing("SoakrigErrorBudgetBurnFast") + prometheus.firing("SoakrigErrorBudgetBurnSlow")
        stages = {(alert["run"], alert["stage"]) for alert in burning}
        # Where nobody can sign up, nobody is there to send either.
        assert stages <= {("refusing", "signup"), ("refusing", "send"), ("dropping", "delivery")}, stages
        assert not heard("firing", "SoakrigDeliveriesLost", "refusing"), "losses reported of the wrong run"
        link = wait_for("a link", lambda: stack.said("webhook", r"(http://\S+/user/runbook\.md)#soakrigdeliverieslost"))
        assert link, "no link to the runbook"

        dropping.faults()
        refusing.faults()
        began = time.monotonic()
        for alert, run in (("SoakrigDeliveriesLost", "dropping"), ("SoakrigErrorBudgetBurnFast", "refusing")):
            wait_for(f"{alert} to resolve", lambda a=alert, r=run: heard("resolved", a, r), RESOLVED, 1.0)
        print(f"resolved {time.monotonic() - began:.0f} s after the faults were gone")
        wait_for("all users of the run that was refused", lambda: held(prometheus, "refusing"), 60)
        wait_for("no alert about a server", lambda: not prometheus.query('ALERTS{subject="server"}'), RESOLVED)

        # One generator dies, the other stops as it is told to.
        stack.parts.pop("generator-d").kill()
        wait_for("the dead generator at the webhook", lambda: heard("firing", "SoakrigGeneratorGone", "dropping"), 60)
        code = stack.stop("generator-r")
        assert code in (0, 99, 106), f"the generator did not stop well: {code}"
        wait_for("nothing scraped", lambda: heard("firing", "SoakrigNothingScraped", "-"), 60)
        # It waited for the scrape that saw it settle; where this machine stood still, all bets are off.
        if code != 106:
            assert not heard("firing", "SoakrigGeneratorGone", "refusing"), "a generator that was told to stop is missed"
    print("from fault to message and back")
    return 0


def a_saturated_generator_is_believed_nothing(alertmanager: str) -> None:
    """Its accusations are silenced, those of another generator of the run are not."""

    def alert(name: str, subject: str, instance: str) -> dict:
        labels = {"alertname": name, "subject": subject, "severity": "warning"}
        return {"labels": {**labels, "job": "soakrig", "instance": instance, "run": "made-up", "plenary": "test"}}

    alerts = [
        alert("SoakrigGeneratorSaturated", "generator", "a"),
        alert("SoakrigDeliverySlow", "server", "a"),
        alert("SoakrigDeliverySlow", "server", "b"),
        alert("SoakrigGeneratorGone", "generator", "a"),
    ]
    request = urllib.request.Request(f"http://{alertmanager}/api/v2/alerts", json.dumps(alerts).encode())
    request.add_header("Content-Type", "application/json")
    urllib.request.urlopen(request, timeout=10).close()

    def silenced() -> list[tuple[str, str]]:
        shown = json.loads(get(f"http://{alertmanager}/api/v2/alerts?active=false&inhibited=true&silenced=false"))
        return [(each["labels"]["alertname"], each["labels"]["instance"]) for each in shown]

    wait_for("what a saturated generator says to be silenced", lambda: silenced() == [("SoakrigDeliverySlow", "a")])


def held(prometheus: object, run: str) -> bool:
    """Whether a run has all its users."""
    return prometheus.value(f'instance:soakrig_users_held_per_target:ratio{{run="{run}"}}') == 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
