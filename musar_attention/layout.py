"""Where everything sits in the sequence `[T | CT1 … CTc | X | CI1 … CIc | extra]`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SubjectTokens:
    """One condition: its reference, where the prompt names it, and its condition prompt."""

    image: tuple[int, int]  # tokens of CI as rows × columns
    phrase: tuple[int, ...]  # indices into T
    text: int = 0  # tokens of CT; 0 = no condition prompt
    more: tuple[tuple[int, int], ...] = ()  # further views of it, likewise: CI is all of them in a row
    held: bool = False  # of the target, its own tokens alone see its phrase

    def __post_init__(self) -> None:
        for view in self.views:
            if min(view) < 1:
                raise ValueError(f"A reference needs at least 1 × 1 tokens, found {view}.")
        if self.text < 0:
            raise ValueError(f"A condition prompt cannot have {self.text} tokens.")

    @property
    def views(self) -> tuple[tuple[int, int], ...]:
        return self.image, *self.more


@dataclass(frozen=True)
class TokenLayout:
    """Slices of the joint sequence; the same for every sample of a batch."""

    prompt: int  # tokens of T
    target: tuple[int, int]  # tokens of X as rows × columns
    subjects: tuple[SubjectTokens, ...] = ()
    extra: int = 0  # image tokens after the last CI that belong to no subject

    def __post_init__(self) -> None:
        if self.prompt < 1:
            raise ValueError(f"The prompt needs at least one token, found {self.prompt}.")
        if min(self.target) < 1:
            raise ValueError(f"The target needs at least 1 × 1 tokens, found {self.target}.")
        if self.extra < 0:
            raise ValueError(f"There cannot be {self.extra} extra tokens.")
        for i, subject in enumerate(self.subjects):
            if any(not 0 <= p < self.prompt for p in subject.phrase):
                raise ValueError(
                    f"The phrase of subject {i + 1} points at prompt tokens {subject.phrase}, "
                    f"but the prompt has {self.prompt} tokens."
                )

    @property
    def count(self) -> int:
        """c, the number of subjects."""
        return len(self.subjects)

    @property
    def text_length(self) -> int:
        """T and every CT: what a model takes as its text stream."""
        return self.prompt + sum(s.text for s in self.subjects)

    @property
    def target_length(self) -> int:
        """n, the number of target tokens."""
        return self.target[0] * self.target[1]

    @property
    def length(self) -> int:
        """The whole sequence."""
        return self.extra_slice.stop

    @property
    def T(self) -> slice:  # noqa: N802 - the papers' letter
        return slice(0, self.prompt)

    @property
    def X(self) -> slice:  # noqa: N802 - the papers' letter
        return slice(self.text_length, self.text_length + self.target_length)

    @property
    def extra_slice(self) -> slice:
        start = self.X.stop + sum(_area(s) for s in self.subjects)
        return slice(start, start + self.extra)

    def CT(self, i: int) -> slice:  # noqa: N802 - the papers' letters
        start = self.prompt + sum(s.text for s in self.subjects[:i])
        return slice(start, start + self.subjects[i].text)

    def CI(self, i: int) -> slice:  # noqa: N802 - the papers' letters
        start = self.X.stop + sum(_area(s) for s in self.subjects[:i])
        return slice(start, start + _area(self.subjects[i]))

    def unseen(self, owner: int) -> tuple[int, ...]:
        """Indices into T that target tokens of this owner (−1 = nobody) do not see: others' held phrases."""
        held = {p for i, s in enumerate(self.subjects) if s.held and i != owner for p in s.phrase}
        return tuple(sorted(held.difference(self.subjects[owner].phrase if owner >= 0 else ())))

    def views(self) -> list[slice]:
        """CI1 … CIc, each cut into its views."""
        slices, start = [], self.X.stop
        for rows, columns in (view for s in self.subjects for view in s.views):
            slices.append(slice(start, start + rows * columns))
            start += rows * columns
        return slices


def _area(subject: SubjectTokens) -> int:
    return sum(rows * columns for rows, columns in subject.views)
