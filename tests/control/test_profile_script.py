"""Scripts become the command line that a real shell would run, or are refused with the line and the reason."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.profile_script import from_script

ECHO = f"""#!{sys.executable}
import json, os, sys
environment = {{name: os.environ[name] for name in ("QEMU_AUDIO_DRV", "NEW") if name in os.environ}}
print(json.dumps([sys.argv, os.getcwd(), environment]))
"""

UNDERSTOOD = [
    "qemu-system-x86_64 -m 512 -hda disk.qcow2",
    "exec qemu-system-x86_64 -m 512 # a comment",
    "# first\n\nqemu-system-x86_64 \\\n  -m 512 \\\n  -name 'a $b \"c\"'\n",
    'RAM=2; N=$RAM\nqemu-system-x86_64 -m ${N}G -name "x $RAM y" -append a\\ b\\$c',
    "OPTS='-nodefaults   -vga std'\nqemu-system-x86_64 $OPTS '' \"\" -name \"$OPTS\"",
    "A=one\nA+=' two'\nqemu-system-x86_64 x$A\"$A\"$A. pre$A",
    'EMPTY=\nqemu-system-x86_64 $EMPTY a$EMPTY "$EMPTY" "$@"',
    'cd "$(dirname "$0")" || exit 1\nqemu-system-x86_64 -hda "$PWD/a b.qcow2"',
    'cd "$(dirname "${BASH_SOURCE[0]}")/sub"\nqemu-system-x86_64 "$(pwd)"',
    'HERE=$(cd "$(dirname "$0")" && pwd)\nqemu-system-x86_64 -hda "${HERE}/x" -name $0',
    'HERE="$(dirname "$(readlink -f "$0")")"\nqemu-system-x86_64 -hda $HERE/x',
    "set -eu\nset -o pipefail\nNEW=\nexport QEMU_AUDIO_DRV=none NEW\nNEW='a b' && qemu-system-x86_64 --version ${@}",
    "QEMU_AUDIO_DRV=wav\nqemu-system-x86_64",
    "NEW=1\nexport NEW\nQEMU_AUDIO_DRV=none qemu-system-x86_64 -hda ~/x -name x~y -m 1~",
    'qemu-system-x86_64 -name "a\\"b\\\\c\\d\\`e\\$f" \'{"driver": "qcow2", "file": "a*"}\' -x a#b#',
    "qemu-system-x86_64 \"a\\\nb\" c\\\nd 'e\\\nf'",
]


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_what_the_shell_would_run(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEW", raising=False)
    monkeypatch.setenv("QEMU_AUDIO_DRV", "alsa")
    tools, folder = tmp_path / "tools", tmp_path / "a folder"
    (folder / "sub").mkdir(parents=True)
    tools.mkdir()
    echo = tools / "qemu-system-x86_64"
    echo.write_text(ECHO)
    echo.chmod(echo.stat().st_mode | stat.S_IXUSR)
    script = folder / "run.sh"
    script.write_text(text)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", str(script)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    words, directory, variables = json.loads(done.stdout)
    profile = from_script(text, script, directory=tmp_path)
    assert list(profile.arguments) == ["qemu-system-x86_64", *words[1:]]
    assert profile.directory.resolve() == Path(directory)
    assert {"QEMU_AUDIO_DRV": "alsa", **dict(profile.environment)} == variables
    assert not profile.confirmed


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("qemu-system-x86_64 -m $RAM", 1, "$RAM is not set in the script"),
        ("\nif true; then\nqemu-system-x86_64\nfi", 2, "'if' is not a plain command"),
        ("#!/bin/sh\n\n  echo hi\nqemu-system-x86_64", 3, "'echo' is not QEMU"),
        ("sudo qemu-system-x86_64", 1, "'sudo' is not QEMU"),
        ("qemu-img create x 1G\nqemu-system-x86_64", 1, "'qemu-img' is not QEMU"),
        ("qemu-system-x86_64 \\\n -smp $(nproc)", 2, "only known when a shell runs it"),
        ("qemu-system-x86_64 -m ${RAM:-512}", 1, "only known when a shell runs it"),
        ("qemu-system-x86_64 -m `nproc`", 1, "only known when a shell runs it"),
        ("qemu-system-x86_64 -hda $1", 1, "what $1 stands for is not known"),
        ("qemu-system-x86_64 -hda *.img", 1, "'*' stands for names of files"),
        ("A='*'\nqemu-system-x86_64 $A", 2, "put it into double quotes"),
        ("qemu-system-x86_64 >log", 1, "'>' writes into a file"),
        ("qemu-system-x86_64 <<EOF", 1, "'<' reads from a file"),
        ("qemu-system-x86_64 &", 1, "'&' puts a program into the background"),
        ("qemu-system-x86_64 | cat", 1, "'|' joins two programs"),
        ("args=(-m 1)\nqemu-system-x86_64", 1, "'(' begins a list"),
        ("run() {\nqemu-system-x86_64\n}", 1, "'(' begins a list"),
        ("qemu-system-x86_64 -device {a,b}", 1, "'{' may be expanded"),
        ("qemu-system-x86_64 -hda ~joe/x", 1, "somebody's home folder"),
        ("qemu-system-x86_64 -drive file=~/x", 1, "in some shells, in others not"),
        ("qemu-system-x86_64\n\nrm x", 3, "something follows QEMU"),
        ("qemu-system-x86_64 'a\n", 1, "a quote ' is not closed"),
        ('A=1\nqemu-system-x86_64 "a\n', 2, 'a quote " is not closed'),
        ("cd x || echo no\nqemu-system-x86_64", 1, "'||' runs something only if"),
        ("export NONE\nqemu-system-x86_64", 1, "$NONE is not set"),
        ("set -f\nqemu-system-x86_64", 1, "'set' is not QEMU"),
        ("IFS=,\nqemu-system-x86_64", 1, "IFS changes how the rest is read"),
        ('qemu-system-x86_64 -hda "$(dirname "$0")/x"', 1, "only known when a shell runs it"),
        ("qemu-system-x86_64 -name $0", 1, "$0 is not set in the script"),
        ("cd -\nqemu-system-x86_64", 1, "'cd' is not QEMU"),
        ("case x in\n;;", 1, "'case' is not a plain command"),
    ],
)
def test_what_is_refused(text: str, line: int, reason: str) -> None:
    with pytest.raises(ControlError, match=f"^line {line} of the script cannot be followed: ") as refused:
        from_script(text, directory=Path("/"))
    assert reason in str(refused.value)


def test_a_script_without_qemu() -> None:
    with pytest.raises(ControlError, match="nothing in it starts QEMU"):
        from_script("#!/bin/sh\nA=1\n", directory=Path("/"))
