"""What the README shows of the command line is what it prints."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.cli import main
from vmsnap_gui.demo import demo_image

if TYPE_CHECKING:
    import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_shows_real_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shutil.copy(demo_image(), tmp_path / "demo.qcow2")
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"(?m)^    \$ vmsnap (.*)\n((?:(?:    .*)?\n)+?)(?=    \$|\S)", README.read_text("utf-8"))
    assert len(examples) == 5
    for command, shown in examples:
        assert main(shlex.split(command)) == int(command.startswith("diff ")), command
        printed = " ".join(capsys.readouterr().out.split())
        expected = ".*?".join(re.escape(" ".join(part.split())) for part in shown.split("..."))
        assert re.match(expected.replace(r".*?\ ", ".*?"), printed), f"{command}\n{printed}"
