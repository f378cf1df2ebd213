"""measure.py - the rounds: who takes part, how long a trial is, in which order, and what follows from the samples.

The rules are those of harness/measure/paired.h, with two differences: the arms are processes, and the order of a round is drawn anew instead of
following a Latin square. Only one worker works at a time; the others sleep in read(). Order statistics are not computed here: an
`attnzoo serve`, the secretary, is asked for them."""
import collections
import math
import os
import random
import sys
import tempfile
import time

from process import Died, Process, Refused

SETTLE = 10e-3      # a call shorter than this is made once untimed before its trial: another arm's data is in the caches
SLOW = 8            # arms whose trial takes more than so many of ours take part more rarely ...
FEWEST = 15         # ... but in so many rounds at least: enough for an interval
MOST_CALLS = 10**9  # what a worker takes
PEAK_TRIAL = 10e-3  # the peaks' trials are as long as ours, up to this (harness/bench/case.c)
CONFIDENCE = 0.99   # of all intervals of a table together
GROSS = 1e-2        # relative 2-norm of a row's error above which an output is another thing, not a rounded one
EXIT_OK, EXIT_DISAGREE, EXIT_USAGE, EXIT_NOTHING, EXIT_CRASHED = 0, 1, 2, 4, 5  # after a signal: 128 + its number


class Arm:
    """What is timed: one of our kernels, its copy ("control"), a peak of the machine, a peer."""

    def __init__(self, name, process, verb="time", peer=None, ours=False):
        self.name, self.process, self.verb, self.peer, self.ours = name, process, verb, peer, ours
        self.isa = "library"
        self.status, self.why = "skip", None  # "ready": takes part; else "skip", "fail", "crash" and why
        self.judged = {}                      # what attnzoo's judge said of its output
        self.calls, self.call, self.every = 1, 0.0, 1  # calls in a trial, seconds of one, takes part in every so-manieth round
        self.samples = []                     # nanoseconds a call, one per round; None: took no part, or the clock stood still
        self.flags = collections.Counter()
        self.stood = self.back = 0            # trials left out because the clock stood still or went back; those in which it went back
        self.time = self.vs = self.best = self.peak = None

    def ready(self):
        return self.status == "ready"

    def trial(self, calls, warm):
        if self.verb == "time":
            return self.process.ask("time", f"{calls} {warm}")
        answer = self.process.ask("peak", f"{self.verb} {calls}")
        self.units, self.name = answer["units"], answer["name"]
        return answer

    def calibrate(self, goal):
        """Find how many calls make a trial of `goal` seconds; one call may be longer."""
        calls = 1
        while True:
            seconds = 1e-9 * min(self.trial(calls, 0)["ns"] for _ in range(3 if calls == 1 else 2))
            if seconds >= goal or calls == MOST_CALLS:
                break
            calls = min(MOST_CALLS, math.ceil(calls * min(10, max(1.1, 1.1 * goal / max(seconds, 1e-9)))))
        self.calls, self.call = calls, seconds / calls

    def measure(self):
        answer = self.trial(self.calls, 1 if self.call < SETTLE else 0)
        believed = answer["ns"] > 0
        self.samples.append(answer["ns"] / answer["calls"] if believed else None)
        self.stood += not believed
        self.back += answer["ns"] < 0
        for flag in ("preempt", "minor_faults"):
            self.flags[flag] += answer[flag]


class Case:
    """One shape: its arms and everything that was found out about them."""

    def __init__(self, facts):
        self.facts = facts                           # attnzoo's answer to open
        self.arms, self.peaks = [], []               # arms[0] is the kernel of ours that all is compared with
        self.elapsed, self.stolen, self.alpha = 0.0, None, None

    def control(self):
        return next(arm for arm in self.arms if arm.name == "control")

    def measured(self):
        return bool(self.arms[0].samples)


