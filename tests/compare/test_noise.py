from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from vmsnap_gui.compare.errors import CompareError
from vmsnap_gui.compare.noise import NoiseRule, NoiseRules
from vmsnap_gui.compare.noise_file import BUILT_IN, default_noise, load_noise, save_own, user_file
from vmsnap_gui.compare.status import FieldChange
from vmsnap_gui.compare.terms import Status
from vmsnap_gui.vmstate.fields import Field, Kind

if TYPE_CHECKING:
    from pathlib import Path


def change(path: str, type_name: str = "uint8", a: object = 1, b: object = 2) -> FieldChange:
    kind = Kind.BUFFER if isinstance(a, bytes) else Kind.INTEGER
    sides = [Field(path, type_name, kind, 0, 1, value) for value in (a, b)]  # type: ignore[arg-type]
    return FieldChange(path, Status.CHANGED, *sides)


def named(rule: NoiseRule, section: str, one: FieldChange) -> bool:
    return NoiseRules((rule,)).for_device(section).rule(one) is rule


def test_our_own_file_is_sound() -> None:
    rules = load_noise(BUILT_IN)
    assert rules.problems == ()
    assert len({rule.name for rule in rules.rules}) == len(rules.rules) > 10
    assert all(rule.reason.endswith(".") for rule in rules.rules)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("a.b", "a.b", True),
        ("a.b", "x.a.b", False),
        ("a[*].b", "a[12].b", True),
        ("a[*].b", "a[x].b", False),
        ("**.b", "b", True),
        ("**.b", "x.y[3].b", True),
        ("**.b", "x.ab", False),
        ("tim*", "timer", True),
        ("tim*", "time.r", False),
        ("a.(b", "a.(b", True),
    ],
)
def test_path_patterns(pattern: str, path: str, fits: bool) -> None:
    assert named(NoiseRule("n", "r", paths=(pattern,)), "dev", change(path)) is fits


def test_devices_and_types() -> None:
    rule = NoiseRule("n", "r", devices=("*hci",), types=frozenset({"timer"}))
    assert named(rule, "0000:00:1d.0/ehci", change("t", "timer"))
    assert not named(rule, "0000:00:1d.0/ehci", change("t", "int64"))
    assert not named(rule, "0000:00:1d.0/e1000", change("t", "timer"))


def test_bytes_of_a_buffer() -> None:
    rule = NoiseRule("n", "r", paths=("b",), within=((0, 1), (4, 4)))
    assert named(rule, "d", change("b", a=b"abcdef", b=b"ABcdEf"))
    assert not named(rule, "d", change("b", a=b"abcdef", b=b"abCdef"))
    assert not named(rule, "d", change("b", a=b"abcdef", b=b"abcde"))
    assert not named(rule, "d", change("b"))
    assert not named(rule, "d", FieldChange("b", Status.ADDED, None, change("b").b))


def test_a_person_adds_replaces_and_disables(tmp_path: Path) -> None:
    own = tmp_path / "noise.toml"
    own.write_text(
        'disable = ["timer"]\n[[rule]]\nname = "tsc"\nreason = "mine"\ndevice = "cpu"\npath = "env.other"\n'
        '[[rule]]\nname = "new"\nreason = "mine"\npath = "x"\n'
    )
    rules = load_noise(own)
    assert rules.problems == ()
    assert [rule.name for rule in rules.rules if rule.own] == ["tsc", "new"]
    assert rules.for_device("cpu").rule(change("env.tsc")) is None
    assert rules.for_device("cpu").rule(change("env.other")) is not None
    assert rules.for_device("any").rule(change("q", "timer")) is None


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    own = tmp_path / "new" / "noise.toml"
    rules = (
        NoiseRule('odd "name"\n\x7f', "ünï [日本] \\", ("a", "b?"), ("x[*]",), frozenset(), ((0, 3), (9, 9)), own=True),
        NoiseRule("typed", "r", types=frozenset({"timer", "int8"}), own=True),
    )
    save_own(own, rules, {"timer", "tsc"})
    found = load_noise(own)
    assert (tuple(rule for rule in found.rules if rule.own), found.disabled) == (rules, {"timer", "tsc"})
    assert [one.name for one in own.parent.iterdir()] == ["noise.toml"]


def test_what_cannot_be_saved_leaves_the_file(tmp_path: Path) -> None:
    own = tmp_path / "noise.toml"
    own.write_text("disable = []\n")
    with pytest.raises(CompareError, match="no text file can"):
        save_own(own, [NoiseRule("\udc80", "r", paths=("x",))], ())
    with pytest.raises(CompareError, match="cannot be written"):
        save_own(own / "below", [], ())
    assert own.read_text() == "disable = []\n"
    assert [one.name for one in tmp_path.iterdir()] == ["noise.toml"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[rule]\n", "are not used"),
        ("unknown = 1\n", "'unknown' is not known here"),
        ("rule = 5\n", "rule 1: it is not a table"),
        ("disable = 5\n", "should be a text"),
        ('[[rule]]\nname = "x"\n', "a 'name' and a 'reason'"),
        ('[[rule]]\nname = "x"\nreason = "r"\n', "a 'path' or a 'type'"),
        ('[[rule]]\nname = "x"\nreason = "r"\npath = "*****"\n', "more than 4 stars"),
        ('[[rule]]\nname = "x"\nreason = "r"\npath = "p"\nbytes = [[3, 1]]\n', "3 to 1 are no range"),
        ('[[rule]]\nname = "x"\nreason = "r"\npath = "p"\nbytes = [3]\n', "list of pairs"),
        ('[[rule]]\nname = "x"\nreason = "r"\npath = 3\n', "should be a text"),
    ],
)
def test_a_mistake_is_told_and_the_rest_counts(tmp_path: Path, text: str, said: str) -> None:
    own = tmp_path / "noise.toml"
    own.write_text(text)
    rules = load_noise(own)
    assert [said in problem.message and str(own) in problem.message for problem in rules.problems] == [True]
    assert len(rules.rules) == len(load_noise(BUILT_IN).rules)


def test_the_default_is_ours_where_nobody_wrote_a_file() -> None:
    assert user_file().name == "noise.toml"
    assert default_noise().rules == load_noise(user_file()).rules
