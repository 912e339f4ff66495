"""Networks that would eat the machine are refused before anything of them is made; NumPy's numbers are numbers."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from tusklite.methods.channelwise import ChannelwiseConfig
from tusklite.methods.slots import SlotConfig
from tusklite.methods.thewlis import ThewlisConfig
from tusklite.methods.tusk import TUSKConfig
from tusklite.nets import HeatmapHead, LandmarkNet, UNet

SIX = (1, 1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: UNet(1, 8, levels=20), "levels: 20 was given; allowed is an integer from 1 to 8"),
        (lambda: UNet(1, 8, width=2048, levels=4), "levels: 4 was given, of width 2048: the last has 16384 channels"),
        (lambda: UNet(10**9, 8), "in_channels: 1000000000 was given; allowed is an integer from 1 to 4096"),
        (lambda: UNet(1, 8, width=10**9), "width: 1000000000 was given"),
        (lambda: HeatmapHead(10**6), "channels: 1000000 was given"),
        (lambda: LandmarkNet(10**9), "landmarks: 1000000000 was given"),
        (
            lambda: LandmarkNet(3, kernels=(999, 1, 1, 1, 1, 1)),
            "kernels: 999 was given; allowed is an odd integer from",
        ),
        (lambda: LandmarkNet(3, dilations=(10**6, 1, 1, 1, 1, 1)), "dilations: 1000000 was given"),
        (lambda: LandmarkNet(3, widths=(1, 1, 1, 1, 10**6)), "widths: 1000000 was given"),
        (lambda: TUSKConfig(levels=20), "levels: 20 was given; allowed is an integer from 1 to 8"),
        (lambda: TUSKConfig(window=999), "window: 999 was given; allowed is an odd integer from 1 to 99"),
        (lambda: TUSKConfig(keypoints=10**6), "keypoints: 1000000 was given; allowed is an integer from 1 to 1000"),
        (lambda: TUSKConfig(prototypes=10**9), "prototypes: 1000000000 was given"),
        (lambda: TUSKConfig(stem=99), "stem: 99 was given; allowed is an integer from 1 to 16"),
        (lambda: TUSKConfig(width=20, groups=32), "width: 20 was given; allowed is a multiple of groups = 32"),
        (lambda: TUSKConfig(descriptor_channels=10**7), "descriptor_channels: 10000000 was given"),
        (lambda: ChannelwiseConfig(levels=20), "levels: 20 was given"),
        (lambda: ChannelwiseConfig(channels=10**6), "channels: 1000000 was given"),
        (lambda: SlotConfig(slots=10**6), "slots: 1000000 was given; allowed is an integer from 1 to 100"),
        (lambda: ThewlisConfig(landmarks=10**6), "landmarks: 1000000 was given"),
        (
            lambda: ThewlisConfig(image_size=10**6),
            "image_size: 1000000 was given; allowed is an integer from 1 to 1024",
        ),
        (lambda: ThewlisConfig(kernels=(33, *SIX[1:])), "kernels: 33 was given"),
        (lambda: ThewlisConfig(kernels=(4, *SIX[1:])), "kernels: 4 was given; allowed is an odd integer"),
        (lambda: ThewlisConfig(dilations=(65, *SIX[1:])), "dilations: 65 was given"),
        (lambda: ThewlisConfig(widths=(1, 1, 1, 1, 2**20)), "widths: 1048576 was given"),
    ],
)
def test_what_would_eat_the_machine_is_refused(make: object, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{complaint}"):
        make()


def test_the_largest_that_is_allowed_is_of_the_size_of_published_networks() -> None:
    assert TUSKConfig(width=512, levels=4).width * 2**3 == 4096
    assert LandmarkNet(4096, widths=(8, 8, 8, 8, 8)).layers[-3].out_channels == 4096


@pytest.mark.parametrize(
    "config",
    [
        TUSKConfig(keypoints=np.int64(3), width=np.int32(16), groups=np.uint8(16), temperature=np.float32(0.5)),
        ChannelwiseConfig(channels=np.int64(3), levels=np.int16(2), splat_sigma=np.float64(0.5)),
        SlotConfig(slots=np.int64(3), decoder_strides=list(np.array([2, 1]))),
        ThewlisConfig(
            landmarks=np.int64(3), kernels=tuple(np.array(SIX)), widths=list(np.arange(1, 6)), zoom=np.float16(1)
        ),
    ],
)
def test_a_configuration_of_numpys_numbers_is_plain(config: object) -> None:
    plain = asdict(config)
    assert json.loads(json.dumps(plain)) == {
        name: list(value) if isinstance(value, tuple) else value for name, value in plain.items()
    }
    assert {type(value) for value in plain.values()} <= {int, float, bool, str, tuple}
