"""Tiny Dia weights from a seed, in every format the engine reads: a module for tests, and a script.

    python -m tests.support.tiny_dia FOLDER [--seed N] [--eos-bias X] \
        --format transformers|sharded|old|bin|pth|safetensors|v1

The network is Dia with its real vocabularies, channels and delays, and sizes chosen so that every mistake shows: no two
widths are equal, and heads and key-value heads differ. It has about a million parameters. Nothing here uses
transformers or the package under test, so both can be checked against it.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file

State = dict[str, torch.Tensor]

TINY: dict[str, Any] = {
    "architectures": ["DiaForConditionalGeneration"],
    "model_type": "dia",
    "is_encoder_decoder": True,
    "delay_pattern": [0, 8, 9, 10, 11, 12, 13, 14, 15],
    "norm_eps": 1e-5,
    "encoder_config": {
        "model_type": "dia_encoder",
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "intermediate_size": 64,
        "vocab_size": 256,
        "max_position_embeddings": 96,
        "norm_eps": 1e-5,
        "hidden_act": "silu",
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    },
    "decoder_config": {
        "model_type": "dia_decoder",
        "num_hidden_layers": 3,
        "hidden_size": 48,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "cross_num_attention_heads": 2,
        "cross_num_key_value_heads": 2,
        "cross_head_dim": 16,
        "cross_hidden_size": 32,
        "intermediate_size": 80,
        "vocab_size": 1028,
        "num_channels": 9,
        "max_position_embeddings": 256,
        "norm_eps": 1e-5,
        "hidden_act": "silu",
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "bos_token_id": 1026,
        "eos_token_id": 1024,
        "pad_token_id": 1025,
    },
}


def config_dict(
    *, encoder: Mapping[str, Any] | None = None, decoder: Mapping[str, Any] | None = None, **top: Any
) -> dict[str, Any]:
    """`TINY` with other values in `encoder_config`, `decoder_config` and at the top; both halves stay fitting."""
    config = copy.deepcopy(TINY) | top
    config["encoder_config"] |= encoder or {}
    config["decoder_config"] |= {"cross_hidden_size": config["encoder_config"]["hidden_size"]} | dict(decoder or {})
    return config


def shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor, as in transformers without the leading `model.`; linear weights are (out, in)."""
    encoder, decoder = config["encoder_config"], config["decoder_config"]

    def attention(name: str, width: int, text: int, heads: int, kv_heads: int, head_dim: int) -> dict[str, Any]:
        return {
            f"{name}.q_proj.weight": (heads * head_dim, width),
            f"{name}.k_proj.weight": (kv_heads * head_dim, text),
            f"{name}.v_proj.weight": (kv_heads * head_dim, text),
            f"{name}.o_proj.weight": (width, heads * head_dim),
        }

    def layer(name: str, half: Mapping[str, Any], norms: str) -> dict[str, Any]:
        width, inner = half["hidden_size"], half["intermediate_size"]
        heads = half["num_attention_heads"], half["num_key_value_heads"], half["head_dim"]
        return {
            **{f"{name}.{norm}_norm.weight": (width,) for norm in norms.split()},
            **attention(f"{name}.self_attention", width, width, *heads),
            f"{name}.mlp.gate_up_proj.weight": (2 * inner, width),
            f"{name}.mlp.down_proj.weight": (width, inner),
        }

    width, text = decoder["hidden_size"], decoder["cross_hidden_size"]
    rows = decoder["num_channels"] * decoder["vocab_size"]
    cross = decoder["cross_num_attention_heads"], decoder["cross_num_key_value_heads"], decoder["cross_head_dim"]
    result: dict[str, tuple[int, ...]] = {
        "encoder.embedding.weight": (encoder["vocab_size"], encoder["hidden_size"]),
        "encoder.norm.weight": (encoder["hidden_size"],),
        "decoder.embeddings.embed.weight": (rows, width),
        "decoder.norm.weight": (width,),
        "logits_dense.weight": (rows, width),
    }
    for n in range(encoder["num_hidden_layers"]):
        result |= layer(f"encoder.layers.{n}", encoder, "pre_sa post_sa")
    for n in range(decoder["num_hidden_layers"]):
        result |= layer(f"decoder.layers.{n}", decoder, "pre_sa pre_ca pre_mlp")
        result |= attention(f"decoder.layers.{n}.cross_attention", width, text, *cross)
    return result


