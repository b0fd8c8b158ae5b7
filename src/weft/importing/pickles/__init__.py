"""Pickles read without executing anything: a machine for their opcodes whose objects are inert."""
