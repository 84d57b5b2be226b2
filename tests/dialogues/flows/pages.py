"""Pages of call flows: one for each module of scripts, a section for each script, and an index.

A section tells the story twice: as a ladder with numbered messages, and with the messages themselves between the
sentences of the script, which are its docstring and its comments.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from tests.dialogues.flows.expecting import unpacked_as
from tests.dialogues.flows.record import indented

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType

    from tests.dialogues.flows.names import Names
    from tests.dialogues.flows.record import Arrow, Given, Record, Said

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FOLDER = ROOT / "docs" / "call-flows"

_WORDS = {"tcp": "TCP", "notify": "NOTIFY", "notifies": "NOTIFYs", "subscribe": "SUBSCRIBE"}
"""Words of names as they are in titles."""
_NOTE = "<!-- Written by `python -m tests.dialogues.flows` from [the script]({script}); a test keeps it in step. -->\n"
_INDEX = """# Call flows

Who sends what, and who receives what: one page for each feature, as RFC 3665 does it for calls. Each flow is
a script in [tests/dialogues/flows](../../tests/dialogues/flows) that is played over real sockets against a real server
by every run of the tests, and this is what went over the wire.

Of each message the pages show the start line, the fields that matter, and the body; XML is indented for reading.
Within a dialog the Call-ID stands for From, To and Contact. What differs from run to run has a name in its place:
entity-tags are numbered as they appear (`view-1`, `version-1`), as are tags, addresses are those of documentation
networks, digests are dots, and time stands still. Devices and people have a proxy before them that has authenticated
them, and says so, but for the flows about just that. Unless a flow says otherwise, the server paces nothing.
By TLS and [by WebSocket](../web-phones.md) the same messages go, with another transport in Via and Contact.

A script says one thing after the other, its comments are the sentences of the page, and it fails at the first message
that is not as it says, or of which it says nothing:

```python
@flow
async def test_a_request_is_pending_until_the_owner_confirms(stage: Stage) -> None:
    \"\"\"Bob's phone asks for Ann's card. She has not heard of him yet, and decides some time later.\"\"\"
    ann, bob = stage.person("Ann"), await stage.phone("Bob")
    await ann.has(CONTACT_CARD, CARD)

    # The answer is 200 at once, and says nothing about Ann's decision; the first NOTIFY does.
    await bob.subscribes(ANN)
    await bob.receives(200, Expires="3600")
    await bob.receives(notify("pending"))
    await bob.answers(200)

    # She confirms by a rule: Bob may see what is `public`, and what is for `friends`.
    await ann.puts(CARD_RULES, rules(allow(BOB, "friends")))
    await ann.receives(201)
    await bob.receives(notify("active", full("FN:Ann Example", "TEL;TYPE=cell:+15550101")))
    await bob.answers(200)
```

"""


def page_of(module: str) -> Path:
    """The page of a module of scripts: `test_asking` is told in `asking.md`."""
    name = module.rpartition(".")[2].removeprefix("test_").replace("_", "-")
    return FOLDER / f"{name}.md"


def scripts() -> list[str]:
    """The modules of all scripts."""
    names = sorted(path.stem for path in HERE.glob("test_*.py"))
    return [f"tests.dialogues.flows.{name}" for name in names if name != "test_pages"]


def heading(script: Callable[..., object]) -> str:
    """The title of a section."""
    words = script.__name__.removeprefix("test_").split("_")
    title = " ".join(_WORDS.get(word, word) for word in words)
    return title[0].upper() + title[1:]


def title_of(module: ModuleType) -> str:
    """The title of a page: the first line of the module's docstring."""
    return _told(module).partition("\n")[0].rstrip(".")


def opening(module: ModuleType) -> str:
    """A page as far as its first section."""
    path = f"../../tests/dialogues/flows/{module.__name__.rpartition('.')[2]}.py"
    story = _told(module).partition("\n")[2].strip()
    return f"{_NOTE.format(script=path)}\n# {title_of(module)}\n\n{story}\n"


def _told(thing: object) -> str:
    """A docstring."""
    text = inspect.getdoc(thing)
    assert text is not None
    return text


