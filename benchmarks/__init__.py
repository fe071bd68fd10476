"""Measurements, printed as ratios taken in one run (`make bench`). No build fails by them."""
