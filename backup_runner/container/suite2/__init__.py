"""Format suite 2 (docs/format.md, Suite 2): sealed to a lineage's public key, signed by a writer of the lineage.

`seeds` and `identity`: from a secret to key pairs, and to its part of an envelope. `envelope`, `editing`,
`chain`: who can decrypt, and how that changes. `lineage`: everything needed for sealing. `sealer`: one new object.
`header`, `segment`, `index`, `trailer`: its parts; `roster`: the payload of an object of kind `keys`. Objects are
opened through `container.open_object`, whatever their suite.
"""
