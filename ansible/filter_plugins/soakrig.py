"""Filters for the fleet's plays: durations as soakrig writes them, and quoting for unit files."""

import re

from ansible.errors import AnsibleFilterError

UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration_seconds(value):
    """Whole seconds of 90, "90", "90s", "1h30m" or "1h 30m"."""
    text = str(value).strip()
    if re.fullmatch(r"\d+", text):
        return int(text)
    parts = re.findall(r"(\d+)\s*([smhd])", text)
    if not parts or re.sub(r"\d+\s*[smhd]|\s", "", text):
        raise AnsibleFilterError(
            f"not a duration: {text!r} (write seconds, or 90s, 45m, 8h, 1h30m)"
        )
    return sum(int(number) * UNIT_SECONDS[unit] for number, unit in parts)


def systemd_quote(value):
    """One word of ExecStart=, safe from systemd's quotes, specifiers and variables."""
    text = str(value)
    if "\n" in text or "\0" in text:
        raise AnsibleFilterError("a line break cannot stand in a unit file's command")
    for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        text = text.replace(plain, written)
    return f'"{text}"'


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """Name to function."""
        return {"duration_seconds": duration_seconds, "systemd_quote": systemd_quote}
