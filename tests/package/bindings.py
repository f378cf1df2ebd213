"""bindings.py LIBRARY DECLARATIONS - calls the shared library as a binding does, with ctypes, which knows no layout of a struct,
and with cffi, which reads them from the header's declarations. Both compute attention and compare with the sums written out here."""
import ctypes
import math
import sys

BATCH, Q_HEADS, KV_HEADS, Q_LEN, K_LEN, D, DV = 2, 4, 2, 3, 5, 8, 6
Q, K, V, O = (BATCH * Q_HEADS * Q_LEN * D, BATCH * KV_HEADS * K_LEN * D, BATCH * KV_HEADS * K_LEN * DV, BATCH * Q_HEADS * Q_LEN * DV)


def numbers(count, step):
    return [math.sin(step * (i + 1)) for i in range(count)]


DATA = numbers(Q, 1.0), numbers(K, 2.0), numbers(V, 3.0)


def attention(causal):
    """o and the log-sum-exp, row by row; causal to the bottom right."""
    q, k, v = DATA
    o, lse = [], []
    for head in range(BATCH * Q_HEADS):
        kv = head // Q_HEADS * KV_HEADS + head % Q_HEADS * KV_HEADS // Q_HEADS
        for i in range(Q_LEN):
            seen = i + K_LEN - Q_LEN + 1 if causal else K_LEN
            row = q[(head * Q_LEN + i) * D:][:D]
            keys = [k[(kv * K_LEN + j) * D:][:D] for j in range(seen)]
            weights = [math.exp(sum(a * b for a, b in zip(row, key)) / math.sqrt(D)) for key in keys]
            lse.append(math.log(sum(weights)))
            o += [sum(w * v[(kv * K_LEN + j) * DV + c] for j, w in enumerate(weights)) / sum(weights) for c in range(DV)]
    return o, lse


def compare(what, got, want):
    worst = max(abs(a - b) for a, b in zip(got, want, strict=True))
    print(f"{what}: {len(want)} numbers, the worst {worst:.2g} away")
    assert worst < 1e-5, what


def with_ctypes(path):
    """Without layouts a struct is as much room as the library ever asks for."""
    lib = ctypes.CDLL(path)
    lib.attn_last_error.restype = ctypes.c_char_p
    size, room = ctypes.c_size_t, 4096

    def call(name, *arguments):
        status = getattr(lib, name)(*arguments)
        return status, lib.attn_last_error().decode()

    problem, tensors = ctypes.create_string_buffer(room), ctypes.create_string_buffer(room)
    q, k, v = ((ctypes.c_float * len(x))(*x) for x in DATA)
    o = (ctypes.c_float * O)()
    numbers_of = [size(n) for n in (BATCH, Q_HEADS, KV_HEADS, Q_LEN, K_LEN, D, DV)]
    assert call("attn_problem_init", problem, size(room), *numbers_of)[0] == 0
    assert call("attn_tensors_init", tensors, size(room), q, k, v, o)[0] == 0
    status, sentence = call("attn_sdpa", problem, tensors)
    assert status == 0, sentence
    compare("ctypes", list(o), attention(False)[0])
    status, sentence = call("attn_problem_init", problem, size(room + 8), *numbers_of)
    assert status != 0 and "problem.size is 4104" in sentence, sentence


def with_cffi(path, declarations):
    import cffi

    ffi = cffi.FFI()
    with open(declarations, encoding="utf-8") as file:
        ffi.cdef(file.read())
    lib = ffi.dlopen(path)

    def call(status):
        assert status == lib.ATTN_OK, ffi.string(lib.attn_last_error())

    def made(kind, init, *arguments):
        struct = ffi.new(kind + " *")
        call(init(struct, ffi.sizeof(kind), *arguments))
        assert struct.made == 0x6174746E7A6F6F31, f"{kind} has another layout here" # its last member
        return struct

    sizes = BATCH, Q_HEADS, KV_HEADS, Q_LEN, K_LEN, D, DV
    q, k, v = (ffi.new("float[]", x) for x in DATA)
    o, lse = ffi.new("float[]", O), ffi.new("float[]", BATCH * Q_HEADS * Q_LEN)
    problem = made("AttnProblem", lib.attn_problem_init, *sizes)
    problem.causal, problem.align = True, lib.ATTN_ALIGN_BOTTOM_RIGHT
    call(lib.attn_problem_want_lse(problem))
    tensors = made("AttnTensors", lib.attn_tensors_init, q, k, v, o)
    tensors.lse = lse
    options = made("AttnOptions", lib.attn_options_init)
    options.threads = 1
    plan = ffi.new("AttnPlan **")
    call(lib.attn_plan_create(problem, options, plan))
    room = ffi.new("char[]", lib.attn_plan_workspace(plan[0]) + 64)
    start = ffi.cast("char *", (int(ffi.cast("uintptr_t", room)) + 63) // 64 * 64)
    call(lib.attn_run(plan[0], tensors, start, lib.attn_plan_workspace(plan[0])))
    lib.attn_plan_destroy(plan[0])
    want_o, want_lse = attention(True)
    compare("cffi, o", list(o), want_o)
    compare("cffi, log-sum-exp", list(lse), want_lse)

    made("AttnMerge", lib.attn_merge_init, 2, 1, 1, 1, 4)
    config = made("AttnMhaConfig", lib.attn_mha_config_init, 24, 3)
    made("AttnMhaWeights", lib.attn_mha_weights_init, q, q, q, q)
    shape = made("AttnMhaShape", lib.attn_mha_shape_init, config, 2, 5, 5)
    call(lib.attn_mha_shape_use_cache(shape, config, 9))
    assert shape.capacity == 9 and shape.k_cache.row == 8 and shape.scale == 1 / math.sqrt(8)
    made("AttnMhaTensors", lib.attn_mha_tensors_init, q, q, q, o)

    forgotten = ffi.new("AttnProblem *") # zeros
    forgotten.size = ffi.sizeof("AttnProblem")
    assert lib.attn_problem_check(forgotten) == lib.ATTN_ERROR_STRUCT


with_ctypes(sys.argv[1])
try:
    import cffi # noqa: F401
except ImportError as error:
    print(f"cffi: not tried, {error}")
else:
    with_cffi(sys.argv[1], sys.argv[2])
