"""Whatever happens to watchers and to documents on their way: a subscriber's table becomes the notifier's."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from abserver.domain.relation import RelationState
from abserver.events.winfo.document import Status, WatcherInfo, read, write
from abserver.events.winfo.table import Telling, Watchers, WatcherTable
from abserver.events.winfo.tables import Applied, Tables

ANN = "sip:ann@ex.org"
BOB = "sip:bob@ex.org"
WATCHERS = [BOB, *(f"sip:{name}@ex.org" for name in ("cat", "dan", "eve"))]


class Phone:
    """A subscriber with its tables, and all that the notifier keeps of it; `only` for a watcher who sees himself."""

    def __init__(self, only: str | None = None) -> None:
        self.only = only
        self.table = WatcherTable(ANN, "contact-card", buckets=256 if only is None else 1)
        self.tables = Tables()
        self.telling = Telling()
        self.tag: str | None = None
        """Of what it acknowledged; None if that is in doubt."""
        self.sent: list[WatcherInfo] = []

    def note(self, watcher: str, standing: RelationState | None, watched: bool) -> None:
        if self.only in (None, watcher):
            self.table.note(watcher, standing, watched=watched)

    def may_see(self) -> Watchers:
        return self.table.state()

    def send(self) -> WatcherInfo | None:
        document = self.telling.document(self.may_see())
        if document is None:
            return None
        self.sent.append(document)
        return read(write(document))


class Convergence(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.truth: dict[str, tuple[RelationState | None, bool]] = {}
        self.phones = [Phone(), Phone(only=BOB)]

    @rule(
        watcher=st.sampled_from(WATCHERS),
        standing=st.sampled_from([*RelationState, None]),
        watched=st.booleans(),
    )
    def something_happens(self, watcher: str, standing: RelationState | None, watched: bool) -> None:
        self.truth[watcher] = standing, watched
        for phone in self.phones:
            phone.note(watcher, standing, watched)

    @rule(which=st.integers(0, 1))
    def a_notify_arrives(self, which: int) -> None:
        phone = self.phones[which]
        state, document = phone.may_see(), phone.send()
        assert (document is None) is (phone.tag == state.tag)
        if document is None:
            return
        before = {row.id: row for row in phone.tables.rows.get(ANN, {}).values()}
        assert phone.tables.apply(document) is Applied.DONE
        if not document.full:  # nobody is told of who is not new, or of somebody gone whom he did not have
            for each in document.lists[0].rows:
                assert before.get(each.id) != each
                assert each.status is not Status.TERMINATED or each.id in before
        phone.telling.acknowledged()
        phone.tag = state.tag

    @rule(which=st.integers(0, 1), processed=st.booleans())
    def a_notify_is_answered_with_a_failure(self, which: int, processed: bool) -> None:
        phone = self.phones[which]
        document = phone.send()
        if document is not None:
            phone.tag = None
            if processed:
                phone.tables.apply(document)

    @rule(which=st.integers(0, 1))
    def the_phone_subscribes_again(self, which: int) -> None:
        self.phones[which].telling.start_over()
        self.phones[which].tag = None

    @precondition(lambda self: any(phone.tables.version is not None for phone in self.phones))
    @rule(data=st.data())
    def an_old_document_arrives_again(self, data: st.DataObject) -> None:
        phone = data.draw(st.sampled_from([each for each in self.phones if each.tables.version is not None]))
        old = [each for each in phone.sent if each.version <= (phone.tables.version or 0)]
        assert phone.tables.apply(data.draw(st.sampled_from(old))) is Applied.OLD

    @rule(numbers=st.integers(0, 256))
    def the_notifier_starts_again(self, numbers: int) -> None:
        """It knows relations and subscriptions, and versions that were not used; not what was told."""
        for phone in self.phones:
            phone.table = WatcherTable(ANN, "contact-card")
            for watcher, (standing, watched) in self.truth.items():
                phone.note(watcher, standing, watched)
            phone.telling = Telling(len(phone.sent) + (phone.sent[-1].version if phone.sent else 0) + numbers)
            phone.tag = None

    @invariant()
    def whoever_has_the_tag_has_the_rows(self) -> None:
        for phone in self.phones:
            state = phone.may_see()
            if phone.tag == state.tag:
                assert phone.tables.rows[ANN] == {row.id: row for row in state.present}

    def teardown(self) -> None:
        for which, phone in enumerate(self.phones):
            self.a_notify_arrives(which)
            assert phone.tag == phone.may_see().tag
        self.whoever_has_the_tag_has_the_rows()


Convergence.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestConvergence = Convergence.TestCase
