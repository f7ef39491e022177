"""Which workers a run has: those of a cluster it is told of, those it is asked to make, or what suits this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from pipeline.engines.cluster import check_address, configured, local_cluster
from pipeline.engines.devices import Worker, parse_devices, share_cores
from pipeline.engines.pool import Crew, join_crew
from pipeline.errors import EngineError
from pipeline.settings import Settings, load_settings


def plan_workers(settings: Settings, engines: Collection[str]) -> tuple[Worker, ...]:
    """The workers for jobs of these `engines`. Raises `RequestError` where the settings name no devices.

    Left to itself: every GPU there is; else the CPU, in workers of up to 16 threads for Dia, of one for the others,
    which use no more.
    """
    if settings.device not in (None, "auto"):
        assert settings.device is not None
        return parse_devices(settings.device)
    if "dia" not in engines or not _has_weights(settings):
        return share_cores(settings.jobs, threads=1)
    from pipeline.engines.dia.devices import devices, threads  # noqa: PLC0415 - torch takes a second to load

    gpus = [device for device in devices() if device.kind in ("cuda", "mps")]
    if gpus:
        return parse_devices(",".join(device.name for device in gpus))
    return share_cores(threads())


def _has_weights(settings: Settings) -> bool:
    from pipeline.engines.dia.hub import DEFAULT_DIA, locate  # noqa: PLC0415 - not needed for the other engines

    try:
        locate(settings.weights or DEFAULT_DIA, "dia")
    except EngineError:
        return False
    return True


@contextmanager
def open_crew(settings: Settings, engines: Collection[str]) -> Iterator[Crew]:
    """Join the cluster the settings name, or start workers of one's own, which end with the block."""
    if settings.cluster is not None:
        with join_crew(settings.cluster) as crew:
            yield crew
        return
    with local_cluster(plan_workers(settings, engines)) as address, join_crew(address) as crew:
        yield crew


@contextmanager
def address_of_workers() -> Iterator[str]:
    """The scheduler of the cluster that this process's settings name, or of workers started for the block."""
    settings = load_settings()
    if settings.cluster is not None:
        check_address(settings.cluster, "client")
        with configured(settings.cluster):
            yield settings.cluster
        return
    with local_cluster(plan_workers(settings, ("dia",))) as address:
        yield address
