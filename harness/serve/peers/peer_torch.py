"""PyTorch: torch.nn.functional.scaled_dot_product_attention on [B, H, L, d], float32, no autograd, as its users call it from Python."""
import contextlib

import torch

from case import fold, frontier, load, refuse_needs, saver, visible


class Peer:
    name, version = "PyTorch", torch.__version__

    def __init__(self, variant, threads):
        self.variant = variant
        torch.set_num_threads(threads)
        torch.set_grad_enabled(False)

    def open(self, case, folder):
        refuse_needs(case, ["band", "gqa", "dv"])
        how, (q, k, v) = frontier(case), load(folder)
        options = {"is_causal": how == "top-left", "enable_gqa": "gqa" in case["needs"], "scale": case["scale"]}
        folded = fold(case, q) if options["enable_gqa"] else None
        if folded is not None and self.variant == "sdpa":  # one row: the group as rows, which is faster than enable_gqa and the same
            q, options["enable_gqa"] = folded, False
        q, k, v = (torch.from_numpy(x) for x in (q, k, v))
        if how == "offset":
            options["attn_mask"] = torch.from_numpy(visible(case))
        attention = torch.nn.functional.scaled_dot_product_attention
        result = [None]

        def backend():
            math = torch.nn.attention.SDPBackend.MATH
            return torch.nn.attention.sdpa_kernel(math) if self.variant == "math" else contextlib.nullcontext()

        def run(calls):
            with backend():
                for _ in range(calls):
                    o = attention(q, k, v, **options)
            result[0] = o

        return run, saver(case, lambda: result[0].numpy())
