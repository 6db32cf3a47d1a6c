# SPDX-License-Identifier: GPL-3.0-or-later
"""A rotary embedding in every spelling of config.json, and copies of folders that have it."""

import json

KEYS = ["rope_theta", "rope_scaling", "rope_parameters", "rope_condense_ratio",
        "rotary_emb_base", "rotary_pct", "partial_rotary_factor"]


def read_config(folder):
    return json.loads((folder / "config.json").read_text())


def rope_of(config):
    """{"rope_type", "rope_theta", ...}, as transformers 5 has it."""
    theta = config.get("rope_theta", config.get("rotary_emb_base", 10000.0))
    rope = {"rope_type": "default", "rope_theta": theta}
    rope |= config.get("rope_parameters") or config.get("rope_scaling") or {}
    if "type" in rope:
        rope["rope_type"] = rope.pop("type")
    if "rotary_pct" in config:
        rope["partial_rotary_factor"] = config["rotary_pct"]
    return rope


def spelled(config, rope, spelling):
    """`config` with `rope` as "4.42" (type), "4.43" (rope_type), "4.44" (both), "5" or "LongChat"
    writes it."""
    config = {key: value for key, value in config.items() if key not in KEYS}
    if spelling == "5":
        return config | {"rope_parameters": rope}
    scaling = dict(rope)
    is_neox = config["model_type"] == "gpt_neox"
    config["rotary_emb_base" if is_neox else "rope_theta"] = scaling.pop("rope_theta")
    if "partial_rotary_factor" in scaling:
        config["rotary_pct"] = scaling.pop("partial_rotary_factor")
    if spelling == "LongChat":
        return config | {"rope_condense_ratio": scaling["factor"]}
    kind = scaling.pop("rope_type")
    if kind == "default":
        return config | {"rope_scaling": None}
    names = {"4.42": ["type"], "4.43": ["rope_type"], "4.44": ["type", "rope_type"]}[spelling]
    return config | {"rope_scaling": {name: kind for name in names} | scaling}


def copy_with_config(folder, out, config):
    """The files of `folder` by reference, beside another config.json."""
    out.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.name != "config.json":
            (out / file.name).symlink_to(file)
    (out / "config.json").write_text(json.dumps(config))
    return out
