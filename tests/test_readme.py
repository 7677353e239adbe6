"""What the README shows of the command line is what it prints."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.cli import main

if TYPE_CHECKING:
    import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_shows_real_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    examples = re.findall(r"(?m)^    \$ vmsnap (.*)\n((?:(?:    .*)?\n)+?)(?=    \$|\S)", README.read_text("utf-8"))
    assert len(examples) == 8
    for command, shown in examples:
        arguments = [os.path.expanduser(word) for word in shlex.split(command)]  # noqa: PTH111 (as a shell does)
        assert main(arguments) == int(command.startswith("diff ")), command
        printed = " ".join(capsys.readouterr().out.split())
        expected = ".*?".join(re.escape(" ".join(part.split())) for part in shown.split("..."))
        assert re.match(expected.replace(r".*?\ ", ".*?"), printed), f"{command}\n{printed}"
