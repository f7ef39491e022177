"""What the Dia engine is compared with: transformers' Dia, and a golden file of what that made.

    python -m tests.support.dia_reference --write     makes tests/data/dia_golden.npz again, with transformers

transformers is imported only by what is called `reference_...`, so the comparison with the golden file needs none.
Texts are token ids `[T]`, codes `[frames, C]`, rows of the decoder `[R, C]`, logits `[R, C, V]` in float32.
"""

from __future__ import annotations

import argparse
import copy
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.engines.dia.batching.sampling import Sampling, candidates, probabilities
from pipeline.engines.dia.batching.scheduler import GenerationRequest, Scheduler
from pipeline.engines.dia.batching.slots import EagerStepper
from pipeline.engines.dia.codec.dac_import import import_torchaudio
from pipeline.engines.dia.network.attention import Text
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights.config import parse_config
from tests.support import tiny_dia
from tests.support.dia_plain import Codes, Config, Tokens, generated

TOP_K = 45
TOLERANCE = 1e-4
DECISIVE = 2e-5  # a margin that no rounding crosses: logits agree to 5e-6
GOLDEN = Path(__file__).parents[1] / "data" / "dia_golden.npz"


@dataclass(frozen=True)
class Greedy:
    """The likeliest codes for each text, and the least change of a logit that could have led to others."""

    codes: list[Codes]
    margin: float


def a_text(length: int, seed: int) -> Tokens:
    """Bytes of no meaning, a speaker's tag first."""
    return np.concatenate([[1], np.random.default_rng(seed).integers(3, 256, length - 1)])


def a_prompt(frames: int, seed: int) -> Codes:
    """Codes of no voice in particular."""
    return np.random.default_rng(seed).integers(0, 1024, (frames, 9)).astype(np.int16)


def some_rows(count: int, seed: int) -> Tensor:
    """Rows to read, special tokens among them."""
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 1028, (count, 9)))


def some_logits(seed: int) -> tuple[Tensor, Tensor]:
    """Conditional and unconditional logits `[6, 9, 1028]` in which EOS and the other special tokens do all they can."""
    generator = torch.Generator().manual_seed(seed)
    cond = 3 * torch.randn(6, 9, 1028, generator=generator)
    uncond = 0.7 * cond + torch.randn(6, 9, 1028, generator=generator)
    cond[1, :, 1024] = 15.0  # EOS is the likeliest everywhere, with guidance and without
    cond[2, :, 1024] = cond[2, :, :1024].amax(-1) - 0.1  # second, so it is a candidate that may not be drawn
    cond[3, :, 1024:] = torch.tensor([13.0, 14.0, 16.0, 15.0])  # all special tokens above all codes
    cond[4, :, 1024], uncond[4, :, 1024] = 15.0, 40.0  # EOS is the likeliest, but guidance does not choose it
    cond[5, :, 1024], uncond[5, :, 1024] = 5.0, -20.0  # guidance prefers EOS, the conditional logits do not
    return cond, uncond


# The engine


def engine_model(config: Config, state: Mapping[str, Tensor]) -> Model:
    """The network under test with the weights `state`, which stay as they are."""
    return Model(parse_config(config, "config.json"), dict(state))


def engine_logits(model: Model, text: Text | None, rows: Tensor, at_a_time: int | None = None) -> Tensor:
    """Logits after each of `rows`, read all at once or one by one."""
    lane = model.lane(text, len(rows))
    parts = rows.split(at_a_time or len(rows))
    return torch.cat([model.logits(model.step([lane], part[None])[0]) for part in parts])


def engine_greedy(
    model: Model, texts: Sequence[Tokens], prompts: Sequence[Codes], max_frames: int, cfg_scale: float
) -> list[Codes]:
    """The likeliest codes for each text, all in one batch."""
    sampling = Sampling(cfg_scale=cfg_scale, temperature=0, top_k=TOP_K, from_guided=model.config.cross_rope)
    requests = [
        GenerationRequest(str(index), text, prompt, seed=0, max_frames=max_frames)
        for index, (text, prompt) in enumerate(zip(texts, prompts, strict=True))
    ]
    scheduler = Scheduler(EagerStepper(model, sampling), len(texts))
    made = {generated.key: generated.codes for generated in scheduler.generate(requests)}
    return [made[request.key] for request in requests]


def engine_probabilities(cond: Tensor, uncond: Tensor | None, sampling: Sampling) -> Tensor:
    """Probabilities `[B, C, V]` of all tokens."""
    temperature = torch.full((len(cond),), sampling.temperature)
    ids, likely = probabilities(candidates(cond, uncond, sampling, eos=1024), sampling, temperature)
    return torch.zeros_like(cond).scatter_(-1, ids, likely)


# transformers


