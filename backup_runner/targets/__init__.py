"""Where objects live. `base` is the contract; each target is a module of its own."""
