"""Where training pictures come from: readers, their order, and the diptych builder."""