def make_state(config: Mapping[str, Any], seed: int = 0, eos_bias: float = 0.0) -> State:
    """Random weights whose logits have clear winners, float32, under the names of `shapes`.

    Linear weights are N(0, 1/fan_in), queries and keys of 0.6 that (attention is not scaled, so its softmax stays
    soft), the head of 3 times that; embeddings N(0, 1); norms 1 + 0.1 N.

    `eos_bias` is about what it adds to the logit of EOS in channel 0. Without it most takes run to the length limit;
    with 3 or 4 nearly all end by themselves, most of them 15 to 100 rows after the start, greedy or sampled, under the
    real network with its delays forced (transformers, guidance 3, top-k 45; seed 0: rows 17 to 64). The norm before the
    head lets no constant through, so one coordinate of the residual stream is made one: every audio embedding puts 2
    there, or -2 if it is BOS, which keeps the first rows from ending, and of all logits only that of EOS reads
    it.
    """
    generator = torch.Generator().manual_seed(seed)
    state: State = {}
    for name, shape in sorted(shapes(config).items()):
        noise = torch.randn(shape, generator=generator)
        if name.endswith("norm.weight"):
            state[name] = 1 + 0.1 * noise
        elif "embed" in name:
            state[name] = noise
        else:
            gain = 3.0 if name == "logits_dense.weight" else 0.6 if "q_proj" in name or "k_proj" in name else 1.0
            state[name] = noise * (gain / math.sqrt(shape[1]))
    if eos_bias:
        decoder = config["decoder_config"]
        tables, head = state["decoder.embeddings.embed.weight"], state["logits_dense.weight"]
        tables[:, 0] = 2.0
        tables[decoder["bos_token_id"] :: decoder["vocab_size"], 0] = -2.0
        head[:, 0] = 0.0
        head[decoder["eos_token_id"], 0] = eos_bias / 4
    return state


