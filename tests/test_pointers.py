from recombine.pointers import escaped, is_within, parts


def test_keys_are_escaped_as_the_standard_says_and_come_back():
    keys = ["a/b", "m~n", "~1", "", " ", "0"]
    pointer = "".join(f"/{escaped(key)}" for key in keys)
    assert pointer == "/a~1b/m~0n/~01// /0"
    assert parts(pointer) == keys


def test_the_root_has_no_parts():
    assert parts("") == []


def test_a_place_holds_itself_and_what_is_below_it_but_not_its_neighbours():
    assert is_within("/phases/1", "/phases/1")
    assert is_within("/phases/1/name", "/phases/1")
    assert not is_within("/phases/10", "/phases/1")
    assert not is_within("/phases", "/phases/1")
