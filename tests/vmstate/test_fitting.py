"""Layouts that leave something open, fitted to bytes whose end is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmstate.test_resolving import subsection
from vmsnap_gui.vmstate.decoder import Decoder
from vmsnap_gui.vmstate.description import Doubt, VMStateDescription, VMStateField
from vmsnap_gui.vmstate.eras.building import Fields, buffer, describe, struct, u8, u16, u32
from vmsnap_gui.vmstate.fields import to_json
from vmsnap_gui.vmstate.fitting import Budget, Fit, fit

FOLLOWING = b"\x7e\0\0\0\1" + bytes(300)


def doubtful(fields: Fields, doubt: Doubt = Doubt.SLIGHT) -> Fields:
    return tuple(replace(field, doubt=doubt) for field in fields)


def maybe(fields: Fields) -> Fields:
    return tuple(replace(field, maybe=True) for field in fields)


def fitted(description: VMStateDescription, data: bytes, steps: int = 50_000) -> Fit | None:
    return fit(description, data + FOLLOWING, len(data), description.version_id, Budget(steps))


def values(description: VMStateDescription, data: bytes) -> tuple[dict[str, object], int]:
    """Fit and decode all of `data`: its values, and how many decisions were not the likeliest."""
    found = fitted(description, data)
    assert found is not None
    assert found.is_whole
    nodes, reached = Decoder(data, 0).description(found.description, 0, len(data))
    assert reached == len(data)
    return {node.name: to_json(node) for node in nodes}, found.decided


def test_what_is_likeliest_is_taken_where_it_fits() -> None:
    described = describe("d", 1, doubtful(u8("a b")), maybe(u16("c")))
    assert values(described, b"\1\2\0\3") == ({"a": 1, "b": 2, "c": 3}, 0)


def test_a_field_that_code_decides_about_can_be_missing() -> None:
    described = describe("d", 1, u8("a"), maybe(u16("b")), maybe(u32("c")))
    assert values(described, b"\1\0\0\0\2") == ({"a": 1, "c": 2}, 1)
    assert values(described, b"\1\0\2") == ({"a": 1, "b": 2}, 1)
    assert values(described, b"\1") == ({"a": 1}, 2)


def test_a_count_that_an_earlier_field_has_is_believed_before_any_other() -> None:
    described = describe("d", 1, u8("n"), doubtful(u16("words")), doubtful(u8("other")))
    assert values(described, b"\3\0\1\0\2\0\3\x09") == ({"n": 3, "words": [1, 2, 3], "other": 9}, 1)


def test_structs_are_counted_by_an_earlier_field() -> None:
    element = describe("e", 1, u8("x"), u16("y"))
    described = describe("d", 1, doubtful(u8("a n")), doubtful(struct("s", element)), u8("end"))
    found, _ = values(described, b"\7\2" + b"\1\0\1" + b"\2\0\2" + b"\x7f")
    assert found == {"a": 7, "n": 2, "s": [{"x": 1, "y": 1}, {"x": 2, "y": 2}], "end": 0x7F}


def test_bytes_of_unknown_length_get_what_is_left() -> None:
    described = describe("d", 1, u8("a"), doubtful(buffer("rest", 0), Doubt.FULL), u8("end"))
    assert values(described, b"\1abcde\2") == ({"a": 1, "rest": b"abcde".hex(), "end": 2}, 1)


def test_other_likely_sizes_are_tried() -> None:
    timer = (VMStateField("t", "(bytes)", 48, doubt=Doubt.SLIGHT, sizes=(8,)),)
    described = describe("d", 1, u8("a"), timer, u8("b"))
    assert values(described, b"\1" + bytes(8) + b"\2") == ({"a": 1, "t": "00" * 8, "b": 2}, 1)


def test_only_what_layouts_that_fit_agree_on_is_believed() -> None:
    described = describe("d", 1, u32("a"), maybe(u16("b")), maybe(u16("c")), u8("d"))
    found = fitted(described, b"\0\0\0\1\0\2\3")  # b or c: nothing tells
    assert found is not None
    assert not found.is_whole
    assert [field.name for field in found.description.fields] == ["a"]


def test_what_they_agree_on_goes_into_structs() -> None:
    inner = describe("i", 1, u32("a"), maybe(u16("b")), maybe(u16("c")))
    found = fitted(describe("d", 1, u8("first"), struct("s", inner), u8("last")), b"\5\0\0\0\1\0\2\3")
    assert found is not None
    first, second = found.description.fields
    assert (first.name, second.name, second.size) == ("first", "s", 4)
    assert [field.name for field in second.nested[0].fields] == ["a"]


def test_what_only_makes_up_for_a_difference_needs_to_be_alone() -> None:
    """Bytes of unknown length fit with each wrong decision before them, too."""
    described = describe("d", 1, u32("a"), maybe(u16("b")), doubtful(buffer("rest", 0), Doubt.FULL))
    found = fitted(described, b"\0\0\0\1\0\2abc")
    assert found is not None
    assert not found.is_whole
    assert [field.name for field in found.description.fields] == ["a"]


@pytest.mark.parametrize("data", [b"", b"\1", b"\1\2\3\4"])
def test_what_does_not_fit_is_not_described(data: bytes) -> None:
    assert fitted(describe("d", 1, u8("a"), u16("b")), data) is None


def test_a_version_that_is_not_described_fits_nothing() -> None:
    described = describe("d", 3, u8("a"), minimum=2)
    assert fit(described, b"\1" + FOLLOWING, 1, 4, Budget(1000)) is None
    assert fit(described, b"\1" + FOLLOWING, 1, 1, Budget(1000)) is None


def test_subsections_are_taken_by_their_names() -> None:
    described = describe("d", 1, doubtful(u8("a")), subsections=(describe("d/s", 2, maybe(u16("x")), u8("y")),))
    found, decided = values(described, b"\1" + subsection("d/s", 2, b"\5"))
    assert (found, decided) == ({"a": 1, "d/s": {"y": 5}}, 1)


def test_fitting_ends_when_its_budget_is_used() -> None:
    many = describe("d", 1, *(doubtful(u8(f"f{i}")) for i in range(200)))
    budget = Budget(1000)
    assert fit(many, bytes(260) + FOLLOWING, 260, 1, budget) is None
    assert budget.steps < 0
    assert fit(many, bytes(200) + FOLLOWING, 200, 1, Budget(1000)) is not None


NAMES = tuple("abcdefgh")


@st.composite
def layouts(draw: st.DrawFn) -> tuple[VMStateDescription, bytes]:
    """A description with open ends, and bytes that one of its forms covers."""
    fields: list[Fields] = []
    data = b""
    for name in NAMES[: draw(st.integers(1, 6))]:
        word, size = draw(st.sampled_from([(u8, 1), (u16, 2), (u32, 4)]))
        present = draw(st.booleans())
        one = word(name)
        fields.append(maybe(one) if draw(st.booleans()) or not present else one)
        data += draw(st.binary(min_size=size, max_size=size)) if present else b""
    return describe("d", 1, *fields), data


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(layouts())
def test_what_is_found_covers_the_bytes_or_begins_them(case: tuple[VMStateDescription, bytes]) -> None:
    described, data = case
    found = fitted(described, data)
    if found is None:
        return
    size = found.description.payload_size
    assert size == len(data) if found.is_whole else size <= len(data)
    order = [field.name for field in described.fields]
    names = [field.name for field in found.description.fields]
    assert names == [name for name in order if name in names]
    always = [field.name for field in described.fields if not field.maybe]
    assert not found.is_whole or set(always) <= set(names)
