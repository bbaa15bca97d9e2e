"""Each finding, by a configuration that is wrong in one place: that one is found, there, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from doctor.clinic import CONTEXT, PROXY, SPOE, admit, findings_of, line_of, replaced
from haproxy_telemetry.doctor.catalog import CHECKS
from haproxy_telemetry.settings.address import parse_records


class Broken(NamedTuple):
    """What to change, on which version, and the line that the finding must point at."""

    id: str
    line: str
    proxy: tuple[str, str] = ("", "")
    spoe: tuple[str, str] = ("", "")
    version: str = "3.0"
    fix: str = ""


LATE = """

spoe-message opentracing:late
    args id=unique-id span=str("Server session")
    event {event}
"""


def late(event: str) -> tuple[str, str]:
    """One more message, on an event of the response."""
    return SPOE, replaced(SPOE, "opentracing:backend\n", "opentracing:backend opentracing:late\n") + LATE.format(
        event=event
    )


SECOND_AGENT = "    server agent1 127.0.0.1:7000\n    server agent2 127.0.0.1:7002\n"
SECOND_FRONTEND = """\
frontend second
    bind 127.0.0.1:7003
    unique-id-format %[uuid]
    filter spoe engine otel config spoe.cfg
    http-request set-header traceparent %[var(txn.otel.traceparent)] if { var(txn.otel.traceparent) -m found }
    default_backend origin

backend origin
"""
SERVER = "    server agent1 127.0.0.1:7000\n"
LOG = "log 127.0.0.1:7514 len 8192 format raw local0 info"
WORKER = '"w":"%[var(txn.otel.worker)]",'
RECORD = '\'{"ht":1,' + WORKER + """"id":"%[unique-id]","uri":"%[capture.req.uri,json(utf8s)]"}'"""
PROFILE = f"log-profile records\n    on close format {RECORD}\n\nbackend origin\n"

