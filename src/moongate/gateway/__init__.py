"""Gateways: how they are declared, and how the declarations are found and checked."""
