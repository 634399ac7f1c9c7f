"""From a message to a handler's call: what the handler asks for, and what stands around it."""
