"""tables.py - what the tables of micro-benchmarks, and of two builds against each other, show.

Both get the model of harness/report/model.h, made whole by render.py.
"""
from words import figure, grouped, time


def difference_or_share(row, value):
    return time(value) if row["compare"] == "beyond" else f"{100 * value:.{2 if abs(value) < 0.1 else 1}f} %"


def micro_row(row):
    """A row of a micro-benchmark with its texts."""
    each, vs, most = row["each"], row["vs"] or {}, row["most"]
    by_rate = row["work_unit"] == "flop"
    share_of = vs.get("ratio") if row["compare"] in ("share", "cost") else None
    ends = vs.get("lo"), vs.get("hi")
    return {**row,
            "value": 1 / each if each and by_rate else each,
            "text": "–" if not each else f"{1e-9 / each:.1f}" if by_rate else time(each),
            "cycles": 1e9 * each * row["noise"]["probe_ghz"] if each and row["noise"] and row["noise"]["probe_ghz"] else None,
            "share": None if share_of is None else max(0, min(share_of, 1)),
            "against": "–" if vs.get("ratio") is None else difference_or_share(row, vs["ratio"]),
            "interval": "" if vs.get("ratio") is None else "few rounds" if None in ends
                        else " to ".join(difference_or_share(row, end) for end in ends),
            "limit": "" if most is None else f"{'below' if row['ok'] else 'not below'} {time(most)}"}


def micro_tables(model):
    """[(machine, its tables)], the latest of each title."""
    headings = {"share": "share", "cost": "share of work", "beyond": "beyond"}
    runs = {run["run"]: run for run in model["runs"]}
    machines, latest = {}, grouped([row for row in model["micro"] if row["latest"]], "machine", "title")
    for number, ((machine, title), mine) in enumerate(latest.items()):
        rows = [micro_row(row) for row in mine]
        unit = rows[0]["work_unit"]
        machines.setdefault(machine, []).append(
            {"title": title, "number": number, "rows": rows, "run": runs[rows[0]["run"]],
             "several_isas": len({row["isa"] for row in rows}) > 1,
             "speed": "Gflop/s" if unit == "flop" else "per " + (unit or "unit"),
             "cycles": unit != "flop" and any(row["cycles"] for row in rows),
             "compared": next((headings[row["compare"]] for row in rows if row["compare"] in headings), "compared"),
             "limits": any(row["limit"] for row in rows)})
    return sorted(machines.items())


def comparisons(model):
    """A row for each run that compared two builds: what they were, and how many of its records say what."""
    result = []
    for run in model["runs"]:
        timed, counted = ([record for record in model[kind] if record["run"] == run["run"]] for kind in ("regress", "insn"))
        if timed or counted:
            first, packs = (timed + counted)[0], run["packs"] or {}
            compilers = [" ".join((packs[side].get("cc") or "").split()) if packs.get(side) else "" for side in ("base", "head")]
            verdicts = [sum(record["verdict"] == verdict and not record["waiver"] for record in timed) for verdict in
                        ("slower", "faster", "same", "inconclusive")]
            result.append({**run, "base": first["base"], "head": first["head"], "compilers": compilers, "verdicts": verdicts,
                           "waived": sum(bool(record["waiver"]) for record in timed + counted),
                           "wrong": sum(record["verdict"] in ("wrong", "crash") for record in timed),
                           "counts": len(counted), "more": sum(record["fails"] is True for record in counted)})
    return result


def threshold(record):
    """In words, "" where the record has none: that of a kernel which was not timed."""
    least = figure(record["min_effect"])
    return "" if least is None else f"threshold {100 * least:.1f} %" + (", measured twice" if record["again"] is True else "")
