"""How full the slots are over a whole job: the scheduler itself, with a network too small to take time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from pipeline.bench.random_weights import config_dict, random_tensors
from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.batching.slots import Prompted, Slots
from pipeline.engines.dia.network.model import Model
from pipeline.engines.dia.weights.config import CONFIG_NAME, parse_config

_FRAMES_PER_S = 6  # instead of 86: only how lengths compare to one another decides how full the slots are


def occupancy(limit: int, lengths_s: Sequence[float]) -> dict[str, Any]:
    """Takes of `lengths_s` in `limit` slots: the share of the slots that were in use, over all steps.

    The codebooks are not delayed, because the 15 rows of the delay would be too many beside so few frames.
    """
    config = parse_config(config_dict("tiny"), CONFIG_NAME)
    config = replace(config, delays=(0,) * len(config.delays), decoder=replace(config.decoder, layers=1))
    with torch.inference_mode():
        slots = Slots(Model(config, random_tensors(config)), Sampling(cfg_scale=0.0, temperature=0.0), limit)
        nothing = np.zeros((0, len(config.delays)), np.int16)
        requests = (
            Prompted(str(number), np.ones(1, np.int64), nothing, number, max(round(length * _FRAMES_PER_S), 1))
            for number, length in enumerate(lengths_s)
        )
        finished = sum(1 for _generated in slots.generate(requests))
    return {
        "chunks": finished,
        "slots": limit,
        "steps": slots.steps,
        "occupancy": round(slots.slot_steps / (slots.steps * limit), 4),
    }
