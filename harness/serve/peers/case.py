"""case.py - what a peer takes of a case (attnzoo's answer to open), and its tensors: the parts that all peers share.

A peer is a class Peer(variant, threads) with `name`, `version` and open(case, folder), which returns two functions: run(calls), what is
timed, and save(path), which writes the output of the last call. open raises Skip where the peer does not take the case. NumPy is imported
where it is used, so that the driver and its test do without."""
import os


class Skip(Exception):
    """The peer does not take this shape; the sentence says why."""


def refuse_needs(case, taken):
    """Skip if the case has an option that is not among `taken` (words of attnzoo's "needs")."""
    names = {"band": "a causal frontier, window or lengths", "mask": "a mask", "bias": "a bias", "lse": "log-sum-exp",
             "gqa": "grouped heads", "dv": "values of another width", "softcap": "a soft-cap", "alibi": "ALiBi", "sinks": "sinks",
             "varlen": "ragged sequences", "past": "a past in two segments", "scores": "scores",
             "gaussian": "Gaussian scores", "additive": "additive scores"}
    for need in case["needs"]:
        if need not in taken:
            raise Skip("not with " + names.get(need, need))
    if case["lengths"]:
        raise Skip("not with lengths or offsets per entry")


def frontier(case, window=False):
    """How the causal frontier stands: "none" (every row sees every key), "top-left" (row i sees i + 1 keys, PyTorch's is_causal), or
    "offset" (row i sees i + offset + 1 keys)."""
    if case["window"] and not window:
        raise Skip("no sliding window")
    if not case["causal"] or case["offset"] >= case["k_len"] - 1:
        return "none"
    return "top-left" if case["offset"] == 0 else "offset"


def visible(case):
    """The frontier as a boolean array [q_len, k_len]."""
    import numpy
    return numpy.tril(numpy.ones((case["q_len"], case["k_len"]), bool), int(case["offset"]))


def fold(case, q):
    """Query heads of a group as rows of one head: [B, G * group, 1, d] to [B, G, group, d], the same memory, for peers that know no groups.
    None where that cannot be: rows of one head would see different keys."""
    if case["q_len"] != 1 or frontier(case) != "none":
        return None
    return q.reshape(case["batch"], case["kv_heads"], case["q_heads"] // case["kv_heads"], case["d"])


def load(folder):
    """q, k, v as attnzoo wrote them: [batch, head, row, column], float32, contiguous."""
    import numpy
    return [numpy.load(os.path.join(folder, name + ".npy")) for name in "qkv"]


def saver(case, output):
    """save(path) for an output() that gives an array of the right order, strided as it may be."""
    import numpy
    shape = [case["batch"], case["q_heads"], case["q_len"], case["dv"]]
    return lambda path: numpy.save(path, numpy.ascontiguousarray(output(), numpy.float32).reshape(shape))
