"""The tables of relations, update lists, subscriptions and views, and the stores over them."""
