from recombine.markup import element, text


def test_text_stands_for_itself():
    assert text("<a href='x'>&\"") == "&lt;a href=&#x27;x&#x27;&gt;&amp;&quot;"
    assert text(3) == "3"


def test_elements():
    assert element("p") == "<p></p>"
    assert element("p", element("b", "x"), text("<")) == "<p><b>x</b>&lt;</p>"


def test_attributes():
    found = element("a", class_="x", data_count=3, hidden=True, title=None, disabled=False, viewBox='0 "1')
    assert found == '<a class="x" data-count="3" hidden viewBox="0 &quot;1"></a>'
