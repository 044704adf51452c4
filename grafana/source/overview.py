"""Overview: is the run healthy? The first row answers, the rest says since when and where."""

from board import board
from palette import GREEN, GREY, ORANGE, PURPLE, RED
from panels import heatmap, leading_to, limit, lines, now, query, stat, table, texts
from queries import earlier, error_ratio, fast_burn, limit_of_run, limit_p99, quantile, rate, raw, recorded, total, value_of

_RUN = 'run=~"$run", plenary=~"$plenary"'
_DELIVERED = {"metric": "soakrig_delivery_duration_seconds", "basis": "intended", "origin": "local"}


def _firing(severity: str) -> str:
    """What fires of a severity, of the chosen run."""
    return (
        f'ALERTS{{alertname=~"Soakrig.*", alertstate="firing", severity=~"{severity}", '
        'run=~"$run", plenary=~"$plenary", instance=~"$generator|"}'
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
            ("Against an earlier run (choose how long ago above)", 7, _compared()),
            ("Server under test", 7, [_server_cpu(), _server_memory(), _server_sockets(), _watched()]),
        ],
    )


def _first_glance() -> list[dict]:
    ratio, held, rate_held = value_of("error_rate"), value_of("held_ratio"), value_of("rate_ratio")
    fast, slow_delivery = 6 * value_of("error_rate"), value_of("delivery_p99_seconds")
    gone = f'count(time() - {recorded("instance:soakrig_run:newest_seconds", phase="~ramp|hold")} > 30)'
    at_work = recorded("instance:soakrig_run:current", phase="~ramp|hold")
    verdict = stat(
        "Is it healthy?",
        "Failing: a critical alert fires or a generator is gone. Invalid: a generator is saturated and measures itself, "
        "not the server. Look: a warning fires. Over: no generator is at work. Otherwise healthy.",
        f'2 * (count({_firing("critical")}) > 0 or {gone} > 0) ^ 0 or 4 * (sum({total(raw("soakrig_saturated"))}) > 0) ^ 0 '
        f'or count({_firing("warning")}) ^ 0 or 0 * count({at_work}) or vector(3)',
        "none",
        [(None, GREEN), (1, ORANGE), (2, RED), (3, GREY), (4, PURPLE)],
        mappings=texts({
            "0": ("healthy", GREEN),
            "1": ("look", ORANGE),
            "2": ("failing", RED),
            "3": ("over", GREY),
            "4": ("invalid", PURPLE),
        }),
    )
    tiles = [
        stat(
            "Users held",
            "Share of the target users who are connected, or away on purpose.",
            f"{total(raw('soakrig_users', state='~connected|away'))} / {total(raw('soakrig_users_target'))}",
            "percentunit",
            [(None, RED), (held, GREEN)],
            decimals=0,
        ),
        stat(
            "Chat rate held",
            "Chats carried out in the last minute, as a share of the set rate. Low during the ramp.",
            f"{total(rate('soakrig_actions_total', window='1m', kind='chat'))} "
            f"/ {total(raw('soakrig_rate_target', kind='chat'))}",
            "percentunit",
            [(None, ORANGE), (rate_held, GREEN)],
            decimals=0,
        ),
        stat(
            "Worst error rate",
            "The highest error rate of any stage over 2 minutes.",
            f"max({error_ratio('2m')})",
            "percentunit",
            [(None, GREEN), (ratio, ORANGE), (fast, RED)],
            decimals=1,
        ),
        stat(
            "Lost in 2 min",
            "Deliveries that did not arrive by the horizon, on connections that stayed open.",
            f"sum({recorded('instance_outcome:soakrig_deliveries:increase2m', outcome='lost')})",
            "locale",
            [(None, GREEN), (value_of("lost") + 0.5, RED)],
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
            "Generators that answer, out of N of --shard I/N.",
            f"{total(raw('up', job='soakrig'), aggregate='count')} / sum(run:soakrig_generators:max{{{_RUN}}})",
            "percentunit",
            [(None, RED), (1, GREEN)],
            decimals=0,
            noValue="none",
        ),
        stat(
            "Saturated",
            "Generators that cannot keep up: they measure themselves, not the server.",
            f"sum({total(raw('soakrig_saturated'), 'job, instance', 'max')})",
            "short",
            [(None, GREEN), (1, ORANGE)],
        ),
    ]
    boards = ("connections", "connections", "connections", "deliveries", "deliveries", "generators", "generators")
    return [{**verdict, "width": 3}, *(leading_to(tile, board) for tile, board in zip(tiles, boards, strict=True))]


def _users() -> dict:
    return lines(
        "Users against target",
        "Users by state, stacked, with the target as a line.",
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
        "Chats, leaves and breakout visits per second against the set rates. A gap means that the server gets too "
        "little load.",
        [
            query(total(rate("soakrig_actions_total"), "kind"), "{{kind}}"),
            query(total(raw("soakrig_rate_target"), "kind"), "{{kind}} target"),
        ],
        "eps",
    )


