"""What authentication remembers, one for SIP and HTTP together: nonces in use, and failed logins."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xcap.core.digest import Nonces
from xcap.core.throttle import Throttle

if TYPE_CHECKING:
    from abserver.config import Settings


@dataclass(frozen=True, slots=True)
class Logins:
    """Lives as long as the process."""

    nonces: Nonces
    throttle: Throttle

    @classmethod
    def of(cls, settings: Settings) -> Logins:
        auth = settings.auth
        throttle = Throttle(
            user_failures=auth.user_failures, source_failures=auth.source_failures, longest=auth.longest_wait
        )
        return cls(Nonces(secrets.token_bytes(32)), throttle)
