"""What each answer to a NOTIFY means for the subscription (RFC 6665 §4.2.2, RFC 5057 §5.1): every status there is.

A row for each status that the RFCs speak of; the others of its class do as `x00` does (RFC 3261 §8.1.3.2).
"""

from __future__ import annotations

import pytest

from abserver.events.subscription import FIRST_RETRY, TRIES, Gone, Outcome, Subscription
from abserver.sip.headers import EventReason, Substate

DELIVERED = "the subscriber has it"
LATER = "tried again after a while, or when Retry-After says"
REFUSED = "the subscription is removed, since the subscriber has none"
SILENT = "the subscription is removed, since nobody is there"

TABLE: dict[int | None, tuple[str, str]] = {
    None: (SILENT, "RFC 6665 §4.2.2: Timer F fired"),
    200: (DELIVERED, "RFC 6665 §4.1.3"),
    202: (DELIVERED, "RFC 6665 §8.3.1: an old spelling of it"),
    300: (LATER, "RFC 5057 §5.1: within a dialog it is not understood what a redirection means; none is followed"),
    301: (LATER, "as 300"),
    302: (LATER, "as 300"),
    305: (LATER, "as 300"),
    380: (LATER, "as 300"),
    400: (LATER, "RFC 5057 table 1: transaction only"),
    401: (LATER, "RFC 5057 table 1: transaction only; this server has no credentials to send"),
    402: (LATER, "RFC 5057 note 1: as an unknown 4xx"),
    403: (LATER, "RFC 5057 table 1: transaction only"),
    404: (REFUSED, "RFC 6665 §4.2.2"),
    405: (REFUSED, "RFC 6665 §4.2.2"),
    406: (LATER, "RFC 5057 table 1: transaction only"),
    407: (LATER, "RFC 5057 table 1: transaction only; this server has no credentials to send"),
    408: (SILENT, "RFC 5057 note 4: as a transaction that timed out"),
    410: (REFUSED, "RFC 6665 §4.2.2"),
    412: (LATER, "RFC 5057 table 1: transaction only"),
    413: (LATER, "RFC 5057 table 1: transaction only"),
    414: (LATER, "RFC 5057 table 1: transaction only"),
    415: (LATER, "RFC 5057 table 1: transaction only"),
    416: (REFUSED, "RFC 6665 §4.2.2"),
    417: (LATER, "RFC 5057 table 1: transaction only"),
    420: (LATER, "RFC 5057 table 1: transaction only; a NOTIFY of ours requires nothing that could be left out"),
    421: (LATER, "RFC 5057 table 1: transaction only"),
    422: (LATER, "RFC 5057 note 5: as an unknown 4xx"),
    423: (LATER, "RFC 5057 table 1: transaction only; a NOTIFY has no duration to prolong"),
    428: (LATER, "RFC 5057 table 1: transaction only"),
    429: (LATER, "RFC 5057 note 6"),
    430: (LATER, "RFC 5626 §11.1: the flow is gone, and the device comes back by another one"),
    436: (LATER, "RFC 5057 table 1: transaction only"),
    437: (LATER, "RFC 5057 table 1: transaction only"),
    438: (LATER, "RFC 5057 table 1: transaction only"),
    439: (LATER, "RFC 5626 §11.2: of a REGISTER only, so as an unknown 4xx"),
    480: (REFUSED, "RFC 6665 §4.2.2, whatever RFC 5057 note 7 says of Retry-After"),
    481: (REFUSED, "RFC 6665 §4.2.2"),
    482: (REFUSED, "RFC 6665 §4.2.2"),
    483: (REFUSED, "RFC 6665 §4.2.2"),
    484: (REFUSED, "RFC 6665 §4.2.2"),
    485: (REFUSED, "RFC 6665 §4.2.2"),
    486: (LATER, "RFC 5057 note 11: as an unknown 4xx"),
    487: (LATER, "RFC 5057 table 1: transaction only"),
    488: (LATER, "RFC 5057 table 1: transaction only"),
    489: (REFUSED, "RFC 6665 §4.2.2"),
    491: (LATER, "RFC 5057 table 1: transaction only"),
    493: (LATER, "RFC 5057 table 1: transaction only"),
    494: (LATER, "RFC 5057 table 1: transaction only"),
    500: (LATER, "RFC 5057 note 13"),
    501: (REFUSED, "RFC 6665 §4.2.2"),
    502: (LATER, "RFC 6665 §4.2.2 does not name it, though RFC 5057 note 14 does: a proxy may restart"),
    503: (LATER, "RFC 5057 note 15, RFC 3261 §21.5.4: all other hops have been tried"),
    504: (LATER, "RFC 5057 note 16"),
    505: (LATER, "RFC 5057 table 1: transaction only"),
    513: (LATER, "RFC 5057 table 1: transaction only"),
    580: (LATER, "RFC 5057 table 1: transaction only"),
    600: (LATER, "RFC 5057 note 17"),
    603: (LATER, "RFC 5057 table 1: transaction only"),
    604: (REFUSED, "RFC 6665 §4.2.2"),
    606: (LATER, "RFC 5057 table 1: transaction only"),
}
OUTCOMES = {
    DELIVERED: Outcome(delivered=True, gone=None),
    LATER: Outcome(delivered=False, gone=None),
    REFUSED: Outcome(delivered=False, gone=Gone.REFUSED),
    SILENT: Outcome(delivered=False, gone=Gone.SILENT),
}


