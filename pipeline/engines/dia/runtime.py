"""The loaded engine: weights on a device, voice prompts as codes, requests through the slots and the codec."""

from __future__ import annotations

import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np
import soundfile
import soxr
import torch

from pipeline.audio import Pcm
from pipeline.engines import DiaSound, Failed, Machine, Rendered, Request
from pipeline.engines.dia import devices
from pipeline.engines.dia.batching.cuda_slots import CudaSlot, CudaStepper, on_stream
from pipeline.engines.dia.batching.delay import Codes
from pipeline.engines.dia.batching.sampling import Sampling
from pipeline.engines.dia.batching.scheduler import MOST_SLOTS, GenerationRequest, Scheduler
from pipeline.engines.dia.batching.slots import EagerSlot, EagerStepper
from pipeline.engines.dia.batching.text import compose, speakers, tokens
from pipeline.engines.dia.codec.codec import HOP, SAMPLE_RATE_HZ, load_codec
from pipeline.engines.dia.loader import load_model
from pipeline.engines.dia.network.attention import KvSizes
from pipeline.engines.dia.weights.config import DiaConfig
from pipeline.engines.dia.weights.fingerprint import fingerprint

_log = logging.getLogger(__name__)
_FRAMES_PER_S = SAMPLE_RATE_HZ / HOP
# A take twice as long as its text should last is noise: it is stopped, and the gate on takes sees it.
_FRAMES_PER_BYTE = 12
_SPARE_FRAMES = 86
_MOST_ON_CUDA = 128
SHARE_OF_MEMORY = 0.5


class Loaded:
    """Model and codec on their devices: what takes long to load, and is the same whatever the sampling settings."""

    def __init__(self, config: DiaConfig, weights: Path, codec: Path, precision: str | None, machine: Machine) -> None:
        set_threads()
        self.choice = devices.choose(machine.device, precision)
        for warning in self.choice.warnings:
            _log.warning("%s", warning)
        on = str(self.choice.device)
        self.codec_device = torch.device(machine.codec_device or on)
        same = str(self.codec_device) == on
        self.codec = load_codec(codec, str(self.codec_device), self.choice.dtype if same else torch.float32)
        self.model = load_model(config, weights, self.choice, machine.kernels)
        self.encode = lru_cache(maxsize=64)(self._encode)

    def _encode(self, clip: Path) -> Codes:
        return self.codec.encode(read_clip(clip))


_loaded: WeakValueDictionary[tuple[object, ...], Loaded] = WeakValueDictionary()


def load(config: DiaConfig, weights: Path, codec: Path, precision: str | None, machine: Machine) -> Loaded:
    """What is loaded already for another job, where that is the same; else from the disk. Not for several threads."""
    where = (machine.device, machine.codec_device, precision, machine.kernels)
    key = (fingerprint(weights), fingerprint(codec), *where)
    if (loaded := _loaded.get(key)) is None:
        loaded = _loaded[key] = Loaded(config, weights, codec, precision, machine)
    return loaded


