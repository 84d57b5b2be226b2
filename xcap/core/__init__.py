"""The pure part of XCAP: selectors, edits, patches, usages. No IO, no clock, no database."""
