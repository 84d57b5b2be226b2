"""Pure: SIP messages, transactions, dialogs and the endpoint that routes between them (RFC 3261)."""
