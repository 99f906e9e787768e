"""Attacks: hostile words from every source, over every channel of output.

``FIXCHAIN_HOSTILE=1000 pytest tests/attacks`` takes so many strings; the usual run takes a few.
"""
