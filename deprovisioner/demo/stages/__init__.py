"""How each further system of the pretend company is configured: one module per system."""
