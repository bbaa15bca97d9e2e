"""W3C Baggage, as far as it goes through the agent."""

from haproxy_telemetry.trace.baggage import MAX_BYTES, MAX_MEMBERS, format_baggage, parse_baggage


def test_members_are_read_decoded() -> None:
    assert parse_baggage(b"userId=alice, serverNode=DF%2028;ttl=3 ,isProduction=false") == {
        b"userId": b"alice",
        b"serverNode": b"DF 28",
        b"isProduction": b"false",
    }


def test_a_bad_member_leaves_the_others_alone() -> None:
    assert parse_baggage(b"a=1,no value,b c=2,d=\xff,e=5") == {b"a": b"1", b"e": b"5"}


def test_values_go_out_encoded() -> None:
    assert format_baggage({b"a": b"x y,z;\xc3\xa9", b"b": b"1"}) == b"a=x%20y%2Cz%3B%C3%A9,b=1"


def test_what_goes_out_comes_in_again() -> None:
    members = {b"k": bytes(range(256)), b"l": b"%41"}
    assert parse_baggage(format_baggage(members)) == members


def test_a_name_that_is_no_token_stays_here() -> None:
    assert format_baggage({b"bad name": b"1", b"ok": b"2"}) == b"ok=2"


def test_the_header_is_bounded() -> None:
    many = {b"k%d" % n: b"v" for n in range(1000)}
    assert len(parse_baggage(format_baggage(many))) == MAX_MEMBERS
    large = {b"k%d" % n: b"v" * 1000 for n in range(20)}
    assert len(format_baggage(large)) <= MAX_BYTES
    assert parse_baggage(b"a=1," + b"x" * MAX_BYTES) == {}
