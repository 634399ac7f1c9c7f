"""The command line: `moongate run module:app`."""
