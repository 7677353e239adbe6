"""Sections and fields made by hand, for what no recorded machine has."""

from __future__ import annotations

from vmsnap_gui.vmstate.fields import Field, Kind
from vmsnap_gui.vmstate.sections import Section, SectionType


def section(name: str, instance: int = 0) -> Section:
    return Section(SectionType.FULL, 1, name, instance, 1, 0, 100, 20, 80)


def integer(name: str, value: int, size: int = 8, type_name: str = "uint64") -> Field:
    return Field(name, type_name, Kind.INTEGER, 0, size, value)


def buffer(name: str, value: bytes, type_name: str = "buffer") -> Field:
    return Field(name, type_name, Kind.BUFFER, 0, len(value), value)


def struct(name: str, *children: Field) -> Field:
    return Field(name, "struct", Kind.STRUCT, 0, 8, None, children)


def array(name: str, *values: int, size: int = 8) -> Field:
    items = [integer(f"[{place}]", value, size) for place, value in enumerate(values)]
    return Field(name, f"uint{8 * size}", Kind.ARRAY, 0, size * len(values), None, items)
