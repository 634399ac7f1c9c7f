"""What many nodes cost: messages between them, growth, workers."""
