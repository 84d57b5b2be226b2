"""abserver: a SIP/SIMPLE address book server."""
