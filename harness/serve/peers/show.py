"""show.py - a measured case as a table for people and as records for everything else (the schema of results/README.md)."""


def duration(nanoseconds):
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= scale:
            return f"{nanoseconds / scale:.3g} {unit}" if nanoseconds < 999.5 * scale else f"{nanoseconds / scale:.0f} {unit}"
    return f"{nanoseconds:.0f} ns"


def table(rows, left):
    """Print rows of texts, the first being the heading; columns numbered in `left` stand at the left."""
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(w) if c in left else cell.rjust(w) for c, (cell, w) in enumerate(zip(row, widths))).rstrip())


def interval(ratio):
    """"[lo, hi]" of a ratio; None where there were too few rounds."""
    return f"[{ratio['lo']:.3f}, {ratio['hi']:.3f}]" if ratio["lo"] is not None and ratio["hi"] is not None else None


def verdict(arm):
    words = {"slower": "ours is faster", "faster": "FASTER THAN OURS", "few rounds": "too few rounds"}
    return "" if arm.ours else words.get(arm.known["known"], arm.known["known"])


def title(case):
    facts = case.facts
    return (facts["name"] + "  " if facts["name"] else "") + facts["shape"]


def row(case, arm):
    facts = case.facts
    version = arm.peer["version"] if arm.peer else facts["commit"] if arm.ours else "-"
    errors = ["-" if arm.judged.get(key) is None else format(arm.judged[key], form) for key, form in (("max_abs", ".1e"), ("eta", ".3f"))]
    if not arm.samples:
        word = {"skip": "skipped: ", "fail": "FAIL: ", "crash": "CRASH: ", "ready": ""}[arm.status]
        return [arm.name, version, "-", "-", "-", "-", "-", "", *errors, word + (arm.why or "ours was not timed")]
    t, first = arm.time["med"], arm is case.arms[0]
    notes = [verdict(arm)] * (not first) + ["beyond our error bound"] * (arm.judged.get("status") != "pass")
    return [arm.name, version, duration(t), f"{facts['flop'] / t:.1f}", f"{facts['bytes'] / t:.1f}", f"{100 * arm.peak['frac']:.1f}",
            "1" if first else f"{arm.vs['ratio']:.3f}", "" if first else interval(arm.vs) or "", *errors, "; ".join(n for n in notes if n)]


def show(case):
    facts, ours, control = case.facts, case.arms[0], case.control()
    print(f"\n{title(case)}  {facts['threads']} thread{'s' * (facts['threads'] > 1)}, {facts['flop'] * 1e-6:.4g} MFLOP, "
          f"{facts['bytes'] / 2**20:.3g} MiB in {facts['level']}; {len(ours.samples)} rounds in {case.elapsed:.1f} s")
    heading = ["arm", "version", "median", "GFLOP/s", "GB/s", "%peak", "t / t(ours)", "99 %", "max err", "eta", "note"]
    table([heading] + [row(case, arm) for arm in case.arms if arm.name != "control"], {0, 1, 10})
    if not case.measured():
        return
    word = control.known["control"] + (": differences of this size mean nothing here" if control.known["ok"] is False else "")
    peaks = [f"{peak.name} {peak.units / peak.time['med']:.1f} {'GFLOP/s' if peak.verb == 'fma' else 'GB/s'}" for peak in case.peaks]
    print(f"control {ours.name} in a second process: {control.vs['ratio']:.3f} {interval(control.vs) or ''} {word}; "
          f"peaks {', '.join(peaks)}")
    busy = [f"{arm.name} {arm.process.idle:.2f} s" for arm in case.arms if arm.samples and arm.process.idle > 0.02 * case.elapsed]
    if busy:
        print("used the processor between its turns: " + ", ".join(busy))


def summary(cases):
    rows = [["shape", "fastest peer", "its t / ours", "99 %", ""]]
    for case in cases:
        peers = [arm for arm in case.arms if not arm.ours and arm.samples]
        if peers:
            best = min(peers, key=lambda arm: arm.vs["ratio"])
            rows.append([title(case), best.name, f"{best.vs['ratio']:.3f}", interval(best.vs) or "", verdict(best)])
    if len(rows) > 2:
        print("\nThe fastest peer of each shape")
        table(rows, {0, 1, 4})


# ---- Records ----------------------------------------------------------------------------------------------------------------------------

def types(shape):
    """The storage types that a canonical shape names before a colon; f32 where it names none."""
    return shape.split(":")[0] if ":" in shape else "f32"


def case_record(case, name):
    facts, arms = case.facts, case.arms
    same = {key: facts[key] for key in ("shape", "name", "threads", "dist", "seed", "flop", "exp", "bytes", "level")}
    trials = sum(sample is not None for arm in arms for sample in arm.samples)
    return {"case": name, "op": "sdpa", **same, "dtype": types(facts["shape"]), "cache": "hot", "rounds": len(arms[0].samples), "elapsed": case.elapsed,
            "peaks": {peak.name: 1e9 * peak.units / peak.time["med"] for peak in case.peaks},
            "noise": {"trials": trials, "flagged": sum(max(arm.flags.values(), default=0) for arm in arms),
                      "left_out": sum(arm.stood for arm in arms), "clock_back": sum(arm.back for arm in arms), "steal": case.stolen,
                      "warmup": None, "settled": None, "probe_ghz": None},
            "chosen": None}


def peer_field(arm):
    """Which library this was; null: it is not installed here. Our own kernels have no such field."""
    return {} if arm.ours else {"peer": arm.peer and {"name": arm.peer["peer"], "version": arm.peer["version"], "what": arm.peer["what"]}}


def verify_record(arm, name):
    judged = arm.judged
    return {"case": name, "kernel": arm.name, "isa": arm.isa, "status": judged["status"] if arm.ready() else arm.status,
            "judge": judged.get("judge", "none"), "ref": "double", "rows": judged.get("rows", 0),
            **{key: judged.get(key) for key in ("eta", "z", "max_abs", "max_ulp", "rel_l2_row")}, "why": arm.why, "repro": None,
            **peer_field(arm)}


def bench_record(case, arm, name):
    seconds = {key: 1e-9 * arm.time[key] for key in ("med", "min", "mad", "p90")}
    return {"case": name, "kernel": arm.name, "isa": arm.isa, "iters": arm.calls, "rounds": arm.time["n"], "every": arm.every, "unit": "s",
            **seconds, "ns": arm.samples, "vs": arm.vs, "best": arm.best, "flops": case.facts["flop"] / seconds["med"],
            "peak": {**arm.peak, "isa": case.peaks[0].name.split(".")[-1]}, "roof": None, "ctr": None,
            "ctr_why": "not counted in a process of its own", "energy": None, "energy_why": "not measured beside other processes",
            "flags": {"preempt": arm.flags["preempt"], "minor_faults": arm.flags["minor_faults"], "steal": None}, **peer_field(arm)}


def records(case, name):
    """(type, record) of everything that is known of a case, in the order of attnzoo bench."""
    yield "case", case_record(case, name)
    for arm in case.arms:
        if arm.name != "control":
            yield "verify", verify_record(arm, name)
            if arm.samples:
                yield "bench", bench_record(case, arm, name)
    if case.measured():
        control = case.control()
        yield "control", {**control.vs, "case": name, "ok": control.known["ok"]}
