"""Encoded packets → datagrams: one process that owns all outbound SRTP and SRTCP of its listeners."""
