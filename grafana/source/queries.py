"""PromQL as the dashboards say it: raw series are joined to their run, recorded ones carry it.

A query sees one generator's series by the variable `generator`, and only while that generator
works on the chosen run: the same host may have had another run an hour ago.
"""

import re
from pathlib import Path

THRESHOLDS = Path(__file__).parents[2] / "prometheus" / "rules" / "thresholds.yml"

# The defaults of --max-lost, --max-error-rate and their like (docs/configuration.md).
DEFAULTS = {"lost": 0.0, "late": 0.01, "anomalies": 0.001, "cut": 0.05, "error_rate": 0.01}

_RUN = 'run=~"$run", plenary=~"$plenary"'
_GENERATOR = 'instance=~"$generator"'
_WORKED = f"and on (job, instance) last_over_time(soakrig_run_info{{{_RUN}}}[$__range])"
_JOIN = f"on (job, instance) group_left (run, shard) soakrig_run_info{{{_RUN}}}"


def _matchers(labels: dict[str, str]) -> list[str]:
    """Label matchers: a value may begin with `~` (a pattern) or `!` (not this one)."""
    signs = {"~": "=~", "!": "!="}
    return [f'{name}{signs.get(value[0], "=")}"{value.lstrip("~!")}"' for name, value in labels.items()]


def raw(metric: str, **labels: str) -> str:
    """A series of the chosen generators, as they export it."""
    return f"{metric}{{{', '.join([_GENERATOR, *_matchers(labels)])}}}"


def recorded(metric: str, **labels: str) -> str:
    """A series of a recording rule with an instance, a run and a plenary of its own."""
    return f"{metric}{{{', '.join([_RUN, _GENERATOR, *_matchers(labels)])}}}"


def rate(metric: str, window: str = "$__rate_interval", **labels: str) -> str:
    """Increase per second of a counter."""
    return f"rate({raw(metric, **labels)}[{window}])"


def counted(metric: str, by: str = "", **labels: str) -> str:
    """Increase of a counter over the time shown, of generators that worked on the run then; also after it."""
    grouping = f" by ({by})" if by else ""
    increase = f"increase({raw(metric, **labels)}[$__range])"
    return f"sum{grouping} ({increase} {_WORKED})"


def at_work(metric: str) -> str:
    """What Prometheus itself knows of generators that worked on the run in the time shown; also after it."""
    return f"{raw(metric)} {_WORKED}"


def of_run(expression: str) -> str:
    """The expression for generators of the chosen run only; values unchanged."""
    return f"{expression} * {_JOIN}"


def total(expression: str, by: str = "", aggregate: str = "sum") -> str:
    """The expression over all generators of the run, by some labels."""
    grouping = f" by ({by})" if by else ""
    return f"{aggregate}{grouping} ({of_run(expression)})"


def quantile(q: float, metric: str, by: str = "", **labels: str) -> str:
    """A quantile over all generators of the run, from a classic histogram."""
    grouping = f"{by}, le" if by else "le"
    return f"histogram_quantile({q}, {total(rate(f'{metric}_bucket', **labels), grouping)})"


def error_ratio(window: str, **labels: str) -> str:
    """Errors over operations by stage, as the alerts see it but for the chosen generators."""
    errors = recorded(f"instance_stage:soakrig_errors:rate{window}", **labels)
    operations = recorded(f"instance_stage:soakrig_operations:rate{window}", **labels)
    return f"sum by (stage) ({errors}) / (sum by (stage) ({operations}) > 0)"


def limit_of_run(name: str) -> str:
    """What the chosen runs are held to, by the names of the verdict, for a line."""
    value_of(name)
    return f'max(run_name:soakrig_threshold:max{{{_RUN}, name="{name}"}})'


def fast_burn() -> str:
    """The error rate that pages a person, for a line."""
    return f"clamp_max({limit_of_run('error_rate')} * scalar(soakrig:threshold:fast_burn), 0.5)"


def limit_p99() -> str:
    """What the time to delivery is held to: `--max-p99`, or the threshold of runs without one."""
    return f"max(run:soakrig_delivery_p99_seconds:limit{{{_RUN}}})"


def threshold(name: str) -> str:
    """The series of a threshold, for a line."""
    value_of(name)
    return f"soakrig:threshold:{name}"


def value_of(name: str) -> float:
    """The number of a limit or threshold, for colours that cannot follow a series: of a limit, its default."""
    if name in DEFAULTS:
        return DEFAULTS[name]
    found = re.search(rf"record: soakrig:threshold:{name}\n\s+expr: vector\((.*)\)", THRESHOLDS.read_text())
    if not found:
        raise KeyError(f"{THRESHOLDS}: no threshold {name}")
    return float(found[1])


def earlier(expression: str) -> str:
    """The same, an earlier run's: what it was as long ago as the variable says. Nothing where that is 0."""
    return re.sub(r"(\[\$__rate_interval\])", r"\1 offset $ago", expression)
