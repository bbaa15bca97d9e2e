"""Sampling in the assembler: the flag that goes upstream, what is put aside, what leaves, and what it says then."""

from __future__ import annotations

import sys

import pytest
from laboratory import Laboratory, say
from streams import GOOD, MS, START, UPSTREAM

from haproxy_telemetry.sampling import Action, Rule, Sampler, Sampling, Tail
from haproxy_telemetry.sampling.thresholds import NEVER, threshold_of
from haproxy_telemetry.spop import Message, Value
from haproxy_telemetry.trace.instructions import Block, Told, Values
from haproxy_telemetry.trace.live import TraceLimits
from haproxy_telemetry.trace.spans import FinishedTrace
from haproxy_telemetry.trace.stream import EndOfStream, Identity

TRACE, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SPAN = (b"span", b"A")
TAG: tuple[tuple[bytes, Value], ...] = ((b"tag", b"k"), (b"", b"v"))
END = (b"finish", b"*")
NOBODY = Sampler(True, NEVER)
ERRORS = Tail(errors=True)


def lab(of: Sampling, grace_ns: int = 0) -> Laboratory:
    return Laboratory(sampling=of, limits=TraceLimits(grace_ns=grace_ns))


def caller(flags: str) -> tuple[bytes, Value]:
    return (b"traceparent", f"00-{TRACE}-{SPAN_ID}-{flags}".encode())


def flags_of(traceparent: bytes) -> str:
    return traceparent.decode().split("-")[3]


def request(path: bytes = b"/", *more: tuple[bytes, Value], id: bytes = b"an-id") -> Message:  # noqa: A002
    """The one message of the profile `standard`."""
    facts = ((b"id", id), (b"m", b"GET"), (b"uri", path), (b"fe", b"web"), (b"ci", b"192.0.2.7"))
    return Message(b"otel:request", (*facts, *more))


def end(**changes: object) -> EndOfStream:
    return GOOD.replaced(identity=Identity()).replaced(**changes)


def failing(key: bytes = b"an-id") -> EndOfStream:
    return end(key=key, status=503)


def state(trace: FinishedTrace) -> bytes:
    return trace.spans[0].trace_state


# The flag


def test_an_unsampled_trace_goes_on_and_says_so_and_leaves_nothing() -> None:
    it = lab(Sampling(NOBODY))
    propagation = it.notify(say(SPAN, *TAG))
    assert propagation is not None
    assert (flags_of(propagation.traceparent), propagation.tracestate) == ("00", b"")
    it.notify(say(SPAN, *TAG, END))
    assert (it.finished, it.assembler.live) == ([], 0)
    assert it.stats.snapshot() == {("traces_dropped", "unsampled"): 1}


@pytest.mark.parametrize("ratio", [0.0, 0.1, 1.0])
def test_flag_export_and_tracestate_agree_for_every_trace(ratio: float) -> None:
    threshold = threshold_of(ratio)
    it = lab(Sampling(Sampler(True, threshold), [Rule(Action.DROP, path=["/never"])]))
    for number in range(1000):
        before = len(it.finished)
        key = b"%d" % number
        propagation = it.notify(request(id=key))
        assert propagation is not None
        trace_id = propagation.traceparent[3:35].decode()
        sampled = int(trace_id[18:], 16) >= threshold
        assert flags_of(propagation.traceparent) == ("01" if sampled else "00")
        assert propagation.tracestate == ((b"ot=th:e666" if ratio == 0.1 else b"ot=th:0") if sampled else b"")
        it.record(end(key=key))
        assert len(it.finished) - before == sampled
        if sampled:
            assert it.finished[-1].spans[0].trace_id.hex() == trace_id
            assert state(it.finished[-1]) == propagation.tracestate
    assert it.stats.get("traces_dropped", "unsampled") == 1000 - len(it.finished)


def test_a_callers_decision_counts_even_if_it_comes_late_and_nothing_that_was_said_is_lost() -> None:
    it = lab(Sampling(NOBODY))
    first = it.notify(say(SPAN, *TAG))
    again = it.notify(say(caller("01"), (b"tracestate", b"a=1,ot=th:8"), SPAN, (b"tag", b"l"), (b"", b"w")))
    assert first is not None
    assert again is not None
    assert (flags_of(first.traceparent), flags_of(again.traceparent)) == ("00", "01")
    assert again.tracestate == b"a=1,ot=th:8"
    it.notify(say(END))
    [span] = it.trace.spans
    assert (span.trace_id.hex(), span.attributes) == (TRACE, ((b"k", b"v"), (b"l", b"w")))
    assert span.trace_state == b"a=1,ot=th:8"


