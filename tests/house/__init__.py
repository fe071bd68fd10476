"""Tests of the house itself: floors, house laws, the wheel, the front door, the two commands."""
