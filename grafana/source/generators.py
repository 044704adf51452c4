"""Generators: can the measuring instrument be trusted? One row each."""

from board import board
from palette import GREEN, ORANGE, RED
from panels import limit, lines, now, query, table, timeline
from queries import at_work, quantile, rate, raw, threshold, total, value_of

_EACH = "run, shard, instance"
_SATURATION = {"0": ("keeps up", GREEN), "1": ("saturated", RED)}


def dashboard() -> dict:
    """The dashboard."""
    return board(
        "generators",
        "Generators",
        "Can you trust the generators? Lag, saturation, memory, CPU and runtime of each.",
        [
            ("", 8, [_rows()]),
            ("Keeping up", 8, [_lag(), _saturation(), _drops()]),
            ("Resources", 8, [_cpu(), _memory(), _files()]),
            ("Runtime", 8, [_busy(), _queue(), _tasks()]),
            ("Scraping and logging", 7, [_answers(), _scrapes(), _logs()]),
            ("Time and names", 7, [_clock(), _names()]),
        ],
    )


def _rows() -> dict:
    lag, clear = value_of("lag_p99_seconds"), "transparent"
    cpus, busy = rate("process_cpu_seconds_total"), rate("tokio_worker_busy_seconds_total")
    columns = {
        "run": {"title": "Run"},
        "shard": {"title": "Shard"},
        "instance": {"title": "Generator"},
    }
    queries = []

    def column(title: str, expression: str, **more: object) -> None:
        columns[f"Value #{chr(ord('A') + len(queries))}"] = {"title": title, **more}
        queries.append(now(expression))

    column("Users", total(raw("soakrig_users_target"), _EACH))
    column("Connected", total(raw("soakrig_users", state="connected"), _EACH))
    column(
        "Saturated",
        total(raw("soakrig_saturated"), _EACH, "max"),
        mappings=_SATURATION,
        steps=[(None, clear), (1, RED)],
    )
    column(
        "Lag p99",
        quantile(0.99, "soakrig_schedule_lag_seconds", by=_EACH),
        unit="s",
        steps=[(None, clear), (lag, ORANGE)],
    )
    column("CPU", total(cpus, _EACH), unit="percentunit", decimals=1)
    column("Memory", total(raw("process_resident_memory_bytes"), _EACH), unit="bytes")
    column(
        "Files",
        f"{total(raw('process_open_fds'), _EACH)} / {total(raw('process_max_fds'), _EACH)}",
        unit="percentunit",
        decimals=1,
        steps=[(None, clear), (0.9, ORANGE)],
    )
    column(
        "Tokio busy",
        f"{total(busy, _EACH)} / {total(raw('tokio_workers'), _EACH)}",
        unit="percentunit",
        decimals=1,
        steps=[(None, clear), (0.9, ORANGE)],
    )
    column("Tasks", total(raw("tokio_alive_tasks"), _EACH))
    column(
        "Send drops",
        total(rate("soakrig_sends_dropped_total"), _EACH),
        unit="eps",
        steps=[(None, clear), (0.001, ORANGE)],
    )
    return table(
        "Generators",
        "One row per generator, now. Orange and red cells show why it may measure itself.",
        queries,
        columns,
        sort_by=[{"displayName": "Generator", "desc": False}],
    )


def _lag() -> dict:
    return lines(
        "Schedule lag, p99",
        "How much later than intended the schedule issues intents, with the limit for saturation.",
        [
            query(quantile(0.99, "soakrig_schedule_lag_seconds", by="instance"), "{{instance}}"),
            limit(threshold("lag_p99_seconds"), "saturated", RED),
        ],
        "s",
        log=True,
    )


def _saturation() -> dict:
    return timeline(
        "Saturated",
        "When each generator could not keep up, and why: intents were late, or readable sockets waited.",
        [query(total(raw("soakrig_saturated"), "instance, reason", "max"), "{{instance}} {{reason}}")],
        _SATURATION,
    )


def _drops() -> dict:
    return lines(
        "Dropped intents",
        "Intents per second that were not carried out, by generator.",
        [query(total(rate("soakrig_sends_dropped_total"), "instance"), "{{instance}}")],
        "eps",
        least=1,
    )


def _cpu() -> dict:
    return lines(
        "CPU",
        "CPU seconds per second: 100 % is one core.",
        [query(total(rate("process_cpu_seconds_total"), "instance"), "{{instance}}")],
        "percentunit",
    )


def _memory() -> dict:
    return lines(
        "Memory",
        "Resident memory. Depends on users and on messages within the horizon, so it should stay flat during the hold.",
        [query(total(raw("process_resident_memory_bytes"), "instance"), "{{instance}}")],
        "bytes",
    )


def _files() -> dict:
    return lines(
        "Open files",
        "Share of the allowed file descriptors in use. Each socket takes one.",
        [
            query(
                f"{total(raw('process_open_fds'), 'instance')} / {total(raw('process_max_fds'), 'instance')}",
                "{{instance}}",
            )
        ],
        "percentunit",
    )


def _busy() -> dict:
    busy = total(rate("tokio_worker_busy_seconds_total"), "instance")
    return lines(
        "Tokio busy",
        "Share of the time that worker threads spend on tasks.",
        [query(f"{busy} / {total(raw('tokio_workers'), 'instance')}", "{{instance}}")],
        "percentunit",
    )


def _queue() -> dict:
    return lines(
        "Tokio queue",
        "Tasks waiting in the shared queue. Rises before the lag does.",
        [query(total(raw("tokio_global_queue_depth"), "instance"), "{{instance}}")],
        "short",
        least=10,
    )


def _tasks() -> dict:
    return lines(
        "Tokio tasks",
        "Unfinished tasks: a few per user, and flat during the hold.",
        [query(total(raw("tokio_alive_tasks"), "instance"), "{{instance}}")],
        "short",
    )


def _answers() -> dict:
    return timeline(
        "Answering",
        "Whether Prometheus reaches each generator.",
        [query(at_work("up"), "{{instance}}")],
        {"0": ("does not answer", RED), "1": ("answers", GREEN)},
    )


def _scrapes() -> dict:
    return lines(
        "Scrape duration",
        "How long a generator takes to answer a scrape.",
        [query(at_work("scrape_duration_seconds"), "{{instance}}")],
        "s",
    )


def _logs() -> dict:
    return lines(
        "Suppressed log lines",
        "Log lines per second that the rate limit suppressed: a sign of trouble elsewhere.",
        [query(total(rate("soakrig_logs_suppressed_total"), "instance"), "{{instance}}")],
        "eps",
        least=1,
    )


def _clock() -> dict:
    return lines(
        "Clock events",
        "How often in five minutes the wall clock was set, the machine slept, or the process stood still.",
        [query(total(f"increase({raw('soakrig_clock_events_total')}[5m])", "instance, kind"), "{{instance}} {{kind}}")],
        "short",
        least=1,
    )


def _names() -> dict:
    return lines(
        "Changes of the server's addresses",
        "How often in five minutes the server's name resolved to other addresses than before.",
        [query(total(f"increase({raw('soakrig_dns_changes_total')}[5m])", "instance"), "{{instance}}")],
        "short",
        least=1,
    )