def test_a_caller_that_does_not_sample_takes_the_flag_back() -> None:
    it = lab(Sampling(Sampler(True, threshold_of(0.999))))
    first = it.notify(say(SPAN))
    again = it.notify(say(caller("00"), (b"tracestate", b"a=1,ot=rv:00000000000001"), SPAN))
    assert first is not None
    assert again is not None
    assert (flags_of(first.traceparent), flags_of(again.traceparent)) == ("01", "00")
    assert again.tracestate == b"a=1,ot=rv:00000000000001"
    it.notify(say(END))
    assert it.finished == []


def test_always_on_counts_for_callers_that_do_not_sample() -> None:
    it = lab(Sampling(Sampler(False)))
    propagation = it.notify(say(caller("00"), SPAN, END))
    assert propagation is not None
    assert (flags_of(propagation.traceparent), propagation.tracestate) == ("01", b"ot=th:0")
    assert (it.trace.spans[0].flags & 1, it.trace.spans[0].trace_state) == (1, b"ot=th:0")


def test_by_default_the_tracestate_is_left_alone() -> None:
    it = lab(Sampling())
    propagation = it.notify(say(caller("01"), (b"tracestate", b"a=1,ot=th:8;x:1"), SPAN, END))
    assert propagation is not None
    assert propagation.tracestate == state(it.trace) == b"a=1,ot=th:8;x:1"


@pytest.mark.parametrize(
    ("sampling", "finished", "kept"), [(Sampler(False, NEVER), 0, 0), (Sampler(), 1, 1)], ids=["unsampled", "sampled"]
)
def test_what_is_said_is_kept_only_of_traces_that_may_leave(sampling: Sampler, finished: int, kept: int) -> None:
    it = lab(Sampling(sampling))
    it.notify(say(caller("01"), SPAN))
    values: Values = [b"v"]
    block = Block(b"A", (), ((b"k", 0),), (), (), (), (), False)
    others = sys.getrefcount(values)
    it.assembler.apply([Told(b"stream-1", None, b"", (block,), (), values)], 100, it.now)
    assert sys.getrefcount(values) - others == kept
    it.notify(say(END))
    assert [trace.spans[0].attributes for trace in it.finished] == [((b"k", b"v"),)] * finished


def test_an_event_behind_its_record_is_decided_on_by_the_caller_that_the_record_knows() -> None:
    """The log line is a datagram, and may be faster than the last of the stream's frames."""
    it = lab(Sampling(NOBODY), grace_ns=MS)
    it.notify(say(SPAN))
    it.record(end(key=b"stream-1", identity=Identity(caller=f"00-{TRACE}-{SPAN_ID}-01".encode())))
    it.notify(say(SPAN, *TAG))
    it.expire(MS)
    assert dict(it.trace.spans[0].attributes)[b"k"] == b"v"


def test_what_is_said_counts_from_the_moment_on_that_sampling_is_replaced() -> None:
    """By SIGHUP. HAProxy's own flag was sent upstream, and is all that counts now."""
    it = lab(Sampling(NOBODY))
    it.notify(say((b"upstream", UPSTREAM), SPAN, (b"tag", b"before"), (b"", b"v")))
    it.assembler.sampling = Sampling()
    it.notify(say(SPAN, *TAG))
    it.notify(say(END))
    assert it.trace.spans[0].attributes == ((b"k", b"v"),)


# Rules


def test_a_rule_makes_the_flag_if_its_facts_come_in_time() -> None:
    rules = [Rule(Action.DROP, path=["/health"]), Rule(Action.KEEP, tag=["tenant=acme"])]
    it = lab(Sampling(NOBODY, rules))
    tenant: tuple[tuple[bytes, Value], ...] = ((b"tag", b"tenant"), (b"", b"acme"))
    told = [
        it.notify(request(b"/health?x=1", *tenant, id=b"1")),
        it.notify(request(b"/x", *tenant, id=b"2")),
        it.notify(request(b"/x", id=b"3")),
    ]
    assert [one and flags_of(one.traceparent) for one in told] == ["00", "01", "00"]
    for key in (b"1", b"2", b"3"):
        it.record(end(key=key))
    assert dict(it.trace.spans[0].attributes)[b"haproxy.unique_id"] == b"2"
    assert (it.stats.get("traces_dropped", "rule"), it.stats.get("traces_dropped", "unsampled")) == (1, 1)


