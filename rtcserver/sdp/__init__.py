"""SDP: lines, m-lines, offers, answers and ICE fragments. Pure."""
