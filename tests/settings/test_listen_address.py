"""The three forms of a listen address, and what is said about anything else."""

import pytest

from haproxy_telemetry.settings import ListenAddress, ListenError, TcpAddress, UnixAddress, parse_listen


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:7000", TcpAddress("127.0.0.1", 7000)),
        ("0.0.0.0:0", TcpAddress("0.0.0.0", 0)),
        ("localhost:65535", TcpAddress("localhost", 65535)),
        ("Agent-1.pod_a.example:7000", TcpAddress("agent-1.pod_a.example", 7000)),
        ("[::1]:7000", TcpAddress("::1", 7000)),
        ("[0:0:0:0:0:0:0:1]:7000", TcpAddress("::1", 7000)),
        ("[fe80::1%eth0]:7000", TcpAddress("fe80::1%eth0", 7000)),
        ("unix:/run/spop.sock", UnixAddress("/run/spop.sock")),
        ("unix:/run/with:colon and space", UnixAddress("/run/with:colon and space")),
        ("unix:/" + "x" * 106, UnixAddress("/" + "x" * 106)),
    ],
)
def test_each_form_is_read(text: str, address: ListenAddress) -> None:
    assert parse_listen(text) == address


@pytest.mark.parametrize("text", ["127.0.0.1:7000", "[::1]:0", "unix:/run/spop.sock"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_listen(text)) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "there is no port"),
        ("7000", "there is no port"),
        ("127.0.0.1", "there is no port"),
        (":7000", "no host"),
        ("*:7000", "no host"),
        ("::1:7000", "in brackets"),
        ("[::1]", "there is no port"),
        ("[]:7000", "no IPv6 address"),
        ("[127.0.0.1]:7000", "no IPv6 address"),
        ("300.0.0.1:7000", "no IPv4 address"),
        ("1.2.3:7000", "no IPv4 address"),
        ("a b:7000", "neither a name nor an IP address"),
        ("-a:7000", "neither a name nor an IP address"),
        ("a..b:7000", "neither a name nor an IP address"),
        ("tcp://a:7000", "in brackets"),
        ("localhost:", "no number from 0 to 65535"),
        ("localhost:65536", "no number from 0 to 65535"),
        ("localhost:-1", "no number from 0 to 65535"),
        ("localhost:+80", "no number from 0 to 65535"),
        ("localhost:7_0", "no number from 0 to 65535"),
        ("localhost:\u0667", "no number from 0 to 65535"),
        ("localhost:" + "9" * 5000, "no number from 0 to 65535"),
        ("localhost:7000\n", "no number from 0 to 65535"),
        ("localhost\n:7000", "neither a name nor an IP address"),
        ("unix:", "must be absolute"),
        ("unix:run/spop.sock", "must be absolute"),
        ("unix:@abstract", "must be absolute"),
        ("unix:/a\0b", "must be absolute"),
        ("unix:/" + "x" * 107, "at most 107 bytes, this one 108"),
        ("unix:/" + "é" * 54, "at most 107 bytes, this one 109"),
    ],
)
def test_anything_else_is_refused_with_the_right_forms(text: str, reason: str) -> None:
    with pytest.raises(ListenError) as caught:
        parse_listen(text)
    assert caught.value.text == text
    assert reason in str(caught.value)
    assert "HOST:PORT, [IPV6]:PORT or unix:/absolute/path" in str(caught.value)
