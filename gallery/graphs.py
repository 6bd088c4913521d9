"""What each shipped graph is, and a note for the reader."""

from __future__ import annotations

from .anyms import anyms_graphs
from .bases import FLUX2_DEV, KLEIN, KLEIN_BASE, KLEIN_CACHED, KLEIN_MANY, KONTEXT, MUSAR, UNO, UNO_MANY
from .graph import PLACING, Graph, draw
from .try_sprites import try_sprites

CAT, ROBOT, BALL = ("cat", "cat.png"), ("robot", "robot.png"), ("ball", "ball.png")
SECOND_CAT, CAR, DUCK = ("cat", "cat_2.png"), ("car", "car.png"), ("duck", "duck.png")
BOAT = ("boat", "boat.png")
ONE = "a cat on the beach"
TWO = "a cat next to a robot on the beach"
THREE = "a cat, a robot and a ball on the beach"
FIVE = "a cat, a robot, a ball, a car and a duck on the beach"
SIX = "a cat, a robot, a ball, a car, a duck and a boat on the beach"
SAME = "a cat and another cat on the beach"
SAME_KIND = (
    "Two subjects of one kind: the prompt names it twice, and each subject's `phrase` is the same word. The "
    "first subject takes the first one named."
)
BOXED = (
    "Box 1 is subject 1's, box 2 subject 2's: outside its box a subject owns nothing. Draw them anew in "
    "Create Bounding Boxes, which asks for *Nodes 2.0* in ComfyUI's settings; its width and height are the "
    "picture's. ComfyUI 0.24.1 and older lack that node: there *Bounding Box* in its place gives subject 1 a "
    "box. To leave a subject out set its `strength` to 0: where one is disconnected, the sockets close up, "
    "and the next subject has its box."
)


def _regions() -> Graph:
    g = draw("regions_uno", UNO, [CAT, ROBOT], TWO)
    for k, kind in enumerate(("cat", "robot"), 1):
        g.add(f"{k}2", "LoadImage", f"Region: {kind}", 0, image=f"region_{k}.png")
        g.prompt[f"{k}1"]["inputs"]["region"] = [f"{k}2", 1]
    g.prompt["6"]["inputs"]["layout_until"] = PLACING
    g.notes.append(
        "Where each subject is to be, painted: open a picture as large as the result in each *Region* node, "
        "and paint over the subject's part in the mask editor. Up to `layout_until` of *MUSAR Conditioning* "
        "no other part sees its phrase, so that it is drawn there more often. Subjects without a region may "
        "be anywhere."
    )
    return g


def _five() -> Graph:
    g = draw("five_subjects_uno", UNO_MANY, [CAT, ROBOT, BALL, CAR, DUCK], FIVE)
    g.notes.append(
        "With more subjects than it was trained with, a LoRA such as UNO's keeps the prompt from drawing "
        "them all: so it did on a small model that was trained with three. In *MUSAR Dual LoRA*, as both "
        "branches, it changes the references and the picture and leaves the prompt alone. With two or three "
        "subjects use `three_subjects_uno` instead. UNO's authors tell of two references in training: if the "
        "later subjects are less true than the first, try 2 in `places` of *MUSAR Conditioning*; as many as "
        "were trained helped every small model that was tried with four and five."
    )
    return g


def _views() -> Graph:
    g = draw("several_views_uno", UNO, [CAT, ROBOT], TWO)
    g.add("12", "LoadImage", "Reference: cat, another view", 0, image="cat_view.png")
    both = {"images.image0": ["10", 0], "images.image1": ["12", 0]}
    g.prompt["11"]["inputs"]["image"] = g.add("13", "BatchImagesNode", "Views of the cat", 1, **both)
    g.notes.append(
        "A batch of pictures is several views of one subject: the cat's two here. Of other sizes, "
        "Batch Images crops the later ones to the first's."
    )
    return g


