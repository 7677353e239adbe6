from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.samples import sample
from tests.vmstate.layouts import Body, alike, body, buffer, chain, nested, null, pointers, scalar, scalars, structs
from tests.vmstate.streams import END_MARK, Memory, Stream, table
from vmsnap_gui.compare import pairing
from vmsnap_gui.compare.explain import bits_of, changed_ranges, explain, flipped_flags, labels
from vmsnap_gui.compare.fields import FieldComparison, compare_fields
from vmsnap_gui.compare.noise import NoiseRule, NoiseRules
from vmsnap_gui.compare.terms import Status
from vmsnap_gui.demo import demo_image
from vmsnap_gui.guest.tables import BitField
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import Cancelled
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.fields import Kind, to_json, walk
from vmsnap_gui.vmstate.sections import SectionType

if TYPE_CHECKING:
    from vmsnap_gui.compare.status import FieldChange, SectionChange
    from vmsnap_gui.vmstate.fields import Field


def state(*bodies: Body, machine: str = "pc-q35-10.0", **options: object) -> VMState:
    stream = Stream().configuration(machine)
    for one in bodies:
        stream.full(one)
    return open_state(Memory(stream.finish()))


def compared(a: Body, b: Body, rules: NoiseRules | None = None) -> SectionChange:
    comparison = compare_fields(state(a), state(b), rules)
    _, section = comparison.sections
    assert section.same == sum(1 for _ in comparison.unchanged(section))
    return section


def told(section: SectionChange) -> list[tuple[str, str, object, object]]:
    return [(c.path, c.status.value, c.a and to_json(c.a), c.b and to_json(c.b)) for c in section.fields]


def test_equal_states_have_nothing_to_tell() -> None:
    one = body(scalar("x", "uint32", 5), scalars("v", "uint8", [1, 2, 3]), nested("s", body(scalar("y", "bool", 1))))
    found = compared(one, one)
    assert (found.status, found.fields, found.same) == (Status.SAME, (), 5)


def test_changed_numbers_arrays_structs_and_buffers() -> None:
    def made(x: int, v: list[float], y: int, data: bytes) -> Body:
        inner = body(scalar("y", "uint16", y), scalar("z", "uint16", 9), name="inner")
        return body(scalar("x", "int32", x), scalars("v", "uint8", v), nested("s", inner), buffer("b", data))

    found = compared(made(-1, [1, 2, 3], 4, b"abcd"), made(2, [1, 5, 3], 6, b"abXd"))
    assert told(found) == [
        ("x", "changed", -1, 2),
        ("v[1]", "changed", 2, 5),
        ("s.y", "changed", 4, 6),
        ("b", "changed", b"abcd".hex(), b"abXd".hex()),
    ]
    assert (found.status, found.same, found.differences) == (Status.CHANGED, 3, 4)


def test_fields_and_elements_on_one_side_only() -> None:
    found = compared(
        body(scalar("gone", "uint8", 1), scalars("v", "uint8", [1, 2, 3])),
        body(scalars("v", "uint8", [1]), scalar("come", "uint8", 2)),
    )
    assert told(found) == [
        ("gone", "removed", 1, None),
        ("v[1]", "removed", 2, None),
        ("v[2]", "removed", 3, None),
        ("come", "added", None, 2),
    ]


def test_subsections_by_name_and_version() -> None:
    def sub(name: str, value: int, version: int = 1) -> Body:
        return body(scalar("n", "uint8", value), name=name, version=version)

    first = body(scalar("x", "uint8", 1), subsections=(sub("dev/a", 1), sub("dev/b", 2), sub("dev/c", 3)))
    second = body(scalar("x", "uint8", 1), subsections=(sub("dev/b", 5), sub("dev/c", 3, version=2), sub("dev/d", 4)))
    assert told(compared(first, second)) == [
        ("dev/a", "removed", {"n": 1}, None),
        ("dev/b.n", "changed", 2, 5),
        ("dev/c", "version_changed", {"n": 3}, {"n": 3}),
        ("dev/d", "added", None, {"n": 4}),
    ]


def test_structs_that_are_not_alike_lists_and_null_pointers() -> None:
    def inner(n: int) -> Body:
        return body(scalar("n", "uint32", n), name="inner")

    first = body(structs("s", [inner(1), inner(2)]), chain("q", [inner(1)]), pointers("p", [None, inner(1)]), null("z"))
    second = body(
        structs("s", [inner(1), inner(3)]), chain("q", [inner(1), inner(7)]), pointers("p", [inner(4), inner(1)]),
        null("z"),
    )  # fmt: skip
    assert told(compared(first, second)) == [
        ("s[1].n", "changed", 2, 3),
        ("q[1]", "added", None, {"n": 7}),
        ("p[0]", "changed", None, {"n": 4}),
    ]


