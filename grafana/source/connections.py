"""Connections: who gets in, who is cut off, and how long it takes."""

from board import board
from palette import BLUE, GREEN, GREY, ORANGE, RED
from panels import heatmap, limit, lines, nothing, query, stat
from queries import error_ratio, fast_burn, quantile, rate, raw, threshold, total, value_of


def dashboard() -> dict:
    """The dashboard."""
    return board(
        "connections",
        "Connections",
        "Who gets in, who is cut off, by whom and why, and how long connecting takes.",
        [
            ("Now", 4, _first_glance()),
            ("Users", 8, [_users(), _sockets(), _held()]),
            ("Getting in", 8, [_attempts(), _failures(), _errors()]),
            ("Getting out", 8, [_initiators(), _reasons(), _drops()]),
            ("Member lists", 8, [_mismatches(), _lists()]),
            ("Connect time and traffic", 8, [_durations(), _heatmap(), _frames()]),
        ],
    )


def _first_glance() -> list[dict]:
    attempts, failures = rate("soakrig_connect_attempts_total"), rate("soakrig_connect_failures_total")
    ended = rate("soakrig_disconnects_total", initiator="!user")
    return [
        stat(
            "Plenary sockets",
            "Open sockets of the event itself.",
            total(raw("soakrig_connections", socket="plenary")),
            "short",
            [(None, BLUE)],
        ),
        stat(
            "Breakout sockets",
            "Open sockets of breakout rooms.",
            total(raw("soakrig_connections", socket="breakout")),
            "short",
            [(None, BLUE)],
        ),
        stat(
            "Connects per second",
            "Attempts to open a socket.",
            total(attempts),
            "eps",
            [(None, BLUE)],
            decimals=2,
        ),
        stat(
            "Failed connects",
            "Share of the attempts that ended before the user joined.",
            f"{total(failures)} / ({total(attempts)} > 0)",
            "percentunit",
            [(None, GREEN), (value_of("error_rate"), ORANGE), (6 * value_of("error_rate"), RED)],
            decimals=1,
            noValue="no connects",
            mappings=nothing("no connects", GREY),
        ),
        stat(
            "Cut off per second",
            "Connections that the server or the network ended.",
            total(ended),
            "eps",
            [(None, GREEN), (0.01, ORANGE)],
            decimals=2,
        ),
    ]


def _users() -> dict:
    return lines(
        "Users by state",
        "The states sum to the target.",
        [
            query(total(raw("soakrig_users"), "state"), "{{state}}"),
            query(total(raw("soakrig_users_target")), "target"),
        ],
        "short",
        stacked=True,
    )


def _sockets() -> dict:
    return lines(
        "Open sockets",
        "Sockets that are open now.",
        [query(total(raw("soakrig_connections"), "socket"), "{{socket}}")],
        "short",
    )


def _held() -> dict:
    held = total(raw("soakrig_users", state="~connected|away"), "instance")
    return lines(
        "Users held, by generator",
        "Share of each generator's users who are connected or away on purpose, with the threshold.",
        [
            query(f"{held} / {total(raw('soakrig_users_target'), 'instance')}", "{{instance}}"),
            limit(threshold("held_ratio"), "held", RED),
        ],
        "percentunit",
        max=1.05,
    )


def _attempts() -> dict:
    return lines(
        "Attempts and failures",
        "Attempts to open a socket, and those that ended before the user joined.",
        [
            query(total(rate("soakrig_connect_attempts_total"), "socket"), "{{socket}}"),
            query(total(rate("soakrig_connect_failures_total")), "failed"),
        ],
        "eps",
    )


def _failures() -> dict:
    return lines(
        "Failures by reason",
        "Why connects failed. Empty is good.",
        [query(f"{total(rate('soakrig_connect_failures_total'), 'reason')} > 0", "{{reason}}")],
        "eps",
        stacked=True,
        bad=True,
    )


def _errors() -> dict:
    return lines(
        "Error rate of connects",
        "Errors divided by operations of the stage connect: short and long window of the fast burn, with its threshold.",
        [
            query(error_ratio("2m", stage="connect"), "2 minutes"),
            query(error_ratio("30m", stage="connect"), "30 minutes"),
            limit(fast_burn(), "fast burn", RED),
        ],
        "percentunit",
    )


def _initiators() -> dict:
    return lines(
        "Disconnects by initiator",
        "Who ended connections: users may, the server and the network should not.",
        [query(total(rate("soakrig_disconnects_total"), "initiator"), "{{initiator}}")],
        "eps",
        stacked=True,
    )


def _reasons() -> dict:
    ended = total(rate("soakrig_disconnects_total", initiator="!user"), "initiator, reason")
    return lines(
        "Cut off, by reason",
        "How the server or the network ended connections. Empty is good.",
        [query(f"{ended} > 0", "{{initiator}}: {{reason}}")],
        "eps",
        stacked=True,
        bad=True,
    )


def _drops() -> dict:
    return lines(
        "Dropped intents by reason",
        "Intents not carried out: no user was connected, or every outbox waited for a slow server.",
        [query(total(rate("soakrig_sends_dropped_total"), "reason"), "{{reason}}")],
        "eps",
        stacked=True,
        least=1,
    )


def _mismatches() -> dict:
    wrong = total(raw("soakrig_presence_mismatches"), "kind")
    return lines(
        "Wrong member lists",
        "Share of the users listed but gone (ghost), or connected but not listed (missing), after the settling time; "
        "with the threshold.",
        [
            query(f"{wrong} / on () group_left () {total(raw('soakrig_users_target'))}", "{{kind}}"),
            limit(threshold("presence_ratio"), "member lists"),
        ],
        "percentunit",
    )


def _lists() -> dict:
    return lines(
        "Member lists checked",
        "If none is judged, no mismatch shows.",
        [query(total(rate("soakrig_presence_lists_total"), "fate"), "{{fate}}")],
        "mps",
    )


def _durations() -> dict:
    metric = "soakrig_connect_duration_seconds"
    return lines(
        "Connect time",
        "From the start of an attempt until the user joined, for connections to the room.",
        [query(quantile(q, metric, socket="plenary"), f"p{q * 100:.0f}") for q in (0.5, 0.9, 0.99)],
        "s",
    )


def _heatmap() -> dict:
    return heatmap(
        "Connect time, distribution",
        "How many connects to the room took how long.",
        total(rate("soakrig_connect_duration_seconds_bucket", socket="plenary"), "le"),
    )


def _frames() -> dict:
    return lines(
        "Frames and bytes",
        "Frames read and sent per second; bytes read per second on the right.",
        [
            query(total(rate("soakrig_messages_received_total")), "frames read"),
            query(total(rate("soakrig_messages_sent_total")), "frames sent"),
            query(total(rate("soakrig_received_bytes_total")), "bytes read"),
        ],
        "mps",
        right={"bytes read": "Bps"},
    )
