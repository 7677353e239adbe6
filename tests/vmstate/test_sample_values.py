"""Sections of the old samples through their descriptions: their values are saved as the bytes they came from."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace

import pytest

from tests.samples import QCOW2, sample
from tests.vmstate.streams import Memory
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.eras import candidates
from vmsnap_gui.vmstate.handlers import Described
from vmsnap_gui.vmstate.resolving import resolve
from vmsnap_gui.vmstate.wire import Reader, StreamError
from vmsnap_gui.vmstate.writer import Writer


def saved_again(name: str, data: bytes, version: int) -> bytes | None:
    """Load a payload by the first description that covers it, and save it; None where none does."""
    for general in candidates(name):
        try:
            if resolve(general, data, 0, len(data), version)[1] != len(data):
                continue
        except StreamError:
            continue
        handler = Described(replace(general, version_id=version), {})
        handler.load(Reader(Memory(data)), version)
        sink = io.BytesIO()
        out = Writer(sink)
        handler.save(out)
        out.finish()
        return sink.getvalue()
    return None


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in QCOW2 if name.startswith("seed-era/")])
def test_values_of_sections_are_saved_as_they_were(name: str) -> None:
    covered = 0
    with closing(open_image(sample(name))) as image:
        for snapshot in (one for one in image.snapshots if one.vm_state_size):
            state = open_state(image.vm_state(snapshot))
            for section in state.sections:
                data = state.view.read(section.payload_offset, section.payload_size)
                found = saved_again(section.name, data, section.version or 0) if len(data) < 1 << 20 else None
                assert found in (None, data), section.key
                covered += found is not None
    assert covered > 10
