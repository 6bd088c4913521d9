"""What FLUX.1's tests say of routing holds on FLUX.2: the same tests, with this folder's fixtures."""

from ..test_negative import (  # noqa: F401
    both,
    seen,
    test_its_parts_belong_to_nobody,
    test_without_routing_it_is_the_hosts_own,
)
from ..test_off_is_off import (  # noqa: F401
    test_routing_leaves_the_model_it_was_given_alone,
    test_routing_without_subjects,
    test_strength_zero_is_without_the_subject,
    test_subjects_without_routing_are_plain_references,
)
from ..test_preview import (  # noqa: F401
    preview,
    record,
    test_leak_is_measured_and_changes_nothing,
    test_owners_of_every_step_and_layer,
    test_the_map_shows_who_owns_what,
)
from ..test_routes import (  # noqa: F401
    compare,
    test_guided_by_a_negative_prompt,
    test_native_references_are_extra,
    test_owners_of_their_own_for_each_sample,
    test_split_equals_dense,
)
from ..test_situations import (  # noqa: F401
    subjects,
    test_batch_of_different_pictures,
    test_boxes_decide_overlaps_by_affinity_and_leave_the_rest,
    test_combined,
    test_image_to_image,
    test_positions_are_the_hosts_own,
    test_second_pass_at_another_size,
    test_zeroed_negative_owns_nothing,
)
from ..test_views import (  # noqa: F401
    many,
    plan,
    test_a_box_and_a_region_are_both_meant,
    test_a_region_binds_owners,
    test_views_lie_where_the_host_puts_as_many_references,
    views,
)
from ..test_window import test_window_of_steps_and_blocks  # noqa: F401
