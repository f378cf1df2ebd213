"""peers.py - our kernels and other libraries in one run: same shapes, data, threads, cores; rounds that pair them. README.md explains.

    ./zoo peers --suite decode
    ./zoo peers -s llama3-8b/prefill@512 --peers torch,onnxruntime

This file has the options and the order of things; measure.py the rounds, show.py tables and records, process.py the talk with workers,
worker.py and peer_*.py the peers."""
import argparse
import difflib
import fnmatch
import json
import os
import signal
import sys
import time

from measure import EXIT_CRASHED, EXIT_NOTHING, EXIT_USAGE, Run
from process import Died, Refused
from show import records, show, summary
from worker import ARMS

SUITES = {
    "prefill": "bert-base/encoder@128 b8_h12_q128_k128_d64 b1_h8_q512_k512_d64 b1_h8_q2048_k2048_d64 b1_h4_q2048_k2048_d128 "
               "b1_h2_q4096_k4096_d128_causal llama3-8b/prefill@512 vit-b16/encoder clip-b32/text b1_h8_q1024_k1024_d40 sd15/self-1024",
    "decode": "b1_h32_q1_k4096_d128 b1_h32g8_q1_k4096_d128 b1_h32g4_q1_k4096_d128 llama3-8b/decode@1024 gpt2/decode@1024 "
              "whisper-large/cross",
    "small": "b1_h1_q16_k16_d16 b1_h1_q32_k32_d32 b1_h1_q64_k64_d32 b1_h12_q{16,32,64}_k{16}_d32 b1_h12_q32_k32_d64 b1_h12_q64_k64_d64",
}
SUITES["all"] = " ".join(SUITES.values())

# What is measured unless asked otherwise. torch.math is the path that PyTorch itself does not take.
KNOWN = [name for name in ARMS if not name.startswith("fake.")]
USUAL = [name for name in KNOWN if name != "torch.math"]


class Stopped(BaseException):
    """A signal asked for an end."""

    def __init__(self, number):
        super().__init__()
        self.code = 128 + number


def catch_signals():
    """The first signal raises Stopped; one half a second later or more ends the program at once. As in harness/cli/cli.c."""
    first = []

    def stop(number, _frame):
        if not first:
            first.append(time.monotonic())
            raise Stopped(number)
        if time.monotonic() - first[0] > 0.5:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, stop)


def usage_error(sentence):
    sys.stderr.write(f"error: {sentence}\n")
    sys.exit(EXIT_USAGE)


def unknown(what, word, known):
    """As cli_unknown of the program: name the nearest known word, if one is near."""
    near = difflib.get_close_matches(word, known, n=1)
    guess = f" did you mean '{near[0]}'?" if near else ""
    usage_error(f"unknown {what} '{word}';{guess} known: {', '.join(known)}")


class Parser(argparse.ArgumentParser):
    def error(self, message):
        usage_error(message)


def whole(name, text, low, high):
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        usage_error(f"{name} is '{text}'; allowed: a whole number from {low} to {high}")
    return int(text)


def pick_arms(patterns):
    if patterns is None:
        return USUAL
    chosen = []
    for pattern in patterns.split(","):
        found = [name for name in ARMS if fnmatch.fnmatchcase(name, pattern) or name.split(".")[0] == pattern]
        if not found:
            unknown("peer", pattern, KNOWN)
        chosen += [name for name in found if name not in chosen]
    return chosen


def pick_cores(text, threads):
    if not hasattr(os, "sched_getaffinity"):
        return None
    usable = sorted(os.sched_getaffinity(0))
    if text is None:  # the last ones: the first core often serves interrupts, and this driver
        return usable[-threads:]
    cores = [whole("a core", part, 0, 4095) for part in text.split(",")]
    for core in cores:
        if core not in usable:
            usage_error(f"core {core} is not usable here; usable: {','.join(map(str, usable))}")
    return cores


