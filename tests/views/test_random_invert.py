import torch

from tests.views.compare import compiled, functional, images, on_pil, seeded


def test_pixels_are_those_of_torchvision() -> None:
    batch = images(channels=3)
    floats = batch.float() / 255
    expected = on_pil(batch, lambda image, _: functional.invert(image))
    result = compiled(type="RandomInvert", p=1)(floats, seeded())
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=0)
    result = compiled(type="RandomInvert", p=1, on_pil=False)(floats, seeded())
    assert torch.equal(result, functional.invert(floats))