BROKEN = [
    Broken("unique-id-missing", "frontend web", ("    unique-id-format %[uuid]\n", ""), fix="unique-id-format %[uuid]"),
    Broken(
        "header-emptied",
        "http-request set-header traceparent %[var(txn.otel.traceparent)]",
        (" if has_context", ""),
        fix="add: if { var(txn.otel.traceparent) -m found }",
    ),
    Broken(
        "header-emptied",
        "http-request set-header traceparent %[var(txn.otel.traceparent)] if has_context or { always_true }",
        ("traceparent)] if has_context", "traceparent)] if has_context or { always_true }"),
    ),
    Broken(
        "variable-unknown",
        "http-request set-header tracestate %[var(txn.otel.trace_state)] if { var(txn.otel.trace_state) -m found }",
        ("otel.tracestate", "otel.trace_state"),
        fix="use txn.otel.tracestate",
    ),
    Broken(
        "variable-unknown",
        "args id=unique-id up=var(txn.otel_upp)",
        spoe=("id=unique-id\n", "id=unique-id up=var(txn.otel_upp)\n"),
    ),
    Broken(
        "traceparent-not-sent",
        "frontend web",
        ("    http-request set-header traceparent %[var(txn.otel.traceparent)] if has_context\n", ""),
        fix="set-header traceparent %[var(txn.otel.traceparent)] if { var(txn.otel.traceparent) -m found }",
    ),
    Broken("spoe-unreadable", "filter spoe engine otel config spoe.cfg", spoe=("[otel]", "[other]")),
    Broken("spoe-unreadable", "filter spoe engine otel config other.cfg", ("config spoe.cfg", "config other.cfg")),
    Broken(
        "listen-merges-events",
        "filter spoe engine otel config spoe.cfg",
        ("frontend web", "listen web"),
    ),
    Broken(
        "id-not-first",
        "spoe-message opentracing:begin",
        spoe=("args id=unique-id\n", "args from=src id=unique-id\n"),
        fix="begin with: args id=unique-id",
    ),
    Broken(
        "message-unused",
        "spoe-message opentracing:backend",
        spoe=("opentracing:begin opentracing:backend", "opentracing:begin"),
    ),
    Broken("message-unused", "spoe-message opentracing:backend", spoe=("    event on-backend-http-request\n", "")),
    Broken("event-crashes", "event on-server-session", spoe=late("on-server-session"), version="3.4.0"),
    Broken("event-crashes", "event on-tcp-response", spoe=late("on-tcp-response"), version="3.5-dev5"),
    Broken(
        "event-breaks-cache",
        "event on-tcp-response",
        ("backend origin\n", "backend origin\n    http-request cache-use small\n"),
        late("on-tcp-response"),
        version="3.2.26",
    ),
    Broken("response-events-hang", "event on-http-response", spoe=late("on-http-response"), version="2.6.12-1+deb12u4"),
    Broken("timeout-processing-missing", "spoe-agent otel", spoe=("    timeout processing 20ms\n", "")),
    Broken("timeout-processing-long", "timeout processing 101ms", spoe=("processing 20ms", "processing 101ms")),
    Broken("timeout-processing-long", "timeout processing 1s", spoe=("processing 20ms", "processing 1s")),
    Broken("set-on-error-missing", "spoe-agent otel", spoe=("    option set-on-error err\n", "")),
    Broken(
        "continue-on-error",
        "option continue-on-error",
        spoe=("    option set-on-error err\n", "    option set-on-error err\n    option continue-on-error\n"),
    ),
    Broken(
        "frame-size-small", "max-frame-size 4096", spoe=("    use-backend", "    max-frame-size 4096\n    use-backend")
    ),
    Broken(
        "fragments-off",
        "no option send-frag-payload",
        spoe=("    use-backend", "    no option send-frag-payload\n    use-backend"),
    ),
    Broken("agent-mode", "mode http", ("    mode tcp\n", "    mode http\n")),
    Broken("agent-mode", "mode spop", ("    mode tcp\n", "    mode spop\n"), version="3.0.11"),
    Broken("spop-check-missing", "backend agents", ("    option spop-check\n", ""), fix="option spop-check"),
    Broken(
        "check-missing", "server agent1 127.0.0.1:7000", ("default-server check inter 1s", "default-server inter 1s")
    ),
    Broken("check-missing", "server agent1 127.0.0.1:7000 no-check", (SERVER, SERVER.rstrip() + " no-check\n")),
    Broken("agent-affinity-missing", "backend agents", ("    balance hash thread\n", "@"), fix="balance hash thread"),
    Broken("threads-too-few", "nbthread 1", ("nbthread 2", "nbthread 1")),
    Broken("record-names-no-worker", "log-format " + RECORD.replace(WORKER, ""), (WORKER, "")),
    Broken(
        "server-maxconn",
        "server agent1 127.0.0.1:7000 maxconn 8",
        (SERVER, SERVER.rstrip() + " maxconn 8\n"),
        version="3.1.2",
    ),
    Broken("pool-low-conn-missing", "server agent1 127.0.0.1:7000", (" pool-low-conn 20", ""), version="3.2"),
    Broken("record-missing", "frontend web", ('{"ht":1,', '{"other":1,'), ("opentracing:begin", "otel:request")),
    Broken(
        "record-missing",
        "frontend web",
        ("    default_backend", "    option httplog\n    default_backend"),
        ("opentracing:begin", "otel:request"),
    ),
    Broken(
        "record-elsewhere",
        "log 127.0.0.1:514 len 8192 format raw local0 info",
        ("127.0.0.1:7514", "127.0.0.1:514"),
        fix=LOG,
    ),
    Broken("record-elsewhere", "log-format " + RECORD, (f"    {LOG}\n", ""), fix=LOG),
    Broken("record-cut", "log 127.0.0.1:7514 format raw local0 info", ("len 8192 format", "format"), fix=LOG),
    Broken("record-cut", "log 127.0.0.1:7514 len 4096 format raw local0 info", ("len 8192", "len 4096")),
    Broken("record-uri-cut", "log-format " + RECORD, ("    tune.http.logurilen 4096\n", "")),
    Broken("record-level", "log 127.0.0.1:7514 len 8192 format raw local0 notice", ("local0 info", "local0 notice")),
    Broken(
        "record-sampled",
        "log 127.0.0.1:7514 len 8192 sample 1:10 format raw local0 info",
        ("len 8192", "len 8192 sample 1:10"),
    ),
    Broken(
        "record-steps",
        "log-steps accept,request",
        ("    default_backend", "    log-steps accept,request\n    default_backend"),
        version="3.2",
        fix="log-steps accept,request,close",
    ),
    Broken(
        "record-no-end",
        "log-format '%ci %ST %{+Q}r'",
        (f"raw local0 info\n    log-format {RECORD}", "raw profile records local0\n    log-format '%ci %ST %{+Q}r'"),
        version="3.2",
        fix="%B",
    ),
    Broken(
        "record-form",
        "log 127.0.0.1:7514 len 8192 format raw local0 info",
        ("log-format " + RECORD, "option httplog\n    log-format-sd " + RECORD),
        fix="log 127.0.0.1:7514 len 8192 format rfc5424 local0 info",
    ),
    Broken(
        "steps-lose-request",
        "log-steps close",
        ("    default_backend", "    log-steps close\n    default_backend"),
        version="3.2",
        fix="take this line out",
    ),
    Broken("record-early", "option logasap", ("    default_backend", "    option logasap\n    default_backend")),
    Broken(
        "record-only-failures",
        "option dontlog-normal",
        ("    option dontlognull\n", "    option dontlognull\n    option dontlog-normal\n"),
    ),
]

