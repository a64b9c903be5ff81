"""Where objects are stored. `base` is the contract; each target has its own folder."""
