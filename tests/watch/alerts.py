#!/usr/bin/env python3
"""From a fault in a server to a message at a receiver, and back: everything real, only `for` is shortened.

    alerts.py SOAKRIG

Every case is a target with a fault of its own and a run against it, all at the same time. Each must
be reported as what it is, for its own run and no other, through Prometheus and Alertmanager to the
webhook, and must resolve when the fault is gone. One generator is made to stutter: it is named, and
what it says of its server starts no alert. Finally one generator is killed and the others stop in order, which sends no message.
"""

import re
import signal
import sys
import threading
import time
from dataclasses import dataclass

from faults import Target
from stack import Prometheus, Stack, wait_for

# Longest waits: for a message, for a run of some users to be held, and for the rules' windows of
# two minutes to forget.
HEARD, HELD, RESOLVED = 150.0, 90.0, 300.0


@dataclass(frozen=True)
class Case:
    """A fault, the alert that says so, and what else may be told of it before that is known."""

    run: str
    faults: dict[str, dict]
    alert: str
    follows: frozenset[str] = frozenset()
    # What stands in the message.
    words: str = ""


SLOW = {"delay": "100%", "delay_min": "2700ms", "delay_max": "3s"}
CASES = [
    Case("dropping", {"chat": {"drop": "10%"}}, "SoakrigDeliveriesLost", words="delivery: about "),
    Case("refusing", {"http": {"error": "100%"}}, "SoakrigErrorBudgetBurnFast", words="signup: .* of attempts fail, mostly "),
    Case("slow", {"chat": SLOW}, "SoakrigDeliverySlow", frozenset({"SoakrigDeliveryAnomalies"}), "delivery: p99 is "),
    Case("late", {"chat": SLOW}, "SoakrigDeliveriesLate", frozenset({"SoakrigDeliverySlow", "SoakrigDeliveryAnomalies"})),
    Case("doubling", {"chat": {"duplicate": "10%"}}, "SoakrigDeliveryAnomalies", words="kind=duplicate "),
    Case("haunted", {"presence": {"ghosts": 1}}, "SoakrigMemberListsWrong", words="kind=ghost "),
    Case("cutting", {"socket": {"close": "10%", "close_code": 1008}}, "SoakrigConnectionsCut", words="by the server: policy_violation"),
    Case("waiting", {"http": {"slow_first_byte": "100%", "slow_by": "3s"}}, "SoakrigStepSlow", words="(signup|event|breakout|connect): one in a hundred"),
    # What users are cut by, and what keeps them out then: `for` is the same for all here.
    Case("shut", {"socket": {"refuse_upgrade": "100%"}}, "SoakrigErrorBudgetBurnFast", frozenset({"SoakrigConnectionsCut"}), r"connect: .* unavailable \(503\)"),
]
# These have their faults from the start: no user gets in, or only slowly.
FROM_THE_START = {"refusing", "waiting"}
HABITS = {
    # A user who is back at once is no ghost.
    "haunted": {"away": "20s..30s", "leave_rate": "0.3/s"},
    "slow": {"delivery_deadline": "10s", "delivery_horizon": "20s", "grace": "22s"},
    "late": {"delivery_horizon": "20s", "grace": "22s"},
}


class Watched:
    """The stack with all targets and runs, and what the webhook has heard."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        alertmanager = stack.alertmanager(stack.webhook(), WATCH_GROUP_WAIT="1s", WATCH_GROUP_INTERVAL="2s")
        self.targets = {run: Target(stack, f"target-{run}") for run in [*(case.run for case in CASES), "stuttering"]}
        for case in CASES:
            if case.run in FROM_THE_START:
                self.targets[case.run].faults(**case.faults)
        generators = [
            target.generator(f"generator-{run}", 20, run, chat_rate="5/s", **HABITS.get(run, {}))
            for run, target in self.targets.items()
        ]
        # Two of three: the third never comes.
        generators.append(self.targets["slow"].generator("generator-partial", 2, "partial", "0/2", username_template="partial%s"))
        self.prometheus: Prometheus = stack.prometheus(generators, WATCH_ALERTMANAGER=alertmanager, WATCH_ALERT_FOR="5s")

    def heard(self, status: str, alert: str, run: str, words: str = "") -> bool:
        """Whether the webhook was told."""
        return self.stack.said("webhook", rf" {status} \w+ {alert} run={run} .*{words}") is not None

    def names(self, run: str) -> set[str]:
        """Every alert that the webhook was told of a run."""
        return set(re.findall(rf" firing \w+ (\w+) run={run} ", (self.stack.work / "webhook.log").read_text()))

    def wait_heard(self, status: str, alert: str, run: str, seconds: float = HEARD, words: str = "") -> None:
        """Waits for a message; where a generator was saturated, silence is no fault of the stack's."""
        try:
            wait_for(f"{alert} of run {run}, {status}, at the webhook", lambda: self.heard(status, alert, run, words), seconds)
        except TimeoutError as error:
            saturated = [each["run"] for each in self.prometheus.firing("SoakrigGeneratorSaturated")]
            raise TimeoutError(f"{error}; saturated, and so believed nothing: {saturated}") from None

    def wait_held(self, run: str) -> None:
        """Waits until a run has all its users."""
        held = f'instance:soakrig_users_held_per_target:ratio{{run="{run}"}} == 1 and on (instance) instance:soakrig_run:current{{phase="hold"}}'
        wait_for(f"run {run} to be held", lambda: self.prometheus.query(held), HELD)


