"""The fields of two states, matched, and what became of each.

Sections match by name and instance id (of several alike the n-th the n-th), fields by name in their struct, array
elements by index, subsections by name. What has the same layout and the same bytes is skipped as a whole, so that huge
arrays cost what their changes cost.
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.compare.noise import DeviceNoise
from vmsnap_gui.compare.pairing import MOST_CHANGES, Walk
from vmsnap_gui.compare.status import FieldChange, Status
from vmsnap_gui.image.byteview import CHUNK
from vmsnap_gui.vmstate.fields import Field, Kind, walk
from vmsnap_gui.vmstate.sections import Section, SectionType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmsnap_gui.compare.noise import NoiseRules
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.devices import VMState
