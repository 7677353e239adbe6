"""What people type to go somewhere in memory: "0x1f000", "126976", "+0x10", "-16", "page 31"."""

from __future__ import annotations

import re

from PySide6.QtCore import QCoreApplication

_PAGE = re.compile(r"(?:page|p)\s*(.+)", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]+h", re.IGNORECASE)


def parse_offset(text: str, *, size: int, page_size: int, cursor: int) -> int:
    """Return the offset that `text` means in a block of `size` bytes.

    Raises:
        ValueError: with a sentence that says what is wrong.
    """
    typed = text.strip().replace("_", "")
    if not typed:
        raise ValueError(_tr("Type an offset (0x1f000 or 126976) or a page (page 31)."))
    page = _PAGE.fullmatch(typed)
    if page is not None:
        offset = _number(page[1]) * page_size
    elif typed[0] in "+-":
        offset = cursor + _number(typed[1:]) * (1 if typed[0] == "+" else -1)
    else:
        offset = _number(typed)
    if not 0 <= offset < size:
        raise ValueError(_tr("That is outside: the last byte is at %1.").replace("%1", f"{size - 1:#x}"))
    return offset


def _number(text: str) -> int:
    text = text.strip()
    try:
        return int(text[:-1], 16) if _HEX.fullmatch(text) else int(text, 0 if text[:2].lower() == "0x" else 10)
    except ValueError:
        raise ValueError(_tr("That is no number; write it as 126976 or 0x1f000.")) from None


def _tr(text: str) -> str:
    return QCoreApplication.translate("offsets", text)
