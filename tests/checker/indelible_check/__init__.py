"""A second verifier of Indelible stores, proofs and bundles, written from docs/FORMAT*.md and docs/CHECKING.md.

It shares no line with the store. It needs Python 3.11 and nothing else, is made to be read, and is slow.
"""
