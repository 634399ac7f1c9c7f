"""Socket.IO's semantics: namespaces, sockets, broadcasts, acknowledgements, and the order of messages."""