# Some are only wrong where there is something else too.
ALSO = {
    "record-no-end": ("backend origin\n", PROFILE),
    "agent-affinity-missing": (SERVER, SECOND_AGENT),
    "threads-too-few": (SERVER, SECOND_AGENT),
    "record-names-no-worker": (SERVER, SECOND_AGENT.replace("7002", "7001")),
    "pool-low-conn-missing": ("backend origin\n", SECOND_FRONTEND),
}


def broken_files(case: Broken) -> tuple[str, str]:
    proxy = replaced(PROXY, *ALSO[case.id]) if case.id in ALSO else PROXY
    old, new = case.proxy
    return replaced(proxy, old, "" if new == "@" else new), replaced(SPOE, *case.spoe)


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case.id)
def test_a_configuration_that_is_wrong_in_one_place_has_that_finding_there(case: Broken, tmp_path: Path) -> None:
    proxy, spoe = broken_files(case)
    found = findings_of(admit(tmp_path, proxy, spoe, case.version))
    assert {finding.kind.id for finding in found} == {case.id}, [finding.words for finding in found]
    assert line_of(found[0]) == case.line
    assert case.fix in found[0].fix


def test_every_check_has_a_broken_configuration() -> None:
    assert {check.kind.id for check in CHECKS} - {case.id for case in BROKEN} == {"nothing-traced", "haproxy-too-old"}


@pytest.mark.parametrize("version", ["2.6", "2.8.25", "3.0", "3.1", "3.2.26", "3.4.0", "3.5-dev5"])
def test_the_configuration_that_the_others_are_made_of_has_none(version: str, tmp_path: Path) -> None:
    assert findings_of(admit(tmp_path, version=version)) == []


@pytest.mark.parametrize(
    "proxy",
    ["frontend web\n    bind :80\n", replaced(PROXY, '{"ht":1,', '{"x":1,')],
    ids=["no filter", "others' messages"],
)
def test_nothing_that_the_agent_reads(proxy: str, tmp_path: Path) -> None:
    spoe = SPOE.replace("opentracing:", "waf-").replace("child-of", "child")
    found = findings_of(admit(tmp_path, proxy, spoe))
    assert [finding.kind.id for finding in found] == ["nothing-traced"]


def test_messages_of_other_agents_are_not_judged(tmp_path: Path) -> None:
    """Beside ours, an engine of somebody else may be as it likes."""
    other = PROXY.replace("    unique-id-format", "    filter spoe engine waf config waf.cfg\n    unique-id-format")
    (tmp_path / "waf.cfg").write_text(
        "[waf]\nspoe-agent waf\n  messages check\n  use-backend wafs\nspoe-message check\n  args a=src\n"
    )
    assert findings_of(admit(tmp_path, other + "backend wafs\n  mode http\n  server a :1\n  server b :2\n")) == []


