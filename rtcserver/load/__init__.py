"""Listeners by the thousand: real joins, then packets that are only counted."""
