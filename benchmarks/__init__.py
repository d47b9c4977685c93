"""One module per figure. ``script/bench NAME`` runs it; its last line on stdout is one JSON object."""
