"""General descriptions resolved against bytes: what savevm takes for present, how often, how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vmsnap_gui.vmstate.decoder import Decoder
from vmsnap_gui.vmstate.eras.building import before, buffer, describe, marked, pci, struct, timer, u8, u16, u32
from vmsnap_gui.vmstate.eras.msix import has_msix, msix, vectors
from vmsnap_gui.vmstate.fields import to_json
from vmsnap_gui.vmstate.resolving import resolve
from vmsnap_gui.vmstate.wire import ShortRead, StreamError

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import VMStateDescription


def values(description: VMStateDescription, data: bytes, version: int | None = None) -> dict[str, object]:
    """Resolve and decode all of `data`; return the values by name."""
    version = description.version_id if version is None else version
    concrete, size = resolve(description, data, 0, len(data), version)
    assert size == concrete.payload_size == len(data)
    nodes, reached = Decoder(data, 0).description(concrete, 0, len(data))
    assert reached == len(data)
    return {node.name: to_json(node) for node in nodes}


def subsection(name: str, version: int, payload: bytes) -> bytes:
    return b"\x05" + bytes([len(name)]) + name.encode() + version.to_bytes(4, "big") + payload


def test_fields_come_with_their_version_or_their_test() -> None:
    described = describe("d", 3, u8("a"), u8("b", since=2), u16("c", when=before(3)))
    assert values(described, b"\x01\x00\x02", 1) == {"a": 1, "c": 2}
    assert values(described, b"\x01\x05\x00\x02", 2) == {"a": 1, "b": 5, "c": 2}
    assert values(described, b"\x01\x05", 3) == {"a": 1, "b": 5}


def test_a_version_that_is_not_described_is_refused() -> None:
    described = describe("d", 3, u8("a"), minimum=2)
    with pytest.raises(StreamError, match="newer than 3"):
        resolve(described, b"\0", 0, 1, 4)
    with pytest.raises(StreamError, match="older than 2"):
        resolve(described, b"\0", 0, 1, 1)


def test_arrays_and_buffers_take_their_size_from_an_earlier_field() -> None:
    described = describe("d", 1, u16("n"), u8("m"), u32("words", "n"), buffer("bytes", "m", multiply=3))
    data = b"\0\2\1" + bytes([0, 0, 0, 7, 0, 0, 0, 9]) + b"abc"
    assert values(described, data) == {"n": 2, "m": 1, "words": [7, 9], "bytes": "616263"}
    assert values(described, bytes(3)) == {"n": 0, "m": 0, "words": [], "bytes": ""}


def test_elements_of_different_length_are_found() -> None:
    element = describe("e", 1, u8("n"), buffer("data", "n"))
    described = describe("d", 1, struct("e", element, 3), u8("end"))
    found = values(described, b"\1a\2bc\0\x7f")
    assert found["e"] == [{"n": 1, "data": "61"}, {"n": 2, "data": "6263"}, {"n": 0, "data": ""}]
    assert found["end"] == 0x7F


def test_a_struct_has_the_version_of_its_own_description_and_sees_the_fields_around_it() -> None:
    inner = describe("i", 2, u8("x", since=2), u8("y", when=lambda found, _: found["outer"] == 1))
    described = describe("d", 1, u8("outer"), struct("s", inner), u8("z", when=lambda found, _: found["s.x"] == 5))
    assert values(described, b"\x01\x05\x06\x07") == {"outer": 1, "s": {"x": 5, "y": 6}, "z": 7}
    assert values(described, b"\x00\x04") == {"outer": 0, "s": {"x": 4}}


def test_subsections_come_in_any_order_or_not_at_all() -> None:
    described = describe("d", 1, u8("a"), subsections=(describe("d/p", 2, u8("p")), describe("d/q", 1, timer("q"))))
    assert values(described, b"\1") == {"a": 1}
    p, q = subsection("d/p", 1, b"\5"), subsection("d/q", 1, bytes(8))
    assert list(values(described, b"\1" + q + p)) == ["a", "d/q", "d/p"]
    with pytest.raises(StreamError, match="newer than 2"):
        resolve(described, b"\1" + subsection("d/p", 3, b"\5"), 0, 100, 1)


def test_a_subsection_of_the_struct_around_is_left_to_it() -> None:
    inner = describe("i", 1, u8("x"), subsections=(describe("i/a", 1, u8("a")),))
    described = describe("d", 1, struct("s", inner), subsections=(describe("d/b", 1, u8("b")),))
    found = values(described, b"\1" + subsection("d/b", 1, b"\2"))
    assert found == {"s": {"x": 1}, "d/b": {"b": 2}}


def test_a_marked_list_ends_with_a_zero_byte() -> None:
    described = describe("d", 1, marked("l", describe("e", 1, u8("x"))), u8("end"))
    assert values(described, b"\1\5\1\6\0\7") == {"l": [{"x": 5}, {"x": 6}], "end": 7}


@pytest.mark.parametrize("cut", range(1, 20))
def test_every_cut_is_a_short_read(cut: int) -> None:
    element = describe("e", 1, u8("x"))
    described = describe("d", 1, u16("n"), u32("w", "n"), struct("e", element, 2), marked("l", element), buffer("b", 4))
    data = b"\0\2" + bytes(8) + b"\1\2" + b"\1\3\1\4\0" + b"abcd"
    assert values(described, data)
    with pytest.raises(ShortRead):
        resolve(described, data, 0, len(data) - cut, 1)


def test_msix_tables_are_as_long_as_the_capability_says() -> None:
    config = bytearray(256)
    described = describe("d", 0, pci(), msix(), u16("vector", when=has_msix()))
    device = (2).to_bytes(4, "big") + bytes(config) + bytes(16)
    assert vectors(bytes(config)) == 0
    assert list(values(described, device)) == ["parent_obj"]
    config[0x06], config[0x34] = 0x10, 0x50
    config[0x50:0x52] = b"\x05\x40"  # MSI, and then
    config[0x40:0x44] = b"\x11\x00\x08\x80"  # MSI-X: nine vectors, enabled
    assert vectors(bytes(config)) == 9
    device = (2).to_bytes(4, "big") + bytes(config) + bytes(16)
    found = values(described, device + bytes(9 * 16) + b"\1\2" + b"\0\3")
    assert (found["msix_pba"], found["vector"]) == ("0102", 3)
    config[0x41] = 0x50  # the list runs in a circle, without MSI-X in it
    config[0x40] = 0x09
    assert vectors(bytes(config)) == 0


def test_elements_without_bytes_are_bounded() -> None:
    empty = struct("e", describe("one", 1, u8("x", since=2)), "n")
    described = describe("d", 1, u32("n"), empty, u8("after"))
    assert values(described, (3).to_bytes(4, "big") + b"\7") == {"n": 3, "e": [{}, {}, {}], "after": 7}
    with pytest.raises(StreamError, match="4294967295 elements of 'e' without bytes"):
        resolve(described, bytes([255] * 5), 0, 5, 1)
