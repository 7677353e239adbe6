"""Recorded states with their labels, beside what QEMU's monitor said at that moment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tests.samples import sample, sample_json
from vmsnap_gui.guest.names import Label, annotate
from vmsnap_gui.guest.rules_file import BUILT_IN, load_rules
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.fields import Field, walk

if TYPE_CHECKING:
    from vmsnap_gui.guest.rules import RuleSet
    from vmsnap_gui.vmstate.sections import Section

TAGS = ("snap0", "snap1", "snap2")


@dataclass(frozen=True)
class Device:
    """A section, its fields by their paths, and their labels."""

    section: Section
    fields: dict[str, Field]
    labels: dict[str, Label]

    def number(self, label: str) -> int:
        """The value, without sign, of the one field that is called `label`."""
        (path,) = (path for path, given in self.labels.items() if given.name == label)
        value = self.fields[path].value
        if isinstance(value, bytes):
            return int.from_bytes(value, "big")
        assert isinstance(value, int)
        return value & ((1 << 8 * self.fields[path].size) - 1)

    def detail(self, label: str) -> str:
        """What the value of the one field that is called `label` says."""
        (given,) = (given for given in self.labels.values() if given.name == label)
        return given.detail or ""

    def said(self, path: str) -> str:
        """What the value at `path` says; "" for nothing."""
        return self.labels.get(path, Label()).detail or ""


@cache
def built_in() -> RuleSet:
    return load_rules([BUILT_IN])


@cache
def devices(machine: str, tag: str) -> dict[str, Device]:
    """The devices of a recorded machine by their keys, labelled by our own rules only."""
    image = open_image(sample(f"{machine}/disk0.qcow2"))
    (snapshot,) = (snapshot for snapshot in image.snapshots if snapshot.tag == tag)
    state = open_state(image.vm_state(snapshot))
    found = {}
    for section in state.sections:
        root = state.decode(section)
        labels = annotate(section, root, built_in())
        found[section.key] = Device(section, dict(walk(root)) if labels else {}, labels)
    image.close()
    return found


def monitor(machine: str, tag: str, command: str) -> str:
    """What the monitor answered while the machine was stopped for that snapshot."""
    answer = sample_json(f"{machine}/{tag}.truth.json")["hmp"][command]
    assert isinstance(answer, str)
    return answer.replace("\r\n", "\n")


def processors(machine: str, tag: str) -> list[str]:
    """`info registers` of each processor."""
    return re.split(r"(?m)^CPU#", monitor(machine, tag, "info registers -a"))[1:]
