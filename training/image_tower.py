"""The image tower: a small ViT with a convolutional stem, registered with timm: open_clip builds it by name."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import timm
import torch
from timm.layers.config import set_fused_attn
from timm.models.vision_transformer import VisionTransformer
from torch import nn

from retrieval.ecg.page import CANONICAL

if not torch.cuda.is_available():
    # torch's fused attention on CPUs goes back at a third of the speed of the plain products.
    set_fused_attn(False)

STRIDE = (32, 16)
"""Pixels of page per token, down and across: 16 mm by 8 mm, that is half a row by 0.32 s."""


class _Residual(nn.Module):
    """A 3 x 3 and a pointwise convolution beside the identity: context before the next stride.

    Dense on purpose: depthwise convolutions have fewer products and took longer, forward and back, on CPUs.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.GELU(),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def _down(before: int, after: int, kernel: tuple[int, int], stride: tuple[int, int]) -> list[nn.Module]:
    pad = ((kernel[0] - 1) // 2, (kernel[1] - 1) // 2)
    return [nn.Conv2d(before, after, kernel, stride, pad, bias=False), nn.BatchNorm2d(after), nn.GELU()]


class PageStem(nn.Module):
    """Page ``[n, 1, 256, 512]`` to tokens ``[n, 8 * 32, width]``.

    A trace is half a millimetre, one pixel, wide, so a plain 16 x 16 patch sees almost only paper; convolutions find
    the line first (Xiao et al., Early Convolutions Help Transformers See Better, 2021).
    """

    def __init__(
        self, img_size: Any = None, patch_size: Any = None, in_chans: int = 1, embed_dim: int = 192, **_: Any
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_down(in_chans, 48, (7, 7), (4, 4)),
            *_down(48, 96, (3, 3), (2, 2)),
            _Residual(96),
            *_down(96, 160, (3, 3), (2, 2)),
            _Residual(160),
            nn.Conv2d(160, embed_dim, (2, 1), (2, 1)),
        )
        self.body.to(memory_format=torch.channels_last)
        self.grid_size = (CANONICAL.height_px // STRIDE[0], CANONICAL.width_px // STRIDE[1])
        self.num_patches = self.grid_size[0] * self.grid_size[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens of pages ``[n, 1, 256, 512]``."""
        return self.body(x.contiguous(memory_format=torch.channels_last)).flatten(2).transpose(1, 2)


class TokenTower(nn.Module):
    """What timm and open_clip ask of a tower; the tokens are its own business, the features are their mean."""

    num_features = 256

    def __init__(self) -> None:
        super().__init__()
        self.default_cfg: dict[str, Any] = {}

    def reset_classifier(self, num_classes: int, global_pool: str | None = None) -> None:
        """Answer timm's way to ask for bare features, which is all that these towers give."""

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens ``[n, places, 256]`` of images ``[n, 1, 256, 512]``."""
        raise NotImplementedError

    def forward_head(self, x: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        """The mean over places."""
        return x.mean(1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features ``[n, 256]`` of images."""
        return self.forward_head(self.forward_features(x))


class PageCnn(TokenTower):
    """A small convolutional tower of the same size, to compare the ViT with."""

    def __init__(self, **_: Any) -> None:
        super().__init__()
        widths = (48, 96, 160, 256, 256)
        layers: list[nn.Module] = _down(1, widths[0], (7, 7), (4, 4))
        for before, after in pairwise(widths):
            layers += _down(before, after, (3, 3), (2, 2))
            layers += [_Residual(after), _Residual(after)] if after >= 160 else []
        self.body = nn.Sequential(*layers)

    def forward_features(self, x: torch.Tensor) -> torch.Tensor:
        """Tokens ``[n, places, 256]``."""
        return self.body(x).flatten(2).transpose(1, 2)


def _vit(width: int, depth: int, heads: int, **options: Any) -> VisionTransformer:
    drop_path = options.get("drop_path_rate", 0.0)
    tower = VisionTransformer(
        img_size=CANONICAL.shape,
        patch_size=STRIDE[1],
        in_chans=1,
        num_classes=0,
        global_pool="avg",
        embed_dim=width,
        depth=depth,
        num_heads=heads,
        class_token=False,
        drop_path_rate=drop_path,
        patch_drop_rate=options.get("patch_drop_rate", 0.0),
        embed_layer=PageStem,  # type: ignore[arg-type]  # timm asks for its own class and uses only what PageStem has
    )
    tower.default_cfg = {}  # type: ignore[assignment]  # open_clip looks for a pooling size there
    return tower


@timm.models.register_model
def nearbeat_vit_tiny(pretrained: bool = False, **options: Any) -> VisionTransformer:
    """2.9 M parameters: width 192, six layers."""
    return _vit(192, 6, 3, **options)


@timm.models.register_model
def nearbeat_vit_small(pretrained: bool = False, **options: Any) -> VisionTransformer:
    """21 M parameters: width 384, twelve layers."""
    return _vit(384, 12, 6, **options)


@timm.models.register_model
def nearbeat_vit_nano(pretrained: bool = False, **options: Any) -> VisionTransformer:
    """For tests: width 48, one layer."""
    return _vit(48, 1, 3, **options)


@timm.models.register_model
def nearbeat_cnn(pretrained: bool = False, **options: Any) -> PageCnn:
    """The convolutional tower that the ViT is compared with."""
    return PageCnn(**options)