def index(modules: Mapping[str, tuple[str, Sequence[str]]]) -> str:
    """The list of pages: file name -> title and sections."""
    parts = [_INDEX]
    for name, (title, sections) in modules.items():
        parts.append(f"## [{title}]({name})\n\n")
        parts.extend(f"- [{each}]({name}#{_anchor(each)})\n" for each in sections)
        parts.append("\n")
    return "".join(parts).rstrip() + "\n"


def _anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


# -- a section ------------------------------------------------------------------------------------------------------


def section(script: Callable[..., object], record: Record, actors: Sequence[str], names: Names) -> str:
    """What a script played."""
    for arrow in record.arrows:
        names.learn(arrow.said)
    parts = [
        f"\n## {heading(script)}\n\n{_told(script)}\n",
        *(["\nBefore:\n\n"] if record.givens else []),
        *map(_given, record.givens),
        _ladder(record.arrows, actors),
        *_story(script, record.arrows, names),
    ]
    return "".join(parts)


def written(script: Callable[..., object]) -> str:
    """The section of a script as its page has it; nothing if there is none."""
    page = page_of(script.__module__)
    sections = re.split("(?m)(?=^\n## )", page.read_text()) if page.exists() else []
    head = f"\n## {heading(script)}\n"
    return next((each for each in sections if each.startswith(head)), "")


def _given(given: Given) -> str:
    block = textwrap.indent(f"```\n{given.text}\n```\n", "  ") if given.text else ""
    return f"- {given.sentence}\n{block}"


def _ladder(arrows: Sequence[Arrow], actors: Sequence[str]) -> str:
    speaking = {name for arrow in arrows for name in (arrow.source, arrow.target)}
    short = {actor: f"A{number}" for number, actor in enumerate(each for each in actors if each in speaking)}
    lines = ["sequenceDiagram", "autonumber", *(f"participant {name} as {actor}" for actor, name in short.items())]
    for arrow in arrows:
        label = re.sub("[;#]", ",", arrow.said.label)
        between = f"{short[arrow.source]}->>{short[arrow.target]}"
        lines.append(f"Note over {short[arrow.source]}: {label}" if arrow.is_note else f"{between}: {label}")
    return "\n```mermaid\n" + "\n    ".join(lines) + "\n```\n"


def _story(script: Callable[..., object], arrows: Sequence[Arrow], names: Names) -> Iterator[str]:
    """The script's comments and the messages, as they come."""
    comments = list(_comments(script))
    number = 0
    for arrow in arrows:
        while comments and comments[0][0] < arrow.line:
            yield f"\n{comments.pop(0)[1]}\n"
        if arrow.is_note:
            yield f"\n*{arrow.source}: {arrow.said.label}.*\n"
        else:
            number += 1
            yield _message(number, arrow, names)
    for _, comment in comments:
        yield f"\n{comment}\n"


def _comments(script: Callable[..., object]) -> Iterator[tuple[int, str]]:
    """The paragraphs of the script's own comments, each with the line where it ends."""
    lines, first = inspect.getsourcelines(script)
    paragraph: list[str] = []
    for number, line in enumerate([*lines, ""], start=first):
        if line.startswith("    # "):
            paragraph.append(line.strip(" #\n"))
        elif paragraph:
            yield number - 1, " ".join(paragraph)
            paragraph = []


def _message(number: int, arrow: Arrow, names: Names) -> str:
    said = arrow.said
    head = f"\n**{number}.** {arrow.source} → {arrow.target}"
    fields = [f"{name}: {value}" for name, value in said.fields]
    if not said.body and all(name in ("CSeq", "Content-Type") for name, _ in said.fields) and "\n" not in said.start:
        return f"{head}: `{names.told(said.start)}`\n"
    parts = [said.start, *fields]
    if said.body:
        parts += ["", *_body(said)]
    return f"{head}\n\n```\n{names.told(chr(10).join(parts))}\n```\n"


def _body(said: Said) -> Iterator[str]:
    content = said.body
    if said.coding is not None:
        content = unpacked_as(said.coding, content)
        yield f"({len(said.body)} octets of {said.coding}, for {len(content)} of this)"
    kinds = [value for name, value in said.fields if name == "Content-Type"]
    if kinds and "xml" in kinds[0]:
        yield indented(content)
    else:
        yield content.decode().replace("\r\n", "\n").rstrip()