def test_sections_match_by_name_instance_and_turn() -> None:
    def stream(*devices: tuple[str, int, int]) -> VMState:
        made = Stream().configuration()
        for name, instance, value in devices:
            made.full(body(scalar("x", "uint8", value)), name=name, instance=instance)
        return open_state(Memory(made.finish()))

    a = stream(("one", 0, 1), ("two", 0, 1), ("two", 1, 1), ("twin", 0, 1), ("twin", 0, 2))
    b = stream(("twin", 0, 1), ("twin", 0, 3), ("two", 1, 9), ("two", 0, 1), ("new", 0, 1))
    found = compare_fields(a, b)
    assert [(s.key, s.status.value) for s in found.sections[1:]] == [
        ("one", "removed"), ("two", "same"), ("two:1", "changed"), ("twin", "same"), ("twin", "changed"),
        ("new", "added"),
    ]  # fmt: skip
    assert (found.devices_changed, found.fields_changed, found.differs) == (4, 2, True)


def test_the_version_and_the_configuration() -> None:
    first, second = body(scalar("x", "uint8", 1)), body(scalar("x", "uint8", 1), version=2)
    assert compared(first, second).status is Status.VERSION_CHANGED
    found = compare_fields(state(first), state(first, machine="pc-q35-9.2"))
    assert (b"pc-q35-10.0".hex(), b"pc-q35-9.2".hex()) in [one[2:] for one in told(found.sections[0])]
    assert found.differs


def test_a_float_that_is_no_number_is_the_same_as_itself() -> None:
    nan = body(scalar("f", "float64", float("nan")), scalar("g", "float64", 0.0))
    other = body(scalar("f", "float64", float("nan")), scalar("g", "float64", -0.0))
    assert [c.path for c in compared(nan, other).fields] == ["g"]


def test_large_arrays_are_not_decoded_where_they_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = [body(scalar("n", "uint32", i), scalar("m", "uint32", 0), name="inner") for i in range(20_000)]
    changed = [*inner[:777], body(scalar("n", "uint32", 1), scalar("m", "uint32", 0), name="inner"), *inner[778:]]
    a, b = state(body(alike("v", inner))), state(body(alike("v", changed)))
    found = compare_fields(a, b).sections[1]
    assert [(c.path) for c in found.fields] == ["v[777].n"]
    assert found.same == 2 * 20_000 - 1


def test_an_array_with_too_many_changes_is_one_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairing, "MOST_CHANGES", 100)
    a = body(scalar("x", "uint8", 0), scalars("v", "uint8", [0] * 500), scalar("y", "uint8", 0))
    b = body(scalar("x", "uint8", 1), scalars("v", "uint8", [1] * 500), scalar("y", "uint8", 1))
    assert [c.path for c in compare_fields(state(a), state(b)).sections[1].fields] == ["x", "v", "y"]


def test_parts_of_iterative_sections_are_said_not_to_be_compared() -> None:
    def made(data: bytes) -> VMState:
        stream = Stream().configuration().ram(table(("pc.ram", 4096)), END_MARK, section_id=1)
        stream.section(1, data, section_id=2, name="dirty-bitmap")
        stream.section(3, data, section_id=2)
        return open_state(Memory(stream.full(body(scalar("x", "uint8", 1))).finish()))

    sections = {s.key: s for s in compare_fields(made(b"\1" * 8), made(b"\1" * 8)).sections}
    assert sections["ram"].problem is None
    assert all("not compared" in (s.problem or "") for name, s in sections.items() if name == "dirty-bitmap")


def test_noise_is_same_when_filtered() -> None:
    rules = NoiseRules((NoiseRule("clock", "It runs.", ("dev",), ("t", "s.u")),))
    first = body(scalar("t", "timer", 1), nested("s", body(scalar("u", "uint8", 1), name="i")))
    second = body(scalar("t", "timer", 2), nested("s", body(scalar("u", "uint8", 2), name="i")))
    found = compared(first, second, rules)
    assert (found.status, found.change, found.differences) == (Status.SAME_WHEN_FILTERED, Status.CHANGED, 0)
    assert not compare_fields(state(first), state(second), rules).differs


def test_cancel() -> None:
    def stop(done: int, total: int) -> None:
        raise Cancelled

    one = state(body(scalar("t", "timer", 1)))
    with pytest.raises(Cancelled):
        compare_fields(one, one, progress=stop)


