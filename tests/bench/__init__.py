"""`make bench`: what the hot paths cost, beside a raw floor that is measured in the same run.

The machine under a benchmark is noisy, so every row is the median of its rounds, and the rows that cross a socket are
also given as a share of the floor: plain CPython sockets that exchange datagrams of the same sizes and do nothing else.
"""
