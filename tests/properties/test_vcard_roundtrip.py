"""xCard to text and back is the identity, for all values that text can carry (RFC 6351 §6)."""

from __future__ import annotations

from xml.sax.saxutils import escape

from hypothesis import given, settings
from hypothesis import strategies as st

from abserver.domain.contentline import FOLD, ContentLine, parse_line, unfold, write_line
from abserver.domain.vcard import import_vcard
from abserver.domain.vcard_text import export_vcard

CHARACTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")
TEXT = st.text(st.one_of(CHARACTERS, st.sampled_from("\\,;:\n\"^'nN ")), max_size=60)
RAW = st.text(CHARACTERS, max_size=60)
URI = st.from_regex(r"[a-z]{2,5}:[!#$&-;=?-Z_a-z~]{0,30}", fullmatch=True)


def tag(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>" if content else f"<{name}/>"


def value(kind: str, text: str) -> str:
    return tag(kind, escape(text))


@st.composite
def parameters(draw: st.DrawFn) -> str:
    made = [
        tag("altid", value("text", draw(TEXT.filter(bool)))),
        tag("language", value("language-tag", draw(st.sampled_from(["de", "en-GB"])))),
        tag("pref", value("integer", str(draw(st.integers(1, 100))))),
        tag("x-any", value("unknown", draw(TEXT.filter(bool))) + value("unknown", draw(TEXT.filter(bool)))),
        tag("x-level", value("text", draw(st.sampled_from(["friends", "family"])))),
        tag(
            "type",
            "".join(
                value("text", each) for each in draw(st.sets(st.sampled_from(["work", "home", "cell"]), min_size=1))
            ),
        ),
    ]
    # `type` is written last, since reading puts it there
    chosen = [each for each in made if draw(st.booleans())]
    return tag("parameters", "".join(chosen)) if chosen else ""


def structured(name: str, *fields: str) -> st.SearchStrategy[str]:
    """All fields that must be there, some with two values."""
    texts = st.lists(TEXT, min_size=1, max_size=2)
    return st.tuples(parameters(), st.tuples(*[texts] * len(fields))).map(
        lambda parts: tag(
            name,
            parts[0]
            + "".join(value(field, each) for field, group in zip(fields, parts[1], strict=True) for each in group),
        )
    )


def simple(names: list[str], kind: str, texts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda name, before, text: tag(name, before + value(kind, text)), st.sampled_from(names), parameters(), texts
    )


def listed(name: str) -> st.SearchStrategy[str]:
    return st.builds(
        lambda before, texts: tag(name, before + "".join(value("text", each) for each in texts)),
        parameters(),
        st.lists(TEXT, min_size=1, max_size=3),
    )


PROPERTIES = st.one_of(
    simple(["note", "title", "tel", "x-a", "bday", "uid", "url"], "text", TEXT),
    simple(["url", "tel", "impp", "photo", "x-a"], "uri", URI),
    simple(["x-a", "vnd-b-c", "unheard-of"], "unknown", RAW),
    simple(["bday", "anniversary", "x-a"], "date", st.sampled_from(["19800203", "--0203", "1980-02", "1980"])),
    simple(["bday"], "time", st.sampled_from(["102200", "--22", "1022Z"])),
    listed("nickname"),
    listed("categories"),
    listed("org"),
    structured("n", "surname", "given", "additional", "prefix", "suffix"),
    structured("adr", "pobox", "ext", "street", "locality", "region", "code", "country"),
    st.builds(lambda text: f'<p xmlns="urn:x" a="{text.encode().hex()}">{escape(text)}</p>', TEXT.filter(bool)),
)
RUNS = st.lists(
    st.tuples(st.sampled_from([None, "a", "item1"]), st.lists(PROPERTIES, min_size=1, max_size=3)), max_size=4
)


@settings(max_examples=200, deadline=None)
@given(RUNS)
def test_a_card_survives_text(runs: list[tuple[str | None, list[str]]]) -> None:
    card = '<vcards xmlns="urn:ietf:params:xml:ns:vcard-4.0"><vcard><fn><text>Ann</text></fn>'
    before: str | None = None
    for group, properties in runs:
        if group is not None and group == before:
            continue  # neighbours of one group are one group in text
        card += "".join(properties) if group is None else f'<group name="{group}">{"".join(properties)}</group>'
        before = group
    content = f"{card}</vcard></vcards>".encode()
    text = export_vcard(content)
    assert import_vcard(text) == [content]
    for line in text.split(b"\r\n"):
        assert len(line) <= FOLD
        line.decode()


NAMES = st.from_regex(r"[A-Z][A-Z0-9-]{0,8}", fullmatch=True)


@settings(max_examples=200, deadline=None)
@given(
    NAMES,
    RAW,
    st.none() | st.from_regex(r"[a-zA-Z0-9-]{1,6}", fullmatch=True),
    st.lists(st.tuples(NAMES.map("X-{}".format), st.lists(TEXT, min_size=1, max_size=3).map(tuple)), max_size=3).map(
        tuple
    ),
)
def test_a_line_survives_folding(
    name: str, raw: str, group: str | None, parameters: tuple[tuple[str, tuple[str, ...]], ...]
) -> None:
    line = ContentLine(name, raw, group, parameters, 1)
    ((number, unfolded),) = unfold(write_line(line))
    assert parse_line(number, unfolded) == line
