"""What the field tree shows of a row: made once for each row that comes into sight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.models import numbers, words
from vmsnap_gui.vmstate.fields import Field, Kind, show
from vmsnap_gui.vmstate.sections import SectionType

if TYPE_CHECKING:
    from vmsnap_gui.models.field_nodes import Chain, DeviceTree, Root

_TIP_BYTES = 256
_SHORT = 200  # characters of a name or a value in a column: more can never be seen there


@dataclass(frozen=True, slots=True)
class FieldTexts:
    """The texts of one row.

    Attributes:
        columns: In the order of the model's columns.
        tip: All of it, for a tool tip.
        spoken: For a screen reader.
        problem: What is wrong with the field; True where something inside it is wrong; else None.
        edited: Whether the value is one that the person gave it.
    """

    columns: tuple[str, ...] = ("",) * 6
    tip: str = ""
    spoken: str = ""
    problem: str | bool | None = None
    edited: bool = False

    EMPTY: ClassVar[FieldTexts]

    @classmethod
    def of(cls, tree: DeviceTree, chain: Chain, field: Field) -> FieldTexts:
        """Make the texts of the field at `chain`."""
        root = tree.roots[chain[0]]
        path = tree.path(chain)
        top = len(chain) == 1
        problem: str | bool | None = field.problem or tree.has_problem_inside(chain[0], path) or None
        name = short(field.name)
        label = _label(root, field, path, problem, top=top)
        edited = tree.edited.get((root.section.key, path)) if root.section is not None else None
        now = edited or field
        value = _section_value(root) if top else short(show(now))
        size = numbers.count(field.size)
        lines = [
            f"{root.field.name} {path}".rstrip(),
            f"{field.type}, {numbers.exact_size(field.size)}",
            *_long_value(now, value),
            *([_tr("Edited; in the image it is %1").replace("%1", short(show(field)))] if edited is not None else []),
            *([label] if label else []),
        ]
        return cls(
            (name, label, value, short(field.type), f"{field.offset:#x}", size),
            words.plain_tip(lines, fixed=True),
            ", ".join(part for part in (name, label, value, field.type) if part),
            problem,
            edited is not None,
        )

    @classmethod
    def of_group(cls, first: Field, last: Field, count: int, *, top: bool = False) -> FieldTexts:
        """Make the texts of a group of rows; `top`: they are sections."""
        name = f"{short(first.name)} … {short(last.name)}"
        what = (_tr("%1 sections") if top else _tr("%1 elements")).replace("%1", numbers.count(count))
        size = numbers.count(last.offset + last.size - first.offset)
        return cls(
            (name, "", what, "", f"{first.offset:#x}", size),
            words.plain_tip([name, what], fixed=True),
            f"{name}, {what}",
        )


FieldTexts.EMPTY = FieldTexts()


def _label(root: Root, field: Field, path: str, problem: str | bool | None, *, top: bool) -> str:
    label = root.labels.get(path)
    parts = [part for part in (label.name, label.detail) if part] if label is not None else []
    if top and root.about:
        parts.append(root.about)
    if isinstance(problem, str):
        parts.append(problem)
    elif problem:
        parts.append(_tr("a problem inside"))
    if top and field.kind is Kind.RECORDS:
        parts.append(_tr("see Memory"))
    return short(" · ".join(parts))


def _section_value(root: Root) -> str:
    if root.section is None:
        return ""
    kinds = {
        SectionType.START: _tr("start, version %1"),
        SectionType.PART: _tr("part"),
        SectionType.END: _tr("end"),
    }
    return kinds.get(root.section.type, _tr("version %1")).replace("%1", str(root.section.version))


def _long_value(field: Field, value: str) -> list[str]:
    data = field.value
    if not isinstance(data, bytes) or len(data) <= 16:
        return [value] if value else []
    lines = [data[i : i + 16].hex(" ") for i in range(0, min(len(data), _TIP_BYTES), 16)]
    return lines if len(data) <= _TIP_BYTES else [*lines, "…"]


def short(text: str) -> str:
    """Return a text as a column shows it: visible, and cut where nobody could see the rest."""
    shown = words.visible(text[: _SHORT + 1])
    return shown if len(shown) <= _SHORT else f"{shown[: _SHORT - 1]}…"


def _tr(text: str) -> str:
    return QCoreApplication.translate("fields", text)
