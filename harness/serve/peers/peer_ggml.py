"""ggml, the library below llama.cpp and whisper.cpp, through its C interface: from the folder ATTNZOO_GGML if that is set (a build for this
very CPU), else from an installed llama_cpp or pywhispercpp, whose wheels bring it along."""
import ctypes
import glob
import importlib.util
import os

import numpy

from case import Skip, frontier, load, refuse_needs, saver, visible

P, I64, F = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
TYPE_F32, TYPE_F16, PREC_F32 = 0, 1, 10


class InitParams(ctypes.Structure):
    _fields_ = [("mem_size", ctypes.c_size_t), ("mem_buffer", P), ("no_alloc", ctypes.c_bool)]


def folders():
    if os.environ.get("ATTNZOO_GGML"):
        return [os.environ["ATTNZOO_GGML"]]
    found = []
    for module, inside in (("llama_cpp", "lib"), ("pywhispercpp", "../pywhispercpp.libs"), ("_pywhispercpp", "pywhispercpp.libs")):
        spec = importlib.util.find_spec(module)
        if spec and spec.origin:
            found.append(os.path.normpath(os.path.join(os.path.dirname(spec.origin), inside)))
    return found


def open_libraries():
    for folder in folders():
        libraries = {}
        for part in ("gomp", "ggml-base", "ggml-cpu"):
            names = sorted(glob.glob(os.path.join(folder, f"lib{part}[-.]*")))
            names = [n for n in names if part != "ggml-base" or "base" in n]
            if names:
                libraries[part] = ctypes.CDLL(names[0], mode=ctypes.RTLD_GLOBAL)
        if "ggml-cpu" in libraries:
            return libraries["ggml-base"], libraries["ggml-cpu"]
    raise ModuleNotFoundError("no ggml", name="ggml (pywhispercpp or llama_cpp)")


class Peer:
    name = "ggml"

    def __init__(self, variant, threads):
        self.variant, (self.base, self.cpu) = variant, open_libraries()
        b, c = self.base, self.cpu

        def declare(library, name, result, *arguments):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
            return function

        self.init = declare(b, "ggml_init", P, InitParams)
        self.free = declare(b, "ggml_free", None, P)
        self.new4 = declare(b, "ggml_new_tensor_4d", P, P, ctypes.c_int, I64, I64, I64, I64)
        self.data = declare(b, "ggml_get_data", P, P)
        self.nbytes = declare(b, "ggml_nbytes", ctypes.c_size_t, P)
        self.flash = declare(b, "ggml_flash_attn_ext", P, P, P, P, P, P, F, F, F)
        self.set_prec = declare(b, "ggml_flash_attn_ext_set_prec", None, P, ctypes.c_int)
        self.mul_mat = declare(b, "ggml_mul_mat", P, P, P, P)
        self.soft_max = declare(b, "ggml_soft_max_ext", P, P, P, P, F, F)
        self.new_graph = declare(b, "ggml_new_graph", P, P)
        self.expand = declare(b, "ggml_build_forward_expand", None, P, P)
        self.compute = declare(b, "ggml_backend_graph_compute", ctypes.c_int, P, P)
        self.backend = declare(c, "ggml_backend_cpu_init", P)()
        declare(c, "ggml_backend_cpu_set_n_threads", None, P, ctypes.c_int)(self.backend, threads)
        wide = next((isa for isa in ("avx512", "avx2", "sve", "neon") if getattr(c, "ggml_cpu_has_" + isa)()), "baseline")
        version = getattr(b, "ggml_version", None)
        if version:
            version.restype = ctypes.c_char_p
        self.version = f"{version().decode() if version else 'unknown'} built for {wide}"
        self.context = None

    def tensor(self, x, kind=TYPE_F32):
        n = list(reversed(x.shape))
        t = self.new4(self.context, kind, *n)
        assert self.nbytes(t) == x.nbytes
        ctypes.memmove(self.data(t), x.ctypes.data, x.nbytes)
        return t

    def open(self, case, folder):
        refuse_needs(case, ["band", "gqa", "dv", "softcap"])
        how, (q, k, v) = frontier(case), load(folder)
        b, rows, keys = case["batch"], case["q_len"], case["k_len"]
        if self.context:
            self.free(self.context)
        scores = b * case["q_heads"] * rows * keys * 4
        size = 2 * (q.nbytes + k.nbytes + v.nbytes) + 4 * b * case["q_heads"] * rows * case["dv"] * 2 + 4 * (rows + 64) * keys + (1 << 22)
        if self.variant == "unfused":
            if scores > 1 << 31:
                raise Skip("its scores would take more than 2 GiB")
            size += 2 * scores
        self.context = self.init(InitParams(size, None, False))
        mask = None
        if how != "none":
            padded = -(-rows // 64) * 64
            m = numpy.full((1, 1, padded, keys), -numpy.inf, numpy.float16)
            m[0, 0, :rows][visible(case)] = 0
            mask = self.tensor(m, TYPE_F16)
        tq, tk = self.tensor(q), self.tensor(k)
        if self.variant == "flash":
            out = self.flash(self.context, tq, tk, self.tensor(v), mask, case["scale"], 0.0, case["softcap"])
            self.set_prec(out, PREC_F32)
            shape, order = (b, rows, case["q_heads"], case["dv"]), (0, 2, 1, 3)
        else:
            if case["softcap"]:
                raise Skip("no soft-cap")
            turned = self.tensor(numpy.ascontiguousarray(v.transpose(0, 1, 3, 2)))  # as llama.cpp keeps it without flash attention
            p = self.soft_max(self.context, self.mul_mat(self.context, tk, tq), mask, case["scale"], 0.0)
            out = self.mul_mat(self.context, turned, p)
            shape, order = (b, case["q_heads"], rows, case["dv"]), (0, 1, 2, 3)
        graph = self.new_graph(self.context)
        self.expand(graph, out)

        def run(calls):
            for _ in range(calls):
                if self.compute(self.backend, graph) != 0:
                    raise RuntimeError("ggml_backend_graph_compute failed")

        def output():
            n = int(numpy.prod(shape))
            return numpy.ctypeslib.as_array(ctypes.cast(self.data(out), ctypes.POINTER(F)), (n,)).reshape(shape).transpose(order)

        return run, saver(case, output)
