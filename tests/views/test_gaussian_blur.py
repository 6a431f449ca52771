from typing import Any

import pytest
import torch
from scipy.stats import ks_2samp

from recombine.errors import DataError
from recombine.views.gaussian_blur import blurring_matrix
from tests.views.compare import compiled, functional, images, on_pil, seeded, torchvision

KERNELS = [3, [5, 9], [1, 7], 23]


@pytest.mark.parametrize("kernel_size", KERNELS)
@pytest.mark.parametrize("is_pil", [True, False])
def test_pixels_are_those_of_torchvision(kernel_size: Any, is_pil: bool) -> None:
    batch = images(channels=3)
    floats = batch.float() / 255
    blur = compiled(type="GaussianBlur", kernel_size=kernel_size, on_pil=is_pil)
    sigma = blur.draw(16, seeded()).tolist()
    if is_pil:
        expected = on_pil(batch, lambda image, i: functional.gaussian_blur(image, kernel_size, sigma[i]))
    else:
        expected = torch.stack([functional.gaussian_blur(floats[i], kernel_size, sigma[i]) for i in range(16)])
    torch.testing.assert_close(blur(floats, seeded()), expected, atol=0.51 / 255 if is_pil else 1e-6, rtol=0)


def test_sigma_is_distributed_as_torchvision_draws_it() -> None:
    drawn = compiled(type="GaussianBlur", kernel_size=3, sigma=[0.2, 1.7]).draw(3000, seeded())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = [torchvision().transforms.GaussianBlur.get_params(0.2, 1.7) for _ in range(3000)]
    assert ks_2samp(drawn.numpy(), theirs).pvalue > 0.01


def test_sigma_may_be_fixed() -> None:
    drawn = compiled(type="GaussianBlur", kernel_size=3, sigma=0.8).draw(5, seeded())
    assert drawn.tolist() == [0.8] * 5


def test_weights_sum_to_one() -> None:
    matrix = blurring_matrix(torch.tensor([0.3, 9.0], dtype=torch.float64), 7, 4)
    torch.testing.assert_close(matrix.sum(2), torch.ones(2, 4))


def test_one_pixel_stays_one_pixel() -> None:
    batch = torch.rand(3, 1, 1, 1)
    torch.testing.assert_close(compiled(type="GaussianBlur", kernel_size=1)(batch, seeded()), batch)


def test_images_that_are_too_small_to_be_mirrored() -> None:
    message = r"^GaussianBlur with a kernel of 3 x 41 pixels \(x, y\) cannot mirror images of 17 x 20$"
    with pytest.raises(DataError, match=message):
        compiled(type="GaussianBlur", kernel_size=[3, 41])(images().float(), seeded())
