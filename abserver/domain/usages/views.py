"""An owner's card as a watcher sees it: computed, in the owner's tree, one document for each watcher asked about.

A document has the octets and the tag of what that watcher is notified of, or would be if he asked. There is none for a
watcher who is shown nothing. It is named by the watcher's address; a directory lists none, since any could be asked
about.
"""

from __future__ import annotations

from abserver.domain.card import VCARD
from abserver.domain.usages.contact_card import CONTACT_CARD, MEDIA_TYPE
from abserver.domain.usages.explanations import owner_or_trusted
from xcap.core.usage import ApplicationUsage, everything

AUID = "org.abserver.views"

VIEWS = ApplicationUsage(
    auid=AUID,
    media_type=MEDIA_TYPE,
    default_namespace=VCARD,
    namespaces=(VCARD,),
    schema=CONTACT_CARD.schema,
    names=None,
    policy=owner_or_trusted,
    computed=everything,
)
