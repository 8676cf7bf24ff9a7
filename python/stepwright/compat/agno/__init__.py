"""The names of Agno: `from agno.workflow import Workflow` becomes
`from stepwright.compat.agno.workflow import Workflow`.

`docs/coming-from-agno.md` lists what differs, and why. An option that has no meaning here is an error
that says so: none is without effect in silence.
"""
