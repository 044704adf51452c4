"""One colour for one meaning, on every dashboard. Knows no queries."""

import re

GREEN, LIME, YELLOW, ORANGE, RED = "#56a64b", "#96d98d", "#e0b400", "#ff780a", "#c4162a"
BLUE, SKY, PURPLE, PINK, GREY = "#3274d9", "#8ab8ff", "#a352cc", "#ff85b2", "#8e8e8e"

# Ways to fail, of requests, connects and connections: as in the outcomes of requests where there is
# such an outcome. What is not named here is a shade of orange; nothing of it is green.
_FAILURES = {
    "internal_error": RED,
    "server_error": RED,
    "lost": RED,
    "unavailable": ORANGE,
    "service_restart": ORANGE,
    "going_away": "#fade2a",
    "too_many_requests": YELLOW,
    "over_capacity": YELLOW,
    "refused": YELLOW,
    "client_error": ORANGE,
    "corrupt": "#e02f44",
    "timeout": PURPLE,
    "no_presence": "#8f3bb8",
    "silent": "#8f3bb8",
    "transport": PINK,
    "connection_refused": PINK,
    "connection_reset": "#ff5286",
    "reset": "#ff5286",
    "no_close_frame": PINK,
    "unexpected": GREY,
}

# By label: the legend of a series is its label's value, and that decides the colour.
_BY_LABEL = {
    # What became of a delivery, and of a request.
    "outcome": {
        "on_time": GREEN,
        "late": YELLOW,
        "lost": RED,
        "excused_left": SKY,
        "excused_server": ORANGE,
        "excused_network": PURPLE,
        "excused_sender_cut": PINK,
        "excused_refused": GREY,
        "ok": GREEN,
        "refused": YELLOW,
        "client_error": ORANGE,
        "server_error": RED,
        "unexpected": GREY,
        "timeout": PURPLE,
        "transport": PINK,
    },
    # Where a user is.
    "state": {
        "waiting": GREY,
        "signing_in": SKY,
        "connecting": BLUE,
        "connected": GREEN,
        "away": LIME,
        "backing_off": ORANGE,
        "failed": RED,
    },
    # Who ended a connection.
    "initiator": {"user": SKY, "server": ORANGE, "network": PURPLE},
    "stage": {
        "signup": BLUE,
        "login": SKY,
        "event": PURPLE,
        "connect": ORANGE,
        "send": YELLOW,
        "receive": LIME,
        "delivery": RED,
    },
    "step": {"signup": BLUE, "login": SKY, "event": PURPLE, "breakout": PINK, "delete": GREY},
    # Kinds of traffic, and of anomalies.
    "kind": {
        "chat": BLUE,
        "leave": SKY,
        "breakout": PURPLE,
        "duplicate": BLUE,
        "reordered": PURPLE,
        "unexpected": ORANGE,
        "corrupt": RED,
        "ghost": PURPLE,
        "missing": RED,
    },
    "fate": {"judged": GREEN, "short": GREY, "unreadable": RED},
    "socket": {"plenary": BLUE, "breakout": PURPLE},
    # Why an intent was dropped, a connect failed, a connection ended.
    "reason": {**_FAILURES, "not_connected": ORANGE, "backpressure": RED, "stopping": GREY, "overdue": PURPLE, "disconnected": GREY},
}

# Legends that are not a label's value.
_BY_NAME = {
    "p50": LIME,
    "p90": YELLOW,
    "p99": ORANGE,
    "p99 from intended": ORANGE,
    "p99 from sent": SKY,
    "2 minutes": ORANGE,
    "30 minutes": BLUE,
    "now": BLUE,
    "earlier": GREY,
    "failed": RED,
    "outstanding": YELLOW,
    "messages held": BLUE,
    "frames read": BLUE,
    "frames sent": SKY,
    "bytes read": GREY,
}


def colours(legends: list[str]) -> dict[str, str]:
    """The colours of all series that these legends can give: by name, or by pattern between slashes."""
    found = {}
    for legend in legends:
        if label := re.fullmatch(r"\{\{(\w+)\}\}", legend):
            found |= _patterns(_BY_LABEL.get(label[1], {}), "^")
        elif re.fullmatch(r"\{\{\w+\}\}: \{\{\w+\}\}", legend):
            found |= _patterns(_FAILURES, ": ")
        elif legend in _BY_NAME:
            found[legend] = _BY_NAME[legend]
    return found


def _patterns(values: dict[str, str], before: str) -> dict[str, str]:
    """One pattern for all values of a colour."""
    alike: dict[str, list[str]] = {}
    for value, colour in values.items():
        alike.setdefault(colour, []).append(value)
    return {f"/{before}({'|'.join(names)})$/": colour for colour, names in alike.items()}