def flat(state: VMState) -> dict[tuple[str, int, str, int], tuple[Kind, object]]:
    """All leaves of a state, decoded one by one: the slow way that must tell the same."""
    found: dict[tuple[str, int, str, int], tuple[Kind, object]] = {}
    for section in state.sections:
        for path, field in walk(state.decode(section)):
            if not field.kind.is_container and field.kind not in (Kind.FRAME, Kind.RECORDS):
                number = 0
                while (section.name, section.instance_id, path, number) in found:
                    number += 1
                found[section.name, section.instance_id, path, number] = field.kind, to_json(field)
    return found


def leaves_of(field: Field | None, path: str) -> list[str]:
    if field is None:
        return []
    if not field.kind.is_container:
        return [path]
    return [at for at, one in walk(field, path) if not one.kind.is_container and one.kind is not Kind.FRAME]


def assert_as_the_slow_way(found: FieldComparison) -> None:
    a, b = flat(found.a), flat(found.b)
    expected = {key[:3] for key in a.keys() | b.keys() if a.get(key) != b.get(key)}
    seen = set()
    for section in found.sections:
        for change in section.fields:
            if change.change is Status.VERSION_CHANGED:
                continue  # what is below the subsection is told by itself
            paths = {*leaves_of(change.a, change.path), *leaves_of(change.b, change.path)}
            seen |= {(section.name, section.instance_id, path) for path in paths}
    assert {key for key in seen if key[0] != "configuration"} == expected


@pytest.mark.parametrize("name", ["q35-default@10.0/disk0.qcow2", "aarch64-virt-nofw@7.2/disk0.qcow2"])
def test_recorded_states_as_the_slow_way(name: str) -> None:
    image = open_image(sample(name))
    states = [open_state(image.vm_state(s)) for s in image.snapshots if s.vm_state_size]
    for a, b in itertools.pairwise(states):
        assert_as_the_slow_way(compare_fields(a, b))


@pytest.mark.parametrize(("seed", "count"), [(0, 5), (1, 1), (2, 1), (3, 12), (4, 40)])
def test_damaged_states_as_the_slow_way(seed: int, count: int) -> None:
    """Bytes anywhere in the devices are changed: never an error, and the changes are those of the slow way."""
    image = open_image(demo_image())
    a = open_state(image.vm_state(image.snapshots[1]))
    data = bytearray(a.view.read(0, a.view.size))
    devices = [section for section in a.sections if section.type is SectionType.FULL]
    rng = random.Random(seed)
    for _ in range(count):
        section = rng.choice(devices)
        data[section.payload_offset + rng.randrange(section.payload_size)] ^= rng.randrange(1, 256)
    assert_as_the_slow_way(compare_fields(a, open_state(Memory(bytes(data)))))


def test_how_numbers_changed() -> None:
    def change(a: float, b: float, kind: str = "int32") -> FieldChange:
        return compared(body(scalar("x", kind, a)), body(scalar("x", kind, b))).fields[0]

    bits = (BitField(0, 1, "CF"), BitField(6, 1, "ZF"), BitField(12, 2, "IOPL"), BitField(4, 2, {0: "off", 1: "on"}))
    found = explain(change(1, 0x3040), bits)
    assert (found.delta, found.flipped, found.flags) == (0x303F, 0x3041, ("-CF", "+ZF", "IOPL 0→3"))
    assert explain(change(-1, 0)).flipped == 0xFFFFFFFF
    assert explain(change(0, 1, "bool")).flipped == 1
    assert explain(change(0.5, 2.0, "float64")).delta == 1.5
    assert flipped_flags(0, 0x10, bits) == ("off→on",)
    assert flipped_flags(0, 0x20, bits) == ("off→2",)


def test_flags_are_named_by_the_guest_rules() -> None:
    image = open_image(demo_image())
    states = [open_state(image.vm_state(s)) for s in image.snapshots[:2]]
    found = compare_fields(*states)
    section = next(s for s in found.sections if s.key == "cpu")
    names = labels(found, section)
    flagged = [c for c in section.fields if bits_of(names.get(c.path))]
    assert {c.path: explain(c, bits_of(names[c.path])).flags for c in flagged}["env.eflags"] == ("+CF", "+PF", "+SF")


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_changed_ranges(a: bytes, b: bytes) -> None:
    ranges, count = changed_ranges(a, b)
    unlike = [i for i in range(max(len(a), len(b))) if a[i : i + 1] != b[i : i + 1]]
    assert [i for start, size in ranges for i in range(start, start + size)] == unlike
    assert count == len(unlike)
