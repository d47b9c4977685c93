"""Whatever strangers and rude clients send to a real server, beside a bystander whose sound is recorded."""
