"""A small network that tells each pixel's kind of ink and reads lead names, on the reader's ink plane."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from training.page_reader.words import CLASSES

KINDS = 5
WIDTHS = (20, 32, 48, 56)


def _conv(into: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


class PageNet(nn.Module):
    """``[n, 1, h, w]`` ink -> kinds ``[n, 5, h, w]`` and words ``[n, 20, h / 4, w / 4]``, as logits.

    A U of four levels (Ronneberger et al., MICCAI 2015), its first at half the resolution to be quick; ``h`` and
    ``w`` are multiples of 16.
    """

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d = WIDTHS
        self.first = nn.Sequential(_conv(4, a), _conv(a, a))
        self.second = nn.Sequential(_conv(a, b, 2), _conv(b, b))
        self.third = nn.Sequential(_conv(b, c, 2), _conv(c, c))
        self.fourth = nn.Sequential(_conv(c, d, 2), _conv(d, d), _conv(d, d))
        self.up3 = nn.Conv2d(d, c, 1)
        self.join3 = _conv(c, c)
        self.up2 = nn.Conv2d(c, b, 1)
        self.join2 = _conv(b, b)
        self.up1 = nn.Conv2d(b, a, 1)
        self.join1 = _conv(a, a)
        self.kinds = nn.Conv2d(a, KINDS * 4, 1)
        self.names = nn.Sequential(_conv(b, b), nn.Conv2d(b, len(CLASSES) + 1, 1))

    def forward(self, ink: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the kinds and of the names."""
        one = self.first(F.pixel_unshuffle(ink, 2))
        two = self.second(one)
        three = self.third(two)
        four = self.fourth(three)
        three = self.join3(three + self.up3(_twice(four)))
        two = self.join2(two + self.up2(_twice(three)))
        one = self.join1(one + self.up1(_twice(two)))
        return F.pixel_shuffle(self.kinds(one), 2), self.names(two)


def _twice(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
