"""Deliveries: which messages reached whom, how late, and why not."""

from board import board
from palette import BLUE, GREEN, ORANGE, RED, YELLOW
from panels import heatmap, limit, lines, now, query, stat, table
from queries import counted, limit_of_run, limit_p99, quantile, rate, raw, recorded, total, value_of

_DURATION = "soakrig_delivery_duration_seconds"
_CUT = "~excused_(server|network|sender_cut)"


def dashboard() -> dict:
    """The dashboard."""
    return board(
        "deliveries",
        "Deliveries",
        "Which messages reached whom, how late, and why not.",
        [
            ("In the selected time", 4, _totals()),
            ("Outcomes", 8, [_outcomes(), _not_on_time(), _anomalies()]),
            ("Time to delivery", 8, [_quantiles(), _bases(), _heatmap()]),
            ("Between generators", 8, [_remote(), _clocks(), _books()]),
            ("By generator", 9, [_by_generator()]),
        ],
    )


def _totals() -> list[dict]:
    def verdicts(outcome: str) -> str:
        return counted("soakrig_deliveries_total", outcome=outcome)

    judged = counted("soakrig_deliveries_total")
    return [
        stat(
            "Expected",
            "Deliveries that should happen: one per message and connection that should get it.",
            counted("soakrig_deliveries_expected_total"),
            "locale",
            [(None, BLUE)],
            decimals=0,
        ),
        stat(
            "Lost",
            "Did not arrive by the horizon, on a connection that stayed open.",
            verdicts("lost"),
            "locale",
            [(None, GREEN), (value_of("lost") + 0.5, RED)],
            decimals=0,
        ),
        stat(
            "Late",
            "Share that arrived after the deadline but by the horizon. No error, but not good.",
            f"{verdicts('late')} / ({judged} > 0)",
            "percentunit",
            [(None, GREEN), (0.001, YELLOW)],
            decimals=2,
        ),
        stat(
            "Cut",
            "Share excused because the server or the network ended the connection.",
            f"{verdicts(_CUT)} / ({judged} > 0)",
            "percentunit",
            [(None, GREEN), (value_of("cut"), ORANGE)],
            decimals=2,
        ),
        stat(
            "Anomalies",
            "Arrivals that were duplicate, reordered, unexpected or corrupt.",
            counted("soakrig_delivery_anomalies_total"),
            "locale",
            [(None, GREEN), (0.5, ORANGE)],
            decimals=0,
        ),
    ]


def _outcomes() -> dict:
    return lines(
        "Deliveries by outcome",
        "Verdicts per second; they sum to the expected deliveries. Logarithmic scale.",
        [query(total(rate("soakrig_deliveries_total"), "outcome"), "{{outcome}}")],
        "mps",
        log=True,
        min=0.1,
    )


def _not_on_time() -> dict:
    some = total(rate("soakrig_deliveries_total", outcome="!on_time"), "outcome")
    return lines(
        "Not on time, share of all",
        "Late, lost and excused deliveries as shares of all verdicts, with the threshold for cut ones.",
        [
            query(f"{some} / on () group_left () ({total(rate('soakrig_deliveries_total'))} > 0)", "{{outcome}}"),
            limit(limit_of_run("cut"), "cut"),
        ],
        "percentunit",
    )


def _anomalies() -> dict:
    return lines(
        "Anomalies",
        "Faulty arrivals, beside the outcomes, as shares of all verdicts, with the threshold. "
        "Details are in the anomaly log.",
        [
            query(
                f"{total(rate('soakrig_delivery_anomalies_total'), 'kind')} "
                f"/ on () group_left () ({total(rate('soakrig_deliveries_total'))} > 0)",
                "{{kind}}",
            ),
            limit(limit_of_run("anomalies"), "anomalies"),
        ],
        "percentunit",
    )


def _quantiles() -> dict:
    return lines(
        "Time to delivery, local",
        "From the intended send time until the bytes were read; sender and receiver share one clock.",
        [
            *[
                query(quantile(q, _DURATION, basis="intended", origin="local"), f"p{q * 100:.0f}")
                for q in (0.5, 0.9, 0.99)
            ],
            limit(limit_p99(), "p99"),
        ],
        "s",
        log=True,
    )


def _bases() -> dict:
    return lines(
        "Intended against actual send time",
        "p99 from both. A gap is the time that messages waited to be written: a slow server or a slow generator.",
        [
            query(quantile(0.99, _DURATION, basis=basis, origin="local"), f"p99 from {basis}")
            for basis in ("intended", "sent")
        ],
        "s",
    )


def _heatmap() -> dict:
    return heatmap(
        "Time to delivery, distribution",
        "How many local deliveries took how long, from the intended send time.",
        total(rate(f"{_DURATION}_bucket", basis="intended", origin="local"), "le"),
    )


def _remote() -> dict:
    return lines(
        "Time to delivery, other generators' messages",
        "Only as exact as the machines' clocks agree. Empty with one generator.",
        [
            query(quantile(q, _DURATION, basis="intended", origin="remote"), f"p{q * 100:.0f}")
            for q in (0.5, 0.9, 0.99)
        ],
        "s",
        log=True,
    )


def _clocks() -> dict:
    return lines(
        "Clock offset",
        "How far each generator's clock seems to be off the others'. Large values explain odd remote times.",
        [query(total(raw("soakrig_clock_offset_seconds"), "instance", "max"), "{{instance}}")],
        "s",
        min=None,
    )


def _books() -> dict:
    expected = total(raw("soakrig_deliveries_expected_total"))
    return lines(
        "Without a verdict yet",
        "Expected deliveries without a verdict, and messages still in the ledger. The horizon bounds both.",
        [
            query(f"{expected} - {total(raw('soakrig_deliveries_total'))}", "outstanding"),
            query(total(raw("soakrig_ledger_messages")), "messages held"),
        ],
        "short",
    )


def _by_generator() -> dict:
    def each(outcome: str) -> dict:
        return now(counted("soakrig_deliveries_total", "instance", outcome=outcome))

    p99 = f"max by (instance) ({recorded('instance_quantile:soakrig_delivery_duration_seconds:histogram_quantile')})"
    bad = [(None, "transparent"), (0.5, RED)]
    return table(
        "Generators",
        "Deliveries in the selected time and p99 of the last 2 minutes, one row per generator.",
        [
            each("on_time"),
            each("late"),
            each("lost"),
            each(_CUT),
            now(p99),
        ],
        {
            "instance": {"title": "Generator"},
            "Value #A": {"title": "On time", "unit": "locale", "decimals": 0},
            "Value #B": {"title": "Late", "unit": "locale", "decimals": 0},
            "Value #C": {"title": "Lost", "unit": "locale", "decimals": 0, "steps": bad},
            "Value #D": {"title": "Cut", "unit": "locale", "decimals": 0},
            "Value #E": {
                "title": "p99",
                "unit": "s",
                "steps": [(None, "transparent"), (value_of("delivery_p99_seconds"), ORANGE)],
            },
        },
        sort_by=[{"displayName": "Lost", "desc": True}],
    )
