"""The query language of Indelible, read and evaluated anew (docs/QUERY.md)."""
