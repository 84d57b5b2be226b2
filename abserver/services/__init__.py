"""Use cases over the ports: authenticating, subscribing, relating, notifying."""
