"""How results are written: for programs the same bytes everywhere, for people safe text, tables and colours."""