def test_an_old_haproxy(tmp_path: Path) -> None:
    found = findings_of(admit(tmp_path, version="2.4.22"))
    assert [(finding.kind.id, finding.place) for finding in found] == [("haproxy-too-old", None)]


@pytest.mark.parametrize("name", ["event-crashes", "event-breaks-cache", "response-events-hang", "server-maxconn"])
def test_what_depends_on_the_version_is_not_said_of_another_or_unknown_one(name: str, tmp_path: Path) -> None:
    case = next(case for case in BROKEN if case.id == name)
    proxy, spoe = broken_files(case)
    for version in ("2.8.25", "unknown"):
        assert findings_of(admit(tmp_path, proxy, spoe, version)) == []


@pytest.mark.parametrize(
    ("name", "version", "said"),
    [
        ("response-events-hang", "2.7.12", True),
        ("response-events-hang", "2.8.0", False),
        ("event-breaks-cache", "3.1.0", False),
        ("server-maxconn", "3.0.11", False),
        ("pool-low-conn-missing", "3.0.11", False),
        ("pool-low-conn-missing", "3.1.0", True),
        ("fragments-off", "3.1.0", False),
        ("agent-mode", "3.0.11", True),
    ],
)
def test_with_which_version_it_begins_or_ends(name: str, version: str, said: bool, tmp_path: Path) -> None:
    case = [case for case in BROKEN if case.id == name][-1]
    found = findings_of(admit(tmp_path, *broken_files(case), version=version))
    assert [finding.kind.id for finding in found] == [name] * said


def test_mode_spop_from_3_1_on(tmp_path: Path) -> None:
    for version in ("3.1.0", "3.2.26", "unknown"):
        assert findings_of(admit(tmp_path, replaced(PROXY, "    mode tcp", "    mode spop"), version=version)) == []


@pytest.mark.parametrize("version", ["3.4.1", "3.5-dev6", "3.3.0"])
def test_releases_in_which_the_crash_was_not_seen(version: str, tmp_path: Path) -> None:
    assert findings_of(admit(tmp_path, PROXY, late("on-tcp-response")[1], version)) == []


@pytest.mark.parametrize(
    ("version", "balance", "well"),
    [
        ("3.2", "balance hash var(psess.uid)", True),
        ("3.0", "balance hash var(psess.uid)", False),
        ("3.2", "balance hash spoe.engine-id", True),
        ("3.2", "balance first", True),
        ("3.2", "balance leastconn", False),
        ("3.2", "balance hash unique-id", False),
        ("3.2", "balance roundrobin\n    stick on var(psess.uid)", True),
    ],
)
def test_which_balancing_keeps_a_stream_together(version: str, balance: str, well: bool, tmp_path: Path) -> None:
    proxy = replaced(replaced(PROXY, "balance hash thread", balance), SERVER, SECOND_AGENT)
    found = [finding.kind.id for finding in findings_of(admit(tmp_path, proxy, version=version))]
    assert found == ([] if well else ["agent-affinity-missing"])


def test_a_second_agent_that_is_a_backup_needs_no_affinity(tmp_path: Path) -> None:
    proxy = replaced(PROXY, "    balance hash thread\n", "")
    assert findings_of(admit(tmp_path, replaced(proxy, SERVER, SECOND_AGENT.rstrip() + " backup\n"))) == []


def test_the_agents_of_a_server_template_count_each(tmp_path: Path) -> None:
    proxy = replaced(PROXY, "    balance hash thread\n", "")
    proxy = replaced(proxy, SERVER, "    server-template agent 1-3 agents.local:7000\n")
    found = findings_of(admit(tmp_path, proxy))
    assert [finding.kind.id for finding in found] == ["agent-affinity-missing"]
    assert "3 agents" in found[0].words


