"""HTTP in and out, one module a door: a route parses, calls one service method, renders."""
