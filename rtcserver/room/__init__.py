"""A room: its instrument, its members, who performs, the stage, the file player, Studio."""