def test_unique_ids_are_asked_of_the_frontends_that_lead_to_a_filter_in_a_backend(tmp_path: Path) -> None:
    line = "    filter spoe engine otel config spoe.cfg\n"
    proxy = replaced(replaced(PROXY, line, ""), "backend origin\n", "backend origin\n" + line)
    elsewhere = "frontend untraced\n    bind 127.0.0.1:7009\n    default_backend other\n\nbackend other\n"
    assert findings_of(admit(tmp_path, proxy + elsewhere)) == []
    found = findings_of(admit(tmp_path, replaced(proxy, "    unique-id-format %[uuid]\n", "")))
    assert [(finding.kind.id, line_of(finding)) for finding in found] == [("unique-id-missing", "frontend web")]


@pytest.mark.parametrize(
    ("condition", "guarded"),
    [
        ("if { var(txn.otel.traceparent) -m found }", True),
        ("if { var(txn.otel.traceparent) -m reg ^00- }", True),
        ("if { path /a } { var(txn.otel.trace_id) -m found }", True),
        ("if has_context { path /a } or has_context { path /b }", True),
        ("unless !has_context", True),
        ("", False),
        ("if { path /a }", False),
        ("if has_context or { path /a }", False),
        ("if !has_context", False),
        ("unless has_context", False),
        ("if { var(req.otel.traceparent) -m found }", False),
        ("if { var(txn.otel.tracestate) -m found }", False),
    ],
)
def test_which_conditions_guard_the_callers_header(condition: str, guarded: bool, tmp_path: Path) -> None:
    setup = admit(tmp_path, replaced(PROXY, "traceparent)] if has_context", f"traceparent)] {condition}"))
    assert [finding.kind.id for finding in findings_of(setup)] == ([] if guarded else ["header-emptied"])


@pytest.mark.parametrize(
    ("header", "value", "emptied"),
    [
        ("traceparent", "%[var(txn.mine)]", True),
        ("Tracestate", "a=b,%[var(sess.mine)]", True),
        ("baggage", "%[var(req.mine),lower]", True),
        ("traceparent", "%[var(txn.mine,00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01)]", False),
        ("x-mine", "%[var(txn.mine)]", False),
        ("traceparent", "%[req.hdr(x-mine)]", False),
    ],
)
def test_whose_variable_it_is_makes_no_difference(header: str, value: str, emptied: bool, tmp_path: Path) -> None:
    last = "    default_backend"
    proxy = replaced(PROXY, last, f"    http-request set-header {header} {value}\n{last}")
    found = findings_of(admit(tmp_path, proxy))
    assert [finding.kind.id for finding in found] == (["header-emptied"] if emptied else [])


def test_headers_that_haproxy_makes_by_itself_need_no_agent(tmp_path: Path) -> None:
    own = replaced(
        PROXY, "    http-request set-header traceparent %[var(txn.otel.traceparent)] if has_context\n", CONTEXT
    )
    assert findings_of(admit(tmp_path, own)) == []


def profiled(own: str) -> str:
    """A configuration with a record of a log profile; ``own`` is what else is said of the frontend's logs."""
    proxy = replaced(PROXY, f"log-format {RECORD}", own)
    proxy = replaced(proxy, "format raw local0 info", "format raw profile records local0 info")
    return replaced(proxy, "backend origin\n", PROFILE)


