"""The implant: the controller, its families as data, and the compiler from an order to its integers."""
