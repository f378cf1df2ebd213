"""plots.py - the pictures of the report, drawn by Matplotlib as SVG that takes its colours from the page.

Each function gets rows of the model (harness/report/model.h) and returns SVG text for inlining, or None where there is nothing to show.
Matplotlib draws with placeholder colours; svg() puts CSS variables in their place, so that one picture serves light and dark. Text stays
text. Pictures are 4.2 inches wide: about the width of a phone, and on a desk three stand side by side.
"""
import io
import math
import re

import matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as pyplot
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

# Placeholder -> CSS colour. No picture has these very colours by itself.
INK, MUTED, GRID = "#010101", "#020202", "#030303"
SERIES = [f"#0404{n:02x}" for n in range(1, 9)]
CSS = {INK: "var(--ink)", MUTED: "var(--muted)", GRID: "var(--line)", **{color: f"var(--s{n})" for n, color in enumerate(SERIES, 1)}}

# One colour for each instruction set, the same in all pictures; what shares a colour differs in its marker.
ISAS = {"portable": 0, "sse2": 1, "sse4_1": 1, "neon": 1, "avx2": 2, "sve": 2, "avx512": 3, "avx512amx": 4, "amx": 4, "library": 5}
MARKERS = "osD^vPX*"
WIDTH = 4.2
LINE = {"markersize": 4, "linewidth": 1.3, "alpha": 0.9}

pyplot.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "attnzoo", "font.size": 9, "font.family": "DejaVu Sans",
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": GRID, "xtick.color": MUTED, "ytick.color": MUTED,
    "axes.grid": True, "grid.color": GRID, "grid.linewidth": 0.6, "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False,
    "legend.frameon": False, "legend.fontsize": 8, "figure.constrained_layout.use": True,
    "text.parse_math": False,
})


def isa_of(name):
    """The instruction set in the name of a kernel or a peak, as far as there is one."""
    return next((isa for isa in sorted(ISAS, key=len, reverse=True) if isa in re.split(r"[_. ()]", name)), "portable")


def color(isa):
    return SERIES[ISAS.get(isa, 6)]


def svg(figure, label):
    """The figure as SVG to stand in a page: no prologue, no fixed size, names of its own, the page's colours."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    pyplot.close(figure)
    text = buffer.getvalue()
    text = text[text.index("<svg"):]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    svg.count += 1
    text = re.sub(r'\bid="', f'id="f{svg.count}-', text)
    text = re.sub(r'(xlink:href="|url\()#', rf"\g<1>#f{svg.count}-", text)
    for placeholder, css in CSS.items():
        text = text.replace(placeholder, css)
    text = re.sub(r"font: ([0-9.]+)px [^;\"]*", r"font-size: \1px", text)  # the page's own font
    frame = re.search(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', text)
    return f'<svg viewBox="{frame.group(1)}" role="img" aria-label="{escape(label)}">' + text[frame.end():]


svg.count = 0


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def percent(value, _=None):
    return f"{100 * value:.0f} %"


def times(value):
    return f"{value:.2f}×" if value < 9.995 else f"{value:.1f}×"


def plain(value, _=None):
    """1, 20, 0.5, 4K (= 4096), 2M: numbers of a logarithmic axis."""
    for unit, scale in (("M", 1 << 20), ("K", 1 << 10)):
        if value >= scale and value % scale == 0:
            return f"{value / scale:.0f}{unit}"
    return f"{value:g}"


def log_axis(axis):
    axis.set_major_formatter(FuncFormatter(plain))
    axis.set_minor_formatter(NullFormatter())
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(10, subs=(1, 2, 5) if high < 300 * low else (1,), numticks=12))


def below(axes, columns=2):
    """A legend under the picture, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        axes.figure.legend(handles, labels, loc="lower left",
                           ncol=columns, handlelength=1.6, columnspacing=1.2, bbox_to_anchor=(0.0, 0.0))
        lines = math.ceil(len(handles) / columns)
        height = axes.figure.get_size_inches()[1]
        room = (0.17 * lines + 0.08)
        axes.figure.set_size_inches(WIDTH, height + room)
        axes.figure.get_layout_engine().set(rect=(0, room / (height + room), 1, height / (height + room)))