def main(soakrig: str) -> int:
    """Fails with what was waited for."""
    with Stack(soakrig) as stack:
        watched = Watched(stack)
        faults_are_reported(watched)
        a_stuttering_generator_is_believed_nothing(watched)
        ends_of_generators(watched)
        faults_that_are_gone_resolve(watched)
        nothing_is_told_of_what_is_over(watched)
    print("every alert: from fault to message and back")
    return 0


def faults_are_reported(watched: Watched) -> None:
    """Each as what it is. A fault ends as soon as it was heard of."""
    for run in watched.targets:
        if run not in FROM_THE_START:
            watched.wait_held(run)
            assert not watched.names(run), f"{watched.names(run)}, and run {run} is well"
    for case in CASES:
        watched.targets[case.run].faults(**case.faults)
    watched.targets["shut"].act("close", code=1012, share=1)
    for case in CASES:
        watched.wait_heard("firing", case.alert, case.run, words=case.words)
        watched.targets[case.run].faults()
        print(f"{case.run}: {case.alert}")
    watched.wait_heard("firing", "SoakrigGeneratorsMissing", "partial", words="1 of 2 generators never showed up")
    slow = 'ALERTS{alertname="SoakrigErrorBudgetBurnSlow"}'
    assert not watched.prometheus.query(slow), "told as a fast burn, and as a slow one besides"
    for link in (r"http://\S+/d/soakrig-deliveries\?var-run=dropping&var-plenary=test&from=\d+", r"http://\S+/d/soakrig-runbook\?viewPanel=\d+#soakrigdeliverieslost"):
        assert watched.stack.said("webhook", link), f"no link {link}"


def a_stuttering_generator_is_believed_nothing(watched: Watched) -> None:
    """One that cannot keep up is named; what it says of a server that loses chats is silenced."""
    part, still = watched.stack.parts["generator-stuttering"], threading.Event()

    def stutter() -> None:
        while not still.wait(0.25):
            part.send_signal(signal.SIGSTOP)
            time.sleep(0.35)
            part.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=stutter)
    thread.start()
    try:
        watched.wait_heard("firing", "SoakrigGeneratorSaturated", "stuttering")
    finally:
        still.set()
        thread.join()
    watched.targets["stuttering"].faults(chat={"drop": "50%"})
    # It counts them, and blames no server.
    lost = 'sum(increase(soakrig_deliveries_total{outcome="lost"}[1m]) * on (instance) group_left (run) soakrig_run_info{run="stuttering"}) > 10'
    wait_for("losses that a saturated generator counts", lambda: watched.prometheus.query(lost), HEARD)
    believed = 'instance:soakrig_run:believed{run="stuttering"}'
    assert not watched.prometheus.query(believed), "a saturated generator is believed"
    watched.targets["stuttering"].faults()
    print("stuttering: SoakrigGeneratorSaturated")


def ends_of_generators(watched: Watched) -> None:
    """One dies and is missed, another stops as it is told to and is not."""
    target, stack = watched.targets["slow"], watched.stack
    # Three users who stay: of so few, some would often find all others away or busy.
    stay = {"leave_rate": "1/h", "breakout_rate": "1/h", "chat_rate": "3/s"}
    more = [target.generator(f"generator-{run}", 3, run, username_template=f"{run}%s", **stay) for run in ("killed", "stopped")]
    stack.watch_also(more)
    for run in ("killed", "stopped"):
        watched.wait_held(run)
    # Often enough for a generator to know that it is looked at.
    scraped = 'count_over_time(soakrig_run_info{run="stopped"}[5m]) >= 5'
    wait_for("some scrapes", lambda: watched.prometheus.query(scraped), HEARD)
    stack.parts.pop("generator-killed").kill()
    code = stack.stop("generator-stopped")
    assert code in (0, 99, 106), f"the generator did not stop well: {code}"
    watched.wait_heard("firing", "SoakrigGeneratorGone", "killed")
    print("killed: SoakrigGeneratorGone")


def faults_that_are_gone_resolve(watched: Watched) -> None:
    """Each alert resolves, and no run had an alert for another run's fault."""
    for case in CASES:
        watched.wait_heard("resolved", case.alert, case.run, RESOLVED, case.words)
        more = watched.names(case.run) - {case.alert} - case.follows
        assert not more, f"{more} of run {case.run}, which has another fault"
    assert watched.names("stuttering") == {"SoakrigGeneratorSaturated"}, watched.names("stuttering")
    assert not watched.names("stopped"), f"{watched.names('stopped')} of a run that was told to stop, and was well"
    watched.wait_held("refusing")


def nothing_is_told_of_what_is_over(watched: Watched) -> None:
    """All stop as they are told to, and no alert begins."""
    generators = [watched.stack.parts.pop(f"generator-{run}") for run in [*watched.targets, "partial"]]
    for generator in generators:
        generator.terminate()
    for generator in generators:
        generator.wait(180)
    left = 'count(instance:soakrig_run:current) > 0'
    wait_for("the last run to be over", lambda: not watched.prometheus.query(left), HEARD)
    missed = {each["metric"]["run"] for each in watched.prometheus.query('ALERTS{alertname=~"SoakrigGenerator(Gone|sMissing)"}')}
    assert missed <= {"killed"}, f"{missed} stopped as they were told to"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: alerts.py SOAKRIG")
    sys.exit(main(sys.argv[1]))
