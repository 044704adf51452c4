"""Sign-in and pages: the HTTP steps on the way to a socket."""

from board import board
from palette import GREEN, GREY, ORANGE, RED
from panels import heatmap, limit, lines, nothing, query, stat
from queries import error_ratio, fast_burn, limit_of_run, quantile, rate, threshold, total, value_of

_REQUESTS, _DURATION = "soakrig_http_requests_total", "soakrig_http_request_duration_seconds"
_STAGES = "~signup|login|event"


def dashboard() -> dict:
    """The dashboard."""
    return board(
        "pages",
        "Sign-in and pages",
        "The HTTP steps on the way to a socket: signing up, logging in, event and breakout pages.",
        [
            ("Error rate of 2 minutes", 4, [_stage("signup", "Sign-up"), _stage("login", "Log-in"), _stage("event", "Event page")]),
            ("Requests", 8, [_steps(), _outcomes(), _refusals()]),
            ("Errors", 8, [_ratio("2m", "fast"), _ratio("30m", "slow"), _kinds()]),
            ("Duration", 8, [_durations(0.5), _durations(0.99), _heatmap()]),
        ],
    )


def _stage(stage: str, title: str) -> dict:
    return stat(
        title,
        f"Errors divided by operations of the stage {stage} in the last 2 minutes.",
        error_ratio("2m", stage=stage),
        "percentunit",
        [(None, GREEN), (value_of("error_rate"), ORANGE), (6 * value_of("error_rate"), RED)],
        decimals=1,
        noValue="none tried",
        mappings=nothing("none tried", GREY),
    )


def _steps() -> dict:
    return lines(
        "Requests by step",
        "HTTP requests finished per second.",
        [query(total(rate(_REQUESTS), "step"), "{{step}}")],
        "reqps",
    )


def _outcomes() -> dict:
    return lines(
        "Requests by outcome",
        "Outcomes of the requests of all steps.",
        [query(total(rate(_REQUESTS), "outcome"), "{{outcome}}")],
        "reqps",
        stacked=True,
    )


def _refusals() -> dict:
    return lines(
        "Failed requests by step and outcome",
        "A sign-up that is refused because the name exists is no error: the log-in follows.",
        [query(f"{total(rate(_REQUESTS, outcome='!ok'), 'step, outcome')} > 0", "{{step}}: {{outcome}}")],
        "reqps",
        stacked=True,
        bad=True,
    )


def _ratio(window: str, pace: str) -> dict:
    return lines(
        f"Error rate by stage, {window}",
        f"Short window of the {pace} burn alert, with its threshold.",
        [
            query(error_ratio(window, stage=_STAGES), "{{stage}}"),
            limit(fast_burn(), "fast burn", RED) if pace == "fast" else limit(limit_of_run("error_rate"), "slow burn"),
        ],
        "percentunit",
    )


def _kinds() -> dict:
    return lines(
        "Errors by stage and kind",
        "Errors per second. Empty is good.",
        [query(f"{total(rate('soakrig_errors_total', stage=_STAGES), 'stage, kind')} > 0", "{{stage}}: {{kind}}")],
        "eps",
        stacked=True,
        bad=True,
    )


def _durations(q: float) -> dict:
    return lines(
        f"Duration by step, p{q * 100:.0f}",
        "From the start of a request to the last byte of its answer, whatever the answer. Values below 5 ms, the lowest bound, are estimates.",
        [
            query(quantile(q, _DURATION, by="step"), "{{step}}"),
            *([limit(threshold("step_p99_seconds"), "p99")] if q == 0.99 else []),
        ],
        "s",
    )


def _heatmap() -> dict:
    return heatmap(
        "Duration, distribution",
        "How many requests of all steps took how long.",
        total(rate(f"{_DURATION}_bucket"), "le"),
    )