def styles(points):
    """kernel -> (colour, marker): colours by instruction set, markers within it in order of appearance."""
    result, used = {}, {}
    for point in points:
        if point["kernel"] not in result:
            shade = color(point["isa"])
            used[shade] = used.get(shade, -1) + 1
            result[point["kernel"]] = shade, MARKERS[used[shade] % len(MARKERS)]
    return result


def roofline(points, peaks, which):
    """Rate over intensity. which: "bytes" with the bandwidths of the caches as slopes, "exp" with the exponentials as slopes. peaks of the
    machine, 1/s, for the number of threads that the points have. A kernel looks the same in both pictures of the same points."""
    look = styles(points)
    points = [p for p in points if p[which] and p["flop"] and p["flops"]]
    fma = sorted((rate, name.split(".")[1]) for name, rate in peaks.items() if name.startswith("f32.") and rate)
    if which == "bytes":
        slopes = sorted((rate, name[3:].upper()) for name, rate in peaks.items() if name.startswith("bw.") and rate)
    else:
        best = {}
        for name, rate in peaks.items():
            if name.startswith("exp.f32.") and rate:
                isa = name.split(".")[2]
                best[isa] = max(best.get(isa, 0), rate)
        slopes = sorted((rate, isa) for isa, rate in best.items())
    if not points or not fma or not slopes:
        return None
    figure, axes = pyplot.subplots(figsize=(WIDTH, 3.0))
    intensities = [p["flop"] / p[which] for p in points]
    top = fma[-1][0]
    ceilings = {isa: rate for rate, isa in fma}
    low = min([min(intensities)] + [ceilings.get(name, top) / rate for rate, name in slopes]) / 2
    high = max(intensities + [top / slopes[0][0]]) * 4
    for rate, name in slopes:
        end = ceilings.get(name, top)  # exponentials go with the multiply-adds of their own instruction set, bytes with the widest
        shade = MUTED if which == "bytes" else color(name)
        axes.plot([low, end / rate], [low * rate * 1e-9, end * 1e-9], color=shade, linewidth=1.2, zorder=1)
        if which == "bytes":
            axes.annotate(name, (end / rate, end * 1e-9), color=shade, fontsize=7.5, ha="center", va="bottom", xytext=(0, 2),
                          textcoords="offset points")
    knees = {name: ceilings[name] / rate for rate, name in slopes if name in ceilings}
    for rate, name in fma:
        start = rate / slopes[-1][0] if which == "bytes" else knees.get(name, low)
        axes.plot([start, high], [rate * 1e-9] * 2, color=color(name), linewidth=1.2, zorder=1)
        axes.annotate(f"{name} {rate * 1e-9:.0f}", (high, rate * 1e-9), color=color(name), fontsize=8, ha="right", va="bottom",
                      xytext=(0, 1), textcoords="offset points")
    for kernel, (shade, marker) in look.items():
        mine = [p for p in points if p["kernel"] == kernel]
        if not mine:
            continue
        axes.plot([p["flop"] / p[which] for p in mine], [p["flops"] * 1e-9 for p in mine], linestyle="none", marker=marker, markersize=4.5,
                  color=shade, alpha=0.85, label=kernel, zorder=3)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(min(p["flops"] for p in points) * 0.5e-9, top * 1.9e-9)
    log_axis(axes.xaxis)
    log_axis(axes.yaxis)
    axes.set_xlabel("flop per byte of operands" if which == "bytes" else "flop per exponential")
    axes.set_ylabel("GFLOP/s")
    below(axes)
    return svg(figure, "Roofline: rate over " + axes.get_xlabel())


def speedups(points):
    """Bars of one case: speed-up of each kernel over the baseline of its run, with intervals."""
    rows = [p for p in points if p["vs"] and p["vs"].get("ratio")]
    if len(rows) < 2:
        return None
    rows = rows[::-1]
    figure, axes = pyplot.subplots(figsize=(WIDTH, 0.62 + 0.25 * len(rows)))
    values = [1 / p["vs"]["ratio"] for p in rows]
    for y, (p, value) in enumerate(zip(rows, values)):
        lo, hi = p["vs"].get("lo"), p["vs"].get("hi")
        axes.barh(y, value, color=color(p["isa"]), height=0.62, alpha=0.85)
        if lo and hi:
            axes.errorbar(value, y, xerr=[[value - 1 / hi], [1 / lo - value]], color=INK, linewidth=1, capsize=2.5)
        end = 1 / lo if lo and hi else value
        axes.annotate(times(value) + ("" if lo and hi else " few rounds"), (max(end, value), y), xytext=(5, 0), textcoords="offset points",
                      va="center", fontsize=8, color=INK)
    axes.axvline(1, color=MUTED, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [p["kernel"] for p in rows], color=INK)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, max(values) * (1.22 if all(p['vs'].get('lo') for p in rows) else 1.6))
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel(f"speed-up over {rows[0]['vs']['kernel']}")
    return svg(figure, "Speed-ups over " + rows[0]["vs"]["kernel"])


