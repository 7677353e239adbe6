"""Random descriptions with values that fit them: every type of field, version and test that savevm knows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from vmsnap_gui.vmstate.description import Pointers, VMStateDescription, VMStateField
from vmsnap_gui.vmstate.values import save_values

if TYPE_CHECKING:
    from collections.abc import Callable

    Values = dict[str, Any]
    Part = tuple[list[VMStateField], Values]

INTEGERS = {
    f"{sign}int{bits}{how}": (bits // 8, 0 if sign else -(1 << bits - 1), (1 << bits if sign else 1 << bits - 1) - 1)
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
    for how in ("", " equal", " le")
} | {"int64 equal": (8, 0, (1 << 64) - 1), "timer": (8, -1, 1 << 62)}
COUNTERS = {"uint8": 1, "uint16": 2, "uint32": 4, "int32": 4}
BYTES = {"buffer": 1, "virtio": 1, "bitmap": 8, "fpreg": 10}


def scalar_of(draw: st.DrawFn, name: str) -> tuple[VMStateField, st.SearchStrategy[Any]]:
    """A field of a type that has a number, and its values."""
    kind = draw(st.sampled_from([*INTEGERS, "bool", "float64", "CPU_Double_U"]))
    if kind == "bool":
        return VMStateField(name, kind, 1), st.booleans()
    if kind in INTEGERS:
        return checked_of(draw, name, kind)
    return VMStateField(name, kind, 8), st.floats(allow_nan=False)


def checked_of(draw: st.DrawFn, name: str, kind: str) -> tuple[VMStateField, st.SearchStrategy[int]]:
    """A whole number; one that loading compares, with what it expects."""
    size, least, most = INTEGERS[kind]
    if kind.endswith(" equal"):
        expected = draw(st.integers(least, most))
        return VMStateField(name, kind, size, expected=expected), st.just(expected)
    if kind.endswith(" le"):  # as get_int32_le: not below 0
        expected = draw(st.integers(0, most))
        return VMStateField(name, kind, size, expected=expected), st.integers(0, expected)
    return VMStateField(name, kind, size), st.integers(least, most)


def bytes_of(draw: st.DrawFn, name: str) -> tuple[VMStateField, st.SearchStrategy[Any]]:
    """A field of a type that has bytes."""
    kind = draw(st.sampled_from([*BYTES, "unused_buffer"]))
    size = BYTES.get(kind, 1) * (1 if kind == "fpreg" else draw(st.integers(1, 20)))
    value = st.just(bytes(size)) if kind == "unused_buffer" else st.binary(min_size=size, max_size=size)
    return VMStateField(name, kind, size), value


def struct_of(draw: st.DrawFn, name: str, depth: int) -> tuple[VMStateField, st.SearchStrategy[Any]]:
    """A struct; all values of one strategy have the same subsections."""
    described, values = draw(descriptions(depth + 1))
    other = draw(st.integers(0, 255))
    field = VMStateField(name, "struct", 0, nested=(described,))
    if not described.subsections and draw(st.booleans()):
        field = replace(field, type="vstruct", nested=(replace(described, version_id=99),))
        field = replace(field, struct_version=described.version_id)
    return field, st.sampled_from([values, {**values, "first": other}])


def text_of(draw: st.DrawFn, name: str) -> tuple[VMStateField, st.SearchStrategy[Any]]:
    """A text behind its length."""
    kind = draw(st.sampled_from(["capability", "str"]))
    return VMStateField(name, kind, 0), st.text(st.characters(codec="utf-8"), max_size=20)


def pointer_of(draw: st.DrawFn, name: str, depth: int) -> tuple[VMStateField, st.SearchStrategy[Any]]:
    """A pointer to a struct or number, or NULL; without a mark, what begins like NULL could not be told from it."""
    field, value = struct_of(draw, name, depth) if draw(st.booleans()) else scalar_of(draw, name)
    alone = VMStateDescription("alone", 0, (field,))
    if draw(st.booleans()):
        return replace(field, pointers=Pointers.MARKED), st.none() | value
    told = value.filter(lambda found: save_values(alone, {name: found})[:1] != b"0")
    return replace(field, pointers=Pointers.NULLABLE), st.none() | told


def one(draw: st.DrawFn, name: str, depth: int) -> tuple[VMStateField, st.SearchStrategy[Any]]:
    """Any field that is no array."""
    kinds: list[Callable[..., tuple[VMStateField, st.SearchStrategy[Any]]]] = [scalar_of, bytes_of]
    chosen = draw(st.sampled_from([*kinds, struct_of, pointer_of] if depth < 2 else kinds))
    return chosen(draw, name, depth) if chosen in (struct_of, pointer_of) else chosen(draw, name)


def fixed_array(draw: st.DrawFn, name: str, depth: int) -> Part:
    field, value = one(draw, name, depth)
    items = draw(st.lists(value, min_size=1, max_size=5))
    return [replace(field, is_array=True, count=len(items))], {name: items}


def counted_array(draw: st.DrawFn, name: str, depth: int) -> Part:
    """An array that an earlier field of any width counts; sometimes it is what computes the count from that."""
    kind = draw(st.sampled_from(sorted(COUNTERS)))
    field, value = one(draw, name, depth)
    items = draw(st.lists(value, max_size=5))
    counter = VMStateField(f"{name}_count", kind, COUNTERS[kind])
    computed = draw(st.booleans())
    count_from: Any = (lambda known, _: known[counter.name] // 2) if computed else counter.name
    counted = replace(field, is_array=True, count=0, count_from=count_from)
    return [counter, counted], {counter.name: len(items) * (2 if computed else 1), name: items}


def sized_buffer(draw: st.DrawFn, name: str, _: int) -> Part:
    kind = draw(st.sampled_from(sorted(COUNTERS)))
    multiply = draw(st.integers(1, 4))
    number = draw(st.integers(0, 20))
    data = draw(st.binary(min_size=number * multiply, max_size=number * multiply))
    counter = VMStateField(f"{name}_size", kind, COUNTERS[kind])
    sized = VMStateField(name, "buffer", 0, size_from=counter.name, multiply=multiply)
    return [counter, sized], {counter.name: number, name: data}


def single(draw: st.DrawFn, name: str, depth: int) -> Part:
    field, value = text_of(draw, name) if draw(st.integers(0, 5)) == 0 else one(draw, name, depth)
    return [field], {name: draw(value)}


def repeated(draw: st.DrawFn, name: str, depth: int) -> Part:
    """Two fields of one name, of types of their own."""
    (one_field, value), (other_field, other) = one(draw, name, depth), one(draw, name, depth)
    return [one_field, other_field], {f"{name}[0]": draw(value), f"{name}[1]": draw(other)}


def tested(draw: st.DrawFn, name: str, depth: int) -> Part:
    """A field with a version of its own, or a test on the one before: there or not."""
    field, value = one(draw, name, depth)
    if draw(st.booleans()):
        since = draw(st.integers(0, 9))
        return [replace(field, version_id=since)], {name: (since, draw(value))}
    flag = VMStateField(f"{name}_flag", "bool", 1)
    there = draw(st.booleans())
    exists = replace(field, version_id=99, exists=lambda known, _: bool(known[flag.name]))
    return [flag, exists], {flag.name: there, **({name: draw(value)} if there else {})}


def marked_list(draw: st.DrawFn, name: str, depth: int) -> Part:
    described, values = draw(descriptions(depth + 1))
    version = described.version_id  # the field's own says only what its elements are of
    kind = draw(st.sampled_from(["qtailq", "qlist", "gtree"]))
    nested = (described,)
    items: list[Values] = [
        values if marker == 1 else {"(marker)": marker, **values}
        for marker in draw(st.lists(st.just(1) | st.integers(1, 255), max_size=3))
    ]
    if kind == "gtree":
        key: Any = draw(st.integers(0, (1 << 64) - 1))
        if draw(st.booleans()):
            nested, key = (VMStateDescription("key", version, (VMStateField("k", "uint16", 2),)), described), {"k": 7}
        marks = [{name: one for name, one in item.items() if name == "(marker)"} for item in items]
        items = [{**mark, "key": key, "value": values} for mark in marks]
    field = VMStateField(name, kind, 0, nested=nested, version_id=version, exists=lambda *_: True)
    return [field], {name: items}


@st.composite
def descriptions(draw: st.DrawFn, depth: int = 0) -> tuple[VMStateDescription, Values]:
    """A description that begins with a byte called "first", and values for it."""
    version = draw(st.integers(0, 9))
    makers = [single, fixed_array, sized_buffer, tested, repeated] + ([counted_array, marked_list] if depth < 2 else [])
    fields, values = [VMStateField("first", "uint8", 1)], {"first": draw(st.integers(0, 255))}
    for number in range(draw(st.integers(0, 4))):
        made, found = draw(st.sampled_from(makers))(draw, f"f{number}", depth)
        fields += made
        values |= found
    for field in fields:  # what a version leaves out has no value
        value = values.get(field.name)
        if isinstance(value, tuple):
            since, values[field.name] = value
            if since > version:
                del values[field.name]
    subsections = []
    for number in range(draw(st.integers(0, 2)) if depth < 2 else 0):
        described, inner = draw(descriptions(depth + 1))
        subsections.append(replace(described, name=f"dev{depth}/{number}"))
        if draw(st.booleans()):
            values[f"dev{depth}/{number}"] = inner
    return VMStateDescription(f"dev{depth}", version, tuple(fields), tuple(subsections)), values


def refused_of(draw: st.DrawFn, name: str) -> tuple[VMStateField, st.SearchStrategy[int]]:
    """A field that loading compares, and the values that it refuses."""
    kind = draw(st.sampled_from([kind for kind in INTEGERS if kind.endswith((" equal", " le"))]))
    size, least, most = INTEGERS[kind]
    if kind.endswith(" equal"):
        expected = draw(st.integers(least, most))
        return VMStateField(name, kind, size, expected=expected), st.integers(least, most).filter(expected.__ne__)
    expected = draw(st.integers(0, most - 1))
    above = st.integers(expected + 1, most)
    return VMStateField(name, kind, size, expected=expected), st.integers(least, -1) | above if least else above


@st.composite
def refusals(draw: st.DrawFn) -> tuple[VMStateDescription, Values]:
    """A description with a field "odd" somewhere, by itself or in an array, and values of which loading refuses one."""
    described, values = draw(descriptions())
    field, wrong = refused_of(draw, "odd")
    odd: Any = draw(wrong)
    if draw(st.booleans()):
        assert field.expected is not None
        odd = [*[field.expected] * draw(st.integers(0, 3)), odd]
        field = replace(field, is_array=True, count=len(odd))
    place = draw(st.integers(1, len(described.fields)))
    fields = (*described.fields[:place], field, *described.fields[place:])
    return replace(described, fields=fields), {**values, "odd": odd}
