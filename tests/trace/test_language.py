"""The ``opentracing:`` language: what each argument does, leniently and strictly."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from laboratory import Laboratory, message, say

from haproxy_telemetry.spop import Binary, Message, Uint64, Value
from haproxy_telemetry.trace.spans import (
    KIND_CLIENT,
    KIND_INTERNAL,
    KIND_SERVER,
    STATUS_ERROR,
    STATUS_OK,
    STATUS_UNSET,
    Blob,
)

SPAN = (b"span", b"A")
END = (b"finish", b"*")


def attributes_of(*arguments: tuple[bytes, Value]) -> dict[bytes, object]:
    lab = Laboratory()
    lab.notify(say(SPAN, *arguments, END))
    assert lab.problems == []
    return dict(lab.trace.spans[0].attributes)


# tag


@pytest.mark.parametrize(
    ("values", "attribute"),
    [
        ((b"GET",), b"GET"),
        ((200,), 200),
        ((-5,), -5),
        ((True,), True),
        ((Uint64(2**64 - 1),), 2**64 - 1),
        ((IPv4Address("127.0.0.1"),), b"127.0.0.1"),
        ((IPv6Address("::1"),), b"::1"),
        ((b"\xff\x00\xfe",), b"\xff\x00\xfe"),
        ((b"",), b""),
        ((), False),
        ((b"HTTP/", b"1.1"), b"HTTP/1.1"),
        ((b"a", 1, True, False, None, IPv4Address("10.0.0.1")), b"a11010.0.0.1"),
    ],
)
def test_a_tag_keeps_the_type_of_one_value_and_concatenates_several(
    values: tuple[Value, ...], attribute: object
) -> None:
    result = attributes_of((b"tag", b"k"), *[(b"", value) for value in values])
    assert result == {b"k": attribute}
    assert type(result[b"k"]) is type(attribute) or isinstance(attribute, int)


def test_a_tag_whose_value_could_not_be_fetched_is_no_attribute() -> None:
    assert attributes_of((b"tag", b"k"), (b"", None)) == {}


def test_binary_stays_binary() -> None:
    value = attributes_of((b"tag", b"k"), (b"", Binary(b"\x00\xff")))[b"k"]
    assert isinstance(value, Blob)
    assert value == b"\x00\xff"


def test_binary_inside_of_text_is_hexadecimal() -> None:
    assert attributes_of((b"tag", b"k"), (b"", b"x="), (b"", Binary(b"\x00\xff"))) == {b"k": b"x=00ff"}


def test_the_last_value_of_a_repeated_tag_counts() -> None:
    result = attributes_of((b"tag", b"k"), (b"", b"1"), (b"tag", b"l"), (b"", b"2"), (b"tag", b"k"), (b"", b"3"))
    assert result == {b"k": b"3", b"l": b"2"}


def test_more_than_eight_tags_are_no_problem() -> None:
    """The original writes past its array of eight."""
    pairs = [pair for n in range(20) for pair in ((b"tag", b"k%d" % n), (b"", n))]
    assert attributes_of(*pairs) == {b"k%d" % n: n for n in range(20)}


@pytest.mark.parametrize(
    ("value", "status"), [(True, STATUS_ERROR), (False, STATUS_OK), (b"true", STATUS_ERROR), (1, STATUS_ERROR)]
)
def test_the_tag_error_is_the_status(value: Value, status: int) -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, (b"tag", b"error"), (b"", value), (b"span", b"B"), (b"child-of", b"A"), END))
    assert lab.spans()["A"].status == status
    assert lab.spans()["A"].attributes == ()
    assert lab.spans()["B"].status == STATUS_UNSET


def test_the_tag_span_kind_is_the_kind() -> None:
    lab = Laboratory()
    lab.notify(
        say(SPAN, (b"tag", b"span.kind"), (b"", b"server"), (b"span", b"B"), (b"child-of", b"A"),
            (b"tag", b"span.kind"), (b"", b"client"), (b"span", b"C"), (b"child-of", b"B"), END)
    )  # fmt: skip
    assert [span.kind for span in lab.trace.spans] == [KIND_SERVER, KIND_CLIENT, KIND_INTERNAL]


def test_the_tag_service_name_names_the_service_of_the_stream() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, (b"tag", b"service.name"), (b"", b"edge"), END))
    assert lab.trace.service == b"edge"
    assert lab.trace.spans[0].attributes == ()


# log


def test_all_logs_of_a_block_are_one_event() -> None:
    lab = Laboratory()
    lab.notify(
        say(SPAN, (b"log", b"event"), (b"", b"cache"), (b"log", b"key"), (b"", b"a"), (b"", 7), (b"log", b"none"), END)
    )
    [event] = lab.trace.spans[0].events
    assert event.name == b"cache"
    assert event.attributes == ((b"key", b"a7"), (b"none", b""))
    assert event.time_ns == lab.now


def test_a_log_without_a_name_is_called_log() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, (b"log", b"k"), (b"", b"v"), END))
    assert lab.trace.spans[0].events[0].name == b"log"


def test_a_log_of_an_error_is_an_exception() -> None:
    lab = Laboratory()
    fields = ((b"event", b"error"), (b"error.kind", b"timeout"), (b"message", b"too late"), (b"stack", b"here"))
    pairs = [pair for key, value in fields for pair in ((b"log", key), (b"", value))]
    lab.notify(say(SPAN, *pairs, END))
    [event] = lab.trace.spans[0].events
    assert event.name == b"exception"
    assert event.attributes == (
        (b"exception.type", b"timeout"),
        (b"exception.message", b"too late"),
        (b"exception.stacktrace", b"here"),
    )


# baggage


def test_baggage_of_a_span_goes_upstream() -> None:
    lab = Laboratory()
    propagation = lab.notify(say(SPAN, (b"baggage", b"haproxy_id"), (b"", b"a b"), (b"", 1)))
    assert propagation is not None
    assert propagation.baggage == b"haproxy_id=a%20b1"


def test_baggage_without_a_span_is_the_callers() -> None:
    lab = Laboratory()
    propagation = lab.notify(say((b"baggage", b"user=alice"), SPAN, (b"baggage", b"mine"), (b"", b"1")))
    assert propagation is not None
    assert propagation.baggage == b"user=alice,mine=1"
    assert lab.problems == []


# references


def test_child_of_makes_a_parent_and_no_link() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, (b"span", b"B"), (b"child-of", b"A"), END))
    assert lab.tree() == {"A": None, "B": "A"}
    assert lab.spans()["B"].links == ()


def test_follows_from_makes_a_parent_and_a_link() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, (b"span", b"B"), (b"follows-from", b"A"), END))
    assert lab.tree() == {"A": None, "B": "A"}
    [link] = lab.spans()["B"].links
    assert link.span_id == lab.spans()["A"].span_id
    assert link.trace_id == lab.spans()["A"].trace_id
    assert link.attributes == ((b"opentracing.ref_type", b"follows_from"),)


def test_of_several_references_the_first_child_of_is_the_parent_and_all_are_links() -> None:
    lab = Laboratory()
    lab.notify(
        say(SPAN, (b"span", b"B"), (b"child-of", b"A"), (b"span", b"C"), (b"child-of", b"A"),
            (b"span", b"D"), (b"follows-from", b"A"), (b"child-of", b"B"), (b"", b"C"), END)
    )  # fmt: skip
    assert lab.tree()["D"] == "B"
    kinds = [link.attributes[0][1] for link in lab.spans()["D"].links]
    assert kinds == [b"follows_from", b"child_of", b"child_of"]


def test_a_reference_of_a_span_that_exists_is_ignored() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, (b"span", b"B"), (b"child-of", b"A")))
    lab.notify(say((b"span", b"A"), (b"child-of", b"B"), END))
    assert lab.tree() == {"A": None, "B": "A"}


def test_a_span_that_has_ended_can_still_be_a_parent() -> None:
    """The original aborts here: ``finish=A`` of one block comes before ``child-of=A`` of the next."""
    lab = Laboratory()
    lab.notify(say((b"span", b"R"), SPAN, (b"child-of", b"R"), (b"finish", b"A"), (b"span", b"B"), (b"child-of", b"A")))
    lab.notify(say(END))
    assert lab.tree() == {"R": None, "A": "R", "B": "A"}
    assert lab.problems == []


def test_an_unknown_reference_hangs_the_span_under_the_first_one() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, (b"span", b"B"), (b"child-of", b"nobody"), (b"tag", b"k"), (b"", 1), END))
    assert lab.tree() == {"A": None, "B": "A"}
    assert lab.spans()["B"].attributes == ((b"k", 1),)
    assert lab.reasons == ["unknown_reference"]


def test_a_second_root_is_a_trace_of_its_own() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, (b"span", b"B"), (b"span", b"C"), (b"child-of", b"B"), END))
    spans = lab.spans()
    assert lab.tree() == {"A": None, "B": None, "C": "B"}
    assert spans["A"].trace_id != spans["B"].trace_id == spans["C"].trace_id


def test_a_second_root_whose_id_went_upstream_is_of_the_trace_that_went_with_it() -> None:
    lab = Laboratory()
    sent = lab.notify(say(SPAN, (b"span", b"Server session"), (b"span", b"C"), (b"child-of", b"Server session"), END))
    spans = lab.spans()
    assert lab.tree() == {"A": None, "Server session": None, "C": "Server session"}
    assert {span.trace_id for span in spans.values()} == {spans["A"].trace_id}
    upstream = spans["Server session"]
    assert sent is not None
    assert sent.traceparent.decode() == f"00-{upstream.trace_id.hex()}-{upstream.span_id.hex()}-01"


# finish


def test_finish_knows_a_name_the_own_span_and_all() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, (b"span", b"B"), (b"child-of", b"A"), (b"span", b"C"), (b"child-of", b"A"), (b"finish", b"")))
    c_ended = lab.now
    lab.notify(say((b"finish", b"B")))
    b_ended = lab.now
    lab.notify(say((b"finish", b"*")))
    ends = {name: span.end_ns for name, span in lab.spans().items()}
    assert ends == {"A": lab.now, "B": b_ended, "C": c_ended}


def test_values_without_a_name_finish_further_spans() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, (b"span", b"B"), (b"child-of", b"A"), (b"finish", b"A"), (b"", b"B")))
    assert len(lab.trace.spans) == 2


def test_finish_of_the_sides_of_a_stream() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, (b"span", b"B"), (b"child-of", b"A"), name="frontend_http_request"))
    lab.notify(say((b"span", b"C"), (b"child-of", b"A"), name="http_response"))
    lab.notify(say((b"finish", b"*res*")))
    c_ended = lab.now
    lab.notify(say((b"finish", b"*req*")))
    assert {name: span.end_ns for name, span in lab.spans().items()} == {"A": lab.now, "B": lab.now, "C": c_ended}


def test_finish_of_a_name_that_nobody_has_is_no_problem() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, (b"finish", b"nobody"), END))
    assert lab.problems == []
    assert len(lab.finished) == 1


def test_a_finished_trace_is_forgotten_and_the_id_begins_anew() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, END))
    lab.notify(say(SPAN, END))
    first, second = lab.finished
    assert first.spans[0].trace_id != second.spans[0].trace_id
    assert lab.assembler.live == 0


def test_a_stream_that_only_finishes_makes_no_trace() -> None:
    lab = Laboratory()
    assert lab.notify(say(END)) is None
    assert lab.assembler.live == 0


# id


def test_a_second_id_switches_to_another_stream() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, (b"id", b"stream-2"), (b"span", b"B")))
    lab.notify(say(END, (b"", b"ignored"), (b"id", b"stream-2"), END))
    assert [[span.name for span in trace.spans] for trace in lab.finished] == [[b"A"], [b"B"]]


def test_ids_of_any_type_are_text() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN, id=7))
    lab.notify(say(END, id=b"7"))
    assert len(lab.finished) == 1


@pytest.mark.parametrize("value", [None, b""])
def test_streams_without_an_id_are_never_merged(value: Value) -> None:
    lab = Laboratory()
    for _ in range(3):
        assert lab.notify(say(SPAN, (b"tag", b"k"), (b"", b"v"), id=value)) is None
    assert lab.assembler.live == 0
    assert lab.reasons == ["id_null"] * 3
    assert b"unique-id-format" in lab.problems[0].hint.encode()


def test_a_message_without_id_leaves_its_neighbours_alone() -> None:
    lab = Laboratory()
    lab.notify(message("a", (b"span", b"X")), say(SPAN, END), message("b"))
    assert len(lab.trace.spans) == 1
    assert lab.reasons == ["argument_before_id", "id_missing", "id_missing"]


# what makes no sense


def test_an_argument_that_makes_no_sense_is_left_out_alone() -> None:
    lab = Laboratory()
    lab.notify(
        say((b"tag", b"early"), (b"", 1), SPAN, (b"colour", b"red"), (b"", b"blue"), (b"tag", None), (b"", 1),
            (b"tag", b"k"), (b"", b"v"), (b"child-of", None), (b"span", None), (b"tag", b"gone"), (b"", 1),
            (b"span", b"B"), (b"child-of", b"A"), END)
    )  # fmt: skip
    assert lab.tree() == {"A": None, "B": "A"}
    assert lab.spans()["A"].attributes == ((b"k", b"v"),)
    assert lab.reasons == [
        "span_missing",
        "unknown_argument",
        "unknown_argument",
        "name_null",
        "name_null",
        "name_null",
    ]


def test_other_messages_are_skipped() -> None:
    lab = Laboratory()
    lab.notify(Message(b"check-client-ip", ((b"ip", IPv4Address("127.0.0.1")),)), say(SPAN, END))
    assert len(lab.trace.spans) == 1
    assert lab.problems == []


def test_a_bare_span_is_created() -> None:
    lab = Laboratory()
    lab.notify(say(SPAN))
    assert lab.assembler.live == 1
    lab.notify(say((b"finish", b"A")))
    assert lab.tree() == {"A": None}


# strictly


def test_strictly_a_bare_span_creates_nothing() -> None:
    lab = Laboratory(strict=True)
    lab.notify(say(SPAN, (b"finish", b"A")))
    assert lab.problems == []
    lab.close()
    assert lab.finished == []


def test_strictly_two_bare_spans_abort() -> None:
    lab = Laboratory(strict=True)
    lab.notify(say(SPAN, (b"span", b"B"), (b"tag", b"k")), say((b"span", b"C"), (b"tag", b"k")))
    assert lab.reasons == ["duplicate_span"]
    assert lab.assembler.live <= 1
    lab.close()
    assert lab.finished == []


TAG = ((b"tag", b"k"), (b"", b"v"))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (((b"colour", b"red"),), "unknown_argument"),
        (((b"tag", b"k"), (b"", Binary(b"x"))), "binary_value"),
    ],
)
def test_strictly_a_bad_argument_drops_the_rest_of_the_frame(
    arguments: tuple[tuple[bytes, Value], ...], reason: str
) -> None:
    lab = Laboratory(strict=True)
    lab.notify(
        say(SPAN, *TAG, (b"span", b"B"), (b"child-of", b"A"), *arguments, (b"span", b"C"), (b"child-of", b"A")),
        say((b"span", b"D"), (b"child-of", b"A")),
    )
    assert lab.reasons == [reason]
    lab.notify(say(END))
    assert [span.name for span in lab.trace.spans] == [b"A"]


def test_strictly_a_bad_reference_drops_the_rest_of_the_frame() -> None:
    lab = Laboratory(strict=True)
    lab.notify(say(SPAN, *TAG))
    lab.notify(
        say((b"span", b"HTTP response"), (b"follows-from", b"TCP response"), (b"finish", b"TCP response")),
        say((b"finish", b"*")),
    )
    assert lab.reasons == ["unknown_reference"]
    assert lab.finished == []


def test_strictly_an_ended_span_is_no_parent() -> None:
    lab = Laboratory(strict=True)
    lab.notify(
        say((b"span", b"R"), *TAG, SPAN, (b"child-of", b"R"), (b"finish", b"A"), (b"span", b"B"), (b"child-of", b"A"))
    )
    assert lab.reasons == ["unknown_reference"]


def test_strictly_marks_of_an_aborted_message_wait_for_the_next_action() -> None:
    lab = Laboratory(strict=True)
    lab.notify(say(SPAN, *TAG, (b"span", b"B"), (b"child-of", b"A"), (b"finish", b"A"), (b"colour", b"red")))
    lab.notify(say((b"span", b"A"), *TAG))
    assert lab.reasons == ["unknown_argument"]
    lab.notify(say(END))
    assert lab.trace.spans[0].end_ns < lab.now or len(lab.trace.spans) == 1


def test_strictly_a_second_reference_is_ignored() -> None:
    lab = Laboratory(strict=True)
    lab.notify(say(SPAN, *TAG, (b"span", b"B"), (b"child-of", b"A"), (b"follows-from", b"nobody"), END))
    assert lab.problems == []
    assert lab.tree() == {"A": None, "B": "A"}


def test_strictly_finish_means_what_is_there_when_it_is_read() -> None:
    for finishes in ((END,), ((b"finish", b"old"),)):
        lab = Laboratory(strict=True)
        lab.notify(say((b"span", b"old"), *TAG))
        lab.notify(say(*finishes, (b"span", b"new"), (b"child-of", b"old"), *TAG))
        old_ended = lab.now
        assert lab.problems == [], "old ends with the block, so it can still be referred to in it"
        assert lab.finished == [], "new began after the finish"
        lab.notify(say(END))
        assert {name: span.end_ns for name, span in lab.spans().items()} == {"old": old_ended, "new": lab.now}


def test_strictly_a_span_cannot_be_finished_before_it_begins() -> None:
    lab = Laboratory(strict=True)
    lab.notify(say(SPAN, (b"finish", b"A"), *TAG))
    assert lab.assembler.live == 1
    lab.notify(say(SPAN, *TAG, (b"finish", b"A")))
    assert len(lab.trace.spans) == 1