@pytest.mark.parametrize(
    ("own", "found"),
    [
        ("option httplog", {}),
        ("option tcplog", {}),
        ('log-format "%ci %ST %{+Q}r %B"', {}),
        ("log-format '%ci %[bytes_out]'", {}),
        ("log-format '%{+json}o %(client)ci %(bytes)B %(t)Tt'", {}),
        ("log-format '%ci %[date,ltime(%B)]'", {"record-no-end": "as %B or %Tt"}),
        ('log-format "%ci %ST %{+Q}r %tsc %rt"', {"record-no-end": "as %B or %Tt"}),
        ("", {"record-no-end": "option httplog"}),
        ("mode tcp", {"record-no-end": "option tcplog"}),
        ("option httplog\n    log-steps all", {}),
        ("option httplog\n    log-steps request,close", {}),
        ("option httplog\n    log-steps close", {"steps-lose-request": "take this line out"}),
        ("log-format '%ci %HU'\n    log-steps close", {"steps-lose-request": "take this line out"}),
        ("log-format '%ci %rt'\n    log-steps close", {}),
        ("option tcplog\n    log-steps close", {}),
        ("option tcplog\n    log-steps accept", {"record-steps": "log-steps accept,close"}),
    ],
)
def test_from_3_1_on_something_says_when_the_record_is_written(tmp_path: Path, own: str, found: dict[str, str]) -> None:
    without = replaced(profiled(own), "capture.req.uri", "var(txn.uri)")
    proxy = replaced(without, "    unique-id-format", "    http-request set-var(txn.uri) path\n    unique-id-format")
    findings = {one.kind.id: one.fix for one in findings_of(admit(tmp_path, proxy, version="3.2"))}
    assert {one: fix for one, fix in findings.items() if one.startswith(("record-", "steps-"))}.keys() == found.keys()
    assert all(fix in findings[one] for one, fix in found.items())


@pytest.mark.parametrize(
    ("own", "form", "found"),
    [
        ("option httplog", "rfc5424", []),
        ("option httplog", "raw", ["record-form"]),
        ("", "rfc5424", ["record-no-end"]),
        ('log-format "%ci %ST"', "rfc5424", []),  # what the record needs is waited for, too
    ],
)
def test_a_record_as_structured_data(tmp_path: Path, own: str, form: str, found: list[str]) -> None:
    proxy = replaced(PROXY, f"log-format {RECORD}", f"log-format-sd {RECORD}\n    {own}")
    setup = admit(tmp_path, replaced(proxy, "format raw local0 info", f"format {form} local0 info"), version="2.8")
    assert [record.proxy.name for record in setup.written] == ["web"]
    assert [finding.kind.id for finding in findings_of(setup)] == found


def test_structured_data_elsewhere_gets_a_line_of_its_form_and_nobody_elses(tmp_path: Path) -> None:
    data = replaced(PROXY, f"log-format {RECORD}", f"option httplog\n    log-format-sd {RECORD}")
    proxy = replaced(data, "    log 127.0.0.1:7514 len 8192 format raw local0 info\n", "    log 10.0.0.1:514 local0\n")
    [finding] = findings_of(admit(tmp_path, proxy, version="2.8"))
    assert (finding.kind.id, finding.fix) == (
        "record-elsewhere", "log 127.0.0.1:7514 len 8192 format rfc5424 local0 info",
    )  # fmt: skip


def test_a_profile_that_writes_the_record_counts_before_structured_data_that_nobody_gets(tmp_path: Path) -> None:
    proxy = profiled(f"option httplog\n    log-format-sd {RECORD}")
    assert findings_of(admit(tmp_path, proxy, version="3.2")) == []


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ("", []),
        ("    log 10.0.0.1:514 local0\n", ["steps-lose-request"]),
        ("    log 10.0.0.1:514 profile q local0\n", ["steps-lose-request"]),
        ("    log 10.0.0.1:514 profile records local0\n", []),
    ],
)
def test_steps_lose_the_request_line_of_a_log_that_is_written(tmp_path: Path, other: str, found: list[str]) -> None:
    proxy = replaced(profiled("option httplog\n    log-steps close"), "capture.req.uri", "var(txn.uri)")
    proxy = replaced(proxy, "    unique-id-format", "    http-request set-var(txn.uri) path\n    unique-id-format")
    proxy = replaced(proxy, "    log global\n", other)
    proxy = replaced(
        proxy, "log-profile records\n", "log-profile q\n    on any format '%ci %(line)r'\n\nlog-profile records\n"
    )
    findings = findings_of(admit(tmp_path, proxy, version="3.2"))
    assert [finding.kind.id for finding in findings] == found


