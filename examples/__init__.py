"""Examples that run: each folder has plans, data and a README."""
