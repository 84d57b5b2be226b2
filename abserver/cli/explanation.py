"""An explanation as the server gives it, in words for people and as JSON values for scripts."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import typer

from abserver.cli import common
from abserver.domain import trees
from abserver.domain.usages.explanations import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from xml.etree.ElementTree import Element

    from abserver.cli.card_items import ItemName

_NEXT = {
    "up-to-date": "up to date",
    "undecided": "waits for the owner's decision, and was told so",
    "in-flight": "a NOTIFY is on its way since {at}",
    "paced": "behind: the next NOTIFY leaves at {at}, by the pace or the agreed rate",
    "retry": "behind: the last NOTIFY failed, the next one leaves at {at}",
    "window": "behind: it stands in line, since many NOTIFYs are on their way to the same place",
    "writing": "behind: what has to be durable before the next NOTIFY is being written",
    "reconciling": "behind: the change was made just now",
    "silenced": "behind: it asked for silence (Suppress-If-Match: *)",
    "filtered": "behind: its own filter holds the change back",
    "blocked": "has no subscription, and would get none",
    "offline": "has no subscription",
}

_ENDED = {
    "timeout": "expired, or was ended by the watcher",
    "rejected": "ended by the rules",
    "giveup": "given up, since nobody decided",
    "refused": "the device refused a NOTIFY",
    "silent": "the device did not answer a NOTIFY",
    "failing": "the device answered one NOTIFY after the other with failures",
    "replaced": "replaced by a newer one",
}


class Told:
    """What the server told about one watcher."""

    def __init__(self, document: bytes) -> None:
        self._root = trees.parse(document)
        self._items = self._all("view/item")

    def _all(self, path: str) -> list[Element]:
        return _children(self._root, path)

    def keep_items(self, wanted: ItemName) -> bool:
        """Leave out all items but these; whether there are any."""
        self._items = [each for each in self._items if wanted.fits(each.get("name", ""), frozenset(_types(each)))]
        return bool(self._items)

    # -- for people -------------------------------------------------------------------------------------------------

    def print(self) -> None:
        """All of it."""
        typer.echo(self.verdict)
        typer.echo(self._relation())
        self._print_history()
        self._print_rules()
        self.print_items()
        self.print_devices()

    @property
    def verdict(self) -> str:
        """The decision in a sentence."""
        owner, watcher = self._root.get("owner", ""), self._root.get("watcher", "")
        (decision,) = self._all("decision")
        rule = decision.get("rule")
        match decision.get("handling"):
            case "allow":
                by = f"by rule {rule}" if rule else "as the owner"
                return f"{watcher} sees of {owner}'s card, {by}: {', '.join(_granted(decision))}"
            case "polite-block":
                return f"{watcher} sees an empty card of {owner}: politely blocked by rule {rule}"
            case "block":
                return f"{watcher} sees nothing of {owner}'s card: blocked by rule {rule}"
            case _:
                why = f"rule {rule} leaves it to the owner" if rule else "no rule decides"
                return f"{watcher} sees nothing of {owner}'s card: {why}"

    def _relation(self) -> str:
        found = self._all("relation")
        if not found:
            return "relation: has never asked"
        (relation,) = found
        since = relation.get("ended-at") or relation.get("decided-at")
        changed = f" since {_time(since)}" if since else ""
        return f"relation: {relation.get('state')}{changed}, asked {_time(relation.get('requested-at'))}"

    def _print_history(self) -> None:
        for line in self._all("history"):
            rule = f", rule {line.get('rule')}" if line.get("rule") else ""
            typer.echo(f"  {_time(line.get('at'))} {line.get('state')}, by {line.get('by')}{rule}")

    def _print_rules(self) -> None:
        (rules,) = self._all("rules")
        rows = [_rule_cells(each) for each in rules]
        _print_part(("rule", "effect", "why not"), rows)
        others = int(rules.get("others", "0"))
        if others:
            typer.echo(f"and {others} more without effect")

    def print_items(self) -> None:
        """Item by item."""
        _print_part(("item", "", "why"), map(_item_cells, self._items))

    def print_devices(self) -> None:
        """Device by device."""
        devices = self._all("device")
        if not devices:
            typer.echo("\nno device is known")
        for device in devices:
            typer.echo(f"\n{device.get('id')}")
            for line in _device_lines(device):
                typer.echo(f"  {line}")

    # -- for scripts ------------------------------------------------------------------------------------------------

    def value(self) -> dict[str, Any]:
        """All of it."""
        (decision,), (rules,), (view,) = self._all("decision"), self._all("rules"), self._all("view")
        relation = self._all("relation")
        return {
            **_attributes(self._root),
            "decision": {"rule": None} | _attributes(decision) | _grant_value(decision),
            "rules": [_rule_value(each) for each in rules],
            "other_rules": int(rules.get("others", "0")),
            "view": view.get("tag"),
            "items": [
                {"group": None} | _attributes(each) | {"types": _types(each), "levels": _levels(each)}
                for each in self._items
            ],
            "relation": {"rule": None, "decided_at": None, "ended_at": None} | _attributes(relation[0])
            if relation
            else None,
            "history": [{"rule": None} | _attributes(each) for each in self._all("history")],
            "devices": [_device_value(each) for each in self._all("device")],
        }


def _print_part(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    cells = list(rows)
    if cells:
        typer.echo()
        common.print_table(columns, cells)


def _rule_cells(rule: Element) -> tuple[str, str, str]:
    failed = next((each.text or "" for each in _children(rule, "failed")), "")
    if failed:
        effect = "-"
    elif rule.get("decides") == "true":
        effect = " ".join([f"decides: {rule.get('handling')}", *_in_brackets(_granted(rule))])
    else:
        effect = f"adds {', '.join(_granted(rule)) or 'nothing'}"
    return rule.get("id", ""), effect, failed


def _in_brackets(granted: list[str]) -> list[str]:
    return [f"({', '.join(granted)})"] if granted else []


def _item_cells(item: Element) -> tuple[str, str, str]:
    name = ";".join([item.get("name", "").upper(), *(f"TYPE={each}" for each in _types(item))])
    group = item.get("group")
    return (
        f"{group}.{name}" if group else name,
        "shown" if item.get("shown") == "true" else "hidden",
        _why(item),
    )


def _why(item: Element) -> str:
    levels = " or ".join(_levels(item)) + (" (the default)" if item.get("by-default") == "true" else "")
    match item.get("because"):
        case "everything":
            return "everything is granted"
        case "level":
            return f"level {levels}"
        case "property":
            return "the property is granted by name"
        case "not-granted":
            return f"not granted: level {levels}"
        case _:
            return "nothing is shown"


def _device_lines(device: Element) -> Iterable[str]:
    at, ended = _time(device.get("at")), device.get("ended")
    following = device.get("next", "")
    yield _NEXT.get(following, following).format(at=at)
    if ended:
        yield f"its last subscription ended {at}: {_ENDED.get(ended, ended)}"
    if device.get("expires-at"):
        yield f"its subscription expires {_time(device.get('expires-at'))}"
    if device.get("registered-until"):
        yield f"it is registered until {_time(device.get('registered-until'))}"
    yield _held(device)
    if device.get("current"):
        part = ", of which its filter leaves a part" if device.get("filter") == "true" else ""
        yield f"is to have view {device.get('current')}{part}"
    for last in _children(device, "last-notify"):
        answer = f"answered {last.get('answer')}" if last.get("answer") else "not answered yet"
        sent = f"{_time(last.get('at'))}, Call-ID {last.get('call-id')}, CSeq {last.get('cseq')}"
        yield f"last NOTIFY: {sent}: {answer}"


def _held(device: Element) -> str:
    delivered, since = device.get("delivered"), device.get("acknowledged-at")
    if delivered is None:
        return "has acknowledged nothing that counts"
    known = f" of version {device.get('version')}, acknowledged {_time(since)}" if since else ""
    return f"has view {delivered}{known}"


def _rule_value(rule: Element) -> dict[str, Any]:
    failed = next((each.text for each in _children(rule, "failed")), None)
    return {"rule": rule.get("id"), "handling": None} | _attributes(rule) | {"failed": failed} | _grant_value(rule)


def _device_value(device: Element) -> dict[str, Any]:
    last = _children(device, "last-notify")
    nothing = dict.fromkeys(
        ("at", "current", "delivered", "version", "acknowledged_at", "expires_at", "registered_until", "ended")
    )
    told = {"answer": None} | _attributes(last[0]) if last else None
    return {"device": device.get("id")} | nothing | _attributes(device) | {"last_notify": told}


def _grant_value(element: Element) -> dict[str, Any]:
    return {
        "everything": bool(_children(element, "everything")),
        "levels": _levels(element),
        "properties": [_property(each) for each in _children(element, "property")],
    }


def _granted(element: Element) -> list[str]:
    if _children(element, "everything"):
        return ["everything"]
    return [*_levels(element), *(_property(each) for each in _children(element, "property"))]


def _property(element: Element) -> str:
    name, kind = element.get("name", ""), element.get("type")
    return f"{name} ({kind})" if kind else name


def _levels(element: Element) -> list[str]:
    return [each.text or "" for each in _children(element, "level")]


def _types(item: Element) -> list[str]:
    return [each.text or "" for each in _children(item, "type")]


def _children(element: Element, path: str) -> list[Element]:
    return element.findall("/".join(f"{{{NAMESPACE}}}{name}" for name in path.split("/")))


_NUMBERS = frozenset({"version", "cseq"})
_TRUTHS = frozenset({"matches", "decides", "shown", "by-default", "filter"})


def _attributes(element: Element) -> dict[str, Any]:
    """All attributes but the id, numbers and truth values as such, by names as scripts like them."""
    return {name.replace("-", "_"): _typed(name, text) for name, text in element.attrib.items() if name != "id"}


def _typed(name: str, text: str) -> str | int | bool:
    if name in _NUMBERS:
        return int(text)
    return text == "true" if name in _TRUTHS else text


def _time(text: str | None) -> str:
    """For people: their own time zone, to the second."""
    return f"{datetime.datetime.fromisoformat(text).astimezone():%Y-%m-%d %H:%M:%S}" if text else ""
