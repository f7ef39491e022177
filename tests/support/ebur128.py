"""What FFmpeg's `ebur128` reads of a sound."""

from __future__ import annotations

from fractions import Fraction

import av
import av.error
import av.filter
import numpy as np
from numpy.typing import NDArray

from pipeline.audio.loudness import decibels

_LAYOUTS = {1: "mono", 2: "stereo", 5: "5.0(side)"}


def ebur128(channels: NDArray[np.float32], sample_rate_hz: int) -> tuple[float, float]:
    """Integrated loudness in LUFS and true peak in dBTP of `channels` `[channels, T]`."""
    layout = _LAYOUTS[len(channels)]
    graph = av.filter.Graph()
    source = graph.add_abuffer(
        sample_rate=sample_rate_hz, format="fltp", layout=layout, time_base=Fraction(1, sample_rate_hz)
    )
    meter, sink = graph.add("ebur128", "metadata=1:peak=true"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout=layout)
    frame.sample_rate, frame.pts = sample_rate_hz, 0
    graph.push(frame)
    graph.push(None)
    loudness, peak = float("nan"), 0.0
    while True:
        try:
            said = graph.pull().metadata
        except (av.error.EOFError, av.error.BlockingIOError):
            return loudness, decibels(peak)
        loudness = float(said.get("lavfi.r128.I", loudness))  # the first frames have none
        peak = max(peak, float(said.get("lavfi.r128.true_peak", 0)))
