from recombine import docstrings
from recombine.docstrings import Described

TEXT = r"""Make :class:`~torch.Tensor` of size :math:`(N, \text{channels})`
    from ``nothing``.

    More about it.

    Args:
        size (int or tuple, optional): How large, see `the page`_.
            Two numbers or one. Default: ``1``
        name: What it is called.

    Shape:
        - Input: any.

    Keyword args:
        seed (int): For chance.
    """


def test_the_first_paragraph_sums_up():
    assert docstrings.summary(TEXT) == "Make Tensor of size (N, channels) from nothing."
    assert docstrings.summary(None) == ""
    assert docstrings.summary("f(x, y=1) -> Tensor\n\nDo it.") == "Do it."


def test_arguments_have_types_and_texts():
    assert docstrings.arguments(TEXT) == {
        "size": Described("int or tuple, optional", "How large, see the page. Two numbers or one. Default: 1"),
        "name": Described("", "What it is called."),
        "seed": Described("int", "For chance."),
    }
    assert docstrings.arguments("Nothing here: at all.") == {}


def test_names_in_a_signature():
    assert docstrings.named_in_signature("f(x, size=(1, 2), *, flag: bool = False) -> Tensor\n\nText.") == [
        "x",
        "size",
        "flag",
    ]
    assert docstrings.named_in_signature("Text (of a kind).") == []


def test_long_texts_end_with_a_sentence_or_a_word():
    assert docstrings.plain_text("One sentence. " + "word " * 100) == "One sentence."
    assert docstrings.plain_text("word " * 100).endswith("word ...")
