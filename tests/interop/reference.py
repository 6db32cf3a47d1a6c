# SPDX-License-Identifier: GPL-3.0-or-later
"""transformers as the reference, in the version this is started with. A module; started as a
program it answers calls of its functions: `Transformers4` is the other version's, in a process."""

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import numpy
import torch
import transformers

from environment import Environment

torch.set_num_threads(1)


def load(folder):
    """The model in fp32; every weight found and every tensor used, or AssertionError."""
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder, torch_dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    assert not any(report[key] for key in report), f"{folder}: {report}"
    return model.eval()


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].numpy()


def logits(folder, ids):
    """[tokens, vocabulary]"""
    return logits_of(load(folder), ids)


def save(folder, out, options):
    """What save_pretrained makes of `folder`; the logits of `options["ids"]`."""
    options = dict(options)
    model = load(folder)
    result = logits_of(model, options.pop("ids"))
    model.save_pretrained(out, **options)
    return result


class Transformers4:
    """This module's functions as transformers 4.46.3 answers them."""

    def __init__(self):
        environment = Environment(os.environ["LONGLORA_CACHE"], os.environ["LONGLORA_TORCH"])
        self.process = subprocess.Popen(
            [sys.executable, __file__], env=environment.variables("transformers-4"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.answer = Path(os.environ["LONGLORA_SCRATCH"]) / "transformers-4.npy"

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def call(self, function, *arguments):
        request = {"function": function, "arguments": arguments, "answer": str(self.answer)}
        print(json.dumps(request, default=str), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        problem = json.loads(line) if line else "transformers 4 ended"
        if problem is not None:
            raise RuntimeError(problem)
        return numpy.load(self.answer)

    def logits(self, folder, ids):
        return self.call("logits", folder, ids)

    def save(self, folder, out, options):
        return self.call("save", folder, out, options)


def serve():
    """A call per line of standard input; null or what went wrong per line of standard output."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the libraries print is not an answer
    functions = {"logits": logits, "save": save}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            result = functions[request["function"]](*request["arguments"])
            numpy.save(request["answer"], result)
            problem = None
        except Exception:
            problem = traceback.format_exc()
        print(json.dumps(problem), file=out, flush=True)


if __name__ == "__main__":
    serve()
