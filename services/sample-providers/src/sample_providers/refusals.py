"""How a department's system says no: {"message": …} with a status, as such systems do."""


class Refused(Exception):
    """An expected no. The message is for the caller."""

    status = 400


class BadInput(Refused):
    """The question does not have the registered form."""


class NoRecord(Refused):
    """The register holds nothing under this key."""

    status = 404

    def __init__(self) -> None:
        super().__init__("无记录")


class NotAuthorised(Refused):
    """The person or body concerned has not authorised this look-up."""

    status = 403
