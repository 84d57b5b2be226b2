"""The lines of text/vcard (RFC 6350 §3.2-3.4)."""

from __future__ import annotations

import pytest

from abserver.domain.contentline import (
    FOLD,
    ContentLine,
    VcardError,
    escaped,
    parse_line,
    split_raw,
    unescaped,
    unfold,
    write_line,
)


def parsed(text: str) -> ContentLine:
    return parse_line(7, text.encode())


@pytest.mark.parametrize("end", [b"\r\n", b"\n", b"\r"])
def test_lines_are_unfolded_whatever_ends_them(end: bytes) -> None:
    """RFC 6350 §3.2; the number is that of the first physical line."""
    content = end.join([b"A:1", b" 2", b"\t 3", b"", b"B:4", b"", b"", b"C:5"])
    assert list(unfold(content)) == [(1, b"A:12 3"), (5, b"B:4"), (8, b"C:5")]


def test_a_fold_within_a_character_is_mended() -> None:
    (line,) = unfold(b"NOTE:\xc3\r\n \xa4\r\n")
    assert parse_line(*line).value == "ä"


def test_a_line_has_group_name_parameters_and_raw_value() -> None:
    assert parsed('item1.tel;type=Work,VOICE;x-a="b;c:d,e";TYPE="cell,text":a\\,b:c') == ContentLine(
        name="TEL",
        value="a\\,b:c",
        group="item1",
        parameters=(("TYPE", ("Work", "VOICE")), ("X-A", ("b;c:d,e",)), ("TYPE", ("cell", "text"))),
        line=7,
    )


def test_values_of_a_repeated_parameter_come_together() -> None:
    line = parsed("TEL;TYPE=work;CELL;TYPE=voice:1")
    assert line.values("TYPE") == ("work", "CELL", "voice")
    assert line.values("PREF") == ()


def test_parameter_values_are_decoded() -> None:
    """RFC 6868 §3.2, RFC 6351 §6."""
    assert parsed('X;P="a^nb^^c^\'d\\ne\\\\f^x":').values("P") == ('a\nb^c"d\ne\\f^x',)


def test_an_empty_parameter_has_no_values() -> None:
    assert parsed("URL;TYPE=:x").parameters == (("TYPE", ()),)
    assert parsed('URL;X="":x').parameters == (("X", ("",)),)


def test_underscores_are_hyphens() -> None:
    assert parsed("X_A;B_C=1:x").name == "X-A"
    assert parsed("X_A;B_C=1:x").values("B-C") == ("1",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no colon", r"line 7 \(NO\): a colon must follow"),
        ('TEL;TYPE="work:1', r"line 7 \(TEL\): a colon must follow"),
        ('TEL;TYPE="a"b:1', r"line 7 \(TEL\): a colon must follow"),
        ("TEL;=x:1", r"line 7 \(TEL\): a colon must follow"),
        (":x", "line 7: this is no property"),
        ("ü:x", "line 7: this is no property"),
    ],
)
def test_what_is_no_line_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(VcardError, match=message):
        parsed(text)


def test_text_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(VcardError, match="line 7: the text is not UTF-8") as refusal:
        parse_line(7, "FN:Jürgen".encode("latin-1"))
    assert (refusal.value.line, refusal.value.name) == (7, None)


@pytest.mark.parametrize(
    "line",
    ["X;" + "A=B;" * 20_000, 'X;A="' * 20_000, "X;A=" + ",".join(['""'] * 20_000), "X" + ";A" * 20_000 + '="'],
)
def test_hostile_lines_take_no_longer_than_others(line: str) -> None:
    """Backtracking would take longer than any test run."""
    with pytest.raises(VcardError):
        parsed(line)


@pytest.mark.parametrize(
    ("raw", "text"),
    [("a\\,b\\;c\\:d", "a,b;c:d"), ("a\\nb\\Nc", "a\nb\nc"), ("a\\\\n", "a\\n"), ("a\\xb\\", "a\\xb\\"), ("", "")],
)
def test_escapes_are_undone(raw: str, text: str) -> None:
    assert unescaped(raw) == text


@pytest.mark.parametrize(
    ("raw", "parts"),
    [("", [""]), ("a;b", ["a", "b"]), ("a\\;b;", ["a\\;b", ""]), ("a\\\\;b", ["a\\\\", "b"]), (";\\", ["", "\\"])],
)
def test_only_separators_without_a_backslash_separate(raw: str, parts: list[str]) -> None:
    assert split_raw(raw, ";") == parts


def test_separated_values_are_split_in_linear_time() -> None:
    assert len(split_raw("\\;" * 200_000 + "," * 200_000, ",")) == 200_001


def test_escapes_are_done_where_they_are_needed_only() -> None:
    """RFC 6350 §3.4."""
    assert escaped("a\\b,c;d:e\nf\r\ng\rh") == "a\\\\b\\,c;d:e\\nf\\ng\\nh"
    assert escaped("a;b", compound=True) == "a\\;b"


def test_lines_are_folded_at_75_octets_and_never_within_a_character() -> None:
    """RFC 6350 §3.2."""
    line = ContentLine("NOTE", "ä€😀" * 60)
    written = write_line(line)
    assert written.endswith(b"\r\n")
    physical = written[:-2].split(b"\r\n")
    assert len(physical) > 5
    for each in physical:
        assert len(each) <= FOLD
        each.decode()
    assert written == physical[0] + b"".join(b"\r\n" + each for each in physical[1:]) + b"\r\n"
    ((_, unfolded),) = unfold(written)
    assert unfolded.decode() == "NOTE:" + line.value


@pytest.mark.parametrize("length", [FOLD - 1, FOLD, FOLD + 1, 2 * FOLD])
def test_a_line_of_exactly_75_octets_is_not_folded(length: int) -> None:
    written = write_line(ContentLine("NOTE", "x" * (length - 5)))
    assert written.count(b"\r\n ") == max(0, -(-(length - FOLD) // (FOLD - 1)))


def test_parameters_are_quoted_and_encoded_as_needed() -> None:
    """RFC 6350 §3.3, RFC 6868 §3.1."""
    line = ContentLine("TEL", "1", "g", (("TYPE", ("work", "a b")), ("X", ('a;b\n"c"^\\',)), ("Y", ("tab\t", "ä"))))
    written = write_line(line)
    assert written == 'g.TEL;TYPE=work,a b;X="a;b^n^\'c^\'^^\\\\";Y="tab\t",ä:1\r\n'.encode()
    assert parse_line(0, written[:-2]) == line
