"""Sessions: Engine.IO's, and those of bare WebSocket clients."""
