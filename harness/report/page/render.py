"""render.py - the page of `attnzoo report`: JSON of harness/report/model.h on standard input, one self-contained HTML file on standard
output.

Matplotlib draws (plots.py), Jinja2 fills page.html from what is made here and in tables.py; page.css and page.js are inlined. The page asks
nothing of any network: its content security policy forbids it.
"""
import argparse
import json
import os
import pathlib
import re
import sys

import jinja2
import markupsafe

import plots
import tables
import words
from words import breakable, figure, grouped, natural, rate, size

HERE = pathlib.Path(__file__).resolve().parent


def ordered(groups):
    """Groups whose keys begin with machine and shape, by shape, machines of one shape together."""
    return sorted(groups.items(), key=lambda group: (natural(group[0][1]), group[0][0], group[0][2:]))


def title_of(points, several_machines, threads="1"):
    """Heading of a picture of one shape."""
    first = points[0]
    return first["name"] + (f", {threads} threads" if threads != "1" else "") + (f" · {first['machine']}" if several_machines else "")


def lengths(shape):
    """(family, varying length) of an attention shape: q and k both L, or k alone beside a fixed q; none if it has no lengths."""
    found = re.match(r"(.*_q)(\d+)(_k)(\d+)(_.*)", shape)
    if not found:
        return []
    head, q, middle, k, tail = found.groups()
    families = [(f"{head}{q}{middle}*{tail}", int(k))]
    if q == k:
        families.append((f"{head}L{middle}L{tail}", int(k)))
    return families


def several(points, key):
    return len({key(p) for p in points}) > 1


def cards(figures):
    return [{"title": title, "svg": markupsafe.Markup(picture)} for title, picture in figures if picture]


def rooflines(model, points):
    result = []
    for machine in model["machines"]:
        for (threads,), mine in grouped([p for p in points if p["machine"] == machine["mkey"]], "threads").items():
            peaks = machine["peaks"].get("t" + threads)
            if peaks:
                name = machine["mkey"] + (f", {threads} threads" if threads != "1" else "")
                result += cards([(f"{name}: memory", plots.roofline(mine, peaks, "bytes")),
                                 (f"{name}: exponentials", plots.roofline(mine, peaks, "exp"))])
    return result


def heat_maps(points):
    """Kernels by shapes for each machine, operation, dtype and number of threads."""
    maps = []
    # attention first
    for (machine, op, dtype, threads), mine in sorted(grouped(points, "machine", "op", "dtype", "threads").items(),
                                                   key=lambda g: (g[0][0], g[0][1] != "sdpa", g[0][1:])):
        mine = [p for p in mine if p["roof"] and p["roof"]["frac"] is not None]
        shapes = sorted({(p["shape"], p["name"]) for p in mine}, key=lambda s: natural(s[0]))
        kernels = list(dict.fromkeys(p["kernel"] for p in mine))
        cells = {(p["kernel"], p["shape"]): p for p in mine}
        if shapes:
            maps.append({"machine": machine, "op": op, "dtype": dtype, "threads": threads, "shapes": shapes,
                         "rows": [(kernel, [cells.get((kernel, shape)) for shape, _ in shapes]) for kernel in kernels]})
    return maps


def speedups(points):
    groups = grouped(points, "machine", "shape", "threads", "run")
    latest = {}
    for (machine, shape, threads, run), mine in groups.items():
        if len(mine) > 1:
            latest[machine, shape, threads] = mine  # runs come in order of time
    many = several(points, lambda p: p["machine"])
    return cards([(title_of(mine, many, threads), plots.speedups(mine)) for (_, _, threads), mine in ordered(latest)])


def by_length(points):
    families = {}
    for p in points:
        for family, length in lengths(p["shape"]) if p["op"] == "sdpa" else []:
            if p["roof"] and p["roof"]["frac"]:
                families.setdefault((p["machine"], family, p["threads"]), []).append((length, p))
    figures = []
    many = several(points, lambda p: p["machine"])
    for (machine, family, threads), mine in ordered(families):
        at = {id(p): length for length, p in mine}
        several_of = [p for _, p in mine if several([q for _, q in mine if q["kernel"] == p["kernel"]], lambda q: at[id(q)])]
        if several_of:
            name = family.replace("_qL_kL_", "_q=k=L_").replace("_k*_", "_k=L_")
            figures.append((name + (f", {threads} threads" if threads != "1" else "") + (f" · {machine}" if many else ""),
                            plots.curves(several_of, lambda p: at[id(p)], lambda p: p["roof"]["frac"],
                                         lambda p: (p["roof"]["lo"], p["roof"]["hi"]) if p["roof"]["lo"] and p["roof"]["hi"] else None,
                                         "L", "of the roof", f"Share of the roof over length, {family}", share=True)))
    return cards(figures)


