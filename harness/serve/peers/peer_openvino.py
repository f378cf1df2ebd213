"""OpenVINO on its CPU plug-in: ScaledDotProductAttention (opset 13) on [B, H, L, d], inference precision float32, one stream."""
import numpy
import openvino
from openvino import opset13 as ops

from case import Skip, fold, frontier, load, refuse_needs, saver, visible


class Peer:
    name, version = "OpenVINO", openvino.__version__.split("-")[0]

    def __init__(self, variant, threads):
        self.variant, self.core = variant, openvino.Core()
        self.config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": str(threads), "NUM_STREAMS": "1",
                       "ENABLE_CPU_PINNING": "NO", "PERFORMANCE_HINT": "LATENCY"}

    def open(self, case, folder):
        refuse_needs(case, ["band", "gqa", "dv"])
        how, (q, k, v) = frontier(case), load(folder)
        if "gqa" in case["needs"]:
            q = fold(case, q)
            if q is None:
                raise Skip("no grouped heads")
        arrays = [q, k, v]
        parameters = [ops.parameter(x.shape, numpy.float32) for x in arrays]
        scale = ops.constant(numpy.array(case["scale"], numpy.float32))
        if self.variant == "unfused":
            scores = ops.multiply(ops.matmul(parameters[0], parameters[1], False, True), scale)
            if how != "none":
                scores = ops.add(scores, ops.constant(numpy.where(visible(case), 0, -numpy.inf).astype(numpy.float32)))
            node = ops.matmul(ops.softmax(scores, -1), parameters[2], False, False)
        elif how == "offset":
            mask = ops.constant(numpy.where(visible(case), 0, -numpy.inf).astype(numpy.float32))
            node = ops.scaled_dot_product_attention(*parameters, mask, scale)
        else:
            mask = ops.constant(numpy.array(0, numpy.float32))
            node = ops.scaled_dot_product_attention(*parameters, mask, scale, causal=how == "top-left")
        compiled = self.core.compile_model(openvino.Model([node], parameters, "attention"), "CPU", self.config)
        request = compiled.create_infer_request()
        tensors = [openvino.Tensor(x, shared_memory=True) for x in arrays]
        for i, tensor in enumerate(tensors):
            request.set_input_tensor(i, tensor)

        def run(calls):
            for _ in range(calls):
                request.start_async()
                request.wait()

        return run, saver(case, lambda: (tensors, request.get_output_tensor(0).data)[1])
