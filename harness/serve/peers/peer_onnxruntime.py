"""ONNX Runtime on its CPU provider: four ways to ask for attention, as one-node (or, unfused, few-node) models that are built here.

Inputs and outputs are bound once; a call is run_with_iobinding. All graph optimisations, no arena growth during timing, no spinning."""
import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper

from case import Skip, fold, frontier, load, refuse_needs, saver, visible

F32 = TensorProto.FLOAT


def rows_first(x):
    """[B, H, L, d] to [B, L, H * d], which three of the operators take."""
    b, h, l, d = x.shape
    return numpy.ascontiguousarray(x.transpose(0, 2, 1, 3)).reshape(b, l, h * d)


class Peer:
    name, version = "ONNX Runtime", onnxruntime.__version__

    def __init__(self, variant, threads):
        self.variant, self.threads = variant, threads

    def session(self, nodes, inputs, outputs, constants=()):
        def describe(tensors):
            return [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape) for n, x in tensors.items()]

        graph = helper.make_graph(nodes, "attention", describe(inputs), describe(outputs),
                                  [onnx.numpy_helper.from_array(x, n) for n, x in constants])
        opsets = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        binding = session.io_binding()
        values = {}
        for name, x in inputs.items():
            values[name] = onnxruntime.OrtValue.ortvalue_from_numpy(x)
            binding.bind_ortvalue_input(name, values[name])
        for name, x in outputs.items():
            # present and past of a cache are one buffer, as generation loops bind them
            values[name] = values["past" + name[7:]] if name.startswith("present") else onnxruntime.OrtValue.ortvalue_from_numpy(x)
            binding.bind_ortvalue_output(name, values[name])

        def run(calls):
            for _ in range(calls):
                session.run_with_iobinding(binding)

        return run, lambda: values["o"].numpy()

    def open(self, case, folder):
        run, output = getattr(self, self.variant)(case, *load(folder))
        return run, saver(case, output)

    def attention(self, case, q, k, v):
        refuse_needs(case, ["band", "gqa", "dv", "softcap"])
        how = frontier(case)
        if how == "none" and "gqa" in case["needs"]:
            q, case = self.folded(case, q)
        inputs, names = {"q": q, "k": k, "v": v}, ["q", "k", "v"]
        if how == "offset":
            inputs["mask"] = visible(case)
            names.append("mask")
        node = helper.make_node("Attention", names, ["o"], is_causal=int(how == "top-left"), scale=case["scale"], softcap=case["softcap"])
        return self.session([node], inputs, {"o": numpy.empty(q.shape[:3] + v.shape[3:], numpy.float32)})

    def folded(self, case, q):
        """Groups of one-row heads as rows of one head, where that is the same (worker.fold)."""
        f = fold(case, q)
        return (q, case) if f is None else (f, dict(case, q_heads=case["kv_heads"], q_len=f.shape[2]))

    def mha(self, case, q, k, v):
        refuse_needs(case, ["band", "gqa", "dv"])
        how = frontier(case)
        if "gqa" in case["needs"]:
            q, case = self.folded(case, q)
            if case["q_heads"] != case["kv_heads"]:
                raise Skip("no grouped heads")
        heads, rows = case["q_heads"], case["q_len"]
        if how == "offset" or (how == "top-left" and rows != case["k_len"]):
            raise Skip("causal only with as many keys as rows")
        node = helper.make_node("MultiHeadAttention", ["q", "k", "v"], ["o"], domain="com.microsoft", num_heads=heads, scale=case["scale"],
                                unidirectional=int(how == "top-left"))
        run, output = self.session([node], {n: rows_first(x) for n, x in zip("qkv", (q, k, v))},
                                   {"o": numpy.empty((case["batch"], rows, heads * case["dv"]), numpy.float32)})
        return run, lambda: output().reshape(case["batch"], rows, heads, case["dv"]).transpose(0, 2, 1, 3)

    def unfused(self, case, q, k, v):
        refuse_needs(case, ["band", "gqa", "dv"])
        how = frontier(case)
        if "gqa" in case["needs"]:
            q, case = self.folded(case, q)
            if case["q_heads"] != case["kv_heads"]:
                raise Skip("no grouped heads")
        nodes = [helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]), helper.make_node("MatMul", ["q", "kt"], ["s"]),
                 helper.make_node("Mul", ["s", "scale"], ["s1"])]
        constants = [("scale", numpy.array(case["scale"], numpy.float32))]
        last = "s1"
        if how != "none":
            constants.append(("mask", numpy.where(visible(case), 0, -numpy.inf).astype(numpy.float32)))
            nodes.append(helper.make_node("Add", ["s1", "mask"], ["s2"]))
            last = "s2"
        nodes += [helper.make_node("Softmax", [last], ["p"], axis=-1), helper.make_node("MatMul", ["p", "v"], ["o"])]
        return self.session(nodes, {"q": q, "k": k, "v": v}, {"o": numpy.empty(q.shape[:3] + v.shape[3:], numpy.float32)}, constants)

    def gqa(self, case, q, k, v):
        """GroupQueryAttention as a generation step: the last rows of the cache are new, the earlier ones are in it already."""
        refuse_needs(case, ["band", "gqa", "softcap"])
        b, new, total = case["batch"], case["q_len"], case["k_len"]
        if not case["causal"] and new > 1:
            raise Skip("always causal")
        if new > total or (case["causal"] and case["offset"] != total - new):
            raise Skip("its last row always stands at the last key")
        window = -1
        if case["window"]:
            if case["window"][1] > 0 or case["window"][0] < 0:
                raise Skip("windows to the left only")
            window = case["window"][0] + 1
        inputs = {"q": rows_first(q), "k": rows_first(k[:, :, total - new:]), "v": rows_first(v[:, :, total - new:]),
                  "past_k": numpy.ascontiguousarray(k), "past_v": numpy.ascontiguousarray(v),
                  "seqlens": numpy.full((b,), total - 1, numpy.int32), "total": numpy.array([total], numpy.int32)}
        node = helper.make_node("GroupQueryAttention", ["q", "k", "v", "past_k", "past_v", "seqlens", "total"],
                                ["o", "present_k", "present_v"], domain="com.microsoft", num_heads=case["q_heads"],
                                kv_num_heads=case["kv_heads"], scale=case["scale"], softcap=case["softcap"], local_window_size=window)
        run, output = self.session([node], inputs, {"o": numpy.empty(inputs["q"].shape, numpy.float32), "present_k": inputs["past_k"],
                                                    "present_v": inputs["past_v"]})
        return run, lambda: output().reshape(b, new, case["q_heads"], case["dv"]).transpose(0, 2, 1, 3)
