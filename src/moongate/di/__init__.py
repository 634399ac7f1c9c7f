"""Modules and providers: who gets what injected, and when things begin and end."""
