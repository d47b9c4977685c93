"""Who may do what in a room: rules, tokens, users, and the door that all pass. Pure but for `authorizer` and `logins`."""