@pytest.mark.parametrize(("version", "ids"), [("3.1.0", ["record-no-end"]), ("3.2", [])])
def test_3_1_needs_a_format_with_log_steps_too(tmp_path: Path, version: str, ids: list[str]) -> None:
    without = replaced(profiled("log-steps close"), "capture.req.uri", "var(txn.uri)")
    proxy = replaced(without, "    unique-id-format", "    http-request set-var(txn.uri) path\n    unique-id-format")
    found = findings_of(admit(tmp_path, proxy, version=version))
    assert [finding.kind.id for finding in found if finding.kind.id.startswith("record-")] == ids


def test_a_record_by_a_log_profile(tmp_path: Path) -> None:
    """From 3.1 on, `log-format` may stay a person's own."""
    proxy = profiled("option httplog")
    setup = admit(tmp_path, proxy, version="3.2")
    assert [record.proxy.name for record in setup.written] == ["web"]
    assert findings_of(setup) == []
    found = findings_of(admit(tmp_path, replaced(proxy, "7514 len 8192", "7515 len 8192"), version="3.2"))
    assert [finding.fix for finding in found] == [replaced(LOG, "raw", "raw profile records")]


@pytest.mark.parametrize(
    ("written", "agent"),
    [
        ("127.0.0.1:7514", "udp:0.0.0.0:7514"),
        ("localhost:7514", "udp:127.0.0.1:7514"),
        ("udp@127.0.0.1:7514", "udp:127.0.0.1:7514"),
        ("[::1]:7514", "udp:[::]:7514"),
        ("::1:7514", "udp:[::1]:7514"),
        ("127.0.0.1:7514", "udp:[::]:7514"),
        ("localhost:7514", "udp:[::1]:7514"),
        ("agent.local:7514", "udp:0.0.0.0:7514"),
        ("127.0.0.1", "udp:127.0.0.1:514"),
        ("/run/records.sock", "unix:/run/records.sock"),
        ("unix@/run/records.sock", "unix:/run/records.sock"),
    ],
)
def test_ways_to_write_the_address_of_the_agent(written: str, agent: str, tmp_path: Path) -> None:
    proxy = replaced(PROXY, "log 127.0.0.1:7514", f"log {written}")
    assert findings_of(admit(tmp_path, proxy, records=(parse_records(agent),))) == []
    elsewhere = (parse_records("udp:127.0.0.1:9"), parse_records("unix:/run/other"))
    assert [finding.kind.id for finding in findings_of(admit(tmp_path, proxy, records=elsewhere))] == [
        "record-elsewhere"
    ]
    both = (*elsewhere, parse_records(agent))
    assert findings_of(admit(tmp_path, proxy, records=both)) == []


@pytest.mark.parametrize(
    ("written", "agent"),
    [
        ("::1:7514", "udp:127.0.0.1:7514"),
        ("[::1]:7514", "udp:0.0.0.0:7514"),
        ("127.0.0.1:7514", "udp:[::1]:7514"),
        ("127.0.0.1:7514", "udp:127.0.0.2:7514"),
        ("localhost:7514", "udp:10.0.0.1:7514"),
        ("127.0.0.1:7514", "udp:[::]:7515"),
    ],
)
def test_an_address_of_the_other_family_is_another(written: str, agent: str, tmp_path: Path) -> None:
    proxy = replaced(PROXY, "log 127.0.0.1:7514", f"log {written}")
    found = findings_of(admit(tmp_path, proxy, records=(parse_records(agent),)))
    assert [finding.kind.id for finding in found] == ["record-elsewhere"]


def test_only_targets_that_get_the_record_are_named(tmp_path: Path) -> None:
    proxy = replaced(PROXY, "log stderr format raw local0", "log 127.0.0.1:9 format raw local0 notice")
    found = findings_of(admit(tmp_path, replaced(proxy, "127.0.0.1:7514", "127.0.0.1:7515")))
    assert [(finding.kind.id, line_of(finding)) for finding in found] == [
        ("record-elsewhere", replaced(LOG, "7514", "7515"))
    ]
    assert "the record goes to 127.0.0.1:7515; the agent" in found[0].words
    (none,) = findings_of(admit(tmp_path, replaced(proxy, f"    {LOG}\n", "")))
    assert "nowhere: there is no log line for it" in none.words
    assert none.fix == LOG
