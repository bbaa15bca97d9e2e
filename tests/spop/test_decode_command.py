"""``haproxy-telemetry decode`` as a person uses it."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from haproxy_telemetry.cli.decode import decode
from spop.captures import GOLDEN, every_scenario

ACK = "67000000010101"


def run(*arguments: str, stdin: str | bytes = "") -> Result:
    return CliRunner().invoke(decode, arguments, input=stdin)


def test_a_capture_frame_by_frame() -> None:
    result = run(str(GOLDEN / "3.2.0" / "get200.jsonl"))
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert lines[:3] == [
        "+2.81 ms  A1  open",
        "+2.95 ms  A1  H>A  HAPROXY-HELLO stream 0 frame 0 FIN, 123 bytes",
        '  "supported-versions" = STRING "2.0"',
    ]
    assert "+3.12 ms  A1  A>H  ACK stream 1 frame 1 FIN, 7 bytes" in lines


def test_how_a_connection_closed() -> None:
    output = run(str(GOLDEN / "2.6.12" / "hc-spop-check.jsonl")).output
    assert "A1  close  ConnectionResetError(104, 'Connection reset by peer')" in output


def test_every_capture_can_be_described() -> None:
    result = run(*(str(GOLDEN / version / f"{scenario}.jsonl") for version, scenario in every_scenario()))
    assert result.exit_code == 0


def test_hex_as_an_argument() -> None:
    result = run(ACK, "00000007 " + ACK)
    assert result.output == "ACK stream 1 frame 1 FIN, 7 bytes\n  no actions\n" * 2


def test_hex_on_standard_input() -> None:
    assert run("-", stdin=f"# pasted\n{ACK}\n").output == "ACK stream 1 frame 1 FIN, 7 bytes\n  no actions\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["00 00 00 07 67 00 00 00 01 01 01"],
        ["00:00:00:07:67:00:00:00:01:01:01"],
        ["0000 0007 6700 0000 0101 01"],
        ["\\x67\\x00\\x00\\x00\\x01\\x01\\x01"],
        ["0x67 0x00 0x00 0x00 0x01 0x01 0x01"],
        ["00", "00", "00", "07", "67", "00", "00", "00", "01", "01", "01"],
    ],
    ids=lambda arguments: arguments[0][:12] if len(arguments) == 1 else "taken apart by the shell",
)
def test_hex_as_other_programs_write_it(arguments: list[str]) -> None:
    assert run(*arguments).output == "ACK stream 1 frame 1 FIN, 7 bytes\n  no actions\n"


DUMPS = {
    "tcpdump": "\t0x0000:  0000 0014 6700 0000 0101 0101 0302 0166\n\t0x0010:  0865 3100 0000 0101\n",
    "xxd": "00000000: 0000 0014 6700 0000 0101 0101 0302 0166  ....g..........f\n"
    "00000010: 0865 3100 0000 0101                      .e1.....\n",
    "hexdump": "00000000  00 00 00 14 67 00 00 00  01 01 01 01 03 02 01 66  |....g..........f|\n"
    "00000010  08 65 31 00 00 00 01 01                           |.e1.....|\n",
    "wireshark": "0000   00 00 00 14 67 00 00 00 01 01 01 01 03 02 01 66   ....g..........f\n"
    "0010   08 65 31 00 00 00 01 01                           .e1.....\n",
}


@pytest.mark.parametrize("program", DUMPS)
def test_a_hex_dump(program: str) -> None:
    """Twice the same frame of 20 bytes, with one action and a fault after it."""
    result = run("-", stdin=DUMPS[program] * 2)
    assert result.exit_code == 0
    assert result.output.count("ACK stream 1 frame 1 FIN, 20 bytes") == 2
    assert result.output.count('  set-var txn "f" = STRING') == 2


def test_a_hex_dump_with_a_line_left_out() -> None:
    result = run("-", stdin="0000   67 00 00 00\n0010   01 01 01\n")
    assert result.exit_code == 1
    assert "standard input: line 2: the offset is 16, and 4 bytes came before" in result.output


def test_nothing_is_said_to_be_nothing(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("# only a comment\n")
    assert (run("-").exit_code, run("-").output) == (1, "Error: standard input: there is no frame in it\n")
    assert (run(str(empty)).exit_code, run(" ").exit_code) == (1, 1)


def test_bytes_that_are_missing_are_counted() -> None:
    result = run("00000009" + ACK)
    assert result.output.splitlines()[-1] == "  ! 2 bytes of the frame are missing"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("no-such-file", "no-such-file is neither a file nor hexadecimal"),
        ("abc", "the hexadecimal argument: line 1: not hexadecimal, two digits for each byte"),
    ],
)
def test_what_is_no_source(source: str, sentence: str) -> None:
    result = run(source)
    assert (result.exit_code, result.output) == (1, f"Error: {sentence}\n")


def test_a_file_that_is_something_else(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    result = run(str(path))
    assert result.exit_code == 1
    assert f"{path}: line 1: not hexadecimal" in result.output


def test_a_folder(tmp_path: Path) -> None:
    result = run(str(tmp_path))
    assert result.exit_code == 1
    assert "Is a directory" in result.output


def test_binary_standard_input() -> None:
    result = run("-", stdin=b"\xff\xfe\x00")
    assert (result.exit_code, "standard input: line 1" in result.output) == (1, True)


def test_no_source_at_all() -> None:
    assert run().exit_code == 2
