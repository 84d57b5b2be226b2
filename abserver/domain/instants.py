"""Points in time as XML documents write them (XML Schema `dateTime`)."""

from __future__ import annotations

import datetime
import re

_DATE_TIME = re.compile(
    r"(?P<year>-?\d{4,})-(?P<date>\d\d-\d\d)T(?P<time>\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?(?P<zone>Z|[+-]\d\d:\d\d)?",
    re.ASCII,
)
EARLIEST = datetime.datetime.min.replace(tzinfo=datetime.UTC)
LATEST = datetime.datetime.max.replace(tzinfo=datetime.UTC)


def instant(text: str) -> datetime.datetime | None:
    """An xs:dateTime in UTC, which is also what a time without a zone means; None if it is none.

    Years that Python's calendar does not have are its beginning and its end: people write 9999 for "never".
    """
    found = _DATE_TIME.fullmatch(text.strip())
    if found is None:
        return None
    if found["year"].startswith("-") or found["year"] == "0000":
        return EARLIEST
    if len(found["year"]) > 4:
        return LATEST
    midnight = found["time"] == "24:00:00"  # the end of the day, as XML Schema may write it
    time = "00:00:00" if midnight else found["time"]
    zone = (found["zone"] or "Z").replace("Z", "+00:00")
    try:
        local = datetime.datetime.fromisoformat(
            f"{found['year']}-{found['date']}T{time}{(found['fraction'] or '')[:7]}{zone}"
        )
    except ValueError:
        return None
    try:
        return (local + datetime.timedelta(days=midnight)).astimezone(datetime.UTC)
    except OverflowError:
        return LATEST if local.year > 1 else EARLIEST
