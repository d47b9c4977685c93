"""Bad networks in user space: named, seeded, and put in front of a listener, to hear and measure what they do."""