def _refined() -> Graph:
    """Draw, then draw each subject's own part anew, with its reference alone."""
    subjects = [CAT, ROBOT]
    g = draw("refine_each_subject_uno", UNO, subjects, TWO)
    g.add(
        "90",
        "MusarRoutingPreview",
        "Whose part is whose",
        5,
        model=["3", 0],
        samples=["9", 0],
        image=["80", 0],
    )
    masks = g.add("91", "MaskToImage", "Masks as pictures", 5, mask=["90", 3])
    model = g.add("92", "MusarRouting", "MUSAR Routing (second passes)", 2, **g.routing)
    words = g.add("12", "PrimitiveStringMultiline", "Prompt", 1, value=TWO)
    g.prompt["6"]["inputs"]["prompt"] = words
    seed = g.add("13", "PrimitiveInt", "Seed", 1, value=g.prompt["9"]["inputs"]["seed"])
    g.prompt["9"]["inputs"]["seed"] = seed
    last = ["9", 0]
    for k, (kind, _) in enumerate(subjects, 1):
        n, column = f"{9 + k}", 4 + 2 * k
        positive = {n: v for n, v in g.prompt["6"]["inputs"].items() if not n.startswith("subjects.")}
        positive["subjects.subject_1"] = [f"{k}1", 0]
        positive["reference_size"] = 512  # as UNO was trained with one alone
        alone = g.add(f"{n}0", "MusarConditioning", f"The {kind}'s reference alone", column, **positive)
        nothing = g.add(
            f"{n}1", "ConditioningZeroOut", "Negative (unused at CFG 1)", column, conditioning=alone
        )
        part = g.add(
            f"{n}2", "ImageFromBatch", f"Mask of the {kind}", column, image=masks, batch_index=k - 1, length=1
        )
        part = g.add(f"{n}3", "ImageToMask", "As a mask", column + 1, image=part, channel="red")
        part = g.add(
            f"{n}4", "SetLatentNoiseMask", f"Only the {kind}'s part", column + 1, samples=last, mask=part
        )
        again = dict(g.prompt["9"]["inputs"], model=model, positive=alone, negative=nothing, denoise=0.5)
        again["latent_image"] = part
        last = g.add(f"{n}5", "KSampler", f"KSampler: {kind}", column + 1, **again)
    g.prompt["81"]["inputs"]["images"] = g.add("83", "VAEDecode", "VAE Decode", 9, samples=last, vae=["5", 0])
    g.columns[5].remove("81")
    g.columns[9].append("81")
    g.notes.append(
        "Draws the picture, asks MUSAR Routing Preview for each subject's mask, and draws each part anew "
        "with its own reference alone: `denoise` of the later samplers says how much. The second passes "
        "have a MUSAR Routing of their own, so that the preview still finds the first pass. Prompt goes to "
        "all three, so does Seed; they have one reference each, so 512 pixels of it. What else you change "
        "of the first MUSAR Conditioning (`preset`), change in the others too. One picture at a time. A "
        "further subject needs a chain of its own, copied from the last one, with the next number in *Mask "
        "of the …*; where a subject goes, its chain goes too."
    )
    return g


def every_graph() -> list[Graph]:
    pair, three = [CAT, ROBOT], [CAT, ROBOT, BALL]
    graphs = []
    for base in (UNO, KONTEXT):
        graphs += [draw(f"two_subjects_{base.name}", base, pair, TWO)]
        graphs += [draw(f"three_subjects_{base.name}", base, three, THREE)]
    graphs += [
        draw("one_subject_musar", MUSAR, [CAT], ONE),
        draw("two_subjects_musar", MUSAR, pair, TWO),
        draw("three_subjects_musar", MUSAR, three, THREE),
    ]
    for base in (UNO, MUSAR):
        same = draw(f"same_kind_{base.name}", base, [CAT, SECOND_CAT], SAME, seed=2)
        same.notes.append(SAME_KIND)
        graphs.append(same)
    boxes = [_box(48, 384, 272, 272, "cat"), _box(384, 96, 288, 560, "robot")]
    placed = draw("boxes_uno", UNO, pair, TWO, boxes=boxes)
    placed.notes.append(
        f"{BOXED} Up to `layout_until` of *MUSAR Conditioning* no part of the picture outside a subject's "
        "box sees its phrase, so that it is drawn inside more often."
    )
    watched = draw("routing_map_uno", UNO, pair, TWO, watched=True)
    watched.notes.append(
        "MUSAR Routing Preview shows which part of the picture was whose, how strongly each phrase called "
        "in each step, and, as `leak` is on, how much attention went to which reference."
    )
    repaint = draw("image_to_image_uno", UNO, pair, TWO, start="scene.png")
    repaint.notes.append(
        "Starts from a picture of your own: a lower `denoise` keeps more of it. Its size is the result's: "
        "bring a large one down to about half a megapixel first (*Scale Image to Total Pixels*)."
    )
    four = draw("batch_of_four_uno", UNO, pair, TWO, batch=4)
    four.notes.append("Four pictures at once: each has owners of its own. `batch_size` says how many.")
    more = [_five(), placed, _regions(), _views(), watched, repaint, _refined(), four]
    boxed = anyms_graphs(pair, [*three, CAR, DUCK, BOAT], TWO, SIX)
    return [*graphs, *more, *_of_flux2(), *boxed, try_sprites(pair, TWO)]


def _of_flux2() -> list[Graph]:
    pair = [CAT, ROBOT]
    same = draw("same_kind_klein", KLEIN_BASE, [CAT, SECOND_CAT], SAME, seed=2)
    same.notes.append(SAME_KIND)
    boxes = [_box(64, 560, 400, 400, "cat"), _box(544, 128, 416, 832, "robot")]
    placed = draw("boxes_klein", KLEIN, pair, TWO, boxes=boxes)
    placed.notes.append(BOXED)
    return [
        draw("two_subjects_klein", KLEIN, pair, TWO),
        draw("three_subjects_klein", KLEIN, [*pair, BALL], THREE),
        same,
        placed,
        draw("five_subjects_klein", KLEIN_MANY, [*pair, BALL, CAR, DUCK], FIVE, seed=15),
        draw("five_subjects_klein_cached", KLEIN_CACHED, [*pair, BALL, CAR, DUCK], FIVE),
        draw("two_subjects_flux2_dev", FLUX2_DEV, pair, TWO),
    ]


def _box(x: int, y: int, width: int, height: int, words: str) -> dict:
    """As Create Bounding Boxes keeps it: in pixels of its canvas."""
    about = {"type": "obj", "text": "", "desc": words, "palette": []}
    return {"x": x, "y": y, "width": width, "height": height, "metadata": about}
