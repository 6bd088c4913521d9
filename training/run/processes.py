"""How the processes of a run end."""

import os
import sys

from accelerate import PartialState


def leave() -> None:
    """Together and at once, when all is written: a process that takes its connections down while another
    still has them may be aborted, and the launcher calls the whole run failed."""
    state = PartialState()
    if state.num_processes > 1:
        state.wait_for_everyone()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