def old_spelling(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` as transformers 4.53 wrote it: special tokens at the top, `rope_theta` for `rope_parameters`."""
    old = copy.deepcopy(dict(config))
    for half in ("encoder_config", "decoder_config"):
        old[half] |= {"rope_theta": old[half].pop("rope_parameters")["rope_theta"], "rope_scaling": None}
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        old[name] = old["decoder_config"].pop(name)
    return old | {"torch_dtype": "float32", "transformers_version": "4.53.0.dev0"}


def v1_spelling(config: Mapping[str, Any]) -> dict[str, Any]:
    """`config` in the schema of Nari's first release, which stands for the other network."""
    encoder, decoder = config["encoder_config"], config["decoder_config"]
    return {
        "version": "0.1",
        "model": {
            "encoder": {
                "n_layer": encoder["num_hidden_layers"],
                "n_embd": encoder["hidden_size"],
                "n_hidden": encoder["intermediate_size"],
                "n_head": encoder["num_attention_heads"],
                "head_dim": encoder["head_dim"],
            },
            "decoder": {
                "n_layer": decoder["num_hidden_layers"],
                "n_embd": decoder["hidden_size"],
                "n_hidden": decoder["intermediate_size"],
                "gqa_query_heads": decoder["num_attention_heads"],
                "kv_heads": decoder["num_key_value_heads"],
                "gqa_head_dim": decoder["head_dim"],
                "cross_query_heads": decoder["cross_num_attention_heads"],
                "cross_head_dim": decoder["cross_head_dim"],
            },
            "src_vocab_size": encoder["vocab_size"],
            "tgt_vocab_size": decoder["vocab_size"],
            "dropout": 0.0,
        },
        "training": {"dtype": "bfloat16", "logits_dot_in_fp32": False},
        "data": {
            "text_length": encoder["max_position_embeddings"],
            "audio_length": decoder["max_position_embeddings"],
            "channels": decoder["num_channels"],
            "text_pad_value": 0,
            "audio_eos_value": decoder["eos_token_id"],
            "audio_pad_value": decoder["pad_token_id"],
            "audio_bos_value": decoder["bos_token_id"],
            "delay_pattern": config["delay_pattern"],
        },
    }


def nari_state(config: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> State:
    """`state` in Nari's layout: linear weights (in..., out...) with their heads apart, a table for every channel."""
    encoder, decoder = config["encoder_config"], config["decoder_config"]
    result: State = {}
    for name, tensor in state.items():
        half = encoder if name.startswith("encoder") else decoder
        head_dim = decoder["cross_head_dim"] if "cross_attention" in name else half["head_dim"]
        turned = tensor.T if tensor.dim() == 2 else tensor
        if name == "decoder.embeddings.embed.weight":
            for channel, table in enumerate(tensor.chunk(decoder["num_channels"])):
                result[f"decoder.embeddings.{channel}.weight"] = table.clone()
        elif name == "logits_dense.weight":
            result[f"decoder.{name}"] = turned.reshape(len(turned), decoder["num_channels"], -1).contiguous()
        elif "gate_up_proj" in name:
            result[name.replace("gate_up_proj", "wi_fused")] = turned.reshape(len(turned), 2, -1).contiguous()
        elif "down_proj" in name:
            result[name.replace("down_proj", "wo")] = turned.contiguous()
        elif "o_proj" in name:
            result[name] = turned.reshape(-1, head_dim, len(tensor)).contiguous()
        elif "_proj" in name:
            result[name] = turned.reshape(len(turned), -1, head_dim).contiguous()
        else:
            result[name] = tensor
    return result


def write_transformers(
    folder: Path, config: Mapping[str, Any], state: Mapping[str, torch.Tensor], shards: int = 1, old_keys: bool = False
) -> Path:
    """Write `folder` as transformers does, in one file or in `shards` with an index; `old_keys` as 4.53 spelt them."""
    _write_config(folder, old_spelling(config) if old_keys else config)
    named = {
        name if name == "logits_dense.weight" else f"model.{name}": tensor for name, tensor in sorted(state.items())
    }
    if shards == 1:
        save_file(named, folder / "model.safetensors", metadata={"format": "pt"})
        return folder
    files: dict[str, State] = {}
    for number, (name, tensor) in enumerate(named.items()):
        shard = number * shards // len(named) + 1
        files.setdefault(f"model-{shard:05}-of-{shards:05}.safetensors", {})[name] = tensor
    for file, part in files.items():
        save_file(part, folder / file, metadata={"format": "pt"})
    index = {
        "metadata": {"total_size": sum(tensor.nbytes for tensor in named.values())},
        "weight_map": {name: file for file, part in files.items() for name in part},
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
    return folder


def write_nari(
    folder: Path,
    config: Mapping[str, Any],
    state: Mapping[str, torch.Tensor],
    kind: Literal["bin", "pth", "safetensors"] = "bin",
) -> Path:
    """Write `folder` as Nari does: transformers' config (of 4.53) beside weights in Nari's own layout."""
    _write_config(folder, old_spelling(config))
    _write_nari_weights(folder, nari_state(config, state), kind)
    return folder


def write_v1(folder: Path, config: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> Path:
    """Write `folder` as the first release was: Nari's layout and its own schema."""
    _write_config(folder, v1_spelling(config))
    _write_nari_weights(folder, nari_state(config, state), "pth")
    return folder


def _write_config(folder: Path, config: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def _write_nari_weights(folder: Path, state: State, kind: str) -> None:
    if kind == "safetensors":
        save_file(state, folder / "model.safetensors")
    else:
        torch.save(state, folder / {"bin": "pytorch_model.bin", "pth": "dia-v0_1.pth"}[kind])


def main() -> None:
    parser = argparse.ArgumentParser(description="Write tiny Dia weights.")
    parser.add_argument("folder", type=Path)
    formats = ["transformers", "sharded", "old", "bin", "pth", "safetensors", "v1"]
    parser.add_argument("--format", choices=formats, default="transformers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--eos-bias", type=float, default=0.0)
    chosen = parser.parse_args()
    state = make_state(TINY, chosen.seed, chosen.eos_bias)
    if chosen.format == "v1":
        write_v1(chosen.folder, TINY, state)
    elif chosen.format in ("bin", "pth", "safetensors"):
        write_nari(chosen.folder, TINY, state, chosen.format)
    else:
        shards, old = 2 if chosen.format == "sharded" else 1, chosen.format == "old"
        write_transformers(chosen.folder, TINY, state, shards=shards, old_keys=old)


if __name__ == "__main__":
    main()
