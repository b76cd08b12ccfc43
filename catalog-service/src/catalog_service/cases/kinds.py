"""Every kind of case there is, and what the effects in their tables mean. A new procedure adds its two lines here."""

from collections.abc import Mapping

from catalog_service.cases.effects import application as sharing
from catalog_service.cases.effects import checking, complaints, decision, limits, outcome, standing, supply
from catalog_service.cases.effects import copy_consent as copying
from catalog_service.cases.effects import renewal as renewing
from catalog_service.cases.flows import Effect
from catalog_service.cases.model import Kind
from catalog_service.cases.procedures import (
    application,
    complaint,
    copy_consent,
    correction,
    demand,
    dispute,
    emergency,
    objection,
    rectification,
    registry,
    renewal,
    subject_rights,
    suspension,
    upkeep,
)

KINDS: Mapping[str, Kind] = {
    "application": application.KIND,
    "copy_consent": copy_consent.KIND,
    "renewal": renewal.KIND,
    "objection": objection.KIND,
    "dispute": dispute.KIND,
    "suspension": suspension.KIND,
    "rectification": rectification.KIND,
    "demand": demand.KIND,
    "correction": correction.KIND,
    "subject_rights": subject_rights.KIND,
    "complaint": complaint.KIND,
    **emergency.KINDS,
    **registry.KINDS,
    **upkeep.KINDS,
}
EFFECTS: Mapping[str, Effect] = {
    **sharing.EFFECTS,
    **copying.EFFECTS,
    **renewing.EFFECTS,
    **decision.EFFECTS,
    **outcome.EFFECTS,
    **standing.EFFECTS,
    **supply.EFFECTS,
    **checking.EFFECTS,
    **complaints.EFFECTS,
    **limits.EFFECTS,
}
