"""Several machines: Dask's scheduler, `podcast worker` and the command, each a process with a folder of its own."""

from __future__ import annotations

import datetime
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.server import ThreadedMotoServer

from tests.support.commands import PODCAST
from tests.support.hosts import Host, Hosts, Running, made_here, report, sounds, takes_of, write_dia_job, write_job
from tests.support.processes import WAIT_S, free_port

SECRET = "hunter2-wJalrXUtnFEMI"
STOPPED = 130


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    """Machines that are all this one."""
    machines = Hosts(tmp_path)
    yield machines
    machines.close()


def start_render(hosts: Hosts, host: Host, scheduler: str) -> Running:
    return hosts.start(host, PODCAST, "render", "job.yaml", "--cluster", scheduler)


@pytest.mark.slow
def test_workers_of_a_scheduler_make_the_same_bytes(hosts: Hosts) -> None:
    """On two machines that share no folder; all listens on loopback, and a worker that is stopped leaves nothing."""
    main, one, two = (hosts.host(name) for name in ("main", "one", "two"))
    write_job(main, 60)
    scheduler, address = hosts.scheduler(main, free_port())
    workers = [hosts.worker(host, address) for host in (one, two)]
    for worker in workers:
        worker.wait_for("has joined")
    render = start_render(hosts, main, address)
    render.see(lambda: takes_of(main) > 0, "the first take")
    assert hosts.listening(scheduler, render, *workers) == {"127.0.0.1"}
    assert render.process.wait(WAIT_S) == 0, render.said
    assert sounds(main.folder / "output/job") == made_here(main)
    assert set(report(main)["devices"]) == {"one", "two"}
    for worker, number in zip(workers, (signal.SIGTERM, signal.SIGINT), strict=True):
        assert worker.end(number) == (STOPPED if number == signal.SIGINT else 0)
        assert worker.said.split() == f"{'one' if number == signal.SIGTERM else 'two'} has joined {address}".split()


@pytest.mark.slow
def test_a_worker_started_in_another_folder_finds_weights_and_prompts(hosts: Hosts) -> None:
    """Though the command names them from where it stands."""
    main, one = hosts.host("main"), hosts.host("one")
    write_dia_job(main)
    _scheduler, address = hosts.scheduler(main, free_port())
    worker = hosts.worker(one, address)
    worker.wait_for("has joined")
    result = main.run(PODCAST, "render", "job.yaml", "--cluster", address, "--weights", "weights")
    assert result.returncode == 0, result.stderr
    assert set(report(main)["devices"]) == {"one"}


@pytest.mark.slow
def test_workers_come_and_go(hosts: Hosts) -> None:
    """A job waits for its first worker; one that comes late helps, and one that is killed costs no take."""
    main, one, two = (hosts.host(name) for name in ("main", "one", "two"))
    write_job(main, 300)
    _scheduler, address = hosts.scheduler(main, free_port())
    render = start_render(hosts, main, address)
    first = hosts.worker(one, address)
    render.see(lambda: takes_of(main) > 20, "20 takes")
    with render.paused():  # or all is done before the other has come
        second = hosts.worker(two, address)
        second.wait_for("has joined")
    before = takes_of(main)
    render.see(lambda: takes_of(main) > before + 20, "20 more takes")
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    assert render.process.wait(WAIT_S) == 0, render.said
    assert report(main)["takes"] | {"failed": 0} == report(main)["takes"]
    assert set(report(main)["devices"]) == {"one", "two"}
    assert sounds(main.folder / "output/job") == made_here(main)
    assert "Traceback" not in render.said + first.said + second.said


@pytest.mark.slow
def test_a_scheduler_that_is_killed_and_started_again_costs_nothing(hosts: Hosts) -> None:
    """Its worker comes back, and the job that was under way goes on."""
    main, one = hosts.host("main"), hosts.host("one")
    write_job(main, 150)
    port = free_port()
    scheduler, address = hosts.scheduler(main, port)
    worker = hosts.worker(one, address)
    render = start_render(hosts, main, address)
    render.see(lambda: takes_of(main) > 20, "20 takes")
    scheduler.end(signal.SIGKILL)
    worker.wait_for("one has lost")
    hosts.scheduler(main, port)
    worker.wait_for("one has joined", times=2)
    assert render.process.wait(WAIT_S) == 0, render.said
    assert sounds(main.folder / "output/job") == made_here(main)
    assert "Traceback" not in render.said + worker.said
    assert worker.end() == 0


@pytest.mark.slow
def test_the_commands_refuse_what_is_no_address(hosts: Hosts) -> None:
    """Before anything starts."""
    main = hosts.host("main")
    write_job(main, 1)
    for command in (("worker", "--scheduler"), ("render", "job.yaml", "--cluster")):
        result = main.run(PODCAST, *command, "foo")
        assert result.returncode == 2
        assert 'the scheduler: "foo" is not its address.' in result.stderr
        assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_a_worker_says_why_it_cannot_join_and_can_be_stopped(hosts: Hosts) -> None:
    """Once, however often it tries; and in the background, where Ctrl-C means nothing."""
    one = hosts.host("one")
    background = Host(one.name, one.folder, one.env, inside=("sh", "-c", 'trap "" INT; exec "$@"', "sh"))  # as by `&`
    worker = hosts.worker(background, f"tcp://nobody.invalid:{free_port()}")
    worker.wait_for("trying again")
    assert worker.end() == 0
    told = [line for line in worker.said.splitlines() if line and not line.startswith("note: this connection")]
    assert len(told) == 1
    assert re.fullmatch(r"one cannot join tcp://nobody\.invalid:\d+: .*[Nn]ame.*; trying again", told[0])


