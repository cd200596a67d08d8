"""Composition root: configuration + backends -> supervision tree. The only file that knows everyone."""
