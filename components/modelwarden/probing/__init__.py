"""Probing: a staging endpoint asked whether it keeps what was promised, within small bounds."""