def _errors() -> dict:
    return lines(
        "Error rate by stage",
        "Errors divided by operations over 2 minutes, for each stage, with the burn thresholds.",
        [
            query(error_ratio("2m"), "{{stage}}"),
            limit(fast_burn(), "fast burn", RED),
            limit(limit_of_run("error_rate"), "slow burn"),
        ],
        "percentunit",
    )


def _outcomes() -> dict:
    return lines(
        "Deliveries by outcome",
        "Verdicts per second, on a logarithmic scale, so that one in a thousand shows. Only green and light blue are "
        "good. Excused ones are shown so that cut connections do not look lossless.",
        [query(total(rate("soakrig_deliveries_total"), "outcome"), "{{outcome}}")],
        "mps",
        log=True,
        min=0.1,
    )


def _quantiles() -> dict:
    return lines(
        "Time to delivery",
        "From the intended send time until the bytes were read, for messages of the same generator; with the p99 threshold.",
        [
            *[query(quantile(q, **_DELIVERED), f"p{q * 100:.0f}") for q in (0.5, 0.9, 0.99)],
            limit(limit_p99(), "p99"),
        ],
        "s",
        log=True,
    )


def _heatmap() -> dict:
    return heatmap(
        "Time to delivery, distribution",
        "How many deliveries took how long: shows two groups where a quantile is one number.",
        total(rate(**{**_DELIVERED, "metric": "soakrig_delivery_duration_seconds_bucket"}), "le"),
    )


def _alerts() -> dict:
    severities = {"critical": ("critical", RED), "warning": ("warning", ORANGE)}
    labels = "alertname, severity, run, plenary, instance, stage, kind, step"
    firing = _firing("critical|warning")
    age = f"(time() - ALERTS_FOR_STATE) and ignoring (alertstate) {firing}"
    return table(
        "Active alerts",
        "What fires now, and for how long. Empty is good. Click the name to open the runbook.",
        [now(f"max by ({labels}) ({firing})"), now(f"max by ({labels}) ({age})")],
        {
            "severity": {"title": "Severity", "mappings": severities},
            "Value #B": {"title": "Age", "unit": "dtdurations"},
            "alertname": {"title": "Alert", "link": "${runbook}"},
            "run": {"title": "Run"},
            "plenary": {"title": "Room"},
            "instance": {"title": "Generator"},
            "stage": {"title": "Stage"},
            "kind": {"title": "Kind"},
            "step": {"title": "Step"},
        },
        sort_by=[{"displayName": "Severity", "desc": False}],
    )


def _compared() -> list[dict]:
    """Now and earlier: any run of the same generators."""
    chats = f"sum({rate('soakrig_actions_total', kind='chat')})"
    late = f"sum({rate('soakrig_deliveries_total', outcome='~late|lost')}) / (sum({rate('soakrig_deliveries_total')}) > 0)"
    p99 = f"histogram_quantile(0.99, sum by (le) ({rate(**{**_DELIVERED, 'metric': 'soakrig_delivery_duration_seconds_bucket'})}))"
    return [
        lines(title, f"{what} A gap in the earlier line: nothing ran then.", [query(of, "now"), query(earlier(of), "earlier")], unit)
        for title, what, of, unit in (
            ("Time to delivery, p99, now and earlier", "Local messages, from the intended send time.", p99, "s"),
            ("Late or lost, now and earlier", "Share of all verdicts.", late, "percentunit"),
            ("Chats, now and earlier", "Chats sent per second: only equal loads compare.", chats, "eps"),
        )
    ]


def _server_cpu() -> dict:
    return lines(
        "CPU of the server",
        "Its machine, from node_exporter, as a share of all cores; its containers, from cAdvisor, in cores. List both "
        "in prometheus/servers/.",
        [
            query('1 - avg by (instance) (rate(node_cpu_seconds_total{job="server", mode="idle"}[$__rate_interval]))', "{{instance}}"),
            query('sum by (name) (rate(container_cpu_usage_seconds_total{job="server", name!=""}[$__rate_interval]))', "{{name}}"),
        ],
        "percentunit",
    )


def _server_memory() -> dict:
    return lines(
        "Memory of the server",
        "In use on its machine, and the working set of its containers. It should stay flat during the hold.",
        [
            query('node_memory_MemTotal_bytes{job="server"} - node_memory_MemAvailable_bytes{job="server"}', "{{instance}}"),
            query('sum by (name) (container_memory_working_set_bytes{job="server", name!=""})', "{{name}}"),
        ],
        "bytes",
    )


def _server_sockets() -> dict:
    return lines(
        "Sockets and files of the server",
        "TCP sockets in use and open files on its machine. Compare them with the run's connections.",
        [
            query('node_sockstat_TCP_inuse{job="server"}', "{{instance}} sockets"),
            query('node_filefd_allocated{job="server"}', "{{instance}} files"),
        ],
        "short",
        log=True,
    )


def _watched() -> dict:
    return lines(
        "Watched",
        "The server's own series that the run watches (--watch NAME=URL#SERIES).",
        [query(total(raw("soakrig_watched"), "name", "max"), "{{name}}")],
        "short",
        log=True,
    )
