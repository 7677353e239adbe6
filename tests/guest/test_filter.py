"""The filter language: what it finds, what it says about wrong text, and that nothing else can come out of it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vmsnap_gui.guest.filter import DEEPEST, Filter, FilterError, compile_filter, field_filter
from vmsnap_gui.guest.filter_text import LONGEST_TEXT, number


@dataclass(frozen=True)
class Row:
    device: str = "cpu"
    path: str = "env.eip"
    value: int | float | bool | bytes | str | None = 0
    type: str = "uint64"
    size: int = 8
    offset: int = 0x1000
    label: str | None = None
    changed: bool = False
    outcome: str = ""
    problem: str | None = None

    @property
    def name(self) -> str:
        return self.path.rsplit(".", 1)[-1]


EIP = Row(value=0x7C00, label="RIP", changed=True, outcome="in_a")
EIP_1 = Row(device="cpu:1", value=0xFD0A9, label="RIP", offset=0x2000)
OLD_EIP = Row(path="env.old_eip", value=0x7C00, outcome="same")
RAX = Row(path="env.regs[0]", value=-1, label="RAX")
ARRAY = Row(path="env.regs", value=None, size=128)
TIMER = Row(device="hpet", path="timer[0].qemu_timer", type="timer", value=-1)
VENDOR = Row(
    device="0000:00:1f.2/ich9_ahci", path="parent_obj.config[0]", type="pci config", value=b"\x86\x80ab", size=4
)
FEATURES = Row(device="0000:00:03.0/virtio-blk", path="virtio.features", value=1 << 40, problem="does not fit")
RUNNING = Row(device="globalstate", path="runstate", type="buffer", value=b"paused\0\0", size=8)
ENABLED = Row(device="serial:1", path="state.enabled", type="bool", value=True, size=1)
OFF = Row(device="serial", path="state.enabled", type="bool", value=False, size=1)
NULL = Row(device="css", path="css[0]", type="nullptr", value=None, size=1)
NULL_11 = Row(device="css", path="css[1]", type="ptr-marker", value=None, size=1)
TEXT = Row(device="configuration", path="capability", type="capability", value="x-colo", size=7)
SIZE = Row(device="globalstate", path="size", type="uint32", value=7, size=4)
RATE = Row(device="audio", path="rate", type="float64", value=0.5)
ROWS = {
    name: row
    for name, row in globals().items()
    if isinstance(row, Row)
}  # fmt: skip
EVERYTHING = set(ROWS)


def found(text: str) -> set[str]:
    matches = compile_filter(text).matches
    return {name for name, row in ROWS.items() if matches(row)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", EVERYTHING),
        ("   ", EVERYTHING),
        ("eip", {"EIP", "EIP_1", "OLD_EIP"}),
        ("EIP old", {"OLD_EIP"}),
        ("rax", {"RAX"}),
        ("hpet timer", {"TIMER"}),
        ("0000:00:1f.2/ich9_ahci", {"VENDOR"}),
        ("0000:00:1f.2/ich9_ahci.parent_obj", {"VENDOR"}),
        ("regs[0]", {"RAX"}),
        ("eip or timer", {"EIP", "EIP_1", "OLD_EIP", "TIMER"}),
        ("eip and not old", {"EIP", "EIP_1"}),
        ("eip not not old", {"OLD_EIP"}),
        ("old or eip changed", {"OLD_EIP", "EIP"}),
        ("(old or eip) changed", {"EIP"}),
        ("NOT (eip OR regs) AND cpu", set()),
        ('"and"', set()),
        ('"changed"', set()),
        ("device ~ virtio", {"FEATURES"}),
        ("device == cpu", {"EIP", "EIP_1", "OLD_EIP", "RAX", "ARRAY"}),
        ("device == cpu:1", {"EIP_1"}),
        ("device == cpu:0", {"EIP", "OLD_EIP", "RAX", "ARRAY"}),
        ("cpu:0.rip != 0", {"EIP"}),
        ("device == ich9_ahci", {"VENDOR"}),
        ("device == ahci", set()),
        ("device != cpu and device !~ s", {"TIMER", "VENDOR", "FEATURES", "TEXT", "RATE"}),
        ("cpu.env.eip == 0x7c00", {"EIP"}),
        ("cpu.env.eip != 0", {"EIP", "EIP_1"}),
        ("cpu:1.env.eip != 0", {"EIP_1"}),
        ("env.eip == 0x7c00", {"EIP"}),
        ("ENV.EIP == 31744", {"EIP"}),
        ("eip == 0x7c00", {"EIP"}),
        ("rip == 0x7c00", {"EIP"}),
        ("cpu.rip > 0", {"EIP", "EIP_1"}),
        ("ip == 0x7c00", set()),
        ("env.regs[0] == -1", {"RAX"}),
        ("env.regs == -1", set()),
        ("ich9_ahci.parent_obj.config[0] == 86806162", set()),
        ('ich9_ahci.parent_obj.config[0] == "86806162"', {"VENDOR"}),
        ('"0000:00:1f.2/ich9_ahci.parent_obj.config[0]" ~ ab', {"VENDOR"}),
        ("0000:00:1f.2/ich9_ahci.parent_obj.config[0] ~ 8680", {"VENDOR"}),
        ("path == env.eip", {"EIP", "EIP_1"}),
        ("path ~ cpu.env.e", {"EIP"}),
        ("value == 0x7c00", {"EIP", "OLD_EIP"}),
        ("value > 0xfd0a8", {"EIP_1", "FEATURES"}),
        ("value < 0", {"RAX", "TIMER"}),
        ("value <= -1", {"RAX", "TIMER"}),
        ("value >= 1024 GiB", {"FEATURES"}),
        ("value == 1TiB", {"FEATURES"}),
        ("value == 0.5", {"RATE"}),
        ("value == 0b111 or value == 0o7", {"SIZE"}),
        ("value == true", {"ENABLED"}),
        ("state.enabled == false", {"OFF"}),
        ("value == x-colo", {"TEXT"}),
        ("value == PAUSED", {"RUNNING"}),
        ("value ~ paus", {"RUNNING"}),
        ("value ~ 7c0", {"EIP", "OLD_EIP"}),
        ("value == null", {"NULL", "NULL_11"}),
        ("type == timer", {"TIMER"}),
        ("type ~ config", {"VENDOR"}),
        ('name ~ "^e.p$"', {"EIP", "EIP_1"}),
        ('name ~ "regs["', {"RAX"}),
        ("name ~ regs[0]", {"RAX"}),
        ("size >= 128", {"ARRAY"}),
        ("size < 4 and size > 1", set()),
        ('"size" == 7', {"SIZE"}),
        ("globalstate.size == 7", {"SIZE"}),
        ("offset == 8 KiB", {"EIP_1"}),
        ("changed", {"EIP"}),
        ("changed == true", {"EIP"}),
        ("cpu and changed != true", {"EIP_1", "OLD_EIP", "RAX", "ARRAY"}),
        ("changed == in_a", {"EIP"}),
        ("changed == both_alike", set()),
        ("cpu and eip and changed != In_A", {"EIP_1", "OLD_EIP"}),
        ("problem", {"FEATURES"}),
        ("problem ~ fit", {"FEATURES"}),
        ("label", {"EIP", "EIP_1", "RAX"}),
        ("label == rip", {"EIP", "EIP_1"}),
        ("label ~ a", {"RAX"}),
    ],
)  # fmt: skip
def test_what_is_found(text: str, expected: set[str]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ('name == "eip', 8, "closing quote"),
        ("eip = 3", 4, "Write =="),
        ("!changed", 0, "Write 'not'"),
        ("a && b", 2, "Write 'and'"),
        ("a || b", 2, "Write 'or'"),
        ("(eip", 0, "closing bracket is missing"),
        ("eip)", 3, "never opened"),
        ("()", 1, "before this bracket"),
        ("eip and", 7, "missing at the end"),
        ("or eip", 0, "before 'or'"),
        ("== 3", 0, "before '=='"),
        ("value ==", 8, "A value is missing after =="),
        ("value == == 3", 9, "A value is missing after =="),
        ("value > abc", 8, "> compares numbers"),
        ("name < 3", 7, "< compares numbers"),
        ("size == big", 8, "is a number"),
        ("size ~ 3", 7, "is a number"),
        ("changed == 3", 11, "Write 'changed'"),
        ("changed == in_c", 11, "changed == in_a, in_b, both_alike, both_differently"),
        ("changed ~ in_a", 10, "Write 'changed'"),
        ('name ~ "(a"', 7, "not a valid regular expression"),
        ('name ~ "(a+)+$"', 7, "cannot hold repeats"),
        ('name ~ "(a|a)*$"', 7, "cannot hold repeats or choices"),
        ('name ~ "a*a*a*a*"', 7, "at most 3 repeats"),
        ('name ~ "' + "a?" * 20 + '"', 7, "choices"),
        (r'name ~ "(a)\1"', 7, "Back references"),
        ('name ~ "(?=a)"', 7, "only (?:"),
        ('"" == 3', 0, "nothing between"),
        ("(" * (DEEPEST + 1), DEEPEST, "deep"),
        ("a" * (LONGEST_TEXT + 1), LONGEST_TEXT, "at most"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, position: int, words: str) -> None:
    with pytest.raises(FilterError) as error:
        compile_filter(text)
    assert error.value.position == position
    assert words in error.value.message
    assert error.value.message.endswith(".")


def test_long_and_deep_filters_within_the_limits_work() -> None:
    deep = "(" * DEEPEST + "eip" + ")" * DEEPEST
    assert found(deep) == found("eip")
    assert found("not " * 4001 + "cpu") == EVERYTHING - found("cpu")
    assert found(" or ".join(["nothing"] * 1500 + ["rax"])) == {"RAX"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10", 10), ("010", 10), ("0x1F", 31), ("-0x10", -16), ("+5", 5), ("0b101", 5), ("0o17", 15), ("1_000", 1000),
        ("4KiB", 4096), ("1.5MiB", 1.5 * (1 << 20)), ("0x2GiB", 2 << 30), ("1e3", 1000.0), ("0.25", 0.25),
        ("x", None), ("0x", None), ("1__0", None), ("KiB", None), ("", None), ("٣", None), ("9" * 401, None),
        ("9" * 300, int("9" * 300)), ("1_", None), ("nan", None), ("1e999", math.inf),
    ],
)  # fmt: skip
def test_numbers(text: str, expected: float | None) -> None:
    assert number(text) == expected


names = st.text(min_size=1, max_size=30) | st.from_regex(r"\A[a-z0-9:./@-]{1,30}\Z")
paths = st.from_regex(r"\A[a-z_]{1,8}(\[[0-9]{1,3}\])?(\.[a-z_]{1,8}(\[[0-9]{1,3}\])?){0,3}\Z") | st.text(min_size=1)
values = st.none() | st.booleans() | st.integers(-(1 << 128), 1 << 128) | st.floats() | st.binary() | st.text()
rows = st.builds(
    Row,
    device=names,
    path=paths,
    value=values,
    label=st.none() | names,
    changed=st.booleans(),
    problem=st.none() | names,
)
unhurried = settings(deadline=None)  # a busy machine is no failure


@unhurried
@given(device=names, path=paths, value=values)
@example(device="a", path="and", value=3)
@example(device="0000:00:1f.2/ich9_ahci", path="parent_obj.config[0]", value=b"\x00" * 256)
@example(device="ΑΣ", path="Σ", value="ΣΣ")
def test_a_field_filter_finds_its_field(device: str, path: str, value: int | float | bytes | str | None) -> None:
    text = field_filter(f"{device}.{path}", value)
    row = Row(device=device, path=path, value=value)
    assert compile_filter(text).matches(row)
    assert "\n" not in text
    assert not compile_filter(text).matches(Row(device=device, path=path + "_", value=value))


@unhurried
@given(value=st.integers() | st.booleans() | st.text(max_size=50) | st.binary(min_size=1, max_size=32))
def test_a_field_filter_finds_no_other_value(value: int | str | bytes) -> None:
    matches = compile_filter(field_filter("cpu.env.eip", value)).matches
    other: int | str | bytes
    if isinstance(value, bool):
        other = not value
    elif isinstance(value, int):
        other = value + 1
    elif isinstance(value, str):
        other = value + "x"
    else:
        other = value + b"x"
    assert not matches(Row(value=other))


def test_a_field_filter_of_one_processor_is_not_that_of_another() -> None:
    text = field_filter("cpu:1.env.eip", 0xFD0A9)
    assert text == "cpu:1.env.eip == 0xfd0a9"
    assert found(text) == {"EIP_1"}
    assert field_filter("0000:00:1f.2/ich9_ahci.x", 3) == "0000:00:1f.2/ich9_ahci.x == 3"
    assert field_filter("size", 3) == '"size" == 3'


words = st.sampled_from(
    [
        *("and", "or", "not", "(", ")", "==", "!=", "<", ">=", "~", "!~", "=", "!", '"', "\\", "\n", "é"),
        *("value", "size", "changed", "problem", "label", "cpu.env.eip", "null", "true"),
        *("0x7c00", "4", "KiB", '"a b"', "a+", '"(a+)*"'),
    ]
)


@unhurried
@given(text=st.text() | st.lists(words, max_size=30).map(" ".join) | st.lists(words).map("".join), row=rows)
def test_any_text_is_a_filter_or_a_filter_error(text: str, row: Row) -> None:
    outcome = compiled(text)
    if isinstance(outcome, FilterError):
        assert 0 <= outcome.position <= len(text)
        assert str(outcome)
    else:
        assert outcome.matches(row) in (True, False)


@unhurried
@given(pattern=st.text("ab()[]{}|*+?\\^$.:19-", max_size=40), row=rows)
def test_any_pattern_is_a_filter_or_a_filter_error(pattern: str, row: Row) -> None:
    escaped = pattern.replace("\\", "\\\\").replace('"', '\\"')
    outcome = compiled(f'name ~ "{escaped}" or value ~ "{escaped}"')
    assert isinstance(outcome, FilterError) or outcome.matches(row) in (True, False)


def compiled(text: str) -> Filter | FilterError:
    try:
        return compile_filter(text)
    except FilterError as error:
        return error


def test_an_expression_that_python_warns_of_is_no_trouble() -> None:
    assert found('name ~ "[1--"') == set()
    assert found('name ~ "[[e]ip"') == {"EIP", "EIP_1", "OLD_EIP"}
