"""process.py - a worker process that answers lines: `attnzoo serve`, or worker.py with a peer."""
import json
import os
import select
import subprocess
import time

TIMEOUT = 300  # seconds for an answer
TICK = os.sysconf("SC_CLK_TCK")


class Died(Exception):
    """A worker ended or did not answer; the sentence says how."""


class Refused(Exception):
    """A worker answered {"error": ...}."""


class Process:
    """A process that answers lines. `cores` is what it may run on."""

    def __init__(self, command, cores, environment):
        # A session of its own: signals are for the driver, which ends the workers by closing their stdin.
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, start_new_session=True,
                                      preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None)
        self.buffer = b""
        self.owed = 0  # answers to questions that a signal cut off
        self.used = self.cpu_seconds()
        self.idle = 0.0  # processor seconds between an answer and the next question

    def cpu_seconds(self):
        try:
            with open(f"/proc/{self.child.pid}/stat", "rb") as stat:
                fields = stat.read().rsplit(b")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / TICK
        except (OSError, IndexError):
            return 0.0

    def ask(self, verb, argument=None):
        line = verb if argument is None else f"{verb} {argument if isinstance(argument, str) else json.dumps(argument)}"
        self.idle += max(0.0, self.cpu_seconds() - self.used)
        try:
            self.child.stdin.write(line.encode() + b"\n")
            self.child.stdin.flush()
            self.owed += 1
            while self.owed:
                answer = json.loads(self.read_line())
                self.owed -= 1
        except (BrokenPipeError, ValueError) as error:
            raise Died(self.end(f"no answer to '{verb}'")) from error
        self.used = self.cpu_seconds()
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def read_line(self):
        until = time.monotonic() + TIMEOUT
        while b"\n" not in self.buffer:
            if not select.select([self.child.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                self.child.kill()
                raise Died(self.end(f"no answer within {TIMEOUT} s"))
            more = os.read(self.child.stdout.fileno(), 1 << 16)
            if not more:
                raise Died(self.end("it ended"))
            self.buffer += more
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line

    def end(self, why):
        for pipe in (self.child.stdin, self.child.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        try:
            code = self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            code = self.child.wait()
        return f"{why}; its exit code is {code}"