def _transformers() -> Any:
    import_torchaudio()  # transformers imports it where it is installed, and does not expect it to fail
    return importlib.import_module("transformers")


def reference_model(config: Config, state: Mapping[str, Tensor]) -> Any:
    """transformers' Dia with the weights `state`, none missing and none left over."""
    transformers = _transformers()
    network = transformers.DiaConfig(**copy.deepcopy(dict(config)))
    model: Any = transformers.DiaForConditionalGeneration(network).eval()
    prefix = {name: "" if name == "logits_dense.weight" else "model." for name in state}
    model.load_state_dict({prefix[name] + name: tensor for name, tensor in state.items()}, strict=True)
    return model


def reference_encoded(model: Any, text: Tokens, padded: int = 0) -> Tensor:
    """The text as `[T, hidden]`, computed with padding up to `padded`."""
    ids, mask = _padded([text], padded)
    with torch.inference_mode():
        encoded: Tensor = model.model.encoder(input_ids=ids, attention_mask=mask)[0]
    return encoded[0, : len(text)]


def reference_logits(model: Any, text: Tokens, rows: Tensor, padded: int = 0, *, unconditional: bool = False) -> Tensor:
    """Logits after each of `rows`, read all at once. The unconditional ones see `text` only as its mask."""
    ids, mask = _padded([text], padded)
    with torch.inference_mode():
        made = model(
            input_ids=torch.zeros_like(ids) if unconditional else ids,
            attention_mask=mask,
            decoder_input_ids=rows[None],
        )
    logits: Tensor = made.logits  # [C, R, V]
    return logits.transpose(0, 1)