def meaning(status: int | None) -> str:
    """The row of a status; of one without a row, that of its class (RFC 3261 §8.1.3.2)."""
    return TABLE[status if status is None or status in TABLE else status // 100 * 100][0]


def notifying() -> Subscription:
    """A pending subscription whose first NOTIFY is on its way."""
    machine = Subscription()
    machine.subscribed(expires_at=1e6, holds=None, full=False)
    machine.set_pending()
    assert machine.next_notice(0.0) is not None
    return machine


@pytest.mark.rfc("3261", "8.1.3.1", "silence is a 408")
@pytest.mark.rfc("3261", "8.1.3.2", "an unknown status is the x00 of its class")
@pytest.mark.rfc("3261", "12.2.1.2", "481, 408 and silence end it")
@pytest.mark.parametrize("status", [None, *range(200, 700)])
def test_every_answer_does_what_its_row_says(status: int | None) -> None:
    machine = notifying()
    assert machine.answered(status, 0.0) == OUTCOMES[meaning(status)]
    assert (machine.told is Substate.PENDING) == (meaning(status) == DELIVERED)


LATER_ONES = [status for status, (means, _) in TABLE.items() if means == LATER]


@pytest.mark.rfc("3261", "20.33", "Retry-After")
@pytest.mark.rfc("3261", "21.5.4", "and its Retry-After kept")
@pytest.mark.parametrize("status", LATER_ONES)
def test_what_is_tried_again_waits_as_long_as_it_is_asked_to(status: int) -> None:
    """RFC 3261 §20.33; without a Retry-After 32 s, then twice as long each time."""
    machine = notifying()
    machine.answered(status, 0.0, retry_after=90.0)
    assert machine.next_notice(89.9) is None
    assert machine.next_notice(90.0) is not None
    machine.answered(status, 100.0)
    assert machine.next_notice(100 + 2 * FIRST_RETRY - 0.1) is None
    assert machine.next_notice(100 + 2 * FIRST_RETRY) is not None


@pytest.mark.parametrize("status", LATER_ONES)
def test_what_is_tried_again_is_given_up_in_the_end(status: int) -> None:
    machine, now, outcomes = notifying(), 0.0, []
    for _ in range(TRIES):
        outcomes.append(machine.answered(status, now))
        now += 10_000
        machine.next_notice(now)
    assert outcomes == [OUTCOMES[LATER]] * (TRIES - 1) + [Outcome(delivered=False, gone=Gone.FAILING)]


@pytest.mark.parametrize("status", TABLE)
def test_whatever_the_answer_to_the_last_word_it_is_the_end(status: int | None) -> None:
    """RFC 6665 §4.4.1."""
    machine = notifying()
    machine.answered(200, 0.0)
    machine.terminate(EventReason.REJECTED)
    machine.next_notice(1.0)
    assert machine.answered(status, 1.0) == Outcome(delivered=meaning(status) == DELIVERED, gone=Gone.TOLD)