def curves(points, x, y, interval, xlabel, ylabel, label, log=True, share=False, ideal=False):
    """A line for each kernel. x, y: functions of a point; interval: function to (lo, hi) or None."""
    kernels = list(dict.fromkeys(p["kernel"] for p in points))
    look = styles(points)
    figure, axes = pyplot.subplots(figsize=(WIDTH, 2.4))
    for kernel in kernels:
        mine = sorted((x(p), y(p), interval(p) if interval else None) for p in points if p["kernel"] == kernel and y(p))
        shade, marker = look[kernel]
        axes.plot([m[0] for m in mine], [m[1] for m in mine], color=shade, marker=marker, label=kernel, **LINE)
        for at, _, ends in mine:
            if ends:
                axes.plot([at, at], ends, color=shade, linewidth=1, alpha=0.6)
    places = sorted({x(p) for p in points})
    if ideal:
        axes.plot(places, places, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), label="ideal")
    if log:
        axes.set_xscale("log", base=2)
    axes.set_xticks(places, [plain(place) for place in places])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    if share:
        axes.set_ylim(0, 1.02)
        axes.yaxis.set_major_formatter(FuncFormatter(percent))
    else:
        axes.set_ylim(0, 1.12 * max([y(p) for p in points] + (places if ideal else [])))  # intervals may go beyond
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    below(axes)
    return svg(figure, label)


def history(points, runs):
    """Share of the multiply-add peak over runs, in order of time; labelled by commit."""
    order = [run for run in runs if any(p["run"] == run["run"] for p in points)]
    if len({run["commit"] for run in order}) < 2:
        return None
    places = {run["run"]: at for at, run in enumerate(order)}
    kernels = list(dict.fromkeys(p["kernel"] for p in points))
    look = styles(points)
    figure, axes = pyplot.subplots(figsize=(WIDTH, 2.4))
    for kernel in kernels:
        mine = sorted(((places[p["run"]], p["peak"]) for p in points if p["kernel"] == kernel and p["peak"] and p["peak"]["frac"]),
                      key=lambda m: m[0])
        shade, marker = look[kernel]
        axes.plot([at for at, _ in mine], [peak["frac"] for _, peak in mine], color=shade, marker=marker, label=kernel, **LINE)
        for at, peak in mine:
            if peak.get("lo") and peak.get("hi"):
                axes.plot([at, at], [peak["lo"], peak["hi"]], color=shade, linewidth=1, alpha=0.6)
    axes.set_xticks(range(len(order)), [f"{run['commit']}\n{run['date'][5:]}" for run in order])
    axes.set_xlim(-0.3, len(order) - 0.7)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(FuncFormatter(percent))
    axes.set_ylabel("of the multiply-add peak")
    below(axes)
    return svg(figure, "History over commits")


def peers(rows):
    """Time of each peer over that of our kernel in the same rounds: beyond 1 ours is faster. rows: (label, ratio, lo, hi)."""
    if not rows:
        return None
    rows = rows[::-1]
    figure, axes = pyplot.subplots(figsize=(WIDTH, 0.62 + 0.25 * len(rows)))
    for y, (_, ratio, lo, hi) in enumerate(rows):
        axes.barh(y, ratio, color=SERIES[5], height=0.62, alpha=0.85)
        if lo and hi:
            axes.errorbar(ratio, y, xerr=[[max(0, ratio - lo)], [max(0, hi - ratio)]], color=INK, linewidth=1, capsize=2.5)
        axes.annotate(times(ratio), (max(ratio, hi or 0), y), xytext=(5, 0), textcoords="offset points", va="center", fontsize=8, color=INK)
    axes.axvline(1, color=INK, linewidth=1)
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], color=INK)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(0, max(max(row[1], row[3] or 0) for row in rows) * 1.2)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel("time over that of our kernel; right of 1, ours is faster")
    return svg(figure, "Peers: time over that of our kernel")