def write_certificates(folder: Path) -> dict[str, str]:
    """An authority and one certificate signed by it, and what tells Dask to use them."""
    folder.mkdir()
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    machine = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "machine")])
    now = datetime.datetime.now(datetime.UTC)
    signer = ec.generate_private_key(ec.SECP256R1())
    for name, subject, key in (
        ("ca", authority, signer),
        ("machine", machine, ec.generate_private_key(ec.SECP256R1())),
    ):
        made = (
            x509.CertificateBuilder(authority, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name == "ca", path_length=None), critical=True)
            .sign(signer, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{name}.key").write_bytes(key.private_bytes(*form))
    tls = "DASK_DISTRIBUTED__COMM__TLS__"
    roles = ("SCHEDULER", "WORKER", "CLIENT")
    return (
        {f"{tls}CA_FILE": str(folder / "ca.pem"), "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "true"}
        | {f"{tls}{role}__CERT": str(folder / "machine.pem") for role in roles}
        | {f"{tls}{role}__KEY": str(folder / "machine.key") for role in roles}
    )


@pytest.mark.slow
def test_tls_lets_in_only_who_has_a_certificate(hosts: Hosts, tmp_path: Path) -> None:
    """Everybody else is told why, client and worker alike."""
    ours, theirs = write_certificates(tmp_path / "ours"), write_certificates(tmp_path / "theirs")
    main, one = hosts.host("main", ours), hosts.host("one", ours)
    write_job(main, 8)
    scheduler, address = hosts.scheduler(main, free_port(), "tls")
    worker = hosts.worker(one, address)
    worker.wait_for("has joined")
    result = main.run(PODCAST, "render", "job.yaml", "--cluster", address)
    assert result.returncode == 0, result.stderr
    assert hosts.listening(scheduler, worker) == {"127.0.0.1"}
    assert sounds(main.folder / "output/job") == made_here(main)

    plain = address.replace("tls", "tcp")
    broken = theirs | {name: str(tmp_path / "nothing") for name in theirs if name.endswith("__CERT")}
    for name, env, there, code, words in (
        ("none", {}, address, 2, "has no certificate. Set DASK_DISTRIBUTED__COMM__TLS__CA_FILE, "),
        ("broken", broken, address, 2, "cannot be used: [Errno 2] No such file or directory. Set DASK_DISTRIBUTED__"),
        ("others", theirs, address, 1, "certificate"),
        ("plain", {}, plain, 1, plain),
        ("ahead", ours, "tcp://192.0.2.1:8786", 2, "this is not encrypted, and DASK_DISTRIBUTED__COMM__REQUIRE_ENCR"),
    ):
        stranger = hosts.host(name, env)
        write_job(stranger, 1)
        result = stranger.run(PODCAST, "render", "job.yaml", "--cluster", there)
        assert (result.returncode, words in result.stderr) == (code, True), f"{name}: {result.stderr}"
        refused = hosts.worker(stranger, there)
        if code == 2:
            assert refused.process.wait(WAIT_S) == code
            assert words in refused.said
        else:
            refused.wait_for("cannot join")
            assert refused.end() == 0
        assert "Traceback" not in result.stderr + refused.said


@pytest.mark.slow
def test_encryption_that_is_asked_for_does_not_keep_workers_on_loopback_away(hosts: Hosts, tmp_path: Path) -> None:
    """Two jobs share workers of this machine, whose traffic never leaves it."""
    main = hosts.host("main", write_certificates(tmp_path / "ours"))
    write_job(main, 8)
    result = main.run(PODCAST, "render", "job.yaml", "--device", "cpu:2x1")
    assert result.returncode == 0, result.stderr
    assert sounds(main.folder / "output/job") == made_here(main)


@pytest.mark.slow
def test_machines_share_their_takes_in_an_object_store(hosts: Hosts) -> None:
    """What one has rendered the other only fetches; the plan knows, and the secret is written nowhere."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        place, port = server.get_host_and_port()
        endpoint = f"http://{place}:{port}"
        access = {"key": "AKIATESTING", "secret": SECRET, "endpoint_url": endpoint}
        fsspec.filesystem("s3", skip_instance_cache=True, **access).mkdir("season")
        env = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "AKIATESTING", "AWS_SECRET_ACCESS_KEY": SECRET}
        env["AWS_DEFAULT_REGION"] = "us-east-1"
        one, two = hosts.host("one", env), hosts.host("two", env)
        told = ""
        for host in (one, two):
            write_job(host, 6)
            plan = host.run(PODCAST, "plan", "job.yaml", "--takes", "s3://season/nights", "--json")
            assert plan.returncode == 0, plan.stderr
            expected = {"total": 6, "render": 6, "reuse": 0} if host is one else {"total": 6, "render": 0, "reuse": 6}
            assert json.loads(plan.stdout)["takes"] == expected
            result = host.run(PODCAST, "render", "job.yaml", "--takes", "s3://season/nights")
            assert result.returncode == 0, result.stderr
            told += plan.stderr + plan.stdout + result.stderr + result.stdout
        assert (report(one)["takes"]["rendered"], report(two)["takes"]["rendered"]) == (6, 0)
        assert sounds(one.folder / "output/job") == sounds(two.folder / "output/job")
    finally:
        server.stop()
    lost = hosts.host("three", env)  # the store is away
    write_job(lost, 2)
    result = lost.run(PODCAST, "render", "job.yaml", "--takes", "s3://season/nights")
    assert result.returncode in (0, 1)
    assert "Traceback" not in result.stderr
    assert SECRET not in told + result.stderr + result.stdout
    written = [path for host in (one, two, lost) for path in host.folder.rglob("*") if path.is_file()]
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]