def test_facts_that_come_with_a_later_event_change_the_flag() -> None:
    it = lab(Sampling(rules=[Rule(Action.DROP, path=["/health"], method=["GET"])]))
    first = it.notify(say(SPAN))
    method: tuple[tuple[bytes, Value], ...] = ((b"tag", b"http.request.method"), (b"", b"GET"))
    again = it.notify(say(SPAN, *method, (b"tag", b"url.path"), (b"", b"/health")))
    assert first is not None
    assert again is not None
    assert (flags_of(first.traceparent), flags_of(again.traceparent)) == ("01", "00")
    it.notify(say(END))
    assert it.stats.snapshot() == {("traces_dropped", "rule"): 1}


def test_a_rule_by_backend_decides_about_the_export_and_not_about_the_flag() -> None:
    it = lab(Sampling(rules=[Rule(Action.DROP, backend=["noise"])]))
    propagation = it.notify(request())
    assert propagation is not None
    assert flags_of(propagation.traceparent) == "01"
    it.record(end(backend=b"noise"))
    assert it.stats.snapshot() == {("traces_dropped", "rule"): 1}
    it.record(end(key=b"2", backend=b"signal"))
    assert len(it.finished) == 1


def test_records_alone_are_decided_on_by_the_same_rules() -> None:
    rules = [Rule(Action.DROP, path=["/items"], method=["GET"], backend=["origin"], frontend=["web"])]
    it = lab(Sampling(rules=rules))
    it.record(end())
    it.record(end(key=b"2", request=GOOD.request.replaced(method=b"PUT")))
    assert len(it.finished) == it.stats.get("traces_dropped", "rule") == 1


def test_a_rate_is_by_the_time_of_the_first_event() -> None:
    it = lab(Sampling(rules=[Rule(Action.RATE, per_second=2)]))
    flags = []
    for number in range(6):
        it.now = number * 300 * MS
        propagation = it.notify(request(id=b"%d" % number))
        assert propagation is not None
        flags.append((flags_of(propagation.traceparent), propagation.tracestate))
    assert flags == [("01", b"")] * 2 + [("00", b"")] * 2 + [("01", b"")] * 2
    for number in range(6):
        it.record(end(key=b"%d" % number))
    assert (len(it.finished), it.stats.get("traces_dropped", "rate")) == (4, 2)


# Where HAProxy makes the context


@pytest.mark.parametrize("flags", ["00", "01"])
@pytest.mark.parametrize("sampler", [NOBODY, Sampler(), Sampler(False), Sampler(False, NEVER)])
def test_a_flag_that_haproxy_made_stays_and_the_sampler_decides_about_the_export(flags: str, sampler: Sampler) -> None:
    it = lab(Sampling(sampler, tail=Tail(retries=True)))
    it.notify(request(b"/", (b"up", UPSTREAM[:-2] + flags.encode())))
    it.record(end())
    kept = sampler.threshold != NEVER and (flags == "01" or not sampler.parent_based)
    assert len(it.finished) == kept
    if kept:
        assert f"{it.trace.spans[0].flags & 0xFF:02x}" == flags
        assert state(it.trace) == b"ot=th:0"


def test_the_threshold_by_which_haproxy_chose_is_that_of_the_spans() -> None:
    for of, written in ((Sampling(), b"ot=th:e666"), (Sampling(Sampler(True, threshold_of(0.5))), b"ot=th:e666")):
        it = lab(of)
        chosen = UPSTREAM.replace(b"8448eb211c80319c", b"84ffffffffffffff")
        it.notify(request(b"/", (b"up", chosen), (b"ts", b"ot=th:e666"), (b"link", caller("01")[1])))
        it.record(end())
        assert state(it.trace) == written


# The tail


@pytest.mark.parametrize("early", [True, False])
def test_an_error_is_kept_whatever_was_decided_before_and_stands_for_itself(early: bool) -> None:
    it = lab(Sampling(NOBODY, tail=ERRORS))
    if early:
        it.notify(request())
    it.record(failing())
    assert it.trace.spans[0].status == 2
    assert state(it.trace) == b"ot=th:0"


