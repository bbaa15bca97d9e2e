"""What of the settings is a worker's."""

from __future__ import annotations

from pathlib import Path

import pytest

from haproxy_telemetry.settings import ListenError, TcpAddress, UnixAddress, load_settings, worker_addresses
from haproxy_telemetry.settings.errors import ConflictError
from haproxy_telemetry.workers.share import attributes_of, bound, settings_of
from haproxy_telemetry.workers.worker import environ_of


def test_the_ports_or_paths_follow_each_other() -> None:
    assert worker_addresses(TcpAddress("::1", 7000), 3) == tuple(TcpAddress("::1", port) for port in (7000, 7001, 7002))
    assert worker_addresses(UnixAddress("/run/a"), 3) == tuple(UnixAddress(f"/run/a{end}") for end in ("", ".2", ".3"))
    assert worker_addresses(TcpAddress("::1", 0), 2) == (TcpAddress("::1", 0), TcpAddress("::1", 0))
    with pytest.raises(ListenError, match="65535 is the last one"):
        worker_addresses(TcpAddress("::1", 65535), 2)


def test_of_several_addresses_each_worker_has_one_each() -> None:
    settings = load_settings(None, {}, {"listen": ("127.0.0.1:7000", "unix:/run/a"), "server.workers": 2})
    assert settings_of(settings, 1).listen == (TcpAddress("127.0.0.1", 7000), UnixAddress("/run/a"))
    assert settings_of(settings, 2).listen == (TcpAddress("127.0.0.1", 7001), UnixAddress("/run/a.2"))


@pytest.mark.parametrize(
    ("listen", "words"),
    [
        (("127.0.0.1:7000", "127.0.0.1:7001"), "127.0.0.1:7001 would be that of two workers"),
        (("127.0.0.1:65535",), "worker 2 would listen on port 65536"),
        (("unix:/run/a", "unix:/run/a.2"), "would be that of two workers"),
    ],
)
def test_addresses_that_leave_no_room_are_a_mistake(listen: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConflictError, match=words):
        load_settings(None, {}, {"listen": listen, "server.workers": 2})


def test_one_process_alone_is_recorded() -> None:
    environ = {"HAPROXY_TELEMETRY_RECORDER_FILE": "/tmp/flight.jsonl"}
    assert load_settings(None, environ, {}).server.workers == 1
    with pytest.raises(ConflictError, match="record with server"):
        load_settings(None, environ, {"server.workers": 2})


def test_a_rules_traces_in_a_second_are_those_of_all_workers(tmp_path: Path) -> None:
    rule = '[[sampling.rules]]\naction = "rate"\nper_second = 9.0\n'
    file = tmp_path / "agent.toml"
    file.write_text(rule + "[server]\nworkers = 3\n")
    settings = load_settings(file, {}, {})
    assert [one.per_second for one in settings_of(settings, 2).sampling.rules] == [3.0]


def test_ports_that_the_system_chose_stay_for_the_next_start() -> None:
    asked = load_settings(None, {}, {"listen": ("127.0.0.1:0",), "server.workers": 2})
    own = settings_of(asked, 2)
    assert bound(own, (TcpAddress("127.0.0.1", 4711),)).listen == (TcpAddress("127.0.0.1", 4711),)
    given = settings_of(load_settings(None, {}, {"listen": ("127.0.0.1:7000",), "server.workers": 2}), 2)
    assert bound(given, (TcpAddress("127.0.0.1", 7001),)) == given


def test_an_instance_id_that_is_given_becomes_each_workers_own() -> None:
    assert attributes_of("service.instance.id=a b", "a b", 2).endswith(",service.instance.id=a%20b-2")
    environ = {"OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=edge,team=x", "A": "b"}
    own = environ_of(environ, 2)
    assert own == {"OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=edge,team=x,service.instance.id=edge-2", "A": "b"}
    assert environ_of({"A": "b"}, 2) == {"A": "b"}