def latest_varied(model, by):
    """{(machine, shape): records of the latest run that varied threads, or data, there}."""
    groups = {}
    for (machine, shape, _), mine in grouped([v for v in model["varied"] if v["by"] == by and v["med"]], "machine", "shape", "run").items():
        groups[machine, shape] = mine  # runs come in order of time
    return groups


def speed(record, end="ratio"):
    """Speed over that of the first variant, which is 1 by itself."""
    return record["speed"].get(end) if record["speed"] else 1


def by_threads(model):
    groups = latest_varied(model, "threads")
    many = several(list(groups), lambda key: key[0])
    figures = []
    for (machine, shape), mine in ordered(groups):
        mine = [{**v, "isa": plots.isa_of(v["kernel"])} for v in mine if speed(v)]
        if not mine:
            continue
        figures.append((shape + (f" · {machine}" if many else ""),
                        plots.curves(mine, lambda v: v["threads"], speed,
                                     lambda v: (speed(v, "lo"), speed(v, "hi")) if speed(v, "lo") and speed(v, "hi") else None,
                                     "threads", "speed over 1 thread", f"Scaling with threads, {shape}", log=False, ideal=True)))
    return cards(figures)


def by_data(model):
    """A table for each machine and shape: kernels by kinds of data."""
    result = []
    for (machine, shape), mine in ordered(latest_varied(model, "data")):
        variants = list(dict.fromkeys(v["variant"] for v in mine))
        cells = {(v["kernel"], v["variant"]): v for v in mine}
        kernels = list(dict.fromkeys(v["kernel"] for v in mine))
        result.append({"machine": machine, "shape": shape, "variants": variants,
                       "rows": [(kernel, [cells.get((kernel, variant)) for variant in variants]) for kernel in kernels]})
    return result


def history(points, runs):
    figures = []
    many = several(points, lambda p: p["machine"])
    for (_, _, threads), mine in ordered(grouped(points, "machine", "shape", "threads")):
        seen = grouped(mine, "kernel")
        mine = [p for p in mine if several(seen[p["kernel"],], lambda q: q["commit"])]
        if mine:
            figures.append((title_of(mine, many, threads), plots.history(mine, runs)))
    return cards(figures)


def peers(points):
    """Peers against our first kernel of the same run and case: vs of the record."""
    rows = [{**p, "ours": p["vs"]["kernel"]} for p in points if p["peer"] and p["vs"] and p["vs"].get("ratio")]
    figures = []
    many = several(points, lambda p: p["machine"])
    for (_, _, threads), mine in ordered(grouped(rows, "machine", "shape", "threads")):
        bars = [(p["kernel"], p["vs"]["ratio"], p["vs"].get("lo"), p["vs"].get("hi")) for p in mine]
        figures.append((title_of(mine, many, threads), plots.peers(bars)))
    return {"rows": rows, "figures": cards(figures)}


def machine_rows(machine):
    """Facts of a machine as (name, text)."""
    cpu, topo, cache, memory, env = (machine[key] for key in ("cpu", "topo", "cache", "mem", "env"))
    name = cpu.get("brand") or cpu.get("vendor") or "unknown"
    facts = [("processor", f"{name}, family {cpu.get('family', '–')} model {cpu.get('model', '–')}"),
             ("runs under", cpu.get("hyp") or "no hypervisor seen"),
             ("cores", f"{topo.get('cores', '–')}, {topo.get('cpus', '–')} hardware threads"),
             ("caches", f"L1d {size(cache.get('l1d'))}, L2 {size(cache.get('l2'))}, last {size(cache.get('llc'))}"),
             ("memory", f"{size(memory.get('B'))}, pages of {size(memory.get('page'))}, huge pages {memory.get('thp') or 'unknown'}"),
             ("system", env.get("kernel") or "unknown"),
             ("compiler", f"{machine['build'].get('cc', '–')} {machine['build'].get('cflags', '')}"),
             ("instructions", " ".join(machine.get("isa") or []))]
    return facts + [("notes", machine["notes"])] * bool(machine["notes"])


