"""What can go wrong by the user's doing. Anything else is our own bug and keeps its traceback."""


class RecombineError(Exception):
    """A mistake or a condition that the user can mend; its text is all that the user sees."""


class UsageError(RecombineError):
    """The command line, or the arguments of ``recombine.run``, cannot be followed."""


class DataError(RecombineError):
    """A dataset is absent, unreadable, or does not fit the method."""


class DivergedError(RecombineError):
    """A loss or a feature became NaN or infinite."""


class ParameterFileError(RecombineError):
    """A file of parameters or centroids cannot be read, does not fit, or cannot be written."""


class NetworkError(RecombineError):
    """A layer cannot be built, or cannot take the output of the layer before it."""


class MappingError(NetworkError):
    """A network error that belongs to one mapping.

    Args:
        mapping: The mapping's name.
        message: What is wrong with it.
        layer: The name of the layer that it is about; empty where it is about none alone.
    """

    def __init__(self, mapping: str, message: str, layer: str = "") -> None:
        super().__init__(f'mapping "{mapping}": {message}')
        self.mapping = mapping
        self.layer = layer