class Runtime:
    """What is loaded, with sampling settings and a scheduler: requests in, sound out."""

    def __init__(self, config: DiaConfig, loaded: Loaded, sound: DiaSound, machine: Machine) -> None:
        self._config = config
        self._sound_options, self._machine = sound, machine
        self._loaded = loaded
        self._codec = loaded.codec
        self._codec_device = loaded.codec_device
        self._fp8 = loaded.choice.precision == "fp8"
        self._model = loaded.model
        # A CPU's threads are all busy with the step already: a second pool would only take them away from it.
        both_on_cpu = loaded.choice.device.type == loaded.codec_device.type == "cpu"
        self._decoder = None if both_on_cpu else ThreadPoolExecutor(1, "codec")
        sampling = Sampling(
            cfg_scale=sound.cfg_scale,
            temperature=sound.temperature if sound.temperature is not None else 1.3 if config.cross_rope else 1.2,
            top_p=sound.top_p,
            top_k=sound.top_k or (35 if config.cross_rope else 45),
            from_guided=config.cross_rope,
        )
        self.scheduler = self._make_scheduler(sampling)

    @torch.inference_mode()
    def render(self, requests: Iterable[Request]) -> Iterator[Rendered | Failed]:
        """Every request exactly once, in the order they finish."""
        queue = _PromptedQueue(requests, self._generation_request)
        in_codec: deque[tuple[Request, Codes, Future[Pcm]]] = deque()
        since = time.perf_counter()

        def rendered() -> Rendered:
            nonlocal since
            request, codes, future = in_codec.popleft()
            pcm = future.result()
            work_s, since = time.perf_counter() - since, time.perf_counter()
            return Rendered(request, pcm, None, work_s, codes)

        for generated in self.scheduler.generate(queue):
            request = queue.pulled.pop(generated.key)
            if generated.reason:
                # Other numbers drawn may avoid a NaN; memory will not grow.
                yield Failed(request, generated.reason, final=not generated.retry)
            else:
                in_codec.append((request, generated.codes, self._decode(generated.codes)))
            while in_codec and in_codec[0][2].done():
                yield rendered()
            while queue.refused:
                yield queue.refused.popleft()
        while in_codec:
            yield rendered()
        yield from queue.refused

    def _decode(self, codes: Codes) -> Future[Pcm]:
        if self._decoder is not None:
            return self._decoder.submit(self._sound, codes)
        done: Future[Pcm] = Future()
        done.set_result(self._sound(codes))
        return done

    @torch.inference_mode()
    def _sound(self, codes: Codes) -> Pcm:
        with on_stream(self._codec_device):
            return self._codec.decode(codes) if len(codes) else np.zeros(0, np.float32)

    def _generation_request(self, request: Request) -> GenerationRequest:
        """The request as tokens and codes. Raises `ValueError` in plain words where it cannot be spoken."""
        text = tokens(compose(request.lines))
        most = self._config.encoder.max_positions
        if len(text) > most:
            raise ValueError(f"it has {len(text)} bytes with the transcripts of its voices, and Dia reads {most}.")
        prompts = [self._loaded.encode(voice.prompt) for voice in speakers(request.lines) if voice.prompt is not None]
        prompt = np.concatenate([np.zeros((0, len(self._config.delays)), np.int16), *prompts])
        text_bytes = sum(len(line.text.encode()) + 1 for line in request.lines)
        # The last row is EOS in the last codebook, `max(delays)` rows after the first's.
        frames = self._config.decoder.max_positions - len(prompt) - max(self._config.delays) - 2
        if frames < 1:
            raise ValueError(f"its voice prompts of {len(prompt) / _FRAMES_PER_S:.0f} s leave no room for speech.")
        frames = min(frames, _FRAMES_PER_BYTE * text_bytes + _SPARE_FRAMES)
        for longest_s in (self._sound_options.max_seconds, request.max_s):
            if longest_s is not None:
                frames = min(frames, math.floor(longest_s * _FRAMES_PER_S))
        return GenerationRequest(request.key, text, prompt, request.seed, max(frames, 1), request.temperature)

    def _make_scheduler(self, sampling: Sampling) -> Scheduler[EagerSlot] | Scheduler[CudaSlot]:
        """With as many slots as are asked for, or as fit a share of the memory that is free."""
        device, cfg_frames = self._model.device, self._sound_options.cfg_frames
        room = int(devices.memory(device).available * SHARE_OF_MEMORY)
        slots = self._machine.slots
        if device.type != "cuda":
            eager = EagerStepper(self._model, sampling, cfg_frames)
            return Scheduler(eager, slots or MOST_SLOTS, None if slots else room)
        config = self._config
        longest = KvSizes.of(self._model.attention).total(config.encoder.max_positions, config.decoder.max_positions, 2)
        limit = slots or max(1, min(_MOST_ON_CUDA, room // longest))
        return Scheduler(CudaStepper(self._model, sampling, cfg_frames, fp8=self._fp8), limit)


class _PromptedQueue(Iterator[GenerationRequest]):
    """Requests as the scheduler takes them; `refused` are those that cannot be spoken.

    The scheduler asks again after there was nothing, and so `requests` is asked again: a generator would have ended.
    """

    def __init__(self, requests: Iterable[Request], prepare: Callable[[Request], GenerationRequest]) -> None:
        self._incoming = iter(requests)
        self._prepare = prepare
        self.pulled: dict[str, Request] = {}  # by key
        self.refused: deque[Failed] = deque()

    def __next__(self) -> GenerationRequest:
        for request in self._incoming:
            try:
                prepared = self._prepare(request)
            except ValueError as error:
                self.refused.append(Failed(request, str(error)))
                continue
            self.pulled[request.key] = request
            return prepared
        raise StopIteration


def set_threads() -> int:
    """Let torch, and with it our own kernels, use the physical cores; OMP_NUM_THREADS is left as it is set."""
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(devices.threads())
    return torch.get_num_threads()


def read_clip(path: Path) -> Pcm:
    """A clip of any rate and channels as mono at 44,100 Hz, `[T]`. Raises `ValueError` for what is no sound."""
    try:
        pcm, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise ValueError(f"the voice prompt {path} cannot be read: {error}.") from None
    mono = pcm.mean(axis=1)
    return np.asarray(mono if rate == SAMPLE_RATE_HZ else soxr.resample(mono, rate, SAMPLE_RATE_HZ), np.float32)