def _padded(texts: Sequence[Tokens], least: int = 0) -> tuple[Tensor, Tensor]:
    """Ids and their mask, `[B, T]`."""
    ids = torch.zeros(len(texts), max(least, *map(len, texts)), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.from_numpy(text)
        mask[row, : len(text)] = 1
    return ids, mask


def reference_greedy(
    model: Any, texts: Sequence[Tokens], prompts: Sequence[Codes], max_frames: int, cfg_scale: float
) -> Greedy:
    """What transformers generates greedily; prompts of different lengths are padded on the left, as its processor does.

    It counts the delays and the last EOS into `max_new_tokens`.
    """
    delays, decoder = model.config.delay_pattern, model.config.decoder_config
    eos = decoder.eos_token_id
    ids, mask = _padded(texts)
    longest = max(map(len, prompts))
    given = torch.full((len(texts), longest + 1 + max(delays), len(delays)), decoder.pad_token_id)
    seen = torch.zeros(given.shape[:2], dtype=torch.long)
    for row, prompt in enumerate(prompts):
        start = longest - len(prompt)
        seen[row, start:] = 1
        for channel, delay in enumerate(delays):
            begin = start + 1 + delay
            given[row, :begin, channel] = decoder.bos_token_id
            given[row, begin : begin + len(prompt), channel] = torch.from_numpy(prompt[:, channel])
    with torch.inference_mode():
        made = model.generate(
            input_ids=ids,
            attention_mask=mask,
            decoder_input_ids=given,
            decoder_attention_mask=seen,
            max_new_tokens=max_frames + max(delays) + 1,
            do_sample=False,
            top_k=TOP_K,
            guidance_scale=cfg_scale or None,
            eos_token_id=eos,
            pad_token_id=decoder.pad_token_id,
            bos_token_id=decoder.bos_token_id,
            output_logits=True,
            return_dict_in_generate=True,
        )
    shape = (-1, len(delays), decoder.vocab_size)
    margin = min(_margin(logits.view(shape), cfg_scale, eos) for logits in made.logits)
    return Greedy([generated(grid, longest, delays, eos) for grid in made.sequences.numpy()], margin)


def _margin(logits: Tensor, cfg_scale: float, eos: int) -> float:
    """How much one of `logits` (`[B, C, V]`, with guidance the conditional before the unconditional) must change.

    Two things may change what is likeliest: the first two candidates change places, or, with guidance, the last of
    the candidates and the first that is none do, if one of them is the likeliest.
    """
    cond, uncond = logits.chunk(2) if cfg_scale else (logits, logits)
    order = (cond + cfg_scale * (cond - uncond)).topk(TOP_K + 1, dim=-1)
    allowed = cond.clone()
    allowed[..., eos + 1 :] = allowed[:, 1:, eos] = -torch.inf
    values = allowed.gather(-1, order.indices)  # [B, C, K + 1]
    first, second = values[..., :TOP_K].topk(2, dim=-1).values.unbind(-1)
    at_stake = values[..., TOP_K - 1 :].amax(-1) > values[..., : TOP_K - 1].amax(-1)
    edge = (order.values[..., TOP_K - 1] - order.values[..., TOP_K]) / (1 + 2 * cfg_scale)
    return float(torch.where(at_stake, torch.minimum(first - second, edge), first - second).min())


def reference_probabilities(model: Any, cond: Tensor, uncond: Tensor | None, sampling: Sampling) -> Tensor:
    """Probabilities `[B, C, V]` of all tokens by transformers' own processors in its own order, but for the length."""
    settings = _transformers().GenerationConfig(
        do_sample=True,
        guidance_scale=None if uncond is None else sampling.cfg_scale,
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        max_length=1_000_000,
    )
    *processors, _length = model._get_logits_processor(settings, input_ids_seq_length=1, device="cpu", model_kwargs={})
    scores = (cond if uncond is None else torch.cat([cond, uncond])).flatten(0, 1).clone()
    ids = torch.zeros(cond.shape[0] * cond.shape[1], 1, dtype=torch.long)
    for processor in processors:
        scores = processor(ids, scores)
    return scores.softmax(-1).view(cond.shape)


# The golden file

NETWORKS: dict[str, Config] = {
    "tiny": tiny_dia.TINY,
    "odd": tiny_dia.config_dict(
        encoder={"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 10, "intermediate_size": 37},
        decoder={
            "num_hidden_layers": 2,
            "hidden_size": 29,
            "head_dim": 6,
            "cross_num_attention_heads": 6,
            "cross_num_key_value_heads": 3,
            "cross_head_dim": 4,
            "intermediate_size": 51,
        },
    ),
}
TEXTS = [a_text(length, seed=length) for length in (30, 12, 41)]
ROWS = some_rows(20, seed=0)
KEPT = [*range(0, 1024, 32), 1024, 1025, 1026, 1027]  # of the vocabulary, in the logits that are stored


@dataclass(frozen=True)
class Run:
    """A greedy run that is stored: weights of `NETWORKS` with a bias to EOS, prompts of so many frames, guidance."""

    network: str
    eos_bias: float
    prompts: tuple[int, int, int]
    cfg_scale: float

    def inputs(self) -> tuple[list[Tokens], list[Codes], int, float]:
        """Texts, prompts, the most frames and the scale of guidance."""
        return TEXTS, [a_prompt(length, seed=length) for length in self.prompts], 40, self.cfg_scale


RUNS = {
    "cap": Run("tiny", 0.0, (5, 0, 17), 3.0),
    "ends": Run("tiny", 4.0, (0, 0, 0), 3.0),
    "prompts": Run("tiny", 4.0, (17, 5, 0), 3.0),
    "unguided": Run("tiny", 4.0, (0, 3, 9), 0.0),
    "odd": Run("odd", 4.0, (0, 4, 11), 3.0),
}
SAMPLINGS = {
    "defaults": Sampling(),
    "few": Sampling(cfg_scale=4.0, temperature=1.8, top_p=0.9, top_k=5),
    "all": Sampling(top_p=1.0, temperature=1.0),
}


def weights_of(network: str, eos_bias: float = 0.0) -> dict[str, Tensor]:
    """The weights that a stored result was computed with."""
    return tiny_dia.make_state(NETWORKS[network], seed=0, eos_bias=eos_bias)


def fingerprint(network: str) -> Tensor:
    """A few of the weights: what random numbers they are made of depends on torch."""
    return torch.cat([tensor.flatten()[:2] for tensor in weights_of(network).values()])


def write_golden() -> None:
    """Compute with transformers all that the golden file holds."""
    arrays: dict[str, Any] = {}
    for network, config in NETWORKS.items():
        reference = reference_model(config, weights_of(network))
        arrays[f"{network}/weights"] = fingerprint(network)
        for index, text in enumerate(TEXTS):
            arrays[f"{network}/encoded/{index}"] = reference_encoded(reference, text)
        for name, unconditional in (("conditional", False), ("unconditional", True)):
            logits = reference_logits(reference, TEXTS[0], ROWS, unconditional=unconditional)
            arrays[f"{network}/{name}"] = logits[..., KEPT]
    for name, run in RUNS.items():
        reference = reference_model(NETWORKS[run.network], weights_of(run.network, run.eos_bias))
        made = reference_greedy(reference, *run.inputs())
        assert made.margin > DECISIVE, f"{name}: rounding might decide, choose another seed"
        for index, codes in enumerate(made.codes):
            arrays[f"codes/{name}/{index}"] = codes
    reference = reference_model(tiny_dia.TINY, weights_of("tiny"))
    for name, sampling in SAMPLINGS.items():
        arrays[f"probabilities/{name}"] = reference_probabilities(reference, *some_logits(0), sampling)
    GOLDEN.parent.mkdir(exist_ok=True)
    np.savez_compressed(GOLDEN, **arrays)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compute the golden file of the Dia engine again.")
    parser.add_argument("--write", action="store_true", required=True, help=f"write {GOLDEN.name}")
    parser.parse_args()
    write_golden()
