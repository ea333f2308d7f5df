"""How cost grows with the catalog: what `python -m bench.scaling` is made of."""
