"""Fused recurrent layers: a block of T steps forward and backward, one file a cell."""
