"""What can be configured: the model with its texts, and how it is read."""
