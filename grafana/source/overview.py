"""Overview: is the run healthy? The first row answers, the rest says since when and where."""

from board import board
from palette import GREEN, GREY, ORANGE, PURPLE, RED
from panels import heatmap, limit, lines, now, query, stat, table, texts
from queries import error_ratio, quantile, rate, raw, recorded, threshold, total, value_of

_DELIVERED = {"metric": "soakrig_delivery_duration_seconds", "basis": "intended", "origin": "local"}


def _firing(severity: str) -> str:
    """What fires of a severity; of the chosen run, or of none, as when nothing is scraped."""
    return (
        f'ALERTS{{alertname=~"Soakrig.*", alertstate="firing", severity=~"{severity}", '
        'run=~"$run|", instance=~"$generator|"}'
    )


def dashboard() -> dict:
    """The dashboard."""
    return board(
        "overview",
        "Overview",
        "Is the run healthy? Users, rates, errors, deliveries and alerts on one screen.",
        [
            ("", 4, _first_glance()),
            ("", 8, [_users(), _rates(), _errors()]),
            ("", 8, [_outcomes(), _quantiles(), _heatmap()]),
            ("", 7, [_alerts()]),
        ],
    )


def _first_glance() -> list[dict]:
    ratio, held, rate_held = value_of("error_ratio"), value_of("held_ratio"), value_of("rate_ratio")
    fast, slow_delivery = value_of("error_ratio_fast_burn"), value_of("delivery_p99_seconds")
    verdict = stat(
        "Is it healthy?",
        "Healthy while no alert fires; look while one of severity warning does, failing while a critical one does. "
        "Invalid while a generator is saturated: then the numbers are about it, not about the server.",
        f'3 * absent(up{{job="soakrig"}} == 1) or 4 * (sum({total(raw("soakrig_saturated"))}) > 0) ^ 0 or 2 * count({_firing("critical")}) ^ 0 '
        f'or count({_firing("warning")}) ^ 0 or vector(0)',
        "none",
        [(None, GREEN), (1, ORANGE), (2, RED), (3, GREY), (4, PURPLE)],
        mappings=texts({
            "0": ("healthy", GREEN),
            "1": ("look", ORANGE),
            "2": ("failing", RED),
            "3": ("nobody", GREY),
            "4": ("invalid", PURPLE),
        }),
    )
    return [
        {**verdict, "width": 3},
        stat(
            "Users held",
            "Users connected, or away on purpose, of all that are to be held.",
            f"{total(raw('soakrig_users', state='~connected|away'))} / {total(raw('soakrig_users_target'))}",
            "percentunit",
            [(None, RED), (held, GREEN)],
            decimals=0,
        ),
        stat(
            "Chat rate held",
            "Chats carried out in the last minute, of those that were set. Low during the ramp.",
            f"{total(rate('soakrig_actions_total', window='1m', kind='chat'))} "
            f"/ {total(raw('soakrig_rate_target', kind='chat'))}",
            "percentunit",
            [(None, ORANGE), (rate_held, GREEN)],
            decimals=0,
        ),
        stat(
            "Worst error rate",
            "Error rate of 5 minutes of the stage where it is highest.",
            f"max({error_ratio('5m')})",
            "percentunit",
            [(None, GREEN), (ratio, ORANGE), (fast, RED)],
            decimals=1,
        ),
        stat(
            "Lost in 5 min",
            "Deliveries that did not come by the horizon, on connections that stayed.",
            f"sum({recorded('instance:soakrig_deliveries_lost:increase5m')})",
            "locale",
            [(None, GREEN), (value_of("lost_deliveries") + 0.5, RED)],
            decimals=0,
        ),
        stat(
            "Delivery p99",
            "99 of 100 messages arrive faster than this, counted from the intended send time.",
            quantile(0.99, **_DELIVERED),
            "s",
            [(None, GREEN), (slow_delivery, ORANGE)],
        ),
        stat(
            "Generators",
            "Generators of the run that answer.",
            total(raw("up", job="soakrig"), aggregate="count"),
            "short",
            [(None, GREEN)],
        ),
        stat(
            "Saturated",
            "Generators that cannot keep up: what they measure is about themselves.",
            f"sum({total(raw('soakrig_saturated'), 'job, instance', 'max')})",
            "short",
            [(None, GREEN), (1, ORANGE)],
        ),
    ]


def _users() -> dict:
    return lines(
        "Users against target",
        "Users by where they are in life, stacked, under the number that is to be held.",
        [
            query(total(raw("soakrig_users"), "state"), "{{state}}"),
            query(total(raw("soakrig_users_target")), "target"),
        ],
        "short",
        stacked=True,
    )


def _rates() -> dict:
    return lines(
        "Rate against target",
        "Chats, leaves and breakout visits a second against the rates that are set. A gap means that the server gets "
        "less load than it should.",
        [
            query(total(rate("soakrig_actions_total"), "kind"), "{{kind}}"),
            query(total(raw("soakrig_rate_target"), "kind"), "{{kind}} target"),
        ],
        "eps",
    )


def _errors() -> dict:
    return lines(
        "Error rate by stage",
        "Errors of 5 minutes over operations of 5 minutes, each stage by itself, with the burn thresholds.",
        [
            query(error_ratio("5m"), "{{stage}}"),
            limit(threshold("error_ratio_fast_burn"), "fast burn", RED),
            limit(threshold("error_ratio_slow_burn"), "slow burn"),
        ],
        "percentunit",
    )


def _outcomes() -> dict:
    return lines(
        "Deliveries by outcome",
        "Verdicts a second, on a logarithmic scale, so that one in a thousand shows. Only green and light blue should "
        "be there; what is excused is shown, so that cut connections do not look lossless.",
        [query(total(rate("soakrig_deliveries_total"), "outcome"), "{{outcome}}")],
        "mps",
        log=True,
        min=0.1,
    )


def _quantiles() -> dict:
    return lines(
        "Time to delivery",
        "From the intended send time to the bytes being read, messages of the same generator; with the threshold for p99.",
        [
            *[query(quantile(q, **_DELIVERED), f"p{q * 100:.0f}") for q in (0.5, 0.9, 0.99)],
            limit(threshold("delivery_p99_seconds"), "p99"),
        ],
        "s",
        log=True,
    )


def _heatmap() -> dict:
    return heatmap(
        "Time to delivery, all of it",
        "How many deliveries took how long: shows two groups where a quantile shows one number.",
        total(rate(**{**_DELIVERED, "metric": "soakrig_delivery_duration_seconds_bucket"}), "le"),
    )


def _alerts() -> dict:
    severities = {"critical": ("critical", RED), "warning": ("warning", ORANGE)}
    return table(
        "Active alerts",
        "What fires now; empty is good. A click on the name opens the runbook.",
        [now(f"max by (alertname, severity, run, instance, stage, kind, reason) ({_firing('critical|warning')})")],
        {
            "severity": {"title": "Severity", "mappings": severities},
            "alertname": {"title": "Alert", "link": "${runbook}#:~:text=${__value.text}"},
            "run": {"title": "Run"},
            "instance": {"title": "Generator"},
            "stage": {"title": "Stage"},
            "kind": {"title": "Kind"},
            "reason": {"title": "Reason"},
        },
        sort_by=[{"displayName": "Severity", "desc": False}],
    )
