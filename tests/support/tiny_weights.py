"""A folder of tiny weights as a machine has them: Dia with its codec beside it, in the real formats."""

from __future__ import annotations

from pathlib import Path

from tests.support import tiny_dac, tiny_dia

_CONFIG = tiny_dia.config_dict(encoder={"max_position_embeddings": 1024}, decoder={"max_position_embeddings": 3072})


def write_weights(folder: Path, *, seed: int = 0, eos_bias: float = 2.0, nan: bool = False) -> Path:
    """A model that ends its takes by itself, the sooner the larger `eos_bias`; a few megabytes."""
    state = tiny_dia.make_state(_CONFIG, seed, eos_bias=eos_bias)
    if nan:
        state["decoder.norm.weight"][0] = float("nan")
    tiny_dia.write_transformers(folder, _CONFIG, state)
    tiny_dac.write_transformers(folder / "dac")
    return folder
