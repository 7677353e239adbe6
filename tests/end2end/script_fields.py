"""Our fields against those that QEMU's own analysis script (scripts/analyze-migration.py) printed.

The script is an independent reading of the same description. Where the two differ, one of the rules below must apply;
every other difference is an error, on either side.

- Numbers: the script prints hex text, signed negative ones with the decimal in brackets.
- Shown as bytes: types that the script has no reader for (timer, tmp, qtailq, gtree, bitmap, CPU_Double_U, str and
  device-private ones) are spaced hex there. Ours may be a number, a text, a list or an object; its bytes in the
  stream must be those.
- `le` numbers: see _number.
- Iterative sections: the script lists RAM blocks or counts records, we show no fields; skipped by name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vmsnap_gui.vmstate.fields import join_path

if TYPE_CHECKING:
    from tests.end2end.states import Document
    from vmsnap_gui.image.byteview import ByteView

_NUMBER = re.compile(r"0x([0-9a-f]+)(?: \(-?\d+\))?")
_BYTES = re.compile(r"[0-9a-f]{2}(?: [0-9a-f]{2})*|")


def differences(document: Document, stream: ByteView, reference: dict[str, Any]) -> list[str]:
    """Compare `vmsnap show --spans` of a state with the script's reading of the same stream; no difference, no text.

    Args:
        document: Our reading.
        stream: The stream, for the bytes.
        reference: What the script printed: fields by "NAME (SECTION ID)".
    """
    ours = {f"{s['name']} ({s['section_id']})": s for s in document["sections"]}
    found = [f"section {name} is there once only" for name in sorted(ours.keys() ^ reference.keys())]
    for name in ours.keys() & reference.keys():
        if ours[name]["type"] == "full":
            comparison = _Comparison(stream, name, ours[name]["spans"])
            comparison.object(ours[name]["fields"], reference[name], "")
            found += comparison.found
    return found


class _Comparison:
    """Compares one section.

    Attributes:
        found: The differences, as sentences.
    """

    def __init__(self, stream: ByteView, section: str, spans: list[tuple[str, str, int, int]]) -> None:
        self.found: list[str] = []
        self._stream = stream
        self._section = section
        self._spans = spans

    def object(self, ours: dict[str, Any], theirs: dict[str, Any], path: str) -> None:
        """Compare an object's members: the same names, in the same order."""
        self._check(list(ours) == list(theirs), path, f"fields: {list(ours)}, theirs {list(theirs)}")
        for name in ours.keys() & theirs.keys():
            self._value(ours[name], theirs[name], join_path(path, name))

    def _value(self, ours: Any, theirs: Any, path: str) -> None:  # noqa: ANN401
        if isinstance(ours, dict) and isinstance(theirs, dict):
            self.object(ours, theirs, path)
        elif isinstance(ours, list) and isinstance(theirs, list):
            self._check(len(ours) == len(theirs), path, f"{len(ours)} elements, theirs {len(theirs)}")
            for i, (one, other) in enumerate(zip(ours, theirs, strict=False)):
                self._value(one, other, f"{path}[{i}]")
        elif isinstance(theirs, bool):
            self._check(ours is theirs, path, f"{ours}, theirs {theirs}")
        elif isinstance(theirs, str) and (number := _NUMBER.fullmatch(theirs)):
            digits = number[1]
            same = isinstance(ours, int) and ours & (1 << 4 * len(digits)) - 1 == int(digits, 16)
            self._check(same, path, f"{ours}, theirs {theirs}")
        elif isinstance(theirs, str) and _BYTES.fullmatch(theirs):
            self._bytes(ours, bytes.fromhex(theirs), path)
        else:
            self._check(False, path, f"{ours!r}, theirs {theirs!r}")

    def _bytes(self, ours: Any, theirs: bytes, path: str) -> None:  # noqa: ANN401
        """Compare with what the script shows as bytes: our buffer's value, or the bytes of our leaves in the stream."""
        if isinstance(ours, str) and ours == theirs.hex():
            return
        inside = (path + ".", path + "[")
        leaves = [(start, size) for name, _, start, size in self._spans if name == path or name.startswith(inside)]
        start, size = (leaves[0][0], sum(size for _, size in leaves)) if leaves else (0, 0)
        got = self._stream.read(start, size)
        self._check(got == theirs, path, f"{ours!r} at {start:#x} is {got.hex()!r}, theirs {theirs.hex()!r}")

    def _check(self, holds: bool, path: str, message: str) -> None:
        if not holds:
            self.found.append(f"{self._section}: {path}: {message}")