def peak_rows(machine):
    """[(name, [text for each number of threads])] and the numbers of threads."""
    threads = sorted(machine["peaks"], key=natural)
    names = list(dict.fromkeys(name for t in threads for name in machine["peaks"][t]))
    units = {"f32": "FLOP/s", "exp": "/s", "bw": "B/s"}
    return threads, [(name, [rate(machine["peaks"][t].get(name), units.get(name.split(".")[0], "/s")) for t in threads]) for name in names]


def with_fields(item, key, names):
    """The object at `key` with all of these fields, None where the record has none; None if there is no such object."""
    if item.get(key):
        item[key] = {**dict.fromkeys(names), **item[key]}


def make_whole(model):
    """Records of other versions may lack fields, and the reader does not look at those that only the page shows."""
    for point in model["points"]:
        for key, names in (("vs", ("kernel", "ratio", "lo", "hi")), ("best", ("kernel", "ratio", "lo", "hi")), ("peak", ("frac", "lo", "hi")),
                           ("roof", ("frac", "lo", "hi", "bound")), ("ctr", ("cycles", "insn")), ("energy", ("J",))):
            with_fields(point, key, names)
        point["rounds"] = figure(point["rounds"])
    for process in model["processes"]:
        for key in ("start", "setup", "first", "call", "inside", "agreement"):
            with_fields(process, key, ("med", "lo", "hi"))
    for machine in model["machines"]:
        for key in ("cpu", "topo", "cache", "mem", "env", "build", "peaks"):
            machine[key] = machine[key] if isinstance(machine.get(key), dict) else {}
        for key in ("cache", "mem"):
            machine[key] = {name: figure(value) if name != "thp" else value for name, value in machine[key].items()}
        machine["peaks"] = {threads: {name: rate for name, rate in rates.items() if (figure(rate) or 0) > 0}
                            for threads, rates in machine["peaks"].items() if isinstance(rates, dict)}
        machine["isa"] = [name for name in machine.get("isa") or () if isinstance(name, str)]
    for control in model["controls"]:
        for key in ("trials", "flagged", "steal", "probe_ghz"):
            control[key] = figure(control[key])
    for row in model["micro"]:
        with_fields(row, "vs", ("kernel", "ratio", "lo", "hi"))
        with_fields(row, "noise", ("probe_ghz",))
    model["varied"] = [record for record in model["varied"] if record["threads"]]
    model["controls"] = [control for control in model["controls"] if control["ratio"]]


def deliver(page, name):
    """The whole page to standard output, or one sentence that names where it should have gone, and exit code 2. A write may take less than
    it is given, and says why only at the next one."""
    rest = memoryview(page.encode("utf-8"))
    try:
        while rest:
            rest = rest[os.write(sys.stdout.fileno(), rest):]
    except BrokenPipeError:  # the reader had enough
        pass
    except OSError as error:
        print(f"error: {name}: cannot write: {error.strerror}", file=sys.stderr)
        sys.exit(2)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--title", default="Attention kernels, measured")
    parser.add_argument("--to", default="standard output", help="what standard output is, for messages")
    options = parser.parse_args()
    model = json.load(sys.stdin)
    make_whole(model)
    latest = [p for p in model["points"] if p["latest"]]
    measured = [p for p in model["points"] if p["driver"] == "bench"]  # runs with other libraries define shares and baselines otherwise
    ours = [p for p in measured if p["latest"]]
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                     undefined=jinja2.StrictUndefined)
    environment.filters.update({name: getattr(words, name) for name in ("time", "difference", "rate", "size", "share", "ratio", "number", "tiny",
                                                                        "grouped_digits")}, breakable=breakable, speed=speed,
                               threshold=tables.threshold)
    page = environment.get_template("page.html").render(
        title=options.title, model=model, several=len(model["machines"]) > 1, latest=latest,
        counted=any(p["ctr"] for p in model["points"]), metered=any(p["energy"] for p in model["points"]),
        machines=[{**m, "facts": machine_rows(m), "rates": peak_rows(m)} for m in model["machines"]],
        rooflines=rooflines(model, ours), heat=heat_maps(ours), speedups=speedups(measured),
        by_length=by_length(ours), by_threads=by_threads(model), by_data=by_data(model),
        micro=tables.micro_tables(model), builds=tables.comparisons(model),
        history=history(measured, model["runs"]),
        peers=peers(latest), css=markupsafe.Markup((HERE / "page.css").read_text(encoding="utf-8")),
        js=markupsafe.Markup((HERE / "page.js").read_text(encoding="utf-8")))
    deliver(page, options.to)


main()
