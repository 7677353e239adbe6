"""Files of rules: ours, a person's own, and broken ones."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.guest.made import array, integer, section, struct
from vmsnap_gui.guest import names
from vmsnap_gui.guest.names import Label, annotate, default_rules, user_file
from vmsnap_gui.guest.rules_file import BUILT_IN, load_rules
from vmsnap_gui.guest.toml_file import LARGEST_FILE
from vmsnap_gui.vmstate.fields import Field, Kind

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.guest.rules import RuleSet

unhurried = settings(deadline=None)


def own_rules(folder: Path, text: str) -> RuleSet:
    file = folder / "names.toml"
    file.write_text(text)
    return load_rules([file, BUILT_IN])


def test_a_persons_own_file_wins_and_adds(tmp_path: Path) -> None:
    rules = own_rules(
        tmp_path,
        """
        [bits.x86-cr0]
        31 = "PAGING"
        [bits.mine]
        0-1 = { 2 = "two" }
        [[rule]]
        device = ["cpu", "toaster"]
        fields = [
          { path = "env.regs[0]", name = "accumulator" },
          { path = "env.eip", text = "here it stands" },
          { path = "slots[*].level[*]", name = "slot {0} level {1}", bits = "mine" },
        ]
        """,
    )
    assert rules.problems == []
    root = struct("cpu", array("env.regs", 1, 2), integer("env.eip", 5), array("env.segs"))
    cr0 = struct("cpu", *root.children, integer("env.cr[0]", 1 << 31 | 1))
    labels = annotate(section("cpu"), cr0, rules)
    assert labels["env.regs[0]"].name == "accumulator"
    assert labels["env.regs[1]"].name == "RCX"
    assert labels["env.eip"] == Label("RIP", "here it stands")
    assert labels["env.cr[0]"] == Label("CR0", "PE PAGING")
    slots = Field("slots", "struct", Kind.ARRAY, 0, 8, None, [struct("[0]", array("level", 0, 2))])
    found = annotate(section("0000:00:02.0/toaster"), struct("toaster", slots), rules)
    assert found["slots[0].level[1]"] == Label("slot 0 level 1", "two")
    assert found["slots[0].level[0]"] == Label("slot 0 level 0")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[rule", "are not used"),
        ("é = ", "are not used"),
        ("x = " + "[" * 5000, "are not used"),
        ("bits = 3", "'bits' must hold tables only"),
        ("[bits]\nx = 3", "'bits' must hold tables only"),
        ("[bits.x]\ny = 'A'", "'y' is neither a bit (7) nor a range"),
        ("[bits.x]\n9-3 = 'A'", "from low to high"),
        ("[bits.x]\n1 = 3", "3 should be a text"),
        ("[values.x]\ny = 'A'", "'y' should be a number"),
        ("[aliases.x]\ny = 1", "1 should be a text"),
        ("[colours]", "'colours' is not one of"),
        ("rule = 3", "it is not a table"),
        ("[[rule]]", "'fields' must be a list"),
        ("[[rule]]\nfields = [3]", "rule 1, field 1: a field is a table"),
        ("[[rule]]\nfields = []\ncolour = 1", "'colour' is not known here"),
        ("[[rule]]\nfields = [{path = 'a', colour = 'b'}]", "'colour' is not known here"),
        ("[[rule]]\nfields = [{path = 'a', bits = 'nothing'}]", "bits = 'nothing' is not known"),
        ("[[rule]]\nfields = [{path = 'a', format = 'nothing'}]", "format = 'nothing' is not known"),
        ("[[rule]]\nfields = [{path = 'a', names = 'nothing'}]", "names = 'nothing' is not known"),
        ("[[rule]]\nfields = [{path = 'a', aliases = 'nothing'}]", "aliases = 'nothing' is not known"),
        ("[[rule]]\nfields = [{path = 'a', text = 'x', bits = 'x86-cr0'}]", "only one of bits, text"),
        ("[[rule]]\nfields = [{path = 'a', when = [1, 2, 3]}]", "'when' must be"),
        ("[[rule]]\nfields = [{path = 'a', size = 'big'}]", "'big' should be a number"),
        ("[[rule]]\nfields = [{path = 3}]", "3 should be a text"),
        ("# " + "x" * LARGEST_FILE, "more than 4 MiB"),
    ],
)
def test_a_broken_file_is_a_problem_and_ours_still_counts(tmp_path: Path, text: str, problem: str) -> None:
    rules = own_rules(tmp_path, text)
    assert problem in rules.problems[0].message
    assert str(tmp_path / "names.toml") in rules.problems[0].message
    root = struct("cpu", array("env.regs", 1, 2), integer("env.eip", 5), array("env.segs"))
    assert annotate(section("cpu"), root, rules)["env.eip"].name == "RIP"


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "names.toml").mkdir()
    (tmp_path / "other.toml").write_bytes(b"\xff\xfe")
    rules = load_rules([tmp_path / "names.toml", tmp_path / "other.toml", tmp_path / "missing.toml"])
    assert [problem.message.split()[0:2] for problem in rules.problems] == [["The", "names"]] * 2


def test_the_default_rules_are_ours_and_the_persons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert user_file().name == "names.toml"
    assert user_file().is_relative_to(tmp_path)
    user_file().parent.mkdir(parents=True)
    user_file().write_text('[[rule]]\nfields = [{ path = "env.eip", name = "where" }]\n')
    monkeypatch.setattr(names, "default_rules", names.default_rules.__wrapped__)
    root = struct("cpu", integer("env.eip", 5, 8), array("env.segs"))
    assert annotate(section("cpu"), root)["env.eip"].name == "where"
    assert default_rules.__wrapped__().problems == []


TOML_LINES = """[[rule]]
[bits.x]
[values.x]
device = 'cpu'
has = 3
fields = [{ path = 'a' }]
fields = [{ path = ['a', 'b[*]'], name = '{0}{1}', values = 'x' }]
fields = [{ path = '', bits = 'x', when = [1, 0] }]
prefix = ['', 'e.']
instance = ['0x10', 2]
0 = 'A'
1-2 = ['a', 'b']
x = 1
é""".splitlines()
toml_texts = st.lists(st.sampled_from(TOML_LINES), max_size=12).map("\n".join) | st.text(max_size=60)


@unhurried
@given(text=toml_texts)
def test_any_file_is_rules_and_problems(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    rules = load_rules([file])
    try:
        tomllib.loads(file.read_bytes().decode())
    except ValueError:
        assert rules.problems
    annotate(section("cpu"), struct("cpu", integer("a", 1), array("b", 1, 2)), rules)
