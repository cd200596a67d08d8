"""Policy of rollouts: a state machine that is told what is and answers with the next move (`machine.advance`).

`sizes` says how many instances of each version there are to be meanwhile, `division` how requests are divided, `gate`
whether a new version is as good as the old one. Nothing here claims or drains: converge does, by the sizes.
"""

from __future__ import annotations
