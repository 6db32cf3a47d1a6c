# SPDX-License-Identifier: GPL-3.0-or-later
"""llama.cpp as the reference for GGUF files, through the wheel of xllamacpp."""

import numpy
import xllamacpp


class LlamaCpp:
    """A GGUF file, computed in fp32 as far as llama.cpp does."""

    def __init__(self, file, context=512):
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(file)
        parameters.n_ctx = context
        parameters.n_gpu_layers = 0
        parameters.cpuparams.n_threads = 1
        parameters.warmup = False
        parameters.cache_type_k = parameters.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        parameters.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.server = xllamacpp.Server(parameters)

    def log_probabilities(self, ids, vocabulary):
        """Of every token after `ids`."""
        answer = self.server.handle_completions({
            "prompt": list(ids), "n_predict": 1, "temperature": 0.0, "logprobs": vocabulary,
            "cache_prompt": False, "ignore_eos": True})
        told = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        result = numpy.full(vocabulary, numpy.nan)
        for token in told:
            result[token["id"]] = token["logprob"]
        assert not numpy.isnan(result).any(), f"{len(told)} of {vocabulary} tokens were told"
        return result


def log_softmax(logits):
    logits = logits.astype(numpy.float64)
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(axis=-1, keepdims=True))