def ticks():
    """Clock ticks stolen by the hypervisor, and all ticks; zeros where the system does not say."""
    try:
        with open("/proc/stat") as stat:
            numbers = [int(x) for x in stat.readline().split()[1:9]]
        return numbers[7], sum(numbers)
    except (OSError, ValueError, IndexError):
        return 0, 0


class Run:
    def __init__(self, options):
        self.options = options
        count = str(options.threads)
        # Idle threads of a sleeping process must not spin: that would take the core from the one whose turn it is.
        self.environment = dict(os.environ, OMP_NUM_THREADS=count, MKL_NUM_THREADS=count, OPENBLAS_NUM_THREADS=count,
                                OMP_WAIT_POLICY="passive", KMP_BLOCKTIME="0", OMP_PROC_BIND="false")
        self.secretary = self.start_ours()
        self.peers = {}  # arm's name: (process or None, its hello, why there is none); they live as long as the run
        self.random = random.Random(options.seed)
        self.code = EXIT_NOTHING

    def start_ours(self):
        command = [self.options.attnzoo, "serve", "--threads", str(self.options.threads), "--seed", str(self.options.seed)]
        command += ["--no-results"] if self.options.no_results else ["--results", self.options.results]
        return Process(command, self.options.cores, self.environment)

    def start_peer(self, name):
        worker = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker.py")
        command = [self.options.python, worker, name, "--threads", str(self.options.threads)]
        try:
            process = Process(command, self.options.cores, self.environment)
            hello = process.ask("hello")
        except (OSError, Died, Refused) as error:
            return None, None, str(error)
        if "missing" in hello:
            process.end("")
            return None, None, hello["missing"]
        return process, hello, None

    def note(self, text):
        if self.options.progress:
            sys.stderr.write("\r\033[K" + text[:os.get_terminal_size(sys.stderr.fileno()).columns - 1])
            sys.stderr.flush()

    # ---- Who takes part ----

    def open_ours(self, shape):
        """A Case with our kernels and a copy of the first in a second process. Refused if the first does not take the shape."""
        case = None
        for kernel in self.options.kernels + [None]:
            process = self.start_ours()
            wanted = case.facts["kernel"] if kernel is None else "" if kernel == "auto" else kernel
            try:
                facts = process.ask("open", f"{shape} {wanted}".rstrip())
            except Refused as error:
                process.end("")
                if case is None:
                    raise
                arm = Arm(kernel, None, ours=True)
                arm.isa, arm.why = None, str(error)
                case.arms.append(arm)
                continue
            case = case or Case(facts)
            if kernel and any(arm.name == facts["kernel"] for arm in case.arms):
                process.end("")
                continue
            arm = Arm(facts["kernel"] if kernel else "control", process, ours=True)
            arm.isa, arm.status = facts["isa"], "ready"
            if kernel:
                arm.judged = process.ask("judge")
                if arm.judged["status"] != "pass":
                    arm.status, arm.why, self.code = "fail", arm.judged["why"], EXIT_DISAGREE
            case.arms.append(arm)
        return case

    def open_peer(self, name, case, folder):
        process, hello, why = self.peers.get(name) or self.start_peer(name)
        self.peers[name] = process, hello, why
        arm = Arm(name, process, peer=hello)
        arm.why = why
        if not process:
            return arm
        output = os.path.join(folder, "peer.npy")
        try:
            said = process.ask("open", {"dir": folder, "case": case.facts})
            if "skip" in said:
                arm.why = said["skip"]
                return arm
            process.ask("output", output)
            arm.judged = case.arms[0].process.ask("judge", output)
        except Died as error:
            arm.status, arm.why = "crash", str(error)
            del self.peers[name]
            return arm
        except Refused as error:
            arm.status, arm.why = "fail", str(error)
            return arm
        error = arm.judged["rel_l2_row"]
        arm.status = "ready" if error is not None and error <= GROSS and arm.judged["max_abs"] is not None else "fail"
        arm.why = arm.judged["why"]
        return arm

    # ---- Rounds ----

    def drop(self, arm, taking_part, error):
        """A peer that died or refused; of ours it is an error of the whole run."""
        if arm.ours:
            raise error
        taking_part.remove(arm)
        arm.status, arm.why, arm.samples = "crash", str(error), []
        self.peers.pop(arm.name, None)
        if isinstance(error, Refused):
            arm.process.end("")

    def calibrate(self, shape, case, taking_part):
        ours = case.arms[0]
        for arm in list(taking_part):
            self.note(f"{shape}: calibrating {arm.name}")
            goal = self.options.min_trial
            if arm in case.peaks:
                goal = max(goal, min(PEAK_TRIAL, ours.call * ours.calls))
            try:
                arm.calibrate(goal)
            except (Died, Refused) as error:
                self.drop(arm, taking_part, error)
        control = case.control()
        control.calls, control.call = ours.calls, ours.call
        for arm in taking_part:
            slow = math.ceil(arm.calls * arm.call / (SLOW * ours.calls * ours.call))
            arm.every = max(1, min(slow, self.options.rounds // FEWEST))
            arm.process.idle = 0.0

    def rounds(self, shape, case):
        taking_part = [arm for arm in case.arms if arm.ready()] + case.peaks
        self.calibrate(shape, case, taking_part)
        before, start = ticks(), time.monotonic()
        for r in range(self.options.rounds):
            self.note(f"{shape}: round {r + 1} of {self.options.rounds}")
            for arm in self.random.sample(taking_part, len(taking_part)):
                if r % arm.every:
                    arm.samples.append(None)
                    continue
                try:
                    arm.measure()
                except (Died, Refused) as error:
                    self.drop(arm, taking_part, error)
        after = ticks()
        case.elapsed = time.monotonic() - start
        case.stolen = (after[0] - before[0]) / max(1, after[1] - before[1])

    # ---- What follows ----

    def ratio(self, case, base, arm):
        """The ratio as records have it, and what is known by it."""
        answer = self.secretary.ask("ratio", {"kernel": base.name, "a": base.samples, "b": arm.samples, "alpha": case.alpha})
        return answer, {key: answer.pop(key) for key in ("known", "control", "ok")}

    def compare(self, case):
        ours, fma = case.arms[0], case.peaks[0]
        timed = [arm for arm in case.arms if arm.ready()]
        case.alpha = (1 - CONFIDENCE) / max(1, len(timed) - 1)  # Bonferroni: all against ours, the control among them
        for arm in timed + case.peaks:
            arm.time = self.secretary.ask("summary", arm.samples)
        for arm in timed:
            arm.vs, arm.known = self.ratio(case, ours, arm)
        fastest = min((arm for arm in timed if arm.name != "control"), key=lambda arm: arm.vs["ratio"])
        for arm in timed:
            arm.best, _ = self.ratio(case, fastest, arm)
            # The share of the peak: (flop / t) / (units / t_peak), paired.
            to_peak, _ = self.ratio(case, arm, fma)
            factor = case.facts["flop"] / fma.units
            arm.peak = {new: to_peak[old] and to_peak[old] * factor for new, old in (("frac", "ratio"), ("lo", "lo"), ("hi", "hi"))}

    def measure(self, shape):
        """The whole of one shape. Refused: ours does not take it; Died: ours crashed."""
        case = self.open_ours(shape)
        try:
            with tempfile.TemporaryDirectory(prefix="attnzoo-peers-") as folder:
                case.arms[0].process.ask("write", folder)
                for name in self.options.arms:
                    self.note(f"{shape}: {name}")
                    case.arms.append(self.open_peer(name, case, folder))
            if case.arms[0].ready():
                case.peaks = [Arm(kind, case.arms[0].process, verb=kind) for kind in ("fma", "read")]
                self.rounds(shape, case)
                self.compare(case)
                self.code = EXIT_OK if self.code == EXIT_NOTHING else self.code
        finally:
            self.note("")
            for arm in case.arms:
                if arm.ours and arm.process:
                    arm.process.end("")
        return case
