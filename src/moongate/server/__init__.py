"""Serving an application: uvicorn, with WebSocket connections taken over by picows."""
