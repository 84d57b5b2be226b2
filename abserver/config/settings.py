"""The whole configuration: its sections, and where its values come from.

The defaults run a server on loopback for the domain `example.com`, which answers nobody but this machine.
"""

from __future__ import annotations

import functools

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from abserver.config.sections.cards import CardSettings, NotifySettings, SubscriptionSettings
from abserver.config.sections.http import HttpSettings
from abserver.config.sections.keeping import LogSettings, StorageSettings
from abserver.config.sections.people import AuthSettings, ServerSettings
from abserver.config.sections.section import Section
from abserver.config.sections.sip import OverloadSettings, RegistrarSettings, SipSettings, TraceSettings
from abserver.domain.identity import Identities

PREFIX = "ABSERVER_"
DELIMITER = "__"


class Settings(BaseSettings):
    """The whole configuration. The environment stands above the arguments, which are the sections of the file."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        enable_decoding=False,
        validate_default=True,
    )

    server: ServerSettings = Field(default_factory=ServerSettings)
    sip: SipSettings = Field(default_factory=SipSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    storage: StorageSettings = Field(default_factory=StorageSettings)
    auth: AuthSettings = Field(default_factory=AuthSettings)
    cards: CardSettings = Field(default_factory=CardSettings)
    subscriptions: SubscriptionSettings = Field(default_factory=SubscriptionSettings)
    notify: NotifySettings = Field(default_factory=NotifySettings)
    registrar: RegistrarSettings = Field(default_factory=RegistrarSettings)
    overload: OverloadSettings = Field(default_factory=OverloadSettings)
    trace: TraceSettings = Field(default_factory=TraceSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @field_validator("http")
    @classmethod
    def _one_path_each(cls, http: HttpSettings, info: ValidationInfo) -> HttpSettings:
        sip = info.data.get("sip")
        if sip is not None and sip.websocket_path and sip.websocket_path == http.xcap_root:
            raise ValueError(
                f"'{http.xcap_root}' is xcap_root and [sip] websocket_path; choose another for one of them"
            )
        return http

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    @functools.cached_property
    def identities(self) -> Identities:
        """Which addresses are the same user."""
        server = self.server
        return Identities(server.aliases, domains=server.domains, phone_domain=server.phone_domain)

    def realm_of(self, user: str) -> str:
        """The realm in which `user` (`sip:alice@example.com`) authenticates."""
        return self.auth.realm or user.rpartition("@")[2]


def section_models() -> dict[str, type[Section]]:
    """The model of each section, by its name in the file."""
    models = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: model for name, model in models.items() if isinstance(model, type) and issubclass(model, Section)}
