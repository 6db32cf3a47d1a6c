# SPDX-License-Identifier: GPL-3.0-or-later
"""The same training as `longlora bench train`, as one writes it with transformers and PEFT: LoRA on
q, k, v and o, embeddings and norms trained, gradient checkpointing, AdamW. One JSON object.

Usage: train_with_transformers.py SHAPE TOKENS bf16|fp32 s2|full ROUNDS THREADS
"""

import json
import statistics
import sys
import time

import torch
import transformers
from peft import LoraConfig, get_peft_model

RANK, ALPHA = 8, 16


def shifted_sparse_attention(module, query, key, value, attention_mask, scaling=None, **_):
    """Chen et al. 2024, sec. 3.2, as the authors' code does it: half of the heads rolled by half a
    group of a quarter of the tokens. [batch, heads, tokens, head_dim] -> [batch, tokens, heads, .]"""
    batch, heads, tokens, width = query.shape
    group = tokens // 4
    key = key.repeat_interleave(heads // key.shape[1], dim=1)
    value = value.repeat_interleave(heads // value.shape[1], dim=1)

    def grouped(x):
        x = torch.cat([x[:, :heads // 2], x[:, heads // 2:].roll(-group // 2, dims=2)], dim=1)
        return x.transpose(1, 2).reshape(-1, group, heads, width).transpose(1, 2)

    out = torch.nn.functional.scaled_dot_product_attention(
        grouped(query), grouped(key), grouped(value), is_causal=True, scale=scaling)
    out = out.transpose(1, 2).reshape(batch, tokens, heads, width)
    return torch.cat([out[:, :, :heads // 2], out[:, :, heads // 2:].roll(group // 2, dims=1)],
                     dim=2), None


def model_of(shape, dtype, attention):
    transformers.AttentionInterface.register("s2", shifted_sparse_attention)
    config = transformers.AutoConfig.from_pretrained(shape)
    config.use_cache = False
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(
        config, dtype=dtype, attn_implementation="s2" if attention == "s2" else "sdpa")
    if config.tie_word_embeddings:  # the head stays as it is
        head = model.get_output_embeddings()
        head.weight = torch.nn.Parameter(head.weight.detach().clone())
    model = get_peft_model(model, LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"]))
    for name, parameter in model.named_parameters():
        if "embed" in name or "norm" in name:
            parameter.requires_grad_()
    model.gradient_checkpointing_enable({"use_reentrant": False})
    return model.train()


def peak_bytes():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024


def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def main(shape, tokens, precision, attention, rounds, threads):
    torch.set_num_threads(int(threads))
    model = model_of(shape, {"bf16": torch.bfloat16, "fp32": torch.float32}[precision], attention)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-5, betas=(0.9, 0.95), weight_decay=0.0,
                                  fused=True)
    ids = torch.randint(0, model.config.vocab_size, (1, int(tokens)))
    forget_peak()
    seconds = []
    for step in range(int(rounds) + 1):
        start = time.perf_counter()
        model(input_ids=ids, labels=ids).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if step > 0:
            seconds.append(time.perf_counter() - start)
    print(json.dumps({"seconds_per_step": statistics.median(seconds), "peak_bytes": peak_bytes(),
                      "trained": sum(p.numel() for p in trained),
                      "versions": f"torch {torch.__version__}, "
                                  f"transformers {transformers.__version__}"}))


if __name__ == "__main__":
    main(*sys.argv[1:])
