"""What is written of a comparison, in a worker, when asked: reports, and a person's own noise rules. Qt-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.compare.errors import CompareError
from vmsnap_gui.note_store import note_on
from vmsnap_gui.saved_files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.compare.comparison import Comparison
    from vmsnap_gui.compare.noise import NoiseRules
    from vmsnap_gui.comparing import Compared, DiskCompared, MemoryCompared


def write_report(path: Path, compared: Compared, memory: MemoryCompared | None, disk: DiskCompared | None) -> None:
    """Write a report of what was compared; its form is that of the file's name.

    Raises:
        CompareError: there is no such form, or the file cannot be written; it is as it was.
        ImageError: an image cannot be read, or the file is one.
    """
    from vmsnap_gui.compare.report import form_of, report_text

    form = form_of(path)
    text = report_text(_for_report(compared, memory, disk), form)
    sides = compared.sides.all
    try:
        with replacing(path, *(side.path for side in sides)) as output:
            output.write(text.encode(errors="backslashreplace"))
    except OSError as error:
        raise CompareError(f"it cannot be written: {error.strerror or error}", what=str(path)) from error


def _for_report(compared: Compared, memory: MemoryCompared | None, disk: DiskCompared | None) -> Comparison:
    from vmsnap_gui.compare.comparison import Comparison, Side, ThreeWay

    fields, since = compared.fields, compared.since
    states = [fields.a if fields else None, fields.b if fields else None, since.base if since else None]
    sides = [
        Side.of(side.path, side.snapshot, state.machine if state else None, note_on(side.path, side.snapshot).line)
        for side, state in zip(compared.sides.all, states, strict=False)
    ]
    three = None
    if len(sides) == 3:
        pages = memory.since.pages if memory is not None and memory.since is not None else None
        three = ThreeWay(sides[2], since.sections if since else (), pages, disk.since if disk is not None else None)
    ram = memory.ram if memory is not None else None
    problems = memory.problems if memory is not None else ()
    return Comparison(sides[0], sides[1], fields, ram, disk.disk if disk is not None else None, three, problems)


def noise_rules() -> NoiseRules:
    """Read the noise rules anew: somebody may have changed the file."""
    from vmsnap_gui.compare.noise_file import default_noise

    default_noise.cache_clear()
    return default_noise()


def noise_file() -> Path:
    """Return where a person's own noise rules are."""
    from vmsnap_gui.compare.noise_file import user_file

    return user_file()


def save_noise(rules: NoiseRules, disabled: set[str]) -> None:
    """Write the person's own rules with the names of those that are switched off; raises CompareError."""
    from vmsnap_gui.compare.noise_file import default_noise, save_own

    save_own(noise_file(), [rule for rule in rules.rules if rule.own], disabled)
    default_noise.cache_clear()
