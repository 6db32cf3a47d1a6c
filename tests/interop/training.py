# SPDX-License-Identifier: GPL-3.0-or-later
"""A few steps of `longlora train` on rows of ready tokens."""

import json

from program import longlora, scratch


def train(model, length, vocabulary=300, **sections):
    """The folder of the adapter after three updates. `sections` go into the run's configuration."""
    files = scratch("training")
    rows = [{"input_ids": [(31 * i + 11 * row) % vocabulary for i in range(length)]}
            for row in range(2)]
    (files / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = {
        "model": str(model),
        "data": {"train": [str(files / "rows.jsonl")]},
        "context": {"length": length, "rope": "none"},
        "attention": {"kind": "s2"},
        "optimizer": {"learning_rate": 0.01},
        "schedule": {"warmup_steps": 0, "steps": 3},
        "batch": {"micro_batch": 1, "accumulation": 2},
        "precision": {"compute": "fp32"},
    }
    for name, section in sections.items():
        config[name] = config.get(name, {}) | section
    (files / "config.json").write_text(json.dumps(config))
    longlora("train", "--config", files / "config.json", "--run", files / "run")
    return files / "run" / "adapter"
