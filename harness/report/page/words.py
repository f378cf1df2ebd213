"""words.py - how the page writes numbers and names, and how it groups records."""
import re

import markupsafe

# ---- Numbers for people ---------------------------------------------------------------------------------------------------------------

def scaled(value, units, digits=3):
    if value is None:
        return "–"
    if value < 0:  # a difference of two times
        return "−" + scaled(-value, units, digits)
    for scale, unit in units:
        if value >= scale:
            break
    return f"{value / scale:#.{digits}g}".rstrip(".") + f" {unit}" if value < 999.5 * scale else f"{value / scale:.0f} {unit}"


def time(value):
    return scaled(value, ((1, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")))


def difference(part):
    """A difference of times of processes; where its interval reaches down to 0 it is smaller than what processes differ by."""
    if not part or part["med"] is None:
        return time(None)
    if part["lo"] is None or part["hi"] is None:
        return time(part["med"]) if part["med"] > 0 else "few rounds"
    return time(part["med"]) if part["lo"] > 0 else "< " + time(max(part["hi"], -part["lo"]))


def rate(value, unit=""):
    return scaled(value, ((1e12, "T" + unit), (1e9, "G" + unit), (1e6, "M" + unit), (1, unit)))


def size(value):
    text = scaled(value, ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")))
    return re.sub(r"\.0+ ", " ", text)


def share(value):
    return "–" if value is None else f"{100 * value:.1f} %"


def ratio(value):
    return "–" if value is None else f"{value:.2f}×" if value < 9.995 else f"{value:.1f}×"


def number(value, digits=3):
    return "–" if value is None else f"{value:.{digits}g}"


def grouped_digits(value):
    """12 345, its digits in threes by thin spaces that do not break."""
    return "–" if value is None else f"{value:,}".replace(",", "\u202f")


def tiny(value):
    return "–" if value is None else f"{value:.1e}"


def breakable(name):
    """A shape or kernel that may wrap after its underscores."""
    return markupsafe.Markup(str(markupsafe.escape(name)).replace("_", "_<wbr>").replace("@", "<wbr>@"))


def figure(value):
    """A number, or None for anything else."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


# ---- Groups ---------------------------------------------------------------------------------------------------------------------------

def natural(text):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


def grouped(items, *keys):
    """{values of keys: items}, in order of appearance."""
    groups = {}
    for item in items:
        groups.setdefault(tuple(item[key] for key in keys), []).append(item)
    return groups
