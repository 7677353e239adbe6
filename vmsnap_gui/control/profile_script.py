"""A launch profile from a shell script: its one QEMU command, where that can be told for certain without running it.

Understood are plain words with the shell's quotes, comments, continued lines, `NAME=value`, `export`, `cd`, `set`,
`exec`, variables that were set in the script (and HOME, PWD), the script's own place, and `"$@"`, which is nothing.
Anything else is refused with its line and the reason: a guess could start something else. The rules are those of the
POSIX shell (XCU 2.2, 2.6); nothing is ever given to a shell.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.profile import LaunchProfile, checked_name, guest_name, is_qemu

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?)=")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*|[@0])|\{([A-Za-z_][A-Za-z0-9_]*|[@0]|BASH_SOURCE\[0\])\})")
_SELF = r"""(?:"\$\{?0\}?"|\$\{?0\}?|"\$\{BASH_SOURCE(?:\[0\])?\}"|\$\{BASH_SOURCE(?:\[0\])?\}|"\$BASH_SOURCE")"""
_REAL = rf"""\$\(\s*(?:realpath|readlink\s+-f)\s+{_SELF}\s*\)"""
_DIRNAME = rf"""(?:\$\(\s*dirname\s+(?:--\s+)?{_SELF}\s*\)|`\s*dirname\s+{_SELF}\s*`)"""
_REAL_FOLDER = re.compile(rf"""\$\(\s*dirname\s+(?:--\s+)?(?:"{_REAL}"|{_REAL})\s*\)""")
_OWN_FOLDER = re.compile(
    rf"""{_DIRNAME}|\$\(\s*cd\s+(?:--\s+)?(?:"{_DIRNAME}"|{_DIRNAME})\s*(?:>\s*/dev/null\s*(?:2>&1\s*)?)?&&\s*pwd(?:\s+-P)?\s*\)"""
)
_NO_ARGUMENTS = re.compile(r'"\$(?:@|\{@\})"')
_PWD = re.compile(r"\$\(\s*pwd\s*\)|`\s*pwd\s*`")
_KEYWORDS = frozenset(
    ("if", "then", "else", "fi", "for", "while", "until", "do", "done", "case", "function", "!", "[", "[[")
)
_SPLITTING = frozenset(("IFS", "CDPATH"))
_HARMLESS_SET = re.compile(r"[-+][eux]+$")

_WHY_NOT = {
    "|": "'|' joins two programs",
    "&": "'&' puts a program into the background; vmsnap does that itself",
    "<": "'<' reads from a file",
    ">": "'>' writes into a file; vmsnap keeps QEMU's words in a log of its own",
    "(": "'(' begins a list, a function or a shell of its own",
    ")": "')' ends what cannot be read here",
    "`": "what another program says is not known before it runs",
    "*": "'*' stands for names of files; quote it if it is meant as it is",
    "?": "'?' stands for names of files; quote it if it is meant as it is",
    "[": "'[' stands for names of files; quote it if it is meant as it is",
    "{": "'{' may be expanded by the shell; quote it if it is meant as it is",
    "}": "'}' may be expanded by the shell; quote it if it is meant as it is",
}


@dataclass(slots=True)
class _Reader:
    """Where in the script we are, and what is known there."""

    text: str
    script: Path | None
    directory: Path
    variables: dict[str, str]
    exported: dict[str, str] = field(default_factory=dict)
    at: int = 0

    def refuse(self, reason: str, at: int | None = None) -> ControlError:
        line = self.text.count("\n", 0, self.at if at is None else at) + 1
        return ControlError(f"line {line} of the script cannot be followed: {reason}")

    def skip_blank(self) -> None:
        """Go to the next word of this command, or to what ends it."""
        while self.at < len(self.text):
            if self.text.startswith("\\\n", self.at):
                self.at += 2
            elif self.text[self.at] in " \t":
                self.at += 1
            elif self.text[self.at] == "#":
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            else:
                return

    def ends_command(self) -> bool:
        """Whether the command ends here; goes past what ends it."""
        if self.at >= len(self.text):
            return True
        for end in ("\n", ";", "&&", "||"):
            if self.text.startswith(end, self.at) and not self.text.startswith(";;", self.at):
                if end == "||":
                    self._pass_exit()
                self.at += len(end) if end != "||" else 0
                return True
        return False

    def _pass_exit(self) -> None:
        """Go past `|| exit 1`, which says what to do when a folder is missing: vmsnap then starts nothing, too."""
        found = re.compile(r"\|\|[ \t]*exit(?:[ \t]+\d+)?[ \t]*(?=[\n;#]|$)").match(self.text, self.at)
        if found is None:
            raise self.refuse("'||' runs something only if something else fails")
        self.at = found.end()

    def word(self, *, value: bool = False) -> list[str]:
        """Read a word; returns the fields it becomes, one for the value of an assignment."""
        fields: list[str] = []
        current: str | None = "" if value else None
        start = self.at
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in " \t\n;" or self.text.startswith("&&", self.at):
                break
            if char == "~" and self.at == start and re.match(r"~(?=[/ \t\n;]|$)", self.text[self.at :]):
                self.at += 1
                current = (current or "") + self.variables["HOME"]
            elif (nothing := _NO_ARGUMENTS.match(self.text, self.at)) is not None:
                self.at = nothing.end()
            elif char in "'\"\\":
                current = (current or "") + self._quoted()
            elif char in "$`":
                text = self._expansion()
                parts = [text] if value else re.split(r"[ \t\n]+", text)
                if not value and re.search(r"[*?\[]", text):
                    raise self.refuse("a variable holds '*', '?' or '['; put it into double quotes")
                for number, part in enumerate(parts):
                    if number and current is not None:
                        fields.append(current)
                        current = None
                    current = (current or "") + part if part or current is not None else None
            else:
                self._plain(start)
                current = (current or "") + char
                self.at += 1
        return fields if current is None else [*fields, current]

    def _plain(self, start: int) -> None:
        """Refuse a character that means something to a shell."""
        char = self.text[self.at]
        if char in _WHY_NOT:
            raise self.refuse(_WHY_NOT[char])
        if char == "~" and self.at == start:
            raise self.refuse("'~' before a name stands for somebody's home folder")
        if char == "~" and self.text[self.at - 1] in "=:":
            raise self.refuse("'~' stands for your home folder here in some shells, in others not; write $HOME")

    def _quoted(self) -> str:
        char = self.text[self.at]
        self.at += 1
        if char == "\\":
            text = self.text[self.at : self.at + 1]
            self.at += 1
            return "" if text == "\n" else text
        if char == "'":
            end = self.text.find("'", self.at)
            if end < 0:
                raise self.refuse("a quote ' is not closed", self.at - 1)
            text, self.at = self.text[self.at : end], end + 1
            return text
        return self._double_quoted()

    def _double_quoted(self) -> str:
        start, found = self.at - 1, ""
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == '"':
                self.at += 1
                return found
            if char in "$`":
                found += self._expansion()
            elif char == "\\" and self.text[self.at + 1 : self.at + 2] in ("$", "`", '"', "\\", "\n"):
                found += self.text[self.at + 1].replace("\n", "")
                self.at += 2
            else:
                found += char
                self.at += 1
        raise self.refuse('a quote " is not closed', start)

    def _expansion(self) -> str:
        """Return what a `$...` or a backquote stands for."""
        places = [(_PWD, self.directory)]
        if self.script is not None:
            places += [(_OWN_FOLDER, self.script.parent), (_REAL_FOLDER, self.script.resolve().parent)]
        for pattern, place in places:
            found = pattern.match(self.text, self.at)
            if found is not None:
                self.at = found.end()
                return str(place)
        found = _VARIABLE.match(self.text, self.at)
        if found is None:
            if self.text[self.at : self.at + 2] in ("$(", "${") or self.text[self.at] == "`":
                raise self.refuse("what stands there is only known when a shell runs it; write the value instead")
            if re.match(r"\$[A-Za-z0-9_'\"#?$!*-]", self.text[self.at :]):
                raise self.refuse(f"what {self.text[self.at : self.at + 2]} stands for is not known")
            self.at += 1
            return "$"
        name = found[1] or found[2]
        own = {} if self.script is None else dict.fromkeys(("0", "BASH_SOURCE", "BASH_SOURCE[0]"), str(self.script))
        known = {"@": "", "PWD": str(self.directory), **own, **self.variables}
        if name not in known:
            raise self.refuse(f"${name} is not set in the script; write its value instead")
        self.at = found.end()
        return known[name]


def from_script(text: str, script: Path | None = None, *, name: str | None = None, directory: Path) -> LaunchProfile:
    """Make a profile of a shell script, or of a command line as one types it.

    Args:
        text: The script.
        script: Its file, for `$0` and the folder it lies in; None for typed text.
        name: The profile's name; that of the guest, or of the program, where it is None.
        directory: Where it is run: relative paths are meant against it, unless the script goes elsewhere by `cd`.

    Raises:
        ControlError: it holds something that cannot be told for certain; says the line and the reason.
    """
    place = script.absolute() if script is not None else None
    reader = _Reader(text.replace("\r\n", "\n"), place, directory.absolute(), {"HOME": str(Path.home())})
    found: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    while reader.at < len(reader.text):
        start = reader.at
        assigned, words = _command(reader)
        if words and found:
            raise reader.refuse("something follows QEMU, which would not be done", start)
        if words and not _is_done_here(reader, words, start):
            found = _qemu_command(reader, words, start)
            environment = {**reader.exported, **assigned}
        elif not words:
            reader.variables |= assigned
            # what our own environment has is exported without a word
            reader.exported |= {key: value for key, value in assigned.items() if key in {*reader.exported, *os.environ}}
    if not found:
        raise ControlError("nothing in it starts QEMU")
    return LaunchProfile(
        name=checked_name(name or guest_name(found)),
        arguments=found,
        directory=reader.directory,
        environment=tuple(environment.items()),
    )


def _command(reader: _Reader) -> tuple[dict[str, str], list[str]]:
    """Read one command: the assignments before it, and its words; those of `export` count as words."""
    assigned: dict[str, str] = {}
    words: list[str] = []
    while True:
        reader.skip_blank()
        if reader.ends_command():
            return assigned, words
        start = reader.at
        match = _ASSIGNMENT.match(reader.text, reader.at)
        if match is None or (words and words != ["export"]):
            words += reader.word()
        else:
            if match[1] in _SPLITTING:
                raise reader.refuse(f"{match[1]} changes how the rest is read")
            reader.at = match.end()
            before = {**reader.variables, **assigned}.get(match[1], "") if match[2] else ""
            assigned[match[1]] = before + reader.word(value=True)[0]
            if words:
                reader.exported[match[1]] = reader.variables[match[1]] = assigned[match[1]]
        if reader.at == start:
            raise reader.refuse(_WHY_NOT.get(reader.text[start], f"{reader.text[start]!r} has no meaning here"))


def _is_done_here(reader: _Reader, words: list[str], start: int) -> bool:
    """Follow a command that only changes what later ones mean; False for any other."""
    match words:
        case ["export", *names]:
            for one in names:
                if one not in reader.variables:
                    raise reader.refuse(f"${one} is not set in the script", start)
                reader.exported[one] = reader.variables[one]
        case ["cd", folder] | ["cd", "--", folder] if folder and folder != "-":
            reader.directory = reader.directory / folder
        case ["set", *options] if _is_harmless(options):
            pass
        case _:
            return False
    return True


def _is_harmless(options: list[str]) -> bool:
    plain = [one for one in options if one not in ("pipefail", "-o", "-euo", "-eo", "-uo", "-euxo")]
    return all(_HARMLESS_SET.match(one) for one in plain)


def _qemu_command(reader: _Reader, words: list[str], start: int) -> tuple[str, ...]:
    """Return the command line if it starts QEMU."""
    command = words[1:] if words[0] == "exec" else words
    if not command or words[0] in _KEYWORDS:
        raise reader.refuse(f"'{words[0]}' is not a plain command", start)
    if not is_qemu(command[0]):
        raise reader.refuse(f"'{command[0]}' is not QEMU", start)
    return tuple(command)
