"""A campaign against the package: random kills, damaged files, odd texts, full disks, double starts, long streams.

`python -m scripts campaign` runs it. One file is one kind of case. A case is a value whose repr can be pasted into
REGRESSIONS of its file; these cases run first, always.
"""
