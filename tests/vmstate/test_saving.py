"""Saving what was decoded gives the same bytes; with other values exactly those differ."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmstate.checks import check_saved_again
from tests.vmstate.layouts import Body, body, scalar, scalars
from tests.vmstate.streams import Memory, Stream
from tests.vmstate.test_decoder_property import devices
from tests.vmstate.test_editing import DEVICE
from vmsnap_gui.vmstate.decoder import Decoder
from vmsnap_gui.vmstate.description import VMStateDescription, VMStateField
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.fields import Field, Kind, show
from vmsnap_gui.vmstate.saving import SaveError, save_fields


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(st.lists(devices, min_size=1, max_size=3), st.booleans())
def test_any_device_is_saved_as_it_was(bodies: list[Body], footers: bool) -> None:
    stream = Stream(footers=footers).configuration()
    for instance, one in enumerate(bodies):
        stream.full(one, instance=instance)
    assert check_saved_again(open_state(Memory(stream.finish()))) == len(bodies)


@pytest.mark.parametrize("described", [True, False])
def test_a_section_without_a_description(described: bool) -> None:
    stream = Stream().configuration().full(DEVICE, described=described)
    assert check_saved_again(open_state(Memory(stream.finish()), forward=True)) == 1


def test_a_section_that_is_longer_than_its_description() -> None:
    short, long = body(scalar("a", "uint32", 1)), body(scalar("a", "uint32", 1), scalar("b", "uint32", 2))
    stream = Stream().configuration().full(short, payload=long.data)
    assert check_saved_again(open_state(Memory(stream.finish()), forward=True)) == 1


def test_a_truth_value_that_is_neither_0_nor_1_is_kept() -> None:
    data = bytes([2, 0, 1, 2, 3])
    description = VMStateDescription(
        "dev", 1, (VMStateField("on", "bool", 1), VMStateField("each", "bool", 1, 4, is_array=True))
    )
    nodes, _ = Decoder(data, 0).description(description, 0, len(data))
    shown = [show(node) for node in (nodes[0], *nodes[1].children)]
    assert shown == [
        "true (2)",
        "false",
        "true",
        "true (2)",
        "true (3)",
    ]
    assert save_fields(description, nodes) == data


def test_bytes_that_are_no_text_come_back() -> None:
    field = VMStateField("name", "str", 4 + 3)
    data = (3).to_bytes(4, "big") + b"a\xffb"
    description = VMStateDescription("dev", 1, (field,))
    nodes, _ = Decoder(data, 0).description(description, 0, len(data))
    assert nodes[0].value == "a\\xffb"
    assert save_fields(description, nodes) == data


def test_a_tree_of_another_description_is_refused() -> None:
    number = VMStateDescription("dev", 1, (VMStateField("a", "uint32", 4),))
    with pytest.raises(SaveError, match="has no value of its own"):
        save_fields(number, [Field("a", "uint32", Kind.INTEGER, 0, 4)])
    with pytest.raises(SaveError, match="nothing describes this field"):
        save_fields(VMStateDescription("dev", 1), [Field("a", "uint32", Kind.INTEGER, 0, 4, 1)])
    with pytest.raises(SaveError, match="takes 2 bytes, but it has 4"):
        save_fields(number, [Field("a", "buffer", Kind.BUFFER, 0, 4, b"ab")])


def test_arrays_of_every_width() -> None:
    parts = [scalars(f"a{t}", t, [0, 1, 2]) for t in ("int8", "uint16", "int32", "uint64", "timer")]
    signed = [scalars(f"n{bits}", f"int{bits}", [-1, -2]) for bits in (8, 16, 32, 64)]
    state = open_state(
        Memory(Stream().configuration().full(body(*parts, *signed, scalars("on", "bool", [0, 1]))).finish())
    )
    assert check_saved_again(state) == 1
