"""The samplers of OpenTelemetry by name: what each keeps of 20,000 traces, and what is refused."""

from __future__ import annotations

import itertools
import math

import pytest

from haproxy_telemetry.sampling import Facts, Given, Sampler, SamplerError, Sampling, read_sampler
from haproxy_telemetry.sampling.samplers import NAMES
from sampling.ids import NUMBER, trace_ids

IDS = trace_ids()
RATIOS = (0.0, 1e-4, 0.001, 0.01, 0.1, 0.25, 1 / 3, 0.5, 0.9, 0.999, 1.0)


def sampler(name: str, argument: str = "") -> Sampler:
    found = read_sampler({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument})
    assert found is not None
    return found


def kept(
    of: Sampling, ids: list[bytes] = IDS, state: bytes = b"", parent: bool = False, sampled: bool = True
) -> set[bytes]:
    return {one for one in ids if of.head(Given(one, state, parent, sampled), Facts(), 0).sampled}


@pytest.mark.parametrize("name", ["traceidratio", "parentbased_traceidratio", "TraceIdRatio"])
@pytest.mark.parametrize("ratio", RATIOS)
def test_a_ratio_keeps_exactly_the_ids_that_reach_it_and_as_many_as_it_says(name: str, ratio: float) -> None:
    chosen = sampler(name, repr(ratio))
    found = kept(Sampling(chosen))
    assert found == {one for one in IDS if int(one.hex()[18:], 16) >= chosen.threshold}
    # Five standard deviations: fails for a right sampler once in two million.
    assert abs(len(found) - NUMBER * ratio) <= 5 * math.sqrt(NUMBER * ratio * (1 - ratio)) + NUMBER * ratio / 10_000


@pytest.mark.parametrize("ratio", [0.1, 0.5])
def test_what_is_kept_is_spread_evenly(ratio: float) -> None:
    """Chi-square over the 16 values of a digit that has no part in the choice, 15 degrees of freedom."""
    found = kept(Sampling(sampler("traceidratio", str(ratio))))
    counts = [sum(one[0] >> 4 == digit for one in found) for digit in range(16)]
    expected = len(found) / 16
    assert sum((count - expected) ** 2 / expected for count in counts) < 37.7  # p = 0.001


@pytest.mark.parametrize("state", [b"", b"ot=rv:80000000000000"])
def test_what_a_lower_ratio_keeps_a_higher_one_keeps_too(state: bytes) -> None:
    sets = [kept(Sampling(sampler("traceidratio", repr(ratio))), state=state) for ratio in RATIOS]
    for lower, higher in itertools.pairwise(sets):
        assert lower <= higher
    assert (sets[0], len(sets[-1])) == (set(), NUMBER)


def test_a_callers_randomness_takes_the_place_of_the_ids() -> None:
    half = Sampling(sampler("traceidratio", "0.5"))
    assert len(kept(half, state=b"a=1,ot=rv:80000000000000")) == NUMBER
    assert kept(half, state=b"ot=rv:7fffffffffffff") == set()


@pytest.mark.parametrize(
    ("name", "new", "yes", "no"),
    [
        ("always_on", True, True, True),
        ("always_off", False, False, False),
        ("parentbased_always_on", True, True, False),
        ("parentbased_always_off", False, True, False),
    ],
)
def test_each_name_decides_for_new_traces_and_for_callers(name: str, new: bool, yes: bool, no: bool) -> None:
    of = Sampling(sampler(name))
    for expected, parent, sampled in ((new, False, True), (yes, True, True), (no, True, False)):
        assert len(kept(of, parent=parent, sampled=sampled)) == (NUMBER if expected else 0)


def test_a_ratio_by_itself_is_for_callers_too_and_a_parent_based_one_is_not() -> None:
    alone, based = (Sampling(sampler(name, "0.1")) for name in ("traceidratio", "parentbased_traceidratio"))
    for sampled in (True, False):
        assert kept(alone, parent=True, sampled=sampled) == kept(alone)
        assert len(kept(based, parent=True, sampled=sampled)) == (NUMBER if sampled else 0)
    assert kept(based) == kept(alone)


def test_the_threshold_says_how_many_stand_behind_one() -> None:
    one = b"\xff" * 16
    tenth, everything = Sampling(sampler("traceidratio", "0.1")), Sampling(sampler("always_on"))
    based = Sampling(sampler("parentbased_traceidratio", "0.1"))
    threshold = tenth.sampler.threshold

    def written(of: Sampling, state: bytes = b"", parent: bool = False) -> int | None:
        return of.head(Given(one, state, parent, True), Facts(), 0).threshold

    assert (written(tenth), written(everything), written(based)) == (threshold, 0, threshold)
    assert (written(everything, b"ot=th:8", True), written(tenth, b"ot=th:8", True)) == (0, threshold)
    assert (written(based, b"ot=th:8", True), written(based, b"", True)) == (2**55, None)
    # HAProxy drew before, with its own ratio: both were asked.
    assert written(tenth, b"ot=th:ff") == 0xFF000000000000
    assert written(everything, b"ot=th:ff") == 0xFF000000000000


# Names and arguments


def test_without_a_name_there_is_none() -> None:
    assert read_sampler({"OTEL_TRACES_SAMPLER": "", "OTEL_TRACES_SAMPLER_ARG": " "}) is None
    assert sampler("parentbased_always_on") == Sampler()
    assert sampler("parentbased_traceidratio") == Sampler()  # without an argument: 1, by the specification


@pytest.mark.parametrize("name", ["jaeger_remote", "parentbased_jaeger_remote", "xray", "XRAY"])
def test_a_sampler_that_needs_a_service_is_refused_and_says_which(name: str) -> None:
    with pytest.raises(SamplerError, match=r"OTEL_TRACES_SAMPLER is '.*': this agent has no such sampler") as caught:
        sampler(name, "endpoint=http://localhost:14250")
    assert ("Jaeger" if "jaeger" in name else "X-Ray") in str(caught.value)
    assert all(known in str(caught.value) for known in NAMES)


@pytest.mark.parametrize(
    ("name", "argument", "said"),
    [
        ("parentbased_always", "", "OTEL_TRACES_SAMPLER is 'parentbased_always': there are always_on"),
        ("traceidratio", "10%", "OTEL_TRACES_SAMPLER_ARG is '10%': expected a number from 0 to 1"),
        ("traceidratio", "1.01", "OTEL_TRACES_SAMPLER_ARG is '1.01': expected a number from 0 to 1"),
        ("traceidratio", "-0.1", "OTEL_TRACES_SAMPLER_ARG is '-0.1': expected a number from 0 to 1"),
        ("traceidratio", "nan", "OTEL_TRACES_SAMPLER_ARG is 'nan': expected a number from 0 to 1"),
        ("", "0.1", "OTEL_TRACES_SAMPLER_ARG is '0.1': it counts with OTEL_TRACES_SAMPLER only, which is not set"),
        ("always_on", "0.1", "OTEL_TRACES_SAMPLER_ARG is '0.1': OTEL_TRACES_SAMPLER is always_on, which takes no"),
    ],
)
def test_a_mistake_is_named(name: str, argument: str, said: str) -> None:
    with pytest.raises(SamplerError) as caught:
        sampler(name, argument)
    assert str(caught.value).startswith(said)
