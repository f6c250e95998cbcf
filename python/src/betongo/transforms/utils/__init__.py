"""Helpers of the transforms."""
