"""JSON pointers (RFC 6901)."""


def escaped(key: str) -> str:
    """Return ``key`` as one part of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def parts(pointer: str) -> list[str]:
    """Return the keys of a pointer, unescaped; none for the root."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def is_within(pointer: str, place: str) -> bool:
    """Tell whether ``pointer`` leads to ``place`` or to something in it."""
    return pointer == place or pointer.startswith(place + "/")
