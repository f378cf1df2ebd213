"""worker.py ARM [--threads N] - one peer in a process of its own: the protocol of `attnzoo serve`, spoken by somebody else's library.

A line asks, a line answers with one JSON object, {"error": "..."} if the line could not be obeyed:

    hello          name, version and arm; or {"missing": "torch is not installed"}
    open OBJECT    {"dir": folder with q.npy, k.npy, v.npy, "case": what attnzoo's open answered}; {"open": true} or {"skip": "reason"}
    time N [W]     W calls untimed, then N timed; {"ns", "calls", "preempt", "minor_faults"}
    output FILE    write the output of the last call, [batch, head, row, column] float32
    quit           (or the end of stdin)

Between lines the process sleeps in read(). Whatever a library prints goes to stderr: stdout belongs to the protocol.
"""
import gc
import importlib
import json
import os
import resource
import sys
import time

from case import Skip

ARMS = {  # arm: (module of this folder, what is measured)
    "torch.sdpa": ("peer_torch", "scaled_dot_product_attention"),
    "torch.math": ("peer_torch", "the same, its unfused path"),
    "onnxruntime.mha": ("peer_onnxruntime", "MultiHeadAttention"),
    "onnxruntime.attention": ("peer_onnxruntime", "Attention of opset 23"),
    "onnxruntime.gqa": ("peer_onnxruntime", "GroupQueryAttention with its cache"),
    "onnxruntime.unfused": ("peer_onnxruntime", "MatMul, Softmax, MatMul"),
    "openvino.sdpa": ("peer_openvino", "ScaledDotProductAttention"),
    "openvino.unfused": ("peer_openvino", "MatMul, Softmax, MatMul"),
    "ggml.flash": ("peer_ggml", "flash_attn_ext"),
    "ggml.unfused": ("peer_ggml", "mul_mat, soft_max_ext, mul_mat"),
    "fake.slow": ("peer_fake", "for tests: our output, after 20 ms"),
    "fake.quick": ("peer_fake", "for tests: our output, at once"),
    "fake.wrong": ("peer_fake", "for tests: an output that is wrong"),
    "fake.picky": ("peer_fake", "for tests: takes no case"),
    "fake.absent": ("peer_fake", "for tests: is not installed"),
    "fake.brittle": ("peer_fake", "for tests: dies when a case is opened"),
    "fake.late": ("peer_fake", "for tests: dies among the rounds"),
    "fake.rude": ("peer_fake", "for tests: raises where others answer"),
}


class Worker:
    def __init__(self, arm, threads):
        self.arm, self.threads, self.peer, self.run = arm, threads, None, None

    def hello(self, _):
        try:
            module = importlib.import_module(ARMS[self.arm][0])
            self.peer = module.Peer(self.arm.split(".")[1], self.threads)
        except ModuleNotFoundError as error:
            if not error.name:
                raise
            return {"missing": f"{error.name} is not installed"}
        return {"peer": self.peer.name, "version": self.peer.version, "arm": self.arm, "what": ARMS[self.arm][1]}

    def open(self, argument):
        request = json.loads(argument)
        self.run = None
        try:
            run, self.save = self.peer.open(request["case"], request["dir"])
        except Skip as why:
            return {"skip": str(why)}
        run(1)
        self.run = run
        gc.collect()
        return {"open": True}

    def time(self, argument):
        words = argument.split()
        calls, warm = int(words[0]), int(words[1]) if len(words) > 1 else 0
        if not self.run or calls < 1 or warm < 0:
            raise ValueError("time needs an open shape and a count from 1")
        run = self.run
        if warm:
            run(warm)
        before = resource.getrusage(resource.RUSAGE_SELF)
        start = time.perf_counter_ns()
        run(calls)
        end = time.perf_counter_ns()
        after = resource.getrusage(resource.RUSAGE_SELF)
        return {"ns": end - start, "calls": calls, "preempt": after.ru_nivcsw != before.ru_nivcsw,
                "minor_faults": after.ru_minflt != before.ru_minflt}

    def output(self, argument):
        self.save(argument)
        return {"written": 1}


def main():
    arm = sys.argv[1]
    threads = int(sys.argv[3]) if sys.argv[2:3] == ["--threads"] else 1
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints
    gc.disable()
    worker = Worker(arm, threads)
    verbs = {"hello": worker.hello, "open": worker.open, "time": worker.time, "output": worker.output}
    for line in sys.stdin:
        verb, _, argument = line.rstrip("\n").partition(" ")
        if verb == "quit":
            break
        try:
            said = verbs[verb](argument) if verb in verbs else {"error": f"unknown verb '{verb}'"}
        except Exception as error:  # a library may raise anything; the driver shows it
            said = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}
        answers.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
