"""How far a reader's result is from the right one, and what that says of the cause."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from tusklite.course.verdict import WrongAnswer


def close(result: Tensor, wanted: Tensor, tolerance: float = 1e-4) -> bool:
    """Whether two tensors agree up to a tolerance, absolute and relative."""
    return torch.allclose(result.detach().to(wanted.dtype), wanted, rtol=tolerance, atol=tolerance)


def compare(
    result: Tensor,
    wanted: Tensor,
    mistakes: Iterable[tuple[Tensor, str]] = (),
    where: str = "",
    tolerance: float = 1e-4,
    axes: tuple[str, ...] = (),
) -> None:
    """Refuse a result that is not the wanted one, by the cause: a known mistake's, else `difference`'s.

    Args:
        result: what the reader's function gives, of the shape of `wanted`.
        wanted: what it should give.
        mistakes: what plausible mistakes give, and what to say of each. One of another shape, or one that comes to the
            same as what is wanted on this input, is passed over.
        where: on which input, as the words that the message begins with.
        tolerance: as in `close`.
        axes: what the axes count, such as ("image", "landmark"); without, they are numbered.

    Raises:
        WrongAnswer: the two are not close.

    Example:
        >>> compare(torch.tensor([1.0, 4.0]), torch.tensor([1.0, 2.0]), where="on two numbers")
        Traceback (most recent call last):
        tusklite.course.verdict.WrongAnswer: on two numbers: yours is the square of what it should be
    """
    if close(result, wanted, tolerance):
        return
    where = where and f"{where}: "
    for other, reason in mistakes:
        if other.shape == wanted.shape and close(result, other, tolerance) and not close(wanted, other, tolerance):
            raise WrongAnswer(where + reason)
    raise WrongAnswer(where + difference(result, wanted, tolerance, axes))


def difference(result: Tensor, wanted: Tensor, tolerance: float = 1e-4, axes: tuple[str, ...] = ()) -> str:
    """What a wrong result has to do with the right one: a factor, an order, or the place where the two part.

    Args:
        result: of the shape of `wanted`.
        wanted: what it should have been.
        tolerance: as in `close`.
        axes: what the axes count.

    Example:
        >>> wanted = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> difference(2 * wanted, wanted)
        'yours is 2 times what it should be, everywhere'
        >>> difference(wanted.mT, wanted)
        'these are the right numbers in another order: two axes are exchanged'
        >>> difference(wanted + torch.tensor([[0.0], [5.0]]), wanted, axes=("image", "point"))
        'image 0 is right, and no other'
    """
    whole = not result.is_floating_point() and wanted.is_floating_point()
    result, wanted = result.detach().double(), wanted.detach().double()
    if whole and any(torch.equal(result, cut) for cut in (wanted.trunc(), wanted.floor(), wanted.round())):
        return "these are whole numbers: what comes after the point is lost"

    def like(other: Tensor) -> bool:
        return other.shape == result.shape and close(result, other, tolerance)

    if not result.any():
        return "yours is 0, and it should not be" if wanted.numel() == 1 else "yours is 0 everywhere, and should not be"
    factor = float((result * wanted).sum() / wanted.square().sum().clamp_min(1e-30))
    everywhere = ", everywhere" * (wanted.numel() > 1)
    if like(-wanted):
        return f"the sign is turned round{everywhere}"
    plain = min(abs(abs(share) - round(abs(share))) for share in (factor, 1 / factor if factor else 0.0)) < 1e-3
    if like(factor * wanted) and f"{abs(factor):.3g}" not in ("0", "1") and (wanted.numel() > 1 or plain):
        turned = ", and the sign is turned round" * (factor < 0)
        return f"yours is {abs(factor):.3g} times what it should be{turned}{everywhere}"
    if like(wanted.square()):
        return "yours is the square of what it should be"
    if not (wanted < 0).any() and like(wanted.sqrt()):
        return "yours is the root of what it should be"
    if like(wanted.abs()):
        return "the sizes are right, and all signs are positive"
    if wanted.numel() > 1:
        if like(wanted + (result - wanted).mean()):
            return f"yours is too {_more(result, wanted)} by {(result - wanted).mean().abs():.3g}, everywhere"
        if like(result.mean().expand_as(result)) and not close(wanted, wanted.mean().expand_as(wanted), tolerance):
            return "yours is the same number everywhere, and it should not be"
        if order := _order(result, wanted, tolerance):
            return f"these are the right numbers in another order{order}"
    return _place(result, wanted, tolerance, axes)


def _more(result: Tensor, wanted: Tensor) -> str:
    return "large" if result.mean() > wanted.mean() else "small"


def _order(result: Tensor, wanted: Tensor, tolerance: float) -> str:
    """How the right numbers were put into another order, from a colon on; empty where they are other numbers."""
    if not close(result.flatten().sort().values, wanted.flatten().sort().values, tolerance):
        return ""
    axes = range(wanted.dim())
    for first in axes:
        if close(result, wanted.flip(first), tolerance):
            return f": dimension {first} is turned round"
        for second in range(first):
            other = wanted.transpose(first, second)
            if other.shape == result.shape and close(result, other, tolerance):
                return ": two axes are exchanged"
    return ": each stands at another's place"


def _place(result: Tensor, wanted: Tensor, tolerance: float, axes: tuple[str, ...]) -> str:
    """Where a result is right and where it is not."""
    good = (result - wanted).abs() <= tolerance + tolerance * wanted.abs()
    names = axes or tuple(f"index of dimension {axis}" for axis in range(wanted.dim()))
    for axis, (size, name) in enumerate(zip(wanted.shape, names, strict=True)):
        whole = good.movedim(axis, 0).reshape(size, -1).all(dim=1)
        if size > 1 and whole.any():
            right = ", ".join(str(i) for i in whole.nonzero().flatten().tolist())
            several = int(whole.sum()) > 1
            return f"{name} {right} {'are' if several else 'is'} right, and no other"
    worst = int((result - wanted).abs().argmax())
    asked, given = float(wanted.flatten()[worst]), float(result.flatten()[worst])
    spot = [int(i) for i in torch.unravel_index(torch.tensor(worst), wanted.shape)]
    at = f"at [{', '.join(map(str, spot))}] " if spot else ""
    digits = next(d for d in (4, 6, 9, 17) if d == 17 or f"{asked:.{d}g}" != f"{given:.{d}g}")
    share = "" if wanted.numel() == 1 else f", and {int((~good).sum())} of {wanted.numel()} numbers are off"
    return f"{at}it should be {asked:.{digits}g}, yours is {given:.{digits}g}{share}"
