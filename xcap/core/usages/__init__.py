"""The standard application usages, one file each, and the table of them: a new one is a file and a line here."""

from __future__ import annotations

from xcap.core.usages.cab_pcc import CAB_PCC
from xcap.core.usages.oma_pres_rules import OMA_PRES_RULES
from xcap.core.usages.pidf_manipulation import PIDF_MANIPULATION
from xcap.core.usages.pres_content import PRES_CONTENT
from xcap.core.usages.pres_rules import PRES_RULES
from xcap.core.usages.resource_lists import RESOURCE_LISTS
from xcap.core.usages.rls_services import RLS_SERVICES
from xcap.core.usages.xcap_caps import XCAP_CAPS
from xcap.core.usages.xcap_directory import XCAP_DIRECTORY

__all__ = ["STANDARD"]

STANDARD = (
    XCAP_CAPS,
    RESOURCE_LISTS,
    RLS_SERVICES,
    PRES_RULES,
    OMA_PRES_RULES,
    PIDF_MANIPULATION,
    XCAP_DIRECTORY,
    PRES_CONTENT,
    CAB_PCC,
)
