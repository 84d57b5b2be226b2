"""Pure: event packages and the two ends of a subscription (RFC 6665)."""
