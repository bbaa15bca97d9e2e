"""Where the agent listens, and what it says where it cannot."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from server.running_agent import ACK, running, stream, trace_id

FIX = "; name another with --listen, and in HAProxy's `server` line"


def refused(folder: Path, *listen: str) -> str:
    """The one sentence of an agent that could not begin."""
    with running(folder, listen=listen) as agent:
        assert agent.wait() == 1
        [sentence] = agent.log
        return sentence.removeprefix("haproxy-telemetry: ")


def listening_socket(path: Path, backlog: int = 1) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(backlog)
    return listener


def test_one_stream_over_tcp_v4_v6_and_unix_sockets_is_one_trace(tmp_path: Path) -> None:
    listen = ("127.0.0.1:0", "[::1]:0", f"unix:{tmp_path}/a.sock", "localhost:0")
    with running(tmp_path, listen=listen) as agent:
        assert len(agent.addresses) >= 4
        peers = [agent.connect(number) for number in range(len(agent.addresses))]
        answers = [peers[n % len(peers)].ask(frame)[0] for n, frame in enumerate(stream(1))]
        assert {answer[0] for answer in answers} == {ACK}
        assert len(agent.spans_of(trace_id(answers[0]))) == 9


def test_a_unix_socket_is_for_everyone_who_reaches_its_folder_and_goes_with_the_agent(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with running(tmp_path, listen=(f"unix:{path}",)) as agent:
        agent.connect()
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        assert agent.stop() == 0
    assert not path.exists()


def test_the_socket_file_of_an_agent_that_was_killed_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    listening_socket(path).close()
    assert path.is_socket()
    with running(tmp_path, listen=(f"unix:{path}",)) as agent:
        agent.connect()


def test_a_socket_on_which_another_process_listens_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with listening_socket(path) as other:
        assert refused(tmp_path, f"unix:{path}") == f"cannot listen on unix:{path}: another process listens there{FIX}"
        other.settimeout(1)
        other.accept()[0].close()


def test_a_socket_whose_owner_is_too_busy_to_accept_is_left_to_it(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    waiting: list[socket.socket] = []
    with listening_socket(path, backlog=0):
        while not waiting or waiting[-1].connect_ex(str(path)) != errno.EAGAIN:
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
        assert "another process listens there" in refused(tmp_path, f"unix:{path}")
    for client in waiting:
        client.close()


def test_a_file_that_is_no_socket_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    assert refused(tmp_path, f"unix:{path}").endswith(f": there is a file of that name, and it is no socket{FIX}")
    assert path.read_text() == "data"


def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "a.sock"
    assert refused(tmp_path, f"unix:{path}") == f"cannot listen on unix:{path}: no such file or directory{FIX}"


def test_a_port_in_use_is_one_sentence_and_nothing_stays_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        sentence = refused(tmp_path, f"unix:{path}", address)
    assert sentence == f"cannot listen on {address}: another process listens there{FIX}"
    assert not path.exists()


def test_an_address_of_another_machine_is_one_sentence(tmp_path: Path) -> None:
    address = "192.0.2.1:7000"  # TEST-NET-1: nobody has it
    assert refused(tmp_path, address) == f"cannot listen on {address}: this machine has no such address{FIX}"


def test_a_socket_file_that_is_another_agents_by_now_is_left_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with running(tmp_path, listen=(f"unix:{path}",)) as agent:
        agent.logged("listening")
        os.unlink(path)
        with listening_socket(path):
            assert agent.stop() == 0
            assert path.is_socket()


def test_check_says_what_would_run_and_listens_on_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with running(tmp_path, "--check", listen=(f"unix:{path}",)) as agent:
        assert agent.process.stdout is not None
        printed = agent.process.stdout.read().decode()
        assert agent.wait() == 0
    assert f'"unix:{path}"' in printed
    assert not path.exists()


def test_check_of_wrong_settings_is_one_line_and_code_2(tmp_path: Path) -> None:
    with running(tmp_path, "--check", listen=("7000",)) as agent:
        assert agent.wait() == 2
        assert len(agent.log) == 1


def test_the_line_listening_has_only_what_there_is(tmp_path: Path) -> None:
    with running(tmp_path) as agent:
        assert "records" not in agent.logged("listening")
    with running(tmp_path, "--records", "udp:127.0.0.1:0") as agent:
        assert " records=udp:127.0.0.1:" in agent.logged("listening")
