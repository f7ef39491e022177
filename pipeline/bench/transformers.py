"""The same weights in transformers' Dia, measured beside our engine: what a user would otherwise have.

Its decoder runs as `generate` runs it: in bf16, with a growing cache, guidance as a doubled batch, its own processors
of logits, and a draw. All takes of a batch are assumed to be equally long, so that none waits for another, and reading
the text is not counted: both are in its favour.
"""

from __future__ import annotations

import copy
import gc
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.bench.random_weights import BenchWeights
from pipeline.bench.samples import in_turn
from pipeline.engines.dia.codec.dac_import import import_torchaudio
from pipeline.engines.dia.codec.weights import CODEBOOK_SIZE, CODEBOOKS, HOP, SAMPLE_RATE_HZ, load_network
from pipeline.errors import EngineError, Problem, reason

BATCHES = (4, 8, 16)  # beyond that it gains nothing on a CPU
_GUIDANCE, _TEMPERATURE, _TOP_P, _TOP_K = 3.0, 1.2, 0.95, 45


def require_transformers() -> None:
    """Raise `EngineError` where transformers is missing."""
    if importlib.util.find_spec("transformers") is None:
        raise EngineError(Problem("--against transformers", "it is not installed.", "Run: pip install transformers"))


def compare(
    weights: BenchWeights,
    text: NDArray[np.int64],
    context: int,
    ours: Callable[[], object],
    *,
    samples: int,
    sample_s: float,
    codec_s: float,
) -> dict[str, Any]:
    """Measure a step of transformers' decoder after `context` rows in turn with `ours`, at its best batch.

    All takes read `text` `[T]`. Under "ours" is our `Measured`; what else there is describes transformers. Its end to
    end figure is put together from its decoder's and that of the faster of two codecs, transformers' in fp32 and the
    package's in bf16, decoding `codec_s` of sound. Raises `EngineError` where transformers cannot read the weights.
    """
    reference = _Decoder(weights, text, context)
    tried = {}
    for batch in BATCHES:
        gc.collect()  # the caches of the batch before
        tried[batch] = in_turn({batch: reference.step(batch)}, wanted=1, least_s=sample_s)[batch].seconds / batch
    best = min(tried, key=tried.__getitem__)
    calls: dict[str, Callable[[], object]] = {"ours": ours, "theirs": reference.step(best)}
    measured = in_turn(calls, wanted=samples, least_s=sample_s)
    frames_per_s = SAMPLE_RATE_HZ / HOP
    speed_x = best / measured["theirs"].seconds / frames_per_s
    del reference, calls
    codecs = _codecs(weights, round(codec_s * frames_per_s), samples, sample_s)
    codec = max(codecs, key=codecs.__getitem__)
    return {
        "ours": measured["ours"],
        "version": _version(),
        "batch": best,
        "batches": {str(batch): round(1 / seconds / frames_per_s, 4) for batch, seconds in tried.items()},
        "context": context,
        "step_ms": round(measured["theirs"].seconds * 1000, 1),
        "speed_x": round(speed_x, 4),
        "codecs": {name: round(value, 3) for name, value in codecs.items()},
        "codec": codec,
        "end_to_end_speed_x": round(1 / (1 / speed_x + 1 / codecs[codec]), 4),
    } | measured["theirs"].as_dict()


def _transformers(module: str = "transformers") -> Any:
    """transformers, or a module of it. It is no dependency, and takes seconds to load."""
    import_torchaudio()  # it is asked for, and may not load by itself
    return importlib.import_module(module)


def _version() -> str:
    return str(_transformers().__version__)


class _Decoder:
    """transformers' network after `context` rows."""

    def __init__(self, weights: BenchWeights, text: NDArray[np.int64], context: int) -> None:
        library = _transformers()
        library.utils.logging.disable_progress_bar()
        processors = _transformers("transformers.generation.logits_process")
        try:
            self._model: Any = library.DiaForConditionalGeneration.from_pretrained(weights.dia, dtype=torch.bfloat16)
        except (OSError, ValueError, RuntimeError) as error:
            what = f"transformers cannot read them: {reason(error)}."
            raise EngineError(Problem(str(weights.dia), what, "Leave --weights out.")) from None
        config = self._model.config
        eos = config.decoder_config.eos_token_id
        self._channels = len(config.delay_pattern)
        self._processors: list[Callable[[], Any]] = [
            lambda: processors.DiaClassifierFreeGuidanceLogitsProcessor(_GUIDANCE, _TOP_K),
            lambda: processors.TemperatureLogitsWarper(_TEMPERATURE),
            lambda: processors.DiaEOSChannelFilterLogitsProcessor(self._channels, eos),
            lambda: processors.TopKLogitsWarper(_TOP_K),
            lambda: processors.TopPLogitsWarper(_TOP_P),
            lambda: processors.DiaEOSDelayPatternLogitsProcessor(list(config.delay_pattern), eos, 2 * context),
        ]
        ids = torch.from_numpy(np.stack([text, np.zeros_like(text)]))
        numbers = torch.Generator().manual_seed(0)
        rows = torch.randint(0, eos, (1, context - 1, self._channels), generator=numbers).expand(2, -1, -1)
        outputs = self._model(
            input_ids=ids, attention_mask=torch.ones_like(ids), decoder_input_ids=rows, use_cache=True
        )
        self._cache = outputs.past_key_values
        self._encoded: Tensor = outputs.encoder_last_hidden_state
        self._context = context

    def step(self, batch: int) -> Callable[[], object]:
        """A step of `batch` takes, guided, which leaves them where they were."""
        cache = copy.deepcopy(self._cache)
        cache.batch_repeat_interleave(batch)
        encoded = (self._encoded.repeat_interleave(batch, dim=0),)
        mask = torch.ones(encoded[0].shape[:2], dtype=torch.long)
        processors = [make() for make in self._processors]
        before = torch.zeros((batch * self._channels, self._context), dtype=torch.long)  # only its shape is looked at
        row = torch.zeros((2 * batch, 1, self._channels), dtype=torch.long)

        def step() -> Tensor:
            outputs = self._model(
                encoder_outputs=encoded,
                attention_mask=mask,
                decoder_input_ids=row,
                past_key_values=cache,
                use_cache=True,
            )
            scores = outputs.logits[:, -1].float()
            for process in processors:
                scores = process(before, scores)
            drawn = torch.multinomial(scores.softmax(-1), 1)
            cache.crop(-1)
            return drawn

        return step


def _codecs(weights: BenchWeights, frames: int, samples: int, sample_s: float) -> dict[str, float]:
    """`speed_x` of decoding `frames` by transformers' codec in fp32 and by the package's in bf16, as they come."""
    library = _transformers()
    package = load_network(weights.codec)
    sizes = library.DacConfig(
        encoder_hidden_size=package.encoder_dim,
        decoder_hidden_size=package.decoder_dim,
        sampling_rate=SAMPLE_RATE_HZ,
    )
    network: Any = library.DacModel(sizes)
    network.eval()
    decoder = package.decoder.to(torch.bfloat16)
    codes = torch.randint(0, CODEBOOK_SIZE, (1, CODEBOOKS, frames), generator=torch.Generator().manual_seed(0))
    calls: dict[str, Callable[[], object]] = {
        "transformers in fp32": lambda: network.decode(audio_codes=codes),
        "the package in bf16": lambda: decoder(package.quantizer.from_codes(codes)[0].to(torch.bfloat16)),
    }
    measured = in_turn(calls, wanted=samples, least_s=sample_s)
    return {name: frames * HOP / SAMPLE_RATE_HZ / measured.seconds for name, measured in measured.items()}
