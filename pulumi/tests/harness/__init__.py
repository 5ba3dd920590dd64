"""Runs the program under mocks and keeps what it asked for."""
