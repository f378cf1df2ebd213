#!/usr/bin/env python3
"""make_mha.py DIRECTORY - reference outputs of torch.nn.MultiheadAttention (2.13.0, CPU, float64, rounded once to float32).

One folder a case: arguments.txt with `name value` lines, and one NPY file for each tensor: inputs (query, key, value), weights as the
module keeps them, masks with torch's polarity (True = not allowed), outputs (y, weights). tests/unit/test_mha_torch.c reads them."""
import os
import sys

import numpy
import torch

CASES = {
    "self": dict(),
    "self_one_head": dict(heads=1),
    "self_no_bias": dict(bias=False),
    "self_per_head": dict(average=False),
    "self_seq_first": dict(batch_first=False),
    "cross": dict(cross=True),
    "cross_kdim_vdim": dict(cross=True, kdim=20, vdim=28),
    "bias_kv": dict(bias_kv=True),
    "zero_attn": dict(zero_attn=True),
    "bias_kv_zero_attn_masks": dict(bias_kv=True, zero_attn=True, padding=True, mask="bool", average=False),
    "key_padding": dict(padding=True),
    "mask_bool": dict(mask="bool"),
    "mask_float": dict(mask="float"),
    "mask_float_per_head": dict(mask="float3", average=False),
    "mask_and_padding": dict(mask="bool", padding=True, cross=True),
    "causal": dict(mask="causal"),
}
BATCH, ROWS, KEYS, EMBED, HEADS = 2, 5, 7, 18, 3


def make(folder, heads=HEADS, bias=True, average=True, batch_first=True, cross=False, kdim=None, vdim=None, bias_kv=False, zero_attn=False,
         padding=False, mask=None):
    torch.manual_seed(sum(map(ord, os.path.basename(folder))))
    module = torch.nn.MultiheadAttention(EMBED, heads, bias=bias, add_bias_kv=bias_kv, add_zero_attn=zero_attn, kdim=kdim, vdim=vdim,
                                         batch_first=batch_first, dtype=torch.float32).eval()
    with torch.no_grad():
        for p in module.parameters():  # torch starts biases at zero, which would prove nothing
            p.copy_(torch.randn_like(p) * (EMBED ** -0.5 if p.dim() == 2 else 0.5))
    keys = KEYS if cross else ROWS
    query = torch.randn(BATCH, ROWS, EMBED)
    key = torch.randn(BATCH, keys, kdim or EMBED) if cross else query
    value = key if kdim == vdim else torch.randn(BATCH, keys, vdim or EMBED)
    tensors = {"query": query}
    if cross:
        tensors["key"] = key
    if value is not key:
        tensors["value"] = value
    arguments = {}
    if padding:
        arguments["key_padding_mask"] = torch.tensor([[j >= keys - 2 * b for j in range(keys)] for b in range(BATCH)])
    if mask == "bool":
        drawn = torch.rand(ROWS, keys) < 0.4
        drawn[:, 0] = False  # no dead rows: torch makes NaN of them, this library 0
        arguments["attn_mask"] = drawn
    elif mask == "causal":
        arguments["attn_mask"] = torch.ones(ROWS, keys, dtype=torch.bool).triu(1)
    elif mask == "float":
        arguments["attn_mask"] = torch.randn(ROWS, keys)
    elif mask == "float3":
        arguments["attn_mask"] = torch.randn(BATCH * heads, ROWS, keys)
    if padding and mask == "float":
        raise ValueError("torch wants both masks of one type")
    double = module.double()
    move = (lambda x: x) if batch_first else (lambda x: x.transpose(0, 1))
    with torch.no_grad():
        wide = {k: v.double() if v.is_floating_point() else v for k, v in arguments.items()}
        y, weights = double(move(query).double(), move(key).double(), move(value).double(), need_weights=True, average_attn_weights=average,
                            **wide)
    tensors.update(arguments)
    tensors["y"], tensors["weights"] = move(y), weights
    for name, parameter in double.named_parameters():
        tensors[name] = parameter.detach()
    os.makedirs(folder, exist_ok=True)
    for name, tensor in tensors.items():
        array = tensor.detach().numpy()
        array = numpy.ascontiguousarray(array if array.dtype == bool else array.astype(numpy.float32))
        numpy.save(os.path.join(folder, name + ".npy"), array)
    with open(os.path.join(folder, "arguments.txt"), "w", encoding="ascii") as file:
        for name, value in dict(heads=heads, zero_attn=zero_attn, average=average).items():
            file.write(f"{name} {int(value)}\n")


for case, options in CASES.items():
    make(os.path.join(sys.argv[1], case), **options)
