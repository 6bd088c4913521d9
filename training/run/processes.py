"""How the processes of a run end."""

from accelerate import PartialState


def leave() -> None:
    """Together: where one has gone while another still hears from it, that one aborts after all is done."""
    state = PartialState()
    state.wait_for_everyone()
    state.destroy_process_group()
