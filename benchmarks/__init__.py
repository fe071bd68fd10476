"""Measurements, printed as ratios taken in one run (`make bench`). Not tests: no build fails by them."""