def read_options():
    parser = Parser(prog="zoo peers", description="Measure our kernels and other libraries side by side; see harness/serve/peers/README.md.")
    parser.add_argument("-s", "--shapes", help="measure these shapes and presets, as in attnzoo bench")
    parser.add_argument("--suite", help=f"measure a named set of shapes: {', '.join(SUITES)} (default: all)")
    parser.add_argument("-k", "--kernel", default="auto", help="measure these kernels of ours, separated by commas; all is compared with the "
                                                               "first; auto: the one dispatch chooses (default: auto)")
    parser.add_argument("--peers", help=f"measure these peers or libraries, names or globs separated by commas: {', '.join(KNOWN)} (default: all but torch.math)")
    parser.add_argument("--rounds", default="60", help="run N rounds, 30 to 256 (default: 60)")
    parser.add_argument("--min-trial", default="1", help="make each trial at least this long, in milliseconds, 1 to 1000 (default: 1)")
    parser.add_argument("--threads", default="1", help="use N threads per worker (default: 1)")
    parser.add_argument("--cores", help="run on these cores, such as 2,3 (default: the last usable ones)")
    parser.add_argument("--seed", default=str(0x5eed), help="seed all random numbers with N (default: 0x5eed)")
    parser.add_argument("--results", default="results", help="append records to this folder (default: results)")
    parser.add_argument("--no-results", action="store_true", help="keep no records")
    parser.add_argument("--python", default=os.environ.get("ATTNZOO_PEERS_PYTHON", sys.executable),
                        help="use the Python that has the peers (default: $ATTNZOO_PEERS_PYTHON, else this one)")
    parser.add_argument("--attnzoo", default="attnzoo", help="use this attnzoo program (./zoo sets it)")
    options = parser.parse_args()
    if options.suite and options.shapes is not None:
        usage_error("--suite and -s cannot be combined")
    if options.suite and options.suite not in SUITES:
        unknown("suite", options.suite, list(SUITES))
    options.shapes = " ".join((SUITES[options.suite or "all"] if options.shapes is None else options.shapes).split())
    options.kernels = options.kernel.split(",")
    if "" in options.kernels or options.kernel.split() != [options.kernel]:
        usage_error(f"-k is '{options.kernel}'; allowed: names of kernels separated by commas, or auto")
    options.rounds = whole("--rounds", options.rounds, 30, 256)
    options.min_trial = whole("--min-trial", options.min_trial, 1, 1000) * 1e-3
    options.threads = whole("--threads", options.threads, 1, 1024)
    options.seed = whole("--seed", options.seed, 0, 2**63 - 1)
    options.arms = pick_arms(options.peers)
    options.cores = pick_cores(options.cores, options.threads)
    options.progress = sys.stderr.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")
    return options


def measure_all(run, words, cases):
    """Measure, show and keep each shape, and append it to `cases`."""
    for index, word in enumerate(words, 1):
        try:
            case = run.measure(word)
        except Refused as error:
            print(f"\n{word}: skipped: {error}")
            continue
        except Died as error:
            print(f"\n{word}: our own worker: {error}")
            run.code = EXIT_CRASHED
            continue
        cases.append(case)
        show(case)
        sys.stdout.flush()
        for kind, record in records(case, f"c{index}"):
            run.secretary.ask("keep", f"{kind} {json.dumps(record)}")


def main():
    options = read_options()
    try:
        run = Run(options)
        words = run.secretary.ask("shapes", options.shapes)["shapes"]
        known = run.secretary.ask("kernels")["kernels"]
        for kernel in options.kernels:
            if kernel not in known + ["auto"]:
                unknown("kernel", kernel, ["auto", *known])
        cores = "core " * (len(options.cores or []) == 1) or "cores "
        pinned = cores + ",".join(map(str, options.cores)) if options.cores else "not pinned"
        host = run.secretary.ask("host", {"pinned": pinned, "peers": options.arms})
    except OSError as error:
        usage_error(f"cannot start {options.attnzoo}: {error.strerror}; --attnzoo names our program")
    except (Refused, Died) as error:
        usage_error(str(error))
    print(f"{host['mkey']}  {host['brand']}\n{options.threads} thread{'s' * (options.threads > 1)} on {pinned}; "
          f"load {os.getloadavg()[0]:.1f}; attnzoo commit {host['commit']}, {host['cc']}")
    cases = []
    try:
        measure_all(run, words, cases)
    except Stopped as stopped:
        run.code = stopped.code
    summary(cases)
    path = run.secretary.ask("end", str(run.code))["path"]
    if path:
        print(f"\nrecords: {path}")
    if run.code == EXIT_NOTHING:
        sys.stderr.write("error: nothing was measured: no kernel of ours takes these shapes\n")
    return run.code


if __name__ == "__main__":
    catch_signals()
    try:
        sys.exit(main())
    except Stopped as ended:  # before there was anything to keep
        sys.exit(ended.code)
