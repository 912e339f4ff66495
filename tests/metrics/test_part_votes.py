"""Parts and whole things by votes, on keypoints of which it is known where they belong."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tusklite.metrics import Points, Voted, choose_scale, find_parts, learn_offsets, match_things, vote_for_things

FACE = torch.tensor([[-10.0, -8.0], [10.0, -8.0], [0.0, 2.0], [-7.0, 12.0], [7.0, 12.0]])
# Where keypoints of five kinds lie on a face; the last two are not on a part. A sixth kind is anywhere.
KEYPOINTS = torch.tensor([[-10.0, -8.0], [10.0, -8.0], [0.0, 2.0], [0.0, -20.0], [0.0, 20.0]])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def faces_at(places: Tensor, noise: float = 0.3, seed: int = 0, anywhere: int = 1, side: float = 160.0) -> Points:
    """Keypoints of one picture of faces at `places` (F, 2), in random order, with some that belong to none."""
    generator = seeded(seed)
    own = places.unsqueeze(1) + KEYPOINTS + noise * torch.randn(len(places), 5, 2, generator=generator)
    lost = side * torch.rand(anywhere, 2, generator=generator)
    xy = torch.cat([own.flatten(0, 1), lost])
    kinds = torch.cat([torch.arange(5).repeat(len(places)), torch.full((anywhere,), 5)])
    order = torch.randperm(len(xy), generator=generator)
    return Points(xy[order], kinds[order], torch.ones(len(xy), dtype=torch.bool))


def learnt(count: int = 60):
    places = 80 * torch.rand(count, 2, generator=seeded(9)) + 40
    points = [faces_at(place.unsqueeze(0), seed=n) for n, place in enumerate(places)]
    stacked = Points(*(torch.stack(field) for field in zip(*points, strict=True)))
    return learn_offsets(stacked, places.unsqueeze(1) + FACE, prototypes=7)


def test_offsets_are_the_ways_from_keypoints_to_parts() -> None:
    offsets = learnt()
    expected = FACE.unsqueeze(0) - KEYPOINTS.unsqueeze(1)
    assert (offsets.offset[:5] - expected).abs().max() < 0.3
    assert (offsets.hit[:5] == 1).all()
    assert torch.equal(offsets.bare[:3].argmax(dim=1), torch.tensor([0, 1, 2]))
    assert (offsets.bare[3:5] == 0).all()
    assert offsets.hit[5].max() < 0.5  # anywhere
    assert (offsets.hit[6] == 0).all()  # never seen
    assert offsets.unit == pytest.approx(20.0)
    assert (offsets.trust[:5] == 1).all()
    assert offsets.support == pytest.approx(5, abs=0.2)


def test_parts_are_found_with_offsets_where_bare_keypoints_are_on_none() -> None:
    offsets, places = learnt(), torch.tensor([[40.0, 40.0], [120.0, 110.0]])
    points = faces_at(places, seed=77, anywhere=0)
    whole = find_parts(points, places.unsqueeze(1) + FACE, offsets)
    assert whole.found.all()
    assert whole.right == whole.votes == 2 * 5 * 5
    bare = find_parts(points, places.unsqueeze(1) + FACE, offsets, bare=True)
    assert bare.found[:, :3].all()
    assert not bare.found[:, 3:].any()
    # Empty slots say nothing; nor does a keypoint for a face that is elsewhere.
    empty = points._replace(found=torch.zeros_like(points.found))
    assert not find_parts(empty, places.unsqueeze(1) + FACE, offsets).found.any()
    far = find_parts(points, places.unsqueeze(1) + FACE + 60, offsets)
    assert not far.found.any()
    assert far.right == 0


def test_whole_faces_are_where_votes_agree_and_nowhere_else() -> None:
    offsets = learnt()
    places = torch.tensor([[30.0, 30.0], [110.0, 40.0], [40.0, 120.0], [120.0, 120.0]])
    points = faces_at(places, seed=5, anywhere=8)
    voted = vote_for_things(points, offsets)
    assert len(voted.middle) == 4
    middles = places + FACE.mean(dim=0)
    distance = (voted.middle.unsqueeze(1) - middles).norm(dim=-1)
    assert sorted(distance.argmin(dim=1).tolist()) == [0, 1, 2, 3]
    assert distance.amin(dim=1).max() < 1
    assert match_things(voted, places.unsqueeze(1) + FACE) == 4
    assert match_things(voted, places[:2].unsqueeze(1) + FACE) == 2
    assert voted.explained > 0.9
    assert (voted.support.diff() <= 0).all()


def test_two_keypoints_of_one_kind_are_no_more_than_one() -> None:
    offsets = learnt()
    one = faces_at(torch.tensor([[60.0, 60.0]]), anywhere=0)
    twice = Points(*(torch.cat([field, field]) for field in one))
    single, double = vote_for_things(one, offsets), vote_for_things(twice, offsets)
    torch.testing.assert_close(single.support, double.support, atol=0.1, rtol=0)
    assert len(double.middle) == 1
    alone = Points(torch.full((1, 2), 50.0), torch.zeros(1, dtype=torch.int64), torch.ones(1).bool())
    assert not len(vote_for_things(alone, replace(offsets, support=1.0)).middle)  # one voice is no agreement
    many_of_one = Points(torch.full((9, 2), 50.0), torch.zeros(9, dtype=torch.int64), torch.ones(9).bool())
    assert not len(vote_for_things(many_of_one, offsets).middle)


def test_the_scale_at_which_faces_were_learnt_is_chosen_and_a_larger_picture_gains_nothing() -> None:
    """Keypoints of one picture at several scales: they lead to one place at the scale that was learnt alone."""
    offsets, places = learnt(), torch.tensor([[40.0, 40.0], [120.0, 110.0], [50.0, 120.0]])
    points = faces_at(places, seed=3, anywhere=5)
    scales = (0.4, 0.6, 1.0, 1.6, 2.5)
    votes = [vote_for_things(points._replace(xy=scale * points.xy), offsets) for scale in scales]
    assert scales[choose_scale(votes)] == 1.0
    # Keypoints that belong to nothing: summed support would grow with their number, the share does not.
    means = []
    for side, count in ((160.0, 20), (320.0, 80), (640.0, 320)):
        generator = seeded(count)
        shares = []
        for _ in range(10):
            kinds = torch.randint(6, (count,), generator=generator)
            anywhere = Points(side * torch.rand(count, 2, generator=generator), kinds, torch.ones(count).bool())
            shares.append(vote_for_things(anywhere, offsets).explained)
        means.append(sum(shares) / len(shares))
    assert max(means) < 0.5
    assert means[2] < means[0] + 0.15


def test_edges_of_votes() -> None:
    offsets = learnt()
    none = Points(torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64), torch.zeros(4).bool())
    voted = vote_for_things(none, offsets)
    assert (len(voted.middle), voted.explained) == (0, 0.0)
    assert match_things(voted, FACE.unsqueeze(0)) == 0
    points = faces_at(torch.tensor([[40.0, 40.0], [120.0, 110.0]]))
    assert len(vote_for_things(points, offsets, most=1).middle) == 1
    untrusted = replace(offsets, trust=torch.zeros(7), support=0.0)
    assert not len(vote_for_things(points, untrusted).middle)
    with pytest.raises(ValueError, match="least: 0 was given"):
        vote_for_things(points, offsets, least=0)
    with pytest.raises(ValueError, match="votes: none were given"):
        choose_scale([])
    assert choose_scale([Voted(torch.zeros(0, 2), torch.zeros(0), 0.0)] * 3) == 0
    with pytest.raises(ValueError, match=r"^parts: shape"):
        find_parts(points, FACE, offsets)