def test_what_messages_said_of_the_spans_is_there_when_the_record_keeps_the_trace() -> None:
    it = lab(Sampling(NOBODY, tail=ERRORS), grace_ns=1)
    it.notify(say(caller("00"), SPAN, *TAG, (b"log", b"event"), (b"", b"x"), id=b"an-id"))
    it.record(failing())
    it.expire(2)
    span = it.trace.spans[0]
    assert dict(span.attributes)[b"k"] == b"v"
    assert [event.name for event in span.events] == [b"x"]
    assert span.trace_state == b"ot=th:0"


def test_without_a_record_the_spans_say_whether_it_was_an_error_and_how_long_it_took() -> None:
    it = lab(Sampling(NOBODY, tail=Tail(errors=True, slow_ns=5000)))
    it.notify(say(SPAN, (b"tag", b"error"), (b"", True), END, id=b"1"))
    it.notify(say(SPAN, *TAG, END, id=b"2"))
    it.notify(say(SPAN, id=b"3"))
    it.now += 5000
    it.notify(say(END, id=b"3"))
    assert [trace.spans[0].status for trace in it.finished] == [2, 0]
    assert it.stats.snapshot() == {("traces_dropped", "unsampled"): 1}


TAILS = {
    "errors": Tail(errors=True),
    "slow": Tail(slow_ns=300 * MS),
    "retries": Tail(retries=True),
    "aborts": Tail(aborts=True),
}
ENDS: dict[str, tuple[EndOfStream, set[str]]] = {
    "good": (end(), set()),
    "404": (end(status=404), set()),
    "500": (end(status=500), {"errors"}),
    "503 SC": (end(status=503, termination=b"SC--"), {"errors"}),
    "cut short by the server": (end(termination=b"SD--"), {"errors"}),
    "went away": (end(termination=b"CD--"), {"aborts"}),
    "went away before": (end(status=0, termination=b"CH--"), {"aborts"}),
    "client timed out": (end(status=408, termination=b"cR--"), {"aborts"}),
    "went away after a 500": (end(status=500, termination=b"CD--"), {"aborts", "errors"}),
    "refused": (end(status=403, termination=b"PR--"), set()),
    "retried": (end(retries=2), {"retries"}),
    "redispatched": (end(redispatched=True), {"retries"}),
    "slow": (end(end_ns=START + 300 * MS), {"slow"}),
    "almost slow": (end(end_ns=START + 300 * MS - 1), set()),
    "slow and failed": (end(end_ns=START + 999 * MS, status=502, retries=1), {"slow", "errors", "retries"}),
}


@pytest.mark.parametrize("what", ENDS)
@pytest.mark.parametrize("tail", TAILS)
def test_the_tail_by_the_record(what: str, tail: str) -> None:
    it = lab(Sampling(NOBODY, tail=TAILS[tail]))
    record, kept_by = ENDS[what]
    it.record(record)
    assert len(it.finished) == (tail in kept_by)
    assert it.stats.get("traces_dropped", "unsampled") == (tail not in kept_by)


def test_a_share_of_the_rest() -> None:
    it = lab(Sampling(tail=Tail(errors=True, threshold=NEVER)))
    it.record(end())
    it.record(failing(b"2"))
    assert (len(it.finished), it.stats.get("traces_dropped", "tail")) == (1, 1)


# Other ends


def test_what_expires_unsampled_leaves_nothing_and_is_forgotten() -> None:
    it = lab(Sampling(NOBODY))
    it.notify(say(SPAN, *TAG))
    it.notify(request(id=b"2"))
    it.expire(10**12)
    assert (it.finished, it.assembler.live) == ([], 0)
    assert it.stats.get("traces_dropped", "unsampled") == 2


def test_other_sampling_may_take_its_place_while_traces_live() -> None:
    it = lab(Sampling(NOBODY))
    first = it.notify(request(id=b"1"))
    it.assembler.sampling = Sampling()
    second = it.notify(request(id=b"2"))
    assert first is not None
    assert second is not None
    assert (flags_of(first.traceparent), flags_of(second.traceparent)) == ("00", "01")
    it.record(end(key=b"1"))
    it.record(end(key=b"2"))
    assert len(it.finished) == 1
