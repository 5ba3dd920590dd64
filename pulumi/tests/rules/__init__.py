"""What must hold of every deployment: rules over the recorded graph, each with programs that break
it, so that a rule which finds nothing is known to look.
"""

from . import api, data, functions, identity, observability, storage, structure, webhooks
from .rule import Rule

RULES: list[Rule] = [
    *structure.RULES,
    *storage.RULES,
    *data.RULES,
    *functions.RULES,
    *api.RULES,
    *identity.RULES,
    *observability.RULES,
    *webhooks.RULES,
]
