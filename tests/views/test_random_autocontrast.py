import torch

from tests.views.compare import compiled, functional, images, on_pil, seeded


def test_pixels_are_those_of_torchvision() -> None:
    batch = images(channels=3) // 2 + 30
    batch[4, 1] = 77
    floats = batch.float() / 255
    expected = on_pil(batch, lambda image, _: functional.autocontrast(image))
    result = compiled(type="RandomAutocontrast", p=1)(floats, seeded())
    torch.testing.assert_close(result, expected, atol=1.01 / 255, rtol=0)
    result = compiled(type="RandomAutocontrast", p=1, on_pil=False)(floats, seeded())
    torch.testing.assert_close(result, functional.autocontrast(floats), atol=1e-6, rtol=0)
    assert torch.equal(result[4, 1], floats[4, 1])
