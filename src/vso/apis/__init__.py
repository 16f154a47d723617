"""The API objects as frozen structs: what Kubernetes itself offers, and what this operator adds.

No I/O and no clock. `meta` and `core` are Kubernetes' own shapes, `v1beta1` holds one module per kind of
ours, `kinds` lists them in one table, `crd` generates their CustomResourceDefinitions.
Modules are imported by name: ``from vso.apis import meta``.
"""
