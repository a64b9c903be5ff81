"""Format suite 2 (docs/format.md, Suite 2): sealed to a lineage's public key, signed by a writer of the lineage.

`seeds` and `identity`: from a secret to key pairs, and to what an envelope holds for it. `envelope`, `editing`,
`chain`: who can open, and how that changes. `lineage`: all that sealing needs. `sealer`: one new object. `header`,
`segment`, `index`, `trailer`: its parts; `roster`: what an object of kind `keys` says. Objects are opened
through `container.open_object`, whatever their suite.
"""
